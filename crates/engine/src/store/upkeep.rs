//! What keeps the log short and its opening fast: compaction and checkpoints, in
//! slices that the writing batches pay for.

use super::{Options, Store};
use crate::error::Damage;
use crate::files::{FileError, Files};
use crate::index::{Entry, Held, Index};
use crate::log::checkpoint::Writing;
use crate::log::compaction::{BATCH_FACTOR, SLICE_BYTES_MIN, Victim, VictimError, is_due};
use crate::log::line::{Line, key_of_put};
use crate::log::record::Change;
use crate::log::recovery::Recovered;

/// A checkpoint's slice has at least this part of the bytes from one checkpoint
/// to the next: 64 KiB of the usual 64 MiB.
const CHECKPOINT_SLICES_MAX: u64 = 1024;

/// A store that stops after less new log than this writes no last checkpoint:
/// reading that much takes no time.
const LAST_CHECKPOINT_LOG_BYTES_MIN: u64 = 1024 * 1024;

/// Where compaction and checkpoint stand.
#[derive(Debug)]
pub(super) struct Upkeep<T> {
    options: Options,
    victim: Option<Victim<T>>,
    /// What was live of the victim's last slice, with the place of each line: for
    /// the next batch to copy.
    found: Vec<(u64, Box<[u8]>)>,
    /// How much more than its part the latest batch has read, because a line was longer.
    ahead_bytes: usize,
    /// Why nothing is compacted any more.
    damage: Option<Damage>,
    checkpoint: Option<Writing<T>>,
    /// The bytes of the log since the last whole checkpoint was begun, and since
    /// the one that is being written was.
    log_bytes_since: u64,
    log_bytes_since_begun: u64,
    /// The length of the last whole checkpoint.
    checkpoint_bytes: u64,
}

impl<T> Upkeep<T> {
    pub(super) fn new(options: Options, log: &Recovered) -> Self {
        Self {
            options,
            victim: None,
            found: Vec::new(),
            ahead_bytes: 0,
            damage: None,
            checkpoint: None,
            log_bytes_since: log.replayed_bytes,
            log_bytes_since_begun: 0,
            checkpoint_bytes: log.checkpoint_bytes,
        }
    }

    /// The batch is void, and what it has copied with it.
    pub(super) fn roll_back(&mut self) {
        self.victim = None;
        self.found.clear();
    }
}

impl<F: Files> Store<F> {
    /// The damage that compaction has met, if it has. What is damaged stays as it
    /// is, and so does all that is newer, until the log is repaired.
    #[must_use]
    pub fn damage(&self) -> Option<&Damage> {
        self.upkeep.damage.as_ref()
    }

    /// Gives back room in the log that is not needed, and writes a last checkpoint, so
    /// that the next opening is fast. A store that is dropped without it loses nothing
    /// but that.
    pub fn stop(&mut self) {
        if self.finished.is_some() || !self.writer.is_owner() {
            return;
        }
        self.writer.give_back_room();
        if self.upkeep.log_bytes_since < LAST_CHECKPOINT_LOG_BYTES_MIN {
            return;
        }
        // One that was begun already would leave more log to be read behind it.
        if self.begin_checkpoint().is_err() {
            return;
        }
        while self.upkeep.checkpoint.is_some() {
            self.write_checkpoint(usize::MAX);
        }
    }

    /// Adds copies of what was found in the oldest segment, and is live still, to
    /// a batch that writes.
    pub(super) fn copy_found(&mut self, time_ms: u64) {
        if self.writer.batch_bytes() == 0 {
            return;
        }
        if self.upkeep.victim.is_none() {
            // The first batch of a store may be its only one, and it must do its part.
            self.find_live(self.writer.changes().len());
        }
        let Some(segment) = self.upkeep.victim.as_ref().map(Victim::number) else {
            return;
        };
        for (offset, line) in std::mem::take(&mut self.upkeep.found) {
            if let Err(reason) = self.copy_if_live(time_ms, segment, offset, &line) {
                unreachable!("a line that was read before: {reason}");
            }
        }
    }

