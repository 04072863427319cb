//! From a stream of bytes to lines. A line that is too long is passed over
//! without being kept, and reported in its place.

use kv_protocol::limits::EVENT_BYTES_MAX;
use std::ops::Range;

/// The line that a client sends next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// An event: where [`Framing::line`] finds it, until more is fed.
    Line(Range<usize>),
    /// A line longer than any event may be, all of it passed over.
    TooLong,
}

/// What has come from a client and is not yet a whole line, or not yet taken.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    buffer: Vec<u8>,
    /// Where the next line begins in `buffer`.
    next: usize,
    /// Up to where `buffer` is known to hold no line feed.
    searched: usize,
    /// A line too long is being passed over.
    skipping: bool,
    /// Its end has come.
    skipped: bool,
    ended: bool,
}

/// A buffer that is empty again keeps no more than this.
const KEPT_BYTES_MAX: usize = 64 * 1024;

impl Framing {
    /// The bytes held.
    pub(crate) fn held_bytes(&self) -> usize {
        self.buffer.len() - self.next
    }

    /// Takes in what has come.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.skipping && !self.skipped {
            if let Some(end) = memchr::memchr(b'\n', bytes) {
                self.skipped = true;
                self.buffer.extend_from_slice(&bytes[end + 1..]);
            }
            return;
        }
        self.buffer.drain(..self.next);
        self.searched -= self.next;
        self.next = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Nothing more will come: what is left is the last line.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether `next` has something to give.
    pub(crate) fn is_ready(&mut self) -> bool {
        if self.skipping {
            return self.skipped || self.ended;
        }
        self.find_end().is_some()
    }

    /// Whether `next` is to say that a line was too long.
    pub(crate) fn is_too_long_next(&mut self) -> bool {
        if self.skipping {
            return self.is_ready();
        }
        self.find_end()
            .is_some_and(|end| end - self.next > EVENT_BYTES_MAX)
    }

    /// The next line; nothing before it is whole. Blank lines are left out.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        if self.skipping {
            if !(self.skipped || self.ended) {
                return None;
            }
            (self.skipping, self.skipped) = (false, false);
            return Some(Frame::TooLong);
        }
        loop {
            let Some(end) = self.find_end() else {
                self.pass_over_too_long();
                return None;
            };
            let start = std::mem::replace(&mut self.next, end + 1).min(end);
            self.next = self.next.min(self.buffer.len());
            self.searched = self.next;
            if end - start > EVENT_BYTES_MAX {
                return Some(Frame::TooLong);
            }
            if !self.buffer[start..end].trim_ascii().is_empty() {
                return Some(Frame::Line(start..end));
            }
        }
    }

    /// The bytes of a line, without its line feed.
    pub(crate) fn line(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// Where the next line ends.
    fn find_end(&mut self) -> Option<usize> {
        if let Some(found) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            self.searched += found;
            return Some(self.searched);
        }
        self.searched = self.buffer.len();
        (self.ended && self.next < self.buffer.len()).then_some(self.buffer.len())
    }

    /// Gives memory back, and begins to pass over a line that is too long.
    fn pass_over_too_long(&mut self) {
        if self.held_bytes() > EVENT_BYTES_MAX {
            self.skipping = true;
            self.next = self.buffer.len();
        }
        if self.next == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(KEPT_BYTES_MAX);
            (self.next, self.searched) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(framing: &mut Framing) -> Vec<String> {
        let mut frames = Vec::new();
        while let Some(frame) = framing.next() {
            frames.push(match frame {
                Frame::Line(range) => String::from_utf8(framing.line(range).to_vec()).unwrap(),
                Frame::TooLong => "TOO LONG".to_owned(),
            });
        }
        frames
    }

    #[test]
    fn lines_come_out_however_they_come_in() {
        let text = b"one\n\n  \r\ntwo\r\nthree\nrest";
        for piece in 1..text.len() {
            let mut framing = Framing::default();
            let mut frames = Vec::new();
            for bytes in text.chunks(piece) {
                framing.feed(bytes);
                frames.extend(all(&mut framing));
            }
            framing.end();
            frames.extend(all(&mut framing));
            assert_eq!(
                frames,
                ["one", "two\r", "three", "rest"],
                "in pieces of {piece}"
            );
            assert_eq!(framing.held_bytes(), 0);
        }
    }

    #[test]
    fn a_line_too_long_is_not_kept_and_those_behind_it_are() {
        let long = vec![b'x'; EVENT_BYTES_MAX + 1];
        for piece in [1 << 16, 1 << 20, long.len() * 2] {
            let mut framing = Framing::default();
            let mut frames = Vec::new();
            let text = [b"a\n", &long[..], b"\nb\n", &long[1..], b"\n", &long[..]].concat();
            for bytes in text.chunks(piece) {
                framing.feed(bytes);
                for frame in all(&mut framing) {
                    frames.push(if frame.len() == EVENT_BYTES_MAX {
                        "LONGEST".into()
                    } else {
                        frame
                    });
                }
                assert!(framing.held_bytes() <= EVENT_BYTES_MAX + piece);
            }
            framing.end();
            frames.extend(all(&mut framing));
            assert_eq!(
                frames,
                ["a", "TOO LONG", "b", "LONGEST", "TOO LONG"],
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn it_says_whether_a_line_is_ready() {
        let mut framing = Framing::default();
        assert!(!framing.is_ready());
        framing.feed(b"ab");
        assert!(!framing.is_ready());
        framing.feed(b"c\nd");
        assert!(framing.is_ready());
        assert_eq!(framing.next(), Some(Frame::Line(0..3)));
        assert_eq!(framing.line(0..3), b"abc");
        assert!(!framing.is_ready());
        framing.end();
        assert!(framing.is_ready());
    }
}
