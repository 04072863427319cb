//! The writing end of the log: a batch is collected here, in a new segment where
//! one is due; `commit` makes it durable.

use crate::files::{File, Files};
use crate::index::Location;
use crate::log::record::{self, Change};
use crate::log::recovery::{ReadEnd, Recovered};
use crate::log::segment::Extent;
pub use commit::{CommitError, ROOM_BATCH_BYTES_MAX, ROOM_BYTES};
use std::collections::VecDeque;

mod commit;

/// The largest version: larger numbers lose digits in a double.
pub const VERSION_MAX: u64 = (1 << 53) - 1;

/// A segment takes no further batch once it has this many bytes, whatever is
/// configured: offsets are kept in 32 bits, and a batch may follow.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// The room for the next batch that is made when one is handed over.
const BATCH_ROOM_BYTES_MAX: usize = 64 * 1024;

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
    /// Segments whose file goes on behind what counts, which the next header leaves
    /// out: with room, or an unfinished write.
    longer: Vec<Extent>,
    /// The highest segment number that is taken, 0 where there is none.
    number: u32,
    /// The version of the last durable change.
    version: u64,
    /// What was read of files that another owner may have gone on writing,
    /// until this writer has claimed the log.
    read: Vec<ReadEnd>,
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
    /// The length of the file, with the room behind those bytes.
    file_bytes: u64,
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
        let longer = log.read.iter().filter(|end| end.is_longer());
        let mut writer = Self {
            segment_bytes_max: segment_bytes_max.min(SEGMENT_BYTES_MAX),
            longer: longer.map(|end| end.extent).collect(),
            sealed_bytes: log.segments.iter().map(|segment| segment.bytes).sum(),
            sealed: log.segments.into(),
            retired: Vec::new(),
            retired_bytes: 0,
            left_over: log.left_over.into(),
            open: None,
            claimed: None,
            number: log.number,
            version: log.version,
            read: log.read,
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

    /// The same, of a durable batch that is needed no more: where it has nothing
    /// else, it is handed over and not copied.
    pub fn take_changes(&mut self) -> Vec<u8> {
        let batch = &mut self.batch;
        if batch.changes_start > 0 || batch.changes_end.is_some() {
            let changes = self.changes().to_vec();
            self.clear();
            return changes;
        }
        let room = batch.lines.len().min(BATCH_ROOM_BYTES_MAX);
        std::mem::replace(&mut batch.lines, Vec::with_capacity(room))
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

    /// Gives back the room behind the last line. Where the disk refuses, nothing is
    /// amiss: an opening passes over it.
    pub fn give_back_room(&mut self) {
        if let Some(open) = self
            .open
            .as_mut()
            .filter(|open| open.file_bytes > open.bytes)
            && open.file.set_length(open.bytes).is_ok()
        {
            open.file_bytes = open.bytes;
        }
    }

    /// Forgets the batch.
    pub fn clear(&mut self) {
        self.batch.lines.clear();
        self.batch.changes_start = 0;
        self.batch.changes_end = None;
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
            let extent = Extent {
                number: self.number,
                bytes: open.bytes,
                checksum: open.checksum,
            };
            self.sealed_bytes += open.bytes;
            self.sealed.push_back(extent);
            if open.file_bytes > open.bytes {
                self.longer.push(extent);
            }
        }
    }
}
