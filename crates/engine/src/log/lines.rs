//! A segment, read line by line, in pieces of bounded size.

use crate::files::{File, FileError};

/// How much is read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// A line as it lies in a segment.
#[derive(Clone, Copy, Debug)]
pub struct RawLine<'a> {
    /// Its first byte in the segment.
    pub offset: u64,
    /// Its bytes, without the line feed.
    pub bytes: &'a [u8],
    /// Whether it ends with a line feed; only the last one may not.
    pub ended: bool,
}

/// Reads a file's lines from one byte to another.
#[derive(Debug)]
pub struct Lines<'a, T> {
    file: &'a T,
    end: u64,
    buffer: Vec<u8>,
    /// Where the buffer's first byte lies in the segment.
    buffer_offset: u64,
    /// Where the next line begins in the buffer.
    next: usize,
}

impl<'a, T: File> Lines<'a, T> {
    /// The lines from `start`, where one begins, to `end`.
    pub fn new(file: &'a T, start: u64, end: u64) -> Self {
        Self {
            file,
            end,
            buffer: Vec::new(),
            buffer_offset: start,
            next: 0,
        }
    }

    /// The next line; nothing behind the last one.
    ///
    /// # Errors
    /// Where the disk can't give back what it holds.
    pub fn next_line(&mut self) -> Result<Option<RawLine<'_>>, FileError> {
        let mut searched = self.next;
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[searched..]) {
                let end = searched + found;
                return Ok(Some(self.take(end, true)));
            }
            searched = self.buffer.len();
            let unread = self.next;
            if !self.fill()? {
                if self.next == self.buffer.len() {
                    return Ok(None);
                }
                return Ok(Some(self.take(self.buffer.len(), false)));
            }
            // What was read already has moved to the buffer's front.
            searched -= unread;
        }
    }

    /// Passes over empty lines: room, of which there may be much.
    ///
    /// # Errors
    /// As [`Self::next_line`].
    pub fn skip_empty(&mut self) -> Result<(), FileError> {
        loop {
            let unread = self.buffer[self.next..].iter();
            self.next += unread.take_while(|byte| **byte == b'\n').count();
            if self.next < self.buffer.len() || !self.fill()? {
                return Ok(());
            }
        }
    }

    fn take(&mut self, end: usize, ended: bool) -> RawLine<'_> {
        let start = self.next;
        self.next = end + usize::from(ended);
        RawLine {
            offset: self.buffer_offset + start as u64,
            bytes: &self.buffer[start..end],
            ended,
        }
    }

    /// Reads the next piece behind what is unread; false at the end.
    fn fill(&mut self) -> Result<bool, FileError> {
        self.buffer.drain(..self.next);
        self.buffer_offset += self.next as u64;
        self.next = 0;
        let held = self.buffer.len();
        let position = self.buffer_offset + held as u64;
        let left = usize::try_from(self.end.saturating_sub(position)).unwrap_or(usize::MAX);
        // Long lines are read in ever larger pieces: their cost stays linear.
        self.buffer
            .resize(held + left.min(PIECE_BYTES.max(held)), 0);
        let bytes = self.file.read_at(position, &mut self.buffer[held..])?;
        self.buffer.truncate(held + bytes);
        Ok(bytes > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Files;
    use crate::files::memory::MemoryFiles;

    #[test]
    fn empty_lines_are_passed_over_and_no_other() {
        for empty in [0, 1, PIECE_BYTES - 2, PIECE_BYTES, 3 * PIECE_BYTES + 1] {
            for rest in ["", "b", "b\n\nc\n"] {
                let content = format!("a\n{}{rest}", "\n".repeat(empty));
                let mut file = MemoryFiles::default().create("x").unwrap();
                file.write_at(0, content.as_bytes()).unwrap();
                let mut lines = Lines::new(&file, 0, content.len() as u64);
                assert_eq!(lines.next_line().unwrap().unwrap().bytes, b"a");
                lines.skip_empty().unwrap();
                let next = lines.next_line().unwrap();
                let found = next.map(|raw| (raw.offset, raw.bytes.len()));
                let expected = (!rest.is_empty()).then_some((empty as u64 + 2, 1));
                assert_eq!(found, expected, "{empty} empty lines, then {rest:?}");
            }
        }
    }

    #[test]
    fn lines_of_every_length_are_found() {
        for lengths in [
            vec![],
            vec![0, 1, 0],
            vec![PIECE_BYTES - 1, 0, 3],
            vec![5, PIECE_BYTES, PIECE_BYTES * 3 + 7, 2],
        ] {
            let mut content = Vec::new();
            for (number, length) in lengths.iter().enumerate() {
                let letter = b'a' + u8::try_from(number).unwrap();
                content.extend(std::iter::repeat_n(letter, *length));
                content.push(b'\n');
            }
            content.extend_from_slice(b"rest");
            let mut file = MemoryFiles::default().create("x").unwrap();
            file.write_at(0, &content).unwrap();
            for end in [content.len(), content.len() - 4] {
                let mut lines = Lines::new(&file, 0, end as u64);
                let mut offset = 0;
                let mut found = Vec::new();
                while let Some(line) = lines.next_line().unwrap() {
                    assert_eq!(line.offset, offset);
                    offset += line.bytes.len() as u64 + u64::from(line.ended);
                    found.push((line.bytes.len(), line.ended));
                }
                let mut expected: Vec<_> = lengths.iter().map(|length| (*length, true)).collect();
                if end == content.len() {
                    expected.push((4, false));
                }
                assert_eq!(found, expected);
            }
        }
    }
}
