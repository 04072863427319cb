//! The writing end of the log: a batch is collected, then written and synced
//! once. Says what a failure means, and begins a new segment where one is due.

use crate::files::{Access, File, FileError, FileErrorKind, Files};
use crate::index::Location;
use crate::log::record::{self, Change};
use crate::log::recovery::Recovered;
use crate::log::segment::{Sealed, file_name, number_of};

/// The largest version: larger numbers lose digits in a double.
pub const VERSION_MAX: u64 = (1 << 53) - 1;

/// A segment takes no further batch once it has this many bytes, whatever is
/// configured: offsets are kept in 32 bits, and a batch may follow.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;

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

/// The writing end of a log.
#[derive(Debug)]
pub struct Writer<F: Files> {
    segment_bytes_max: u64,
    /// Every segment before the one that is appended to, oldest first.
    sealed: Vec<Sealed>,
    /// The segment that is appended to, once this writer has begun one.
    open: Option<Segment<F::File>>,
    /// A segment that was created but has no header yet: its disk was full.
    claimed: Option<F::File>,
    /// Segments with an unfinished end, which the next header leaves out.
    torn: Vec<Sealed>,
    /// The highest segment number that is taken, 0 where there is none.
    number: u32,
    /// The version of the last durable change.
    version: u64,
    /// What was read of files that another owner may have gone on writing,
    /// until this writer has claimed the log.
    read_bytes: Vec<(u32, u64)>,
    batch: Batch,
}

/// The segment that is appended to.
#[derive(Debug)]
struct Segment<T> {
    file: T,
    /// The bytes that are durable.
    bytes: u64,
    /// The checksum of the last line in them.
    checksum: u32,
}

/// What is collected and not yet written.
#[derive(Debug, Default)]
struct Batch {
    lines: Vec<u8>,
    /// Where the changes begin in `lines`: behind a header.
    changes_start: usize,
    /// The segment it goes to, and where in it.
    number: u32,
    offset: u64,
    checksum: u32,
    version: u64,
}

impl<F: Files> Writer<F> {
    /// A writer behind a log that was read.
    #[must_use]
    pub fn new(segment_bytes_max: u64, log: Recovered) -> Self {
        let torn = log.torn.iter().map(|torn| torn.file.as_str());
        let torn: Vec<u32> = torn.filter_map(number_of).collect();
        Self {
            segment_bytes_max: segment_bytes_max.min(SEGMENT_BYTES_MAX),
            torn: log
                .segments
                .iter()
                .filter(|segment| torn.contains(&segment.number))
                .copied()
                .collect(),
            sealed: log.segments,
            open: None,
            claimed: None,
            number: log.number,
            version: log.version,
            read_bytes: log.read_bytes,
            batch: Batch::default(),
        }
    }

    /// The version of the last change, durable or collected.
    #[must_use]
    pub fn version(&self) -> u64 {
        if self.batch.lines.is_empty() {
            self.version
        } else {
            self.batch.version
        }
    }

    /// How many segments the log has.
    #[must_use]
    pub fn segments_count(&self) -> usize {
        self.sealed.len() + usize::from(self.open.is_some())
    }

