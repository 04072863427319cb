//! Compaction: what is live in the oldest segment is written once more at the
//! log's end, then the segment is left out. Always the oldest: so nothing older
//! is left that a deletion in it would have to keep hidden, a deleted key can't
//! come back, and what remains is one unbroken history.
//!
//! It is paid for in slices by the batches that write. See
//! docs/decisions/0008-compaction.md for the bounds.

use crate::error::Damage;
use crate::files::{Access, File, FileError, Files};
use crate::log::record;
use crate::log::segment::{Extent, file_name};

/// A slice reads this many bytes at least, so that small batches need few reads.
pub const SLICE_BYTES_MIN: usize = 32 * 1024;

/// A slice reads this many times the bytes of its batch. Even where all of them
/// are live, the segment is read before the log has grown by a quarter of it.
pub const BATCH_FACTOR: usize = 4;

/// Beyond this number of segments, and [`SEGMENTS_FACTOR`] times as many as full
/// ones would be, the oldest are compacted whatever they hold.
pub const SEGMENTS_MANY: u64 = 64;

/// See [`SEGMENTS_MANY`].
pub const SEGMENTS_FACTOR: u64 = 4;

/// Whether a log is to be compacted: with more than seven dead bytes for ten
/// live ones, and more than half a segment beyond that; or up to one and a half
/// where so little is live that copying it takes less than a segment. That is
/// the history that those who follow the changes can count on.
#[must_use]
pub fn is_due(log_bytes: u64, live_bytes: u64, segments: u64, segment_bytes_max: u64) -> bool {
    let dead_bytes = log_bytes.saturating_sub(live_bytes);
    let segments_max = SEGMENTS_MANY + SEGMENTS_FACTOR * (log_bytes / segment_bytes_max);
    let copied_bytes = live_bytes.min(segment_bytes_max);
    let spare_bytes = segment_bytes_max + segment_bytes_max / 2 - copied_bytes;
    dead_bytes > live_bytes / 10 * 7 + spare_bytes || segments > segments_max
}

/// A segment while it is compacted.
#[derive(Debug)]
pub struct Victim<T> {
    file: T,
    extent: Extent,
    /// How far it is read: lines, bytes, the checksum of the last line.
    lines: u64,
    bytes: u64,
    checksum: u32,
    /// Memory for what is read at once.
    piece: Vec<u8>,
}

/// Why a victim can't be read on.
#[derive(Debug)]
pub enum VictimError {
    /// The disk refused.
    Files(FileError),
    /// It is not what was written: it must stay as it is.
    Damage(Damage),
}

impl<T: File> Victim<T> {
    /// Opens a sealed segment.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn open<F: Files<File = T>>(files: &F, extent: Extent) -> Result<Self, FileError> {
        Ok(Self {
            file: files.open(&file_name(extent.number), Access::Read)?,
            extent,
            lines: 0,
            bytes: 0,
            checksum: 0,
            piece: Vec::new(),
        })
    }

    /// The segment's number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.extent.number
    }

    /// Whether all of it is read.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.bytes >= self.extent.bytes
    }

    /// Reads whole lines, at least one and else up to `bytes_max`, and hands over
    /// each, checked, with its place in the segment. Returns how many bytes it has read.
    ///
    /// # Errors
    /// At the first line that can't be read or is not what was written; it and
    /// those behind it are not handed over.
    pub fn read(
        &mut self,
        bytes_max: usize,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), String>,
    ) -> Result<usize, VictimError> {
        let mut held = 0;
        let mut ask = bytes_max;
        let end = loop {
            let position = self.bytes + held as u64;
            let left = usize::try_from(self.extent.bytes - position).unwrap_or(usize::MAX);
            let room = held..held + ask.min(left);
            if self.piece.len() < room.end {
                self.piece.resize(room.end, 0);
            }
            let read = self.file.read_at(position, &mut self.piece[room]);
            let read = read.map_err(VictimError::Files)?;
            let searched = held;
            held += read;
            if let Some(end) = memchr::memrchr(b'\n', &self.piece[searched..held]) {
                break searched + end + 1;
            }
            if read < ask {
                return Err(self.damage("the file ends within the line".to_owned()));
            }
            // One long line: little is read behind its end, only to be read again.
            ask = SLICE_BYTES_MIN;
        };
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', &self.piece[..end]) {
            let text = &self.piece[begin..end];
            let checksum = record::check(text, self.checksum).map_err(|e| self.damage(e))?;
            take(self.bytes, text).map_err(|e| self.damage(e))?;
            self.checksum = checksum;
            self.lines += 1;
            self.bytes += text.len() as u64 + 1;
            begin = end + 1;
        }
        Ok(held)
    }

    fn damage(&self, reason: String) -> VictimError {
        VictimError::Damage(Damage {
            file: file_name(self.extent.number),
            line: self.lines + 1,
            byte: self.bytes,
            reason,
        })
    }
}
