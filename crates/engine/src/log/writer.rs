//! The writing end of the log: a batch is collected, then written and synced
//! once. Says what a failure means, and begins a new segment where one is due.

use crate::files::{Access, File, FileError, FileErrorKind, Files};
use crate::index::Location;
use crate::log::record::{self, Change};
use crate::log::recovery::Recovered;
use crate::log::segment::{Extent, file_name, number_of};
use std::collections::VecDeque;

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
    sealed: VecDeque<Extent>,
    sealed_bytes: u64,
    /// Compacted segments, which the next header leaves out.
    retired: Vec<Extent>,
    retired_bytes: u64,
    /// Files of segments that the header leaves out, oldest first.
    left_over: VecDeque<u32>,
    /// The segment that is appended to, once this writer has begun one.
    open: Option<Segment<F::File>>,
    /// A segment that was created but has no header yet: its disk was full.
    claimed: Option<F::File>,
    /// Segments with an unfinished end, which the next header leaves out.
    torn: Vec<Extent>,
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
    /// Where they end, if copies follow.
    changes_end: Option<usize>,
    /// The segment it goes to, and where in it.
    number: u32,
    offset: u64,
    checksum: u32,
    version: u64,
}

impl<F: Files> Writer<F> {
    /// A writer behind a log that was read. Segments before `oldest_live` hold
    /// nothing any more: the first header leaves them out.
    #[must_use]
    pub fn new(segment_bytes_max: u64, log: Recovered, oldest_live: Option<u32>) -> Self {
        let torn = log.torn.iter().map(|torn| torn.file.as_str());
        let torn: Vec<u32> = torn.filter_map(number_of).collect();
        let mut writer = Self {
            segment_bytes_max: segment_bytes_max.min(SEGMENT_BYTES_MAX),
            torn: log
                .segments
                .iter()
                .filter(|segment| torn.contains(&segment.number))
                .copied()
                .collect(),
            sealed_bytes: log.segments.iter().map(|segment| segment.bytes).sum(),
            sealed: log.segments.into(),
            retired: Vec::new(),
            retired_bytes: 0,
            left_over: log.left_over.into(),
            open: None,
            claimed: None,
            number: log.number,
            version: log.version,
            read_bytes: log.read_bytes,
            batch: Batch::default(),
        };
        let dead = |oldest: Extent| oldest_live.is_none_or(|live| oldest.number < live);
        // The last one stays: it is where the log ends.
        while writer.sealed.len() > 1 && writer.oldest_sealed().is_some_and(dead) {
            writer.retire_oldest();
        }
        writer
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

    /// The version of the last durable change.
    #[must_use]
    pub fn durable_version(&self) -> u64 {
        self.version
    }

    /// How many segments the log has.
    #[must_use]
    pub fn segments_count(&self) -> usize {
        self.sealed.len() + usize::from(self.open.is_some())
    }

    /// The bytes of the log, the batch among them. Segments that are compacted
    /// count no longer.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        let open_bytes = self.open.as_ref().map_or(0, |open| open.bytes);
        self.sealed_bytes + open_bytes + self.batch.lines.len() as u64
    }

    /// The end of what is durable; nothing in an empty log.
    #[must_use]
    pub fn end(&self) -> Option<Extent> {
        match &self.open {
            Some(open) => Some(Extent {
                number: self.number,
                bytes: open.bytes,
                checksum: open.checksum,
            }),
            None => self.sealed.back().copied(),
        }
    }

    /// What is durable of every segment, oldest first.
    pub fn extents(&self) -> impl Iterator<Item = Extent> {
        let open = self.open.as_ref().map(|open| Extent {
            number: self.number,
            bytes: open.bytes,
            checksum: open.checksum,
        });
        self.sealed.iter().copied().chain(open)
    }