    /// Reads the next slice of the oldest segment and looks for what is live in it.
    /// Mostly that is behind a batch, whose sync may go on meanwhile: then it costs
    /// nobody any time.
    fn find_live(&mut self, written_bytes: usize) {
        let due = is_due(
            self.writer.extents().map(|extent| extent.bytes).sum(),
            self.index.live_bytes(),
            self.writer.segments_count() as u64,
            self.upkeep.options.segment_bytes_max,
        );
        if !due || self.upkeep.damage.is_some() {
            return;
        }
        let Some(mut victim) = self.upkeep.victim.take().or_else(|| self.next_victim()) else {
            return;
        };
        let part = SLICE_BYTES_MIN.max(written_bytes.saturating_mul(BATCH_FACTOR));
        let mut read_bytes = std::mem::take(&mut self.upkeep.ahead_bytes);
        let segment = victim.number();
        while read_bytes < part && !victim.is_read() {
            let piece = (part - read_bytes).min(SLICE_BYTES_MIN * 8);
            let mut lines = Vec::new();
            let read = victim.read(piece, |offset, line| {
                if may_be_live(&self.index, segment, offset, line)? {
                    lines.push((offset, line.into()));
                }
                Ok(())
            });
            keep_live(&self.index, segment, &mut lines);
            self.upkeep.found.append(&mut lines);
            match read {
                Ok(bytes) => read_bytes += bytes,
                // Perhaps it can be read behind the next batch.
                Err(VictimError::Files(_)) => break,
                Err(VictimError::Damage(damage)) => {
                    self.upkeep.damage = Some(damage);
                    self.upkeep.found.clear();
                    return;
                }
            }
        }
        self.upkeep.ahead_bytes = read_bytes.saturating_sub(part);
        self.upkeep.victim = Some(victim);
    }

    /// The oldest segment, where it can be opened.
    fn next_victim(&self) -> Option<Victim<F::File>> {
        let oldest = self.writer.oldest_sealed()?;
        Victim::open(&self.files, oldest).ok()
    }

    /// Copies what the index still means of a line of a segment.
    fn copy_if_live(
        &mut self,
        time_ms: u64,
        segment: u32,
        offset: u64,
        line: &[u8],
    ) -> Result<(), String> {
        let changes = Line::read(line)?.changes()?;
        // The last change of an address is the one that counts; once it is
        // copied, the index means the line no longer.
        for read in changes.as_slice().iter().rev() {
            let Some((address, change)) = read.stored() else {
                continue;
            };
            let entry = self.index.get(address);
            let Some(Entry { location, slot }) = entry.filter(|e| lies_at(e, segment, offset))
            else {
                continue;
            };
            let expires_ms = match change {
                Change::Put { expires_ms, .. } => expires_ms,
                _ => None,
            };
            let location = self.writer.append_copy(time_ms, location.version, &change);
            let held = Held {
                entry: Some(Entry { location, slot }),
                expires_ms,
            };
            let before = self.index.set(address, held);
            self.undo.push(before);
        }
        Ok(())
    }

    /// What a durable batch allows: the segment that it has copied the last of is
    /// retired, and the next slices of compaction and of a checkpoint are done.
    pub(super) fn after_commit(&mut self) {
        let batch_bytes = self.writer.batch_bytes();
        if batch_bytes == 0 {
            return;
        }
        if let Some(victim) = self.upkeep.victim.take_if(|victim| victim.is_read()) {
            self.writer.retire_oldest();
            self.reader.forget(victim.number());
            self.index.forget_before(victim.number() + 1);
        }
        self.find_live(self.writer.changes().len());
        self.upkeep.log_bytes_since += batch_bytes as u64;
        self.upkeep.log_bytes_since_begun += batch_bytes as u64;
        let interval = self.upkeep.options.checkpoint_interval_bytes;
        if self.upkeep.checkpoint.is_some() {
            let slice = usize::try_from(interval / CHECKPOINT_SLICES_MAX).unwrap_or(usize::MAX);
            self.write_checkpoint(batch_bytes.max(slice));
        } else if self.upkeep.log_bytes_since >= interval.max(2 * self.upkeep.checkpoint_bytes) {
            // Where the disk refuses it, the next batch tries again.
            self.begin_checkpoint().ok();
        }
    }

