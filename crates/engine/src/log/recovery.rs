//! Opening a log: which segments count, and what they hold. From the newest
//! checkpoint on where one is whole, else from the beginning.

use crate::cache::Slot;
use crate::error::{Damage, OpenError};
use crate::files::{File, FileErrorKind, Files};
use crate::index::{Address, Entry, Held, Index, Location};
use crate::log::checkpoint::{self, Checkpoint};
use crate::log::line::{Changes, Read};
use crate::log::scan::Scan;
use crate::log::segment::{Extent, file_name, number_of};
use serde::Serialize;

/// A log, as it was found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Where every value lies.
    pub index: Index,
    /// Every segment, oldest first, with the bytes that count.
    pub segments: Vec<Extent>,
    /// Files of segments that are no longer part of the log, oldest first.
    pub left_over: Vec<u32>,
    /// The highest segment number that is taken, 0 where there is none.
    pub number: u32,
    /// The version of the last change.
    pub version: u64,
    /// What was cut off, newest segment first.
    pub torn: Vec<Torn>,
    /// What was read of each file that an owner may still have been writing: the
    /// newest with a header, and those claimed behind it.
    pub read: Vec<ReadEnd>,
    /// The bytes of the log that were read line by line: all of them, or those
    /// behind the checkpoint.
    pub replayed_bytes: u64,
    /// The bytes of the checkpoint that was used.
    pub checkpoint_bytes: u64,
}

/// How far a file was read that may still have been written.
#[derive(Clone, Copy, Debug)]
pub struct ReadEnd {
    /// What of it counts.
    pub extent: Extent,
    /// The length of the file.
    pub file_bytes: u64,
}

impl ReadEnd {
    fn of<T: File>(scan: &Scan<T>) -> Self {
        Self {
            extent: scan.extent(),
            file_bytes: scan.length,
        }
    }

    /// Whether the file goes on behind what counts.
    #[must_use]
    pub fn is_longer(&self) -> bool {
        self.file_bytes > self.extent.bytes
    }
}

/// The unfinished end of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Torn {
    /// The segment's file name.
    pub file: String,
    /// The first byte that does not count.
    pub byte: u64,
    /// How many bytes do not count.
    pub bytes: u64,
}

/// How often a log is read again because its owner has moved it meanwhile. One read
/// takes less time than a segment takes to fill, so that the second one mostly does.
const READS_MAX: usize = 1000;

/// Reads the log in `files`.
///
/// # Errors
/// Where the disk refuses, and at the first damage.
pub fn recover<F: Files>(files: &F) -> Result<Recovered, OpenError> {
    let mut names = files.list()?;
    let mut error_before = None;
    for _ in 1..READS_MAX {
        match read(files, &names) {
            // What an owner compacts meanwhile is missing, and what it writes meanwhile
            // may be seen without what it wrote before that: neither is damage. Damage
            // is the same when it is read once more.
            Err(e) if e.may_come_of_changes() => {
                let names_before = std::mem::replace(&mut names, files.list()?);
                let same_files = segments(&names_before) == segments(&names);
                if same_files && error_before.as_ref() == Some(&e) {
                    return Err(e);
                }
                error_before = Some(e);
            }
            other => return other,
        }
    }
    read(files, &names)
}

/// The numbers of the segments among files, in order.
fn segments(names: &[String]) -> Vec<u32> {
    let mut numbers: Vec<_> = names.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable();
    numbers
}

fn read<F: Files>(files: &F, names: &[String]) -> Result<Recovered, OpenError> {
    let mut numbers = segments(names);
    let mut recovered = Recovered {
        number: numbers.last().copied().unwrap_or(0),
        ..Recovered::default()
    };
    let mut unfinished = Vec::new();
    while let Some(number) = numbers.pop() {
        let mut newest = Scan::open(files, number)?;
        let Some(sealed) = newest.read_header()? else {
            recovered.read.push(ReadEnd::of(&newest));
            unfinished.push(newest.extent());
            recovered.torn.extend(newest.torn);
            continue;
        };
        numbers.retain(|number| sealed.iter().all(|listed| listed.number != *number));
        recovered.left_over = numbers;
        recovered.segments = sealed;
        read_log(files, names, newest, &mut recovered)?;
        break;
    }
    recovered.segments.extend(unfinished.into_iter().rev());
    Ok(recovered)
}

/// Reads the newest segment and those it seals, which are in `recovered`.
fn read_log<F: Files>(
    files: &F,
    names: &[String],
    mut newest: Scan<F::File>,
    recovered: &mut Recovered,
) -> Result<(), OpenError> {
    let header = (newest.extent(), newest.version);
    // One that is missing is told even where a checkpoint leaves nothing of it to be read.
    // They are looked at before anything long is read: an owner that compacts meanwhile
    // removes the oldest.
    for sealed in recovered.segments.iter().filter(|sealed| sealed.bytes > 0) {
        open_sealed(files, *sealed)?;
    }
    for name in checkpoint::newest_first(names) {
        let Some(checkpoint) = checkpoint::read(files, &name) else {
            continue;
        };
        let checkpoint_bytes = checkpoint.bytes;
        match replay(files, recovered, &mut newest, Some(checkpoint)) {
            Ok(true) => {
                recovered.checkpoint_bytes = checkpoint_bytes;
                return finish(files, newest, recovered);
            }
            // It is not one of this log; or there is damage, which reading
            // from the beginning tells in full.
            Ok(false) | Err(OpenError::Damage(_)) => {
                newest.skip_to(header.0, header.1);
                newest.torn = None;
            }
            Err(e) => return Err(e),
        }
    }
    replay(files, recovered, &mut newest, None)?;
    finish(files, newest, recovered)
}