    /// Whether this writer has claimed the log.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.open.is_some() || self.claimed.is_some()
    }

    /// The oldest segment, if it is sealed.
    #[must_use]
    pub fn oldest_sealed(&self) -> Option<Extent> {
        self.sealed.front().copied()
    }

    /// Takes note that what is live in the oldest segment is durable elsewhere.
    /// The next header leaves it out, and then its file is removed.
    pub fn retire_oldest(&mut self) {
        if let Some(oldest) = self.sealed.pop_front() {
            self.sealed_bytes -= oldest.bytes;
            self.retired_bytes += oldest.bytes;
            self.retired.push(oldest);
        }
    }

    /// Adds a line of changes to the batch. The caller has made sure that the
    /// version stays below [`VERSION_MAX`].
    pub fn append(&mut self, time_ms: u64, changes: &[Change<'_>]) -> Location {
        self.append_line(time_ms, None, changes)
    }

    /// Repeats an older change, which keeps its version, at the end of a batch
    /// that has changes of its own.
    pub fn append_copy(&mut self, time_ms: u64, version: u64, change: &Change<'_>) -> Location {
        self.batch.changes_end.get_or_insert(self.batch.lines.len());
        self.append_line(time_ms, Some(version), std::slice::from_ref(change))
    }

    fn append_line(
        &mut self,
        time_ms: u64,
        copy_of: Option<u64>,
        changes: &[Change<'_>],
    ) -> Location {
        if self.batch.lines.is_empty() {
            self.begin(time_ms);
        }
        let batch = &mut self.batch;
        let start = batch.lines.len();
        let checksum_before = batch.checksum;
        batch.version += u64::from(copy_of.is_none());
        batch.checksum = record::write_changes(
            &mut batch.lines,
            checksum_before,
            time_ms,
            batch.version,
            copy_of,
            changes,
        );
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a segment and a batch together stay below 4 GiB"
        )]
        Location {
            version: copy_of.unwrap_or(batch.version),
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

    /// The segment that the batch goes to, and where in it; nothing where there
    /// is no batch.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a segment and a batch together stay below 4 GiB"
    )]
    pub fn batch_place(&self) -> Option<(u32, u32)> {
        let batch = &self.batch;
        (!batch.lines.is_empty()).then_some((batch.number, batch.offset as u32))
    }

    /// The lines of the changes that the batch holds.
    #[must_use]
    pub fn changes(&self) -> &[u8] {
        let batch = &self.batch;
        &batch.lines[batch.changes_start..batch.changes_end.unwrap_or(batch.lines.len())]
    }

    /// The lines that the batch holds, but for a header: changes, then copies.
    #[must_use]
    pub fn changes_and_copies(&self) -> &[u8] {
        &self.batch.lines[self.batch.changes_start..]
    }

    /// The bytes of the batch.
    #[must_use]
    pub fn batch_bytes(&self) -> usize {
        self.batch.lines.len()
    }

    /// Forgets the batch.
    pub fn clear(&mut self) {
        self.batch.lines.clear();
        self.batch.changes_start = 0;
        self.batch.changes_end = None;
    }

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
            self.write_on()?;
        }
        self.version = self.batch.version;
        self.check_owner(files)
    }

    fn begin(&mut self, time_ms: u64) {
        self.batch.version = self.version;
        // A new segment is begun, too, where it gives back as much as the old one
        // holds: compacted ones, whose files can go then.
        if let Some(open) = self
            .open
            .as_ref()
            .filter(|open| open.bytes < self.segment_bytes_max && self.retired_bytes < open.bytes)
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
            self.sealed.make_contiguous(),
        );
        self.batch.changes_start = self.batch.lines.len();
    }

    /// Ends the segment that is appended to, at its last durable byte.
    fn seal(&mut self) {
        if let Some(open) = self.open.take() {
            self.sealed_bytes += open.bytes;
            self.sealed.push_back(Extent {
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
        let length = open.file.length().map_err(CommitError::Failed)?;
        if length != open.bytes {
            return Err(CommitError::Failed(FileError {
                operation: "write",
                name: file_name(self.number),
                kind: FileErrorKind::Other,
                detail: format!(
                    "somebody else has changed the file: it has {length} bytes instead of {}",
                    open.bytes
                ),
            }));
        }
        if let Err(e) = open.file.write_at(open.bytes, &self.batch.lines) {
            // An unknown part is written behind the last durable byte. This
            // segment ends there; the next batch begins another.
            let refused = refused(&mut open.file, open.bytes, e);
            self.seal();
            return Err(refused);
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
        self.open = Some(Segment {
            file,
            bytes: self.batch.lines.len() as u64,
            checksum: self.batch.checksum,
        });
        self.cut_torn(files);
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

    /// Cuts off unfinished ends, for those who read the files with other tools.
    /// The header that was just made durable leaves them out already, so where
    /// the disk refuses, nothing is amiss.
    fn cut_torn(&mut self, files: &F) {
        for torn in self.torn.drain(..) {
            if let Ok(mut file) = files.open(&file_name(torn.number), Access::ReadWrite) {
                cut(&mut file, torn.bytes).ok();
            }
        }
    }

    /// Once the log is claimed, no earlier owner acknowledges anything more. What
    /// one has added since the log was read would be left out: then the log must
    /// be read again. So it must where the segment before is gone: the claimed
    /// number was taken then, by an owner who has compacted both.
    fn check_unchanged(&mut self, files: &F, before: u32) -> Result<(), CommitError> {
        if !is_there(files, before)? || (before == 0 && has_segment_but(files, self.number)?) {
            return Err(CommitError::Replaced);
        }
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