    /// Adds a change to the batch. The caller has made sure that the version
    /// stays below [`VERSION_MAX`].
    pub fn append(&mut self, time_ms: u64, change: Change<'_>) -> Location {
        if self.batch.lines.is_empty() {
            self.begin(time_ms);
        }
        let batch = &mut self.batch;
        let start = batch.lines.len();
        let checksum_before = batch.checksum;
        batch.version += 1;
        batch.checksum = record::write_change(
            &mut batch.lines,
            checksum_before,
            time_ms,
            batch.version,
            change,
        );
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a segment and a batch together stay below 4 GiB"
        )]
        Location {
            version: batch.version,
            segment: batch.number,
            offset: batch.offset as u32 + start as u32,
            length: (batch.lines.len() - start - 1) as u32,
            checksum_before,
        }
    }

    /// The bytes of a line that is collected and not yet written.
    #[must_use]
    pub fn collected(&self, location: Location) -> Option<&[u8]> {
        let batch = &self.batch;
        if location.segment != batch.number {
            return None;
        }
        let start = u64::from(location.offset).checked_sub(batch.offset)?;
        let start = usize::try_from(start).ok()?;
        batch.lines.get(start..start + location.length as usize)
    }

    /// The lines of the changes that the batch holds.
    #[must_use]
    pub fn changes(&self) -> &[u8] {
        &self.batch.lines[self.batch.changes_start..]
    }

    /// Forgets the batch.
    pub fn clear(&mut self) {
        self.batch.lines.clear();
        self.batch.changes_start = 0;
    }

    /// Makes the batch durable: one write, one sync. Where there is none, only
    /// checks that no other owner has come.
    ///
    /// # Errors
    /// [`CommitError`] says whether the writer can go on; the batch is void.
    pub fn commit(&mut self, files: &F) -> Result<(), CommitError> {
        if self.batch.lines.is_empty() {
            return self.check_owner(files, false);
        }
        if self.batch.offset == 0 {
            self.write_new(files)?;
        } else {
            self.write_on()?;
        }
        self.version = self.batch.version;
        self.check_owner(files, true)
    }

    fn begin(&mut self, time_ms: u64) {
        self.batch.version = self.version;
        if let Some(open) = self
            .open
            .as_ref()
            .filter(|open| open.bytes < self.segment_bytes_max)
        {
            self.batch.number = self.number;
            self.batch.offset = open.bytes;
            self.batch.checksum = open.checksum;
            return;
        }
        self.seal();
        let number = match self.claimed {
            Some(_) => self.number,
            None => self.number + 1,
        };
        self.batch.number = number;
        self.batch.offset = 0;
        self.batch.checksum = record::write_header(
            &mut self.batch.lines,
            time_ms,
            self.version,
            number,
            &self.sealed,
        );
        self.batch.changes_start = self.batch.lines.len();
    }

    /// Ends the segment that is appended to, at its last durable byte.
    fn seal(&mut self) {
        if let Some(open) = self.open.take() {
            self.sealed.push(Sealed {
                number: self.number,
                bytes: open.bytes,
                checksum: open.checksum,
            });
        }
    }

    fn write_on(&mut self) -> Result<(), CommitError> {
        let Some(open) = self.open.as_mut() else {
            return Ok(());
        };
        if let Err(e) = open.file.write_at(open.bytes, &self.batch.lines) {
            // An unknown part is written behind the last durable byte. This
            // segment ends there; the next batch begins another.
            cut(&mut open.file, open.bytes);
            self.seal();
            return Err(CommitError::Refused(e));
        }
        if let Err(e) = open.file.sync() {
            return Err(failed(&mut open.file, open.bytes, e));
        }
        open.bytes += self.batch.lines.len() as u64;
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
                    self.number = self.batch.number;
                    self.check_unchanged(files)?;
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
            self.claimed = Some(file);
            return Err(CommitError::Refused(e));
        }
        if let Err(e) = file.sync().and_then(|()| files.sync_directory()) {
            return Err(failed(&mut file, 0, e));
        }
        self.open = Some(Segment {
            file,
            bytes: self.batch.lines.len() as u64,
            checksum: self.batch.checksum,
        });
        self.cut_torn(files);
        Ok(())
    }

    /// Cuts off unfinished ends, for those who read the files with other tools.
    /// The header that was just made durable leaves them out already, so where
    /// the disk refuses, nothing is amiss.
    fn cut_torn(&mut self, files: &F) {
        for torn in self.torn.drain(..) {
            if let Ok(mut file) = files.open(&file_name(torn.number), Access::ReadWrite) {
                cut(&mut file, torn.bytes);
            }
        }
    }

    /// Once the log is claimed, no earlier owner acknowledges anything more. What
    /// one has added since the log was read would be left out: then the log must
    /// be read again.
    fn check_unchanged(&mut self, files: &F) -> Result<(), CommitError> {
        for (number, bytes) in std::mem::take(&mut self.read_bytes) {
            let name = file_name(number);
            let length = files
                .open(&name, Access::Read)
                .and_then(|file| file.length());
            match length {
                Ok(length) if length == bytes => {}
                Ok(_) => return Err(CommitError::Replaced),
                Err(e) if e.kind == FileErrorKind::NotFound => return Err(CommitError::Replaced),
                Err(e) => return Err(CommitError::Failed(e)),
            }
        }
        Ok(())
    }

    /// No other owner may have come between; see docs/format.md.
    fn check_owner(&self, files: &F, wrote: bool) -> Result<(), CommitError> {
        let next = files.exists(&file_name(self.number + 1));
        if next.map_err(CommitError::Failed)? {
            return Err(CommitError::Replaced);
        }
        if wrote {
            let name = file_name(self.number);
            if !files.exists(&name).map_err(CommitError::Failed)? {
                return Err(CommitError::Failed(FileError {
                    operation: "look-up",
                    name,
                    kind: FileErrorKind::NotFound,
                    detail: "the segment was removed while it was written".to_owned(),
                }));
            }
        }
        Ok(())
    }
}

/// A failed sync, after which nothing is known of the lines behind the last
/// durable byte.
fn failed<T: File>(file: &mut T, durable_bytes: u64, error: FileError) -> CommitError {
    cut(file, durable_bytes);
    CommitError::Failed(error)
}

/// Cuts off what did not become durable, so that whoever opens the log next
/// doesn't read from memory what the disk may have dropped. Where the disk fails
/// here too, nothing is worse than before.
fn cut<T: File>(file: &mut T, durable_bytes: u64) {
    match file.set_length(durable_bytes).and_then(|()| file.sync()) {
        Ok(()) | Err(_) => {}
    }
}