fn finish<F: Files>(
    files: &F,
    mut newest: Scan<F::File>,
    recovered: &mut Recovered,
) -> Result<(), OpenError> {
    // A writer that was killed may have left lines, or even this file's name, in
    // memory alone.
    newest.file.sync()?;
    files.sync_directory()?;
    recovered.version = newest.version;
    recovered.segments.push(newest.extent());
    recovered.read.push(ReadEnd::of(&newest));
    recovered.torn.extend(newest.torn);
    Ok(())
}

/// Reads the log from a checkpoint's place on, or all of it. False where the
/// checkpoint is none of this log.
fn replay<F: Files>(
    files: &F,
    recovered: &mut Recovered,
    newest: &mut Scan<F::File>,
    checkpoint: Option<Checkpoint>,
) -> Result<bool, OpenError> {
    let checkpoint = checkpoint.unwrap_or_default();
    let Checkpoint { at, end, .. } = checkpoint;
    let from = at.number;
    let whole_newest = Extent {
        number: newest.number,
        bytes: newest.length,
        checksum: 0,
    };
    let mut counted = recovered.segments.iter().chain([&whole_newest]);
    if from > 0 && !counted.any(|extent| extent.number == from && extent.bytes >= at.bytes) {
        return Ok(false);
    }
    let mut index = checkpoint.index;
    let mut apply = |location, changes: Changes<'_>| apply(&mut index, location, &changes);
    let mut replayed_bytes = 0;
    let mut met = from == 0;
    let mut version = None;
    let counts = |sealed: &&Extent| sealed.bytes > 0 && sealed.number >= from;
    for sealed in recovered.segments.iter().filter(counts) {
        let mut segment = open_sealed(files, *sealed)?;
        if sealed.number == from {
            segment.skip_to(at, checkpoint.version);
        } else if segment.read_header()?.is_none() {
            return Err(damage(*sealed, 0, "the header can't be read").into());
        } else {
            continues(&segment, version)?;
        }
        segment.awaited = Some(end).filter(|end| end.number == sealed.number);
        let begun = segment.bytes;
        segment.read_changes(&mut apply)?;
        if segment.checksum != sealed.checksum {
            let reason =
                "this is not the segment that a later one seals: its last checksum is another";
            return Err(damage(*sealed, 0, reason).into());
        }
        met |= end.number == sealed.number && segment.awaited.is_none();
        replayed_bytes += segment.bytes - begun;
        version = Some(segment.version);
    }
    if newest.number == from {
        newest.skip_to(at, checkpoint.version);
    } else {
        continues(newest, version)?;
    }
    newest.awaited = Some(end).filter(|end| end.number == newest.number);
    let begun = newest.bytes;
    newest.read_changes(&mut apply)?;
    met |= end.number == newest.number && newest.awaited.is_none();
    recovered.replayed_bytes = replayed_bytes + newest.bytes - begun;
    recovered.index = index;
    Ok(met)
}

/// Takes the changes of a line into the index.
pub(super) fn apply(index: &mut Index, location: Location, changes: &Changes<'_>) {
    let changes = changes.as_slice();
    let held = |expires_ms| Held {
        entry: Some(Entry {
            location,
            slot: Slot::NONE,
        }),
        expires_ms,
    };
    if changes.len() > 1 {
        let is_value = |change: &&Read<'_>| matches!(change, Read::Put(..) | Read::Content(..));
        index.share(location, changes.iter().filter(is_value).count());
    }
    for change in changes {
        match change {
            Read::Put(key, _, expires_ms) => index.set(Address::Key(key), held(*expires_ms)),
            Read::Delete(key) | Read::Expire(key) => index.set(Address::Key(key), Held::default()),
            Read::Content(hash, _) => index.set(Address::Content(hash), held(None)),
            Read::Lost => Held::default(),
        };
    }
}

/// A header names the version at which the segment before it ends.
fn continues<T: File>(segment: &Scan<T>, version: Option<u64>) -> Result<(), Damage> {
    match version {
        Some(version) if version != segment.version => Err(damage(
            segment.extent(),
            0,
            &format!(
                "the segment begins at version {}, though the one before it ends at {version}",
                segment.version
            ),
        )),
        _ => Ok(()),
    }
}

/// Opens a segment of which a newer header says how many bytes count.
fn open_sealed<F: Files>(files: &F, expected: Extent) -> Result<Scan<F::File>, OpenError> {
    let mut segment = match Scan::open(files, expected.number) {
        Err(OpenError::Files(e)) if e.kind == FileErrorKind::NotFound => {
            let reason = "this segment is missing, though a later one seals it";
            return Err(damage(expected, 0, reason).into());
        }
        other => other?,
    };
    if segment.length < expected.bytes {
        let reason = format!(
            "the file ends here, though a later segment seals {} bytes of it",
            expected.bytes
        );
        return Err(damage(expected, segment.length, &reason).into());
    }
    segment.length = expected.bytes;
    segment.sealed = true;
    Ok(segment)
}

fn damage(segment: Extent, byte: u64, reason: &str) -> Damage {
    Damage {
        file: file_name(segment.number),
        line: 1,
        byte,
        reason: reason.to_owned(),
    }
}
