//! From a stream of bytes to lines. A line that is too long is passed over
//! without being kept, and reported in its place.

use kv_protocol::limits::EVENT_BYTES_MAX;
use std::ops::Range;

/// The line that a client sends next.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// An event: where [`Framing::line`] finds it, until more is fed.
    Line(Range<usize>),
    /// A line longer than any event may be, all of it passed over.
    TooLong,
}

/// What has come from a client and is not yet a whole line, or not yet taken.
#[derive(Debug, Default)]
pub struct Framing {
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

/// A buffer with less in it than this keeps no more than this.
pub const KEPT_BYTES_MAX: usize = 4 * 1024;

impl Framing {
    /// The memory held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// How much has come that is not taken.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len() - self.next
    }

    /// Takes in what has come.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.skipping && !self.skipped {
            if let Some(end) = memchr::memchr(b'\n', bytes) {
                self.skipped = true;
                self.buffer.extend_from_slice(&bytes[end + 1..]);
            }
            return;
        }
        self.forget_taken();
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a long line is coming, of which at least `bytes` are here.
    #[must_use]
    pub fn is_within(&self, bytes: usize) -> bool {
        !self.skipping && self.pending_bytes() >= bytes
    }

    /// Takes in what `read` puts into the room it is given, and returns what it
    /// returns: as `feed` does, without a copy. Not while a line is passed over.
    ///
    /// # Errors
    /// What `read` says; then nothing was taken in.
    pub fn feed_from<E>(
        &mut self,
        room_bytes: usize,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        self.forget_taken();
        let before = self.buffer.len();
        self.buffer.resize(before + room_bytes, 0);
        let read = read(&mut self.buffer[before..]);
        let bytes = read.as_ref().map_or(0, |bytes| *bytes);
        self.buffer.truncate(before + bytes);
        read
    }

    /// Puts back lines, each with its line feed, that were the last to be taken.
    pub fn put_back(&mut self, lines: &[u8]) {
        self.forget_taken();
        self.buffer.splice(..0, lines.iter().copied());
        self.searched = 0;
    }

    /// Nothing more will come: what is left is the last line.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether `next_frame` has something to give.
    pub fn is_ready(&mut self) -> bool {
        if self.skipping {
            return self.skipped || self.ended;
        }
        self.find_end().is_some()
    }

    /// The next line; nothing before it is whole. Blank lines are left out.
    pub fn next_frame(&mut self) -> Option<Frame> {
        if self.skipping {
            if !(self.skipped || self.ended) {
                return None;
            }
            (self.skipping, self.skipped) = (false, false);
            return Some(Frame::TooLong);
        }
        loop {
            let Some(end) = self.find_end() else {
                self.tidy();
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
    #[must_use]
    pub fn line(&self, range: Range<usize>) -> &[u8] {
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

    /// Begins to pass over a line that is too long, and gives memory back.
    fn tidy(&mut self) {
        if self.buffer.len() - self.next > EVENT_BYTES_MAX {
            self.skipping = true;
            self.next = self.buffer.len();
            self.searched = self.next;
        }
        if self.next == self.buffer.len() || self.next > KEPT_BYTES_MAX {
            self.forget_taken();
        }
        if self.buffer.len() <= KEPT_BYTES_MAX {
            self.buffer.shrink_to(KEPT_BYTES_MAX);
        }
    }

    /// Makes the next line the first in the buffer.
    fn forget_taken(&mut self) {
        self.buffer.drain(..self.next);
        self.searched -= self.next;
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(framing: &mut Framing) -> Vec<String> {
        let mut frames = Vec::new();
        while let Some(frame) = framing.next_frame() {
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
            assert!(framing.held_bytes() <= KEPT_BYTES_MAX);
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
                assert!(framing.held_bytes() <= 2 * (EVENT_BYTES_MAX + piece));
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
    fn what_is_read_straight_into_it_counts_as_fed() {
        let mut framing = Framing::default();
        framing.feed(b"one\ntw");
        assert_eq!(all(&mut framing), ["one"]);
        assert!(framing.is_within(2) && !framing.is_within(3));
        let read = |bytes: &'static [u8]| {
            move |room: &mut [u8]| {
                room[..bytes.len()].copy_from_slice(bytes);
                Ok::<_, ()>(bytes.len())
            }
        };
        assert_eq!(framing.feed_from(100, read(b"o\nthree\nfo")), Ok(10));
        assert_eq!(framing.feed_from(100, |_| Err("no")), Err("no"));
        assert_eq!(framing.feed_from(100, read(b"")), Ok(0));
        assert_eq!(all(&mut framing), ["two", "three"]);
        framing.feed(b"ur\n");
        assert_eq!(all(&mut framing), ["four"]);
        framing.feed(&vec![b'x'; EVENT_BYTES_MAX + 1]);
        assert!(framing.is_within(EVENT_BYTES_MAX));
        assert_eq!(framing.next_frame(), None);
        assert!(!framing.is_within(0));
    }

    #[test]
    fn lines_put_back_come_first() {
        let mut framing = Framing::default();
        framing.feed(b"one\ntwo\nthree\nfo");
        assert!(framing.next_frame().is_some() && framing.next_frame().is_some());
        framing.put_back(b"two\n");
        assert_eq!(all(&mut framing), ["two", "three"]);
        framing.put_back(b"three\n");
        framing.feed(b"ur\n");
        assert_eq!(all(&mut framing), ["three", "four"]);
    }

    #[test]
    fn a_long_line_is_not_held_once_it_is_taken() {
        let long = vec![b'x'; EVENT_BYTES_MAX];
        let mut framing = Framing::default();
        framing.feed(&[&long[..], b"\nbegun"].concat());
        assert_eq!(all(&mut framing).len(), 1);
        assert!(framing.held_bytes() <= KEPT_BYTES_MAX);
        framing.feed(b" and ended\n");
        assert_eq!(all(&mut framing), ["begun and ended"]);
    }

    #[test]
    fn it_says_whether_a_line_is_ready() {
        let mut framing = Framing::default();
        assert!(!framing.is_ready());
        framing.feed(b"ab");
        assert!(!framing.is_ready());
        framing.feed(b"c\nd");
        assert!(framing.is_ready());
        assert_eq!(framing.next_frame(), Some(Frame::Line(0..3)));
        assert_eq!(framing.line(0..3), b"abc");
        assert!(!framing.is_ready());
        framing.end();
        assert!(framing.is_ready());
    }
}
