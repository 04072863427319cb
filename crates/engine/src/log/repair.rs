//! Sets damage aside and keeps all the rest. docs/format.md, "Repair", has the
//! steps; each leaves a directory that a repair can be run on again.

use crate::error::OpenError;
use crate::files::{Access, File, FileError, FileErrorKind, Files};
use crate::index::{Address, Entry, Index};
use crate::log::checkpoint;
use crate::log::line::Line;
use crate::log::record::{self, PREFIX_BYTES, checksum_of, hexadecimal};
use crate::log::recovery::apply;
use crate::log::segment::{Extent, file_name, number_of};
use crate::log::survey::{Piece, survey};
use crate::log::verify::{Damaged, Layout, State, layout};
use kv_protocol::json::write_number;
use serde::Serialize;
use std::collections::BTreeMap;

const NAME_PREFIX: &str = "repair-";

/// What a repair has done.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Repaired {
    /// What was damaged. Its bytes are in `lost/`, unless nothing was lost.
    pub damage: Vec<Damaged>,
    /// The keys that have lost a change, as far as they are known.
    pub keys: Vec<LostChange>,
    /// How many versions have no change any more.
    pub versions_lost: u64,
    /// Segments that an earlier repair had left to be put in their place.
    pub finished: Vec<String>,
}

/// A key that has lost a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostChange {
    /// The key.
    pub key: String,
    /// The version of the change, where it is known.
    pub version: Option<u64>,
    /// The version of the value that the key has now; none where it is gone.
    pub now: Option<u64>,
    /// Whether a checkpoint proves the key; else the damaged line only looks so.
    pub proven: bool,
}

/// Repairs the log in `files`. Damaged bytes go to `lost`, a directory of their
/// own. Nothing is changed where nothing is damaged.
///
/// # Errors
/// Where the disk refuses, and for a log of a later release. Run it again then.
pub fn repair<F: Files>(files: &F, lost: &F, time_ms: u64) -> Result<Repaired, OpenError> {
    let mut repaired = Repaired {
        finished: finish_earlier(files)?,
        ..Repaired::default()
    };
    let layout = layout(files)?;
    let mut state = State::default();
    let mut index = Index::default();
    for (number, extent) in &layout.segments {
        state.read(files, *number, *extent, |location, changes| {
            apply(&mut index, location, changes);
        })?;
    }
    repaired.damage = state.verified.damage;
    if repaired.damage.is_empty() {
        return Ok(repaired);
    }
    set_aside(files, lost, &layout)?;
    let (segments, versions_lost) = write_replacements(files, &layout, time_ms)?;
    repaired.keys = lost_changes(files, &layout, &repaired.damage, &index);
    for name in checkpoint::newest_first(&layout.names) {
        files.remove(&name)?;
    }
    begin_segment(files, &layout, &segments, time_ms)?;
    put_in_place(files, &layout)?;
    repaired.versions_lost = versions_lost;
    Ok(repaired)
}

fn replacement_name(number: u32) -> String {
    format!("{NAME_PREFIX}{}", file_name(number))
}

/// Puts replacements in place that the newest header seals already, and removes
/// those that no header has come to know.
fn finish_earlier<F: Files>(files: &F) -> Result<Vec<String>, OpenError> {
    let mut finished = Vec::new();
    for (number, extent) in layout(files)?.segments {
        let name = replacement_name(number);
        let Some(extent) = extent.filter(|extent| extent.bytes > 0) else {
            continue;
        };
        if files.exists(&name)? && holds(files, &name, extent)? {
            files.rename(&name, &file_name(number))?;
            finished.push(file_name(number));
        }
    }
    for name in files.list()? {
        let number = name.strip_prefix(NAME_PREFIX).and_then(number_of);
        if number.is_some() {
            files.remove(&name)?;
        }
    }
    files.sync_directory()?;
    Ok(finished)
}

/// Whether a file is exactly what a header seals.
fn holds<F: Files>(files: &F, name: &str, extent: Extent) -> Result<bool, OpenError> {
    let file = files.open(name, Access::Read)?;
    let length = file.length()?;
    let whole = survey(&file, length, Some(extent.checksum), |_, _| Ok(()))?;
    Ok(whole && length == extent.bytes)
}

/// Copies every damaged piece to a file of its own, and syncs it.
fn set_aside<F: Files>(files: &F, lost: &F, layout: &Layout) -> Result<(), OpenError> {
    for (number, extent) in &layout.segments {
        let Some((file, end)) = open(files, *number, *extent)? else {
            continue;
        };
        survey(
            &file,
            end,
            extent.map(|extent| extent.checksum),
            |place, piece| {
                if let Piece::Damaged(bytes, _) = piece {
                    let name = format!("{number:08}-{}.jsonl", place.byte);
                    write_whole(lost, &name, bytes)?;
                }
                Ok(())
            },
        )?;
    }
    lost.sync_directory()?;
    Ok(())
}

