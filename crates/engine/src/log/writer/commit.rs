//! Makes a batch durable: one write, one sync. Says what a failure means, and finds
//! out whether another owner has come.

use super::{Segment, Writer};
use crate::files::{Access, File, FileError, FileErrorKind, Files};
use crate::log::scan::line_follows;
use crate::log::segment::{file_name, number_of};

/// How much room is made at once behind the last line.
pub const ROOM_BYTES: u64 = 256 * 1024;

/// A larger batch makes none: it would fill most of it, and write as much twice.
pub const ROOM_BATCH_BYTES_MAX: u64 = 64 * 1024;

/// Why a batch is not in the log.
#[derive(Clone, Debug)]
pub enum CommitError {
    /// Nothing of it will ever count, and the writer can go on: a full disk.
    Refused(FileError),
    /// It is unknown what the disk has: the writer must not go on.
    Failed(FileError),
    /// Another owner has the log: the writer must not go on.
    Replaced,
}

impl<F: Files> Writer<F> {
    /// Makes the batch durable: one write, one sync. Where there is none, only
    /// checks that no other owner has come.
    ///
    /// # Errors
    /// [`CommitError`] says whether the writer can go on; the batch is void.
    pub fn commit(&mut self, files: &F) -> Result<(), CommitError> {
        if self.batch.lines.is_empty() {
            return self.check_owner(files);
        }
        if self.batch.offset == 0 {
            self.write_new(files)?;
        } else {
            self.write_on(files)?;
        }
        self.version = self.batch.version;
        self.check_owner(files)
    }

    /// The file must be as this writer has left it.
    fn check_untouched(&self, files: &F) -> Result<(), CommitError> {
        let Some(open) = self.open.as_ref() else {
            return Ok(());
        };
        let length = open.file.length().map_err(CommitError::Failed)?;
        if length == open.file_bytes {
            return Ok(());
        }
        // The next owner has cut off what it leaves out.
        self.check_owner(files)?;
        Err(CommitError::Failed(FileError {
            operation: "write",
            name: file_name(self.number),
            kind: FileErrorKind::Other,
            detail: format!(
                "somebody else has changed the file: it has {length} bytes instead of {}",
                open.file_bytes
            ),
        }))
    }

    fn write_on(&mut self, files: &F) -> Result<(), CommitError> {
        self.check_untouched(files)?;
        let Some(open) = self.open.as_mut() else {
            return Ok(());
        };
        if let Err(e) = open.file.write_at(open.bytes, &self.batch.lines) {
            // An unknown part is written behind the last durable byte. This
            // segment ends there; the next batch begins another.
            let refused = refused(&mut open.file, open.bytes, e);
            open.file_bytes = open.bytes;
            self.seal();
            return Err(refused);
        }
        let bytes = open.bytes + self.batch.lines.len() as u64;
        let mut file_bytes = open.file_bytes.max(bytes);
        if bytes > open.file_bytes && self.batch.lines.len() as u64 <= ROOM_BATCH_BYTES_MAX {
            let end = self.segment_bytes_max.min(bytes + ROOM_BYTES);
            file_bytes = make_room(&mut open.file, bytes, end)
                .map_err(|e| failed(&mut open.file, open.bytes, e))?;
        }
        if let Err(e) = open.file.sync() {
            return Err(failed(&mut open.file, open.bytes, e));
        }
        (open.bytes, open.file_bytes) = (bytes, file_bytes);
        open.checksum = self.batch.checksum;
        Ok(())
    }

    fn write_new(&mut self, files: &F) -> Result<(), CommitError> {
        let mut file = match self.claimed.take() {
            Some(mut file) => match file.set_length(0) {
                Ok(()) => file,
                Err(e) => {
                    self.claimed = Some(file);
                    return Err(CommitError::Refused(e));
                }
            },
            None => match files.create(&file_name(self.batch.number)) {
                Ok(file) => {
                    let before = std::mem::replace(&mut self.number, self.batch.number);
                    self.check_unchanged(files, before)?;
                    file
                }
                Err(e) if e.kind == FileErrorKind::AlreadyExists => {
                    return Err(CommitError::Replaced);
                }
                Err(e) => return Err(CommitError::Refused(e)),
            },
        };
        if let Err(e) = file.write_at(0, &self.batch.lines) {
            // The number stays ours: a file that is there tells every other
            // owner so. It is written anew with the next batch.
            let refused = refused(&mut file, 0, e);
            self.claimed = Some(file);
            return Err(refused);
        }
        if let Err(e) = file.sync().and_then(|()| files.sync_directory()) {
            return Err(failed(&mut file, 0, e));
        }
        let bytes = self.batch.lines.len() as u64;
        self.open = Some(Segment {
            file,
            bytes,
            checksum: self.batch.checksum,
            file_bytes: bytes,
        });
        self.cut_longer(files);
        self.remove_left_over(files);
        Ok(())
    }

