//! What was written to a file and is not durable yet, with what was there before.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// One piece of a file.
#[derive(Debug)]
pub(crate) struct Written {
    offset: u64,
    bytes: u64,
    /// The file's length before.
    file_bytes: u64,
    /// What the piece has replaced: less than it has itself where it has made the
    /// file longer.
    replaced: Vec<u8>,
}

impl Written {
    /// Reads what a write is about to replace. Nothing where that is more than
    /// `replaced_bytes_max`, or can't be read.
    pub(crate) fn before(
        mut file: &File,
        offset: u64,
        bytes: usize,
        replaced_bytes_max: usize,
    ) -> Option<Self> {
        let file_bytes = file.metadata().ok()?.len();
        let behind = usize::try_from(file_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut replaced = Vec::new();
        if behind.min(bytes) > replaced_bytes_max {
            return None;
        }
        if behind > 0 {
            replaced.resize(behind.min(bytes), 0);
            file.seek(SeekFrom::Start(offset)).ok()?;
            file.read_exact(&mut replaced).ok()?;
        }
        Some(Self {
            offset,
            bytes: bytes as u64,
            file_bytes,
            replaced,
        })
    }

    /// The same, where only so many bytes were written.
    pub(crate) fn of(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self.replaced
            .truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        self
    }

    /// Both of two pieces, where the later one goes on where this one ends, and they
    /// have replaced no more than `replaced_bytes_max`.
    pub(crate) fn and(mut self, later: Self, replaced_bytes_max: usize) -> Option<Self> {
        let follows = later.offset == self.offset + self.bytes;
        let replaced = self.replaced.len() + later.replaced.len();
        if !follows || replaced > replaced_bytes_max {
            return None;
        }
        self.bytes += later.bytes;
        self.replaced.extend(later.replaced);
        Some(self)
    }

    /// Puts back what was there before, and makes that durable.
    pub(crate) fn take_back(&self, mut file: &File) -> io::Result<()> {
        file.set_len(self.file_bytes)?;
        file.seek(SeekFrom::Start(self.offset))?;
        file.write_all(&self.replaced)?;
        file.sync_data()
    }
}

#[cfg(test)]
mod tests;
