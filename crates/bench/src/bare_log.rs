//! A log that nobody reads, written as the store writes its own: each batch one write
//! and one sync, over room where there is some (docs/format.md).

use kv_engine::log::writer::{ROOM_BATCH_BYTES_MAX, ROOM_BYTES};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(crate) struct BareLog {
    file: File,
    /// Where the next batch goes, and the file's length.
    end: u64,
    file_bytes: u64,
}

impl BareLog {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::create(path)?,
            end: 0,
            file_bytes: 0,
        })
    }

    /// Adds a batch, durably.
    pub(crate) fn append(&mut self, batch: &[u8]) -> io::Result<()> {
        self.file.write_all_at(batch, self.end)?;
        self.end += batch.len() as u64;
        if self.end > self.file_bytes {
            self.file_bytes = self.end;
            if batch.len() as u64 <= ROOM_BATCH_BYTES_MAX {
                let room = vec![b'\n'; usize::try_from(ROOM_BYTES).map_err(io::Error::other)?];
                self.file.write_all_at(&room, self.end)?;
                self.file_bytes += ROOM_BYTES;
            }
        }
        self.file.sync_data()
    }
}