    fn begin_checkpoint(&mut self) -> Result<(), FileError> {
        if let Some(end) = self.writer.end() {
            let version = self.writer.durable_version();
            self.upkeep.checkpoint = Some(Writing::begin(&self.files, end, version)?);
            self.upkeep.log_bytes_since_begun = 0;
        }
        Ok(())
    }

    /// Writes a slice of the checkpoint, and its end when it gets there. A
    /// checkpoint that the disk refuses is given up: it would only have saved
    /// time.
    fn write_checkpoint(&mut self, bytes_max: usize) {
        let Some(mut checkpoint) = self.upkeep.checkpoint.take() else {
            return;
        };
        // Whatever comes of it, the next one is due after as much log again.
        match checkpoint.write_slice(&self.index, bytes_max) {
            Ok(false) => {
                self.upkeep.checkpoint = Some(checkpoint);
                return;
            }
            Ok(true) => {
                let end = self.writer.end();
                let finished = end.map(|end| checkpoint.finish(&self.files, end));
                if let Some(Ok(bytes)) = finished {
                    self.upkeep.checkpoint_bytes = bytes;
                }
            }
            Err(_) => {}
        }
        self.upkeep.log_bytes_since = self.upkeep.log_bytes_since_begun;
    }
}

/// Whether a line of a segment has to be looked up: it stores something, and is not
/// known to be dead. A deletion stores nothing, and nothing older is left for it to hide.
fn may_be_live(index: &Index, segment: u32, offset: u64, line: &[u8]) -> Result<bool, String> {
    if u32::try_from(offset).is_ok_and(|offset| index.is_dead(segment, offset)) {
        return Ok(false);
    }
    let line = Line::read(line)?;
    if line.format.is_some() {
        return Ok(false);
    }
    let changes = line.changes()?;
    Ok(changes
        .as_slice()
        .iter()
        .any(|read| read.stored().is_some()))
}

/// Drops the lines of a segment of which the index means nothing any more. The keys
/// of all that put one are looked up together.
fn keep_live(index: &Index, segment: u32, lines: &mut Vec<(u64, Box<[u8]>)>) {
    let keys: Vec<_> = lines.iter().map(|(_, line)| key_of_put(line)).collect();
    let mut entries = index.get_all(keys.iter().flatten().copied()).into_iter();
    let live = lines.iter().zip(&keys).map(|((offset, line), key)| {
        let entry = key.and_then(|_| entries.next());
        match entry {
            Some(entry) => entry.is_some_and(|entry| lies_at(&entry, segment, *offset)),
            None => is_live(index, segment, *offset, line),
        }
    });
    let mut live = live.collect::<Vec<_>>().into_iter();
    lines.retain(|_| live.next() == Some(true));
}

/// Whether the index still means any of a line of a segment, which was read before.
fn is_live(index: &Index, segment: u32, offset: u64, line: &[u8]) -> bool {
    let changes = Line::read(line).and_then(Line::changes);
    let changes = changes.unwrap_or_else(|reason| unreachable!("a line that was read: {reason}"));
    changes.as_slice().iter().any(|read| {
        let entry = read.stored().and_then(|(address, _)| index.get(address));
        entry.is_some_and(|entry| lies_at(&entry, segment, offset))
    })
}

fn lies_at(entry: &Entry, segment: u32, offset: u64) -> bool {
    (entry.location.segment, u64::from(entry.location.offset)) == (segment, offset)
}