/// A segment's file, and how much of it is to be read.
fn open<F: Files>(
    files: &F,
    number: u32,
    extent: Option<Extent>,
) -> Result<Option<(F::File, u64)>, OpenError> {
    match files.open(&file_name(number), Access::Read) {
        Ok(file) => {
            let length = file.length()?;
            let end = match extent {
                Some(extent) => extent.bytes.min(length),
                None => State::default().end_of_newest(files, number, length)?,
            };
            Ok(Some((file, end)))
        }
        Err(e) if matches!(e.kind, FileErrorKind::NotFound | FileErrorKind::NotAFile) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Writes a file anew and syncs it.
fn write_whole<F: Files>(files: &F, name: &str, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = match files.create(name) {
        Err(e) if e.kind == FileErrorKind::AlreadyExists => {
            files.remove(name)?;
            files.create(name)?
        }
        other => other?,
    };
    file.write_at(0, bytes)?;
    file.sync()
}

/// Writes a replacement for each segment that is not sound. Returns the extents
/// of all segments as they are to be sealed, and how many versions are missing.
fn write_replacements<F: Files>(
    files: &F,
    layout: &Layout,
    time_ms: u64,
) -> Result<(Sealing, u64), OpenError> {
    let mut sealing = Sealing::default();
    let mut versions_lost = 0;
    for (position, (number, extent)) in layout.segments.iter().enumerate() {
        if extent.is_some_and(|extent| extent.bytes == 0) {
            sealing.extents.extend(*extent);
            continue;
        }
        let mut rewriting = Rewriting::new(*number, sealing.version, time_ms);
        let mut sound = false;
        let mut length = 0;
        if let Some((file, end)) = open(files, *number, *extent)? {
            let last = extent.map(|extent| extent.checksum);
            sound = survey(&file, end, last, |_, piece| {
                rewriting.piece(piece);
                Ok(())
            })?;
            sound &= extent.is_none_or(|extent| extent.bytes == end);
            length = end;
        }
        let next = match layout.segments.get(position + 1) {
            Some((next, _)) => begin_version(files, *next),
            None => None,
        };
        if sound && rewriting.lost == 0 {
            sealing.extents.push(Extent {
                number: *number,
                bytes: length,
                checksum: rewriting.checksum_read,
            });
        } else {
            rewriting.close(next);
            write_whole(files, &replacement_name(*number), &rewriting.output)?;
            sealing.extents.push(Extent {
                number: *number,
                bytes: rewriting.output.len() as u64,
                checksum: rewriting.checksum,
            });
        }
        versions_lost += rewriting.lost;
        sealing.version = Some(rewriting.version);
    }
    Ok((sealing, versions_lost))
}

/// What the new header is to say.
#[derive(Debug, Default)]
struct Sealing {
    extents: Vec<Extent>,
    version: Option<u64>,
}

/// The version at which a segment begins, where its header can be read.
fn begin_version<F: Files>(files: &F, number: u32) -> Option<u64> {
    let file = files.open(&file_name(number), Access::Read).ok()?;
    let length = file.length().ok()?;
    let mut version = None;
    let seen = survey(&file, length, None, |place, piece| {
        if place.line > 1 {
            // All that is wanted has been seen.
            return Err(FileError {
                operation: "read",
                name: String::new(),
                kind: FileErrorKind::Other,
                detail: String::new(),
            });
        }
        if let Piece::Sound(_, line) | Piece::Mended(_, line) = piece {
            version = line.format.and(Some(line.v));
        }
        Ok(())
    });
    drop(seen);
    version
}

/// A segment that is written anew, without what is damaged.
struct Rewriting {
    number: u32,
    output: Vec<u8>,
    checksum: u32,
    /// The last checksum of the original.
    checksum_read: u32,
    /// Where the batch begins that is being written.
    batch: usize,
    time_ms: u64,
    version: u64,
    /// Damaged lines since the last sound one, and versions lost in all.
    damaged: u64,
    lost: u64,
}

impl Rewriting {
    fn new(number: u32, version: Option<u64>, time_ms: u64) -> Self {
        Self {
            number,
            output: Vec::new(),
            checksum: 0,
            checksum_read: 0,
            batch: 0,
            time_ms,
            version: version.unwrap_or_default(),
            damaged: 0,
            lost: 0,
        }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Damaged(..) => self.damaged += 1,
            Piece::Sound(bytes, line) | Piece::Mended(bytes, line) => {
                if let Ok(own) = std::str::from_utf8(&bytes[6..14]) {
                    self.checksum_read = record::parse_checksum(own).unwrap_or_default();
                }
                self.line(bytes, &line);
            }
        }
    }

    fn line(&mut self, bytes: &[u8], line: &Line<'_>) {
        if let Some(time_ms) = line.t {
            self.time_ms = time_ms;
        }
        if line.format.is_some() {
            self.version = line.v;
        } else {
            self.header();
            let begins_at = line.v.saturating_sub(line.steps());
            self.lose(begins_at.saturating_sub(self.version));
            self.version = line.v;
        }
        self.damaged = 0;
        let start = self.output.len();
        let rest = &bytes[PREFIX_BYTES..];
        let behind = memchr::memchr(b',', rest).map_or(rest.len(), |comma| comma + 1);
        self.output.extend_from_slice(b"{\"c\":\"00000000\",");
        if line.t.is_some() || start == 0 {
            self.batch = start;
            self.output.extend_from_slice(b"\"t\":");
            write_number(&mut self.output, self.time_ms);
        } else {
            self.output.extend_from_slice(b"\"b\":");
            write_number(&mut self.output, (start - self.batch) as u64);
        }
        self.output.push(b',');
        self.output.extend_from_slice(&rest[behind..]);
        self.seal(start);
    }

    /// The first line, where the original's is damaged or missing.
    fn header(&mut self) {
        if self.output.is_empty() {
            let (number, version) = (self.number, self.version);
            self.checksum =
                record::write_header(&mut self.output, self.time_ms, version, number, &[]);
        }
    }

    /// Says that changes are missing here.
    fn lose(&mut self, versions: u64) {
        if versions == 0 {
            return;
        }
        self.header();
        self.lost += versions;
        self.version += versions;
        let start = self.output.len();
        self.batch = start;
        self.output.extend_from_slice(b"{\"c\":\"00000000\",\"t\":");
        write_number(&mut self.output, self.time_ms);
        self.output.extend_from_slice(b",\"v\":");
        write_number(&mut self.output, self.version);
        self.output.extend_from_slice(b",\"lost\":");
        write_number(&mut self.output, versions);
        self.output.push(b'}');
        self.seal(start);
    }

    fn seal(&mut self, start: usize) {
        self.checksum = checksum_of(self.checksum, &self.output[start + PREFIX_BYTES..]);
        self.output[start + 6..start + 14].copy_from_slice(&hexadecimal(self.checksum));
        self.output.push(b'\n');
    }

    /// Ends the segment at the version where the next one begins. Where that is
    /// not known, each damaged line has had one, at least.
    fn close(&mut self, next: Option<u64>) {
        self.header();
        let missing = match next {
            Some(next) => next.saturating_sub(self.version),
            None => self.damaged,
        };
        self.lose(missing);
    }
}

/// The keys whose changes are lost: those that a checkpoint knows of, and those
/// that damaged lines seem to name.
fn lost_changes<F: Files>(
    files: &F,
    layout: &Layout,
    damage: &[Damaged],
    index: &Index,
) -> Vec<LostChange> {
    let now = |key: &str| {
        let entry: Option<Entry> = index.get(Address::Key(key));
        entry.map(|entry| entry.location.version)
    };
    let mut lost = BTreeMap::new();
    for damaged in damage.iter().filter(|damaged| !damaged.only_checksum) {
        for key in &damaged.keys {
            lost.insert(
                key.clone(),
                LostChange {
                    key: key.clone(),
                    version: damaged.version,
                    now: now(key),
                    proven: false,
                },
            );
        }
    }
    let mut checkpoints = checkpoint::newest_first(&layout.names).into_iter();
    if let Some(known) = checkpoints.find_map(|name| checkpoint::read(files, &name)) {
        for (key, entry) in known.index.keys_behind(None) {
            let version = entry.location.version;
            let byte = u64::from(entry.location.offset);
            let was_hit = damage.iter().any(|damaged| {
                !damaged.only_checksum
                    && damaged.file == file_name(entry.location.segment)
                    && (damaged.bytes == 0 && damaged.byte <= byte || damaged.byte == byte)
            });
            let now = now(&key);
            if was_hit && now.is_none_or(|now| now < version) {
                let key = key.into_owned();
                let change = LostChange {
                    key: key.clone(),
                    version: Some(version),
                    now,
                    proven: true,
                };
                lost.insert(key, change);
            }
        }
    }
    lost.into_values().collect()
}

/// Begins the segment whose header seals what was repaired: from here on that is
/// the log.
fn begin_segment<F: Files>(
    files: &F,
    layout: &Layout,
    sealing: &Sealing,
    time_ms: u64,
) -> Result<(), OpenError> {
    let number = layout.number + 1;
    let mut header = Vec::new();
    let version = sealing.version.unwrap_or_default();
    record::write_header(&mut header, time_ms, version, number, &sealing.extents);
    let mut file = files.create(&file_name(number))?;
    file.write_at(0, &header)?;
    file.sync()?;
    files.sync_directory()?;
    Ok(())
}

fn put_in_place<F: Files>(files: &F, layout: &Layout) -> Result<(), OpenError> {
    for (number, _) in &layout.segments {
        let name = replacement_name(*number);
        if files.exists(&name)? {
            files.rename(&name, &file_name(*number))?;
        }
    }
    files.sync_directory()?;
    Ok(())
}