    /// Removes the files of segments that the header leaves out: in order, and
    /// none after one that stays. An earlier owner would see its own number gone
    /// or the next one taken; see docs/format.md. What stays is tried again with
    /// the next header.
    fn remove_left_over(&mut self, files: &F) {
        let retired = self.retired.drain(..).map(|segment| segment.number);
        self.left_over.extend(retired);
        self.retired_bytes = 0;
        while let Some(number) = self.left_over.front() {
            match files.remove(&file_name(*number)) {
                Err(e) if e.kind != FileErrorKind::NotFound => return,
                Ok(()) | Err(_) => self.left_over.pop_front(),
            };
        }
    }

    /// Cuts off what does not count, for those who read the files with other tools.
    /// The header that was just made durable leaves it out already, so where
    /// the disk refuses, nothing is amiss.
    fn cut_longer(&mut self, files: &F) {
        for longer in self.longer.drain(..) {
            if let Ok(mut file) = files.open(&file_name(longer.number), Access::ReadWrite) {
                cut(&mut file, longer.bytes).ok();
            }
        }
    }

    /// Once the log is claimed, no earlier owner acknowledges anything more. What
    /// one has added since the log was read, at the end of the file or in the room
    /// there, would be left out: then the log must be read again. So it must where
    /// the segment before is gone: the claimed number was taken then, by an owner who
    /// has compacted both.
    fn check_unchanged(&mut self, files: &F, before: u32) -> Result<(), CommitError> {
        if !is_there(files, before)? || (before == 0 && has_segment_but(files, self.number)?) {
            return Err(CommitError::Replaced);
        }
        for end in std::mem::take(&mut self.read) {
            let name = file_name(end.extent.number);
            let changed = files.open(&name, Access::Read).and_then(|file| {
                Ok(file.length()? != end.file_bytes || line_follows(&file, end.extent)?)
            });
            match changed {
                Ok(false) => {}
                Ok(true) => return Err(CommitError::Replaced),
                Err(e) if e.kind == FileErrorKind::NotFound => return Err(CommitError::Replaced),
                Err(e) => return Err(CommitError::Failed(e)),
            }
        }
        Ok(())
    }

    /// No other owner may have come between; see docs/format.md.
    ///
    /// # Errors
    /// Where one has, where the newest segment was removed, or where the
    /// directory can't be asked.
    pub fn check_owner(&self, files: &F) -> Result<(), CommitError> {
        if is_there(files, self.number + 1)? || (self.number == 0 && has_segment_but(files, 0)?) {
            return Err(CommitError::Replaced);
        }
        // In this order: whoever replaces an owner removes that one's segment
        // before its own.
        if !is_there(files, self.number)? {
            return Err(CommitError::Failed(FileError {
                operation: "look-up",
                name: file_name(self.number),
                kind: FileErrorKind::NotFound,
                detail: "the newest segment was removed while the store was open".to_owned(),
            }));
        }
        Ok(())
    }
}

/// Whether a segment is there; as good as there is the one before the first.
fn is_there<F: Files>(files: &F, number: u32) -> Result<bool, CommitError> {
    Ok(number == 0
        || files
            .exists(&file_name(number))
            .map_err(CommitError::Failed)?)
}

/// Whether there is any segment but one.
fn has_segment_but<F: Files>(files: &F, own: u32) -> Result<bool, CommitError> {
    let names = files.list().map_err(CommitError::Failed)?;
    let mut numbers = names.iter().filter_map(|name| number_of(name));
    Ok(numbers.any(|number| number != own))
}

/// Writes line feeds up to `end`, for the next batches to be written over: as long as
/// a file does not grow, its sync has no new length to write. Returns the file's length.
///
/// # Errors
/// Where the length can't be told.
fn make_room<T: File>(file: &mut T, start: u64, end: u64) -> Result<u64, FileError> {
    let room = usize::try_from(end.saturating_sub(start)).unwrap_or_default();
    match file.write_at(start, &vec![b'\n'; room]) {
        Ok(()) => Ok(start + room as u64),
        // There is space for some of it, or none, and that is as good.
        Err(_) => file.length(),
    }
}

/// A failed write, of which an unknown part is there. Where that can be taken
/// back for good, nothing of the batch will ever count.
fn refused<T: File>(file: &mut T, durable_bytes: u64, error: FileError) -> CommitError {
    match cut(file, durable_bytes) {
        Ok(()) => CommitError::Refused(error),
        Err(_) => CommitError::Failed(error),
    }
}

/// A failed sync, after which nothing is known of the lines behind the last
/// durable byte.
fn failed<T: File>(file: &mut T, durable_bytes: u64, error: FileError) -> CommitError {
    // Where the disk fails here too, nothing is worse than before.
    cut(file, durable_bytes).ok();
    CommitError::Failed(error)
}

/// Cuts off what did not become durable, so that whoever opens the log next
/// doesn't read from memory what the disk may have dropped.
fn cut<T: File>(file: &mut T, durable_bytes: u64) -> Result<(), FileError> {
    file.set_length(durable_bytes).and_then(|()| file.sync())
}
