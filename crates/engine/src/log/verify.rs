//! Reading everything there is: each line of each segment, the chain, every
//! content's hash. Goes on behind damage, and changes nothing.

use crate::content;
use crate::error::OpenError;
use crate::files::{Access, File, FileError, FileErrorKind, Files};
use crate::index::Location;
use crate::log::checkpoint;
use crate::log::line::{Changes, Line, Read};
use crate::log::lines::Lines;
use crate::log::present::Present;
use crate::log::scan::Scan;
use crate::log::segment::{Extent, file_name, number_of};
use crate::log::survey::{Piece, Place, survey};
use serde::Serialize;
use std::hash::BuildHasher;

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// The segments of the log.
    pub segments: usize,
    /// The lines read in them.
    pub lines: u64,
    /// The bytes read.
    pub bytes: u64,
    /// The keys that have a value, as far as the log is sound.
    pub keys: usize,
    /// The content objects.
    pub contents: usize,
    /// The version of the last change.
    pub version: u64,
    /// The end of a write that was never finished: no damage.
    pub torn_bytes: u64,
    /// The newest whole checkpoint, if there is one.
    pub checkpoint: Option<String>,
    /// All that is not as it was written.
    pub damage: Vec<Damaged>,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// The segment's file name.
    pub file: String,
    /// The line in it, from 1.
    pub line: u64,
    /// Its first byte, from 0.
    pub byte: u64,
    /// How many bytes.
    pub bytes: u64,
    /// What is wrong.
    pub reason: String,
    /// The keys that the line seems to be about. Nothing proves them.
    pub keys: Vec<String>,
    /// The version that it seems to have. Nothing proves it.
    pub version: Option<u64>,
    /// Whether the line itself is proven by what follows: nothing is lost.
    pub only_checksum: bool,
}

/// The log, as far as headers tell.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Every segment, oldest first; with its extent where a header seals it.
    pub(super) segments: Vec<(u32, Option<Extent>)>,
    /// The highest number that is taken.
    pub(super) number: u32,
    pub(super) names: Vec<String>,
}

/// Reads and checks everything. `progress` is called with the bytes read so far
/// and the bytes in all. Keys are counted by their hashes under two secrets, which
/// nobody may know who could have chosen the keys.
///
/// # Errors
/// Where the disk refuses, and for a log of a later release.
pub fn verify<F: Files>(
    files: &F,
    secrets: [impl BuildHasher; 2],
    mut progress: impl FnMut(u64, u64),
) -> Result<Verified, OpenError> {
    let layout = layout(files)?;
    let mut state = State::default();
    let mut present = Present::new(secrets);
    let total = total_bytes(files, &layout);
    let mut done = 0;
    for (number, extent) in &layout.segments {
        done += state.read(files, *number, *extent, |_, changes| present.apply(changes))?;
        progress(done, total);
    }
    let mut verified = state.verified;
    verified.segments = layout.segments.len();
    verified.bytes = done;
    (verified.keys, verified.contents) = present.counts();
    verified.version = state.version.unwrap_or_default();
    let names = checkpoint::newest_first(&layout.names).into_iter();
    verified.checkpoint = names
        .into_iter()
        .find(|name| checkpoint::read(files, name).is_some());
    Ok(verified)
}

fn total_bytes<F: Files>(files: &F, layout: &Layout) -> u64 {
    let lengths = layout.segments.iter().map(|(number, extent)| match extent {
        Some(extent) => extent.bytes,
        None => files
            .open(&file_name(*number), Access::Read)
            .and_then(|file| file.length())
            .unwrap_or_default(),
    });
    lengths.sum()
}

/// Finds the newest header that can be read, and what it seals.
pub(super) fn layout<F: Files>(files: &F) -> Result<Layout, OpenError> {
    let names = files.list()?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable();
    let mut layout = Layout {
        number: numbers.last().copied().unwrap_or(0),
        ..Layout::default()
    };
    let mut without_header = Vec::new();
    while let Some(number) = numbers.pop() {
        match Scan::open(files, number).and_then(|mut scan| scan.read_header()) {
            Ok(Some(sealed)) => {
                let sealed = sealed.into_iter();
                layout
                    .segments
                    .extend(sealed.map(|extent| (extent.number, Some(extent))));
                without_header.push((number, None));
                break;
            }
            // Begun, and never finished.
            Ok(None) => {
                let empty = Extent {
                    number,
                    ..Extent::default()
                };
                without_header.push((number, Some(empty)));
            }
            Err(OpenError::Damage(_)) => without_header.push((number, None)),
            Err(e) => return Err(e),
        }
    }
    layout.segments.extend(without_header.into_iter().rev());
    layout.names = names;
    Ok(layout)
}

/// What the sound lines come to.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) version: Option<u64>,
    pub(super) verified: Verified,
}

impl State {
    /// Reads one segment and hands over the changes of its sound lines, with the
    /// place and version of each line; returns the bytes that were read.
    pub(super) fn read<F: Files>(
        &mut self,
        files: &F,
        number: u32,
        extent: Option<Extent>,
        mut take: impl FnMut(Location, &Changes<'_>),
    ) -> Result<u64, OpenError> {
        if extent.is_some_and(|extent| extent.bytes == 0) {
            return Ok(0);
        }
        let file = match files.open(&file_name(number), Access::Read) {
            Ok(file) => file,
            Err(e) if matches!(e.kind, FileErrorKind::NotFound | FileErrorKind::NotAFile) => {
                self.damaged(
                    number,
                    Place { line: 1, byte: 0 },
                    b"",
                    "the segment is missing",
                );
                return Ok(0);
            }
            Err(e) => return Err(e.into()),
        };
        let length = file.length()?;
        let end = match extent {
            Some(extent) => extent.bytes.min(length),
            None => self.end_of_newest(files, number, length)?,
        };
        let last = extent.map(|extent| extent.checksum);
        let lines_before = self.verified.lines;
        let damage_before = self.verified.damage.len();
        let sound = survey(&file, end, last, |place, piece| {
            self.piece(number, place, piece, &mut take);
            Ok(())
        })?;
        if let Some(extent) = extent.filter(|extent| extent.bytes > length) {
            let place = Place {
                line: self.verified.lines - lines_before + 1,
                byte: length,
            };
            let reason = format!("the file ends here; {} bytes are sealed", extent.bytes);
            self.damaged(number, place, b"", &reason);
        } else if !sound && self.verified.damage.len() == damage_before {
            let reason = "its last checksum is not the one that a later segment seals";
            self.damaged(number, Place { line: 1, byte: 0 }, b"", reason);
        }
        Ok(end)
    }

    /// Where the newest segment ends: before a torn tail, if it has one.
    pub(super) fn end_of_newest<F: Files>(
        &mut self,
        files: &F,
        number: u32,
        length: u64,
    ) -> Result<u64, OpenError> {
        let mut scan = Scan::open(files, number)?;
        let read = scan
            .read_header()
            .and_then(|_| scan.read_changes(&mut |_, _| {}));
        match read {
            Ok(()) => {
                self.verified.torn_bytes += scan.torn.map_or(0, |torn| torn.bytes);
                Ok(scan.bytes)
            }
            Err(OpenError::Damage(_)) => Ok(end_of_lines(&scan.file, length)?),
            Err(e) => Err(e),
        }
    }

    fn piece(
        &mut self,
        number: u32,
        place: Place,
        piece: Piece<'_>,
        take: &mut impl FnMut(Location, &Changes<'_>),
    ) {
        self.verified.lines += 1;
        match piece {
            Piece::Sound(bytes, line) => self.line(number, place, bytes, line, take),
            Piece::Mended(bytes, line) => {
                self.damaged(
                    number,
                    place,
                    bytes,
                    "the digits of the checksum are damaged",
                );
                if let Some(damage) = self.verified.damage.last_mut() {
                    damage.only_checksum = true;
                }
                self.line(number, place, bytes, line, take);
            }
            Piece::Damaged(bytes, reason) => self.damaged(number, place, bytes, reason),
        }
    }

    /// Takes in a line that is proven.
    fn line(
        &mut self,
        number: u32,
        place: Place,
        bytes: &[u8],
        line: Line<'_>,
        take: &mut impl FnMut(Location, &Changes<'_>),
    ) {
        if line.format.is_some() {
            self.version.get_or_insert(line.v);
            return;
        }
        let (version_after, steps, copy) = (line.v, line.steps(), line.copy);
        let changes = match line.changes() {
            Ok(changes) => changes,
            Err(reason) => return self.damaged(number, place, bytes, &reason),
        };
        let is_false = |change: &Read<'_>| match change {
            Read::Content(hash, text) => !content::verify(hash, text),
            _ => false,
        };
        if changes.as_slice().iter().any(is_false) {
            let reason = "the content does not have its hash";
            return self.damaged(number, place, bytes, reason);
        }
        let follows = self
            .version
            .is_none_or(|version| version_after.checked_sub(steps) == Some(version));
        // Where lines before it are damaged, their versions are missing.
        if !follows && self.verified.damage.is_empty() {
            let reason = format!("version {version_after} does not follow the one before");
            self.damaged(number, place, bytes, &reason);
        }
        self.version = Some(version_after);
        let version = copy.unwrap_or(version_after);
        take(location(number, place, bytes, version), &changes);
    }

    fn damaged(&mut self, number: u32, place: Place, bytes: &[u8], reason: &str) {
        let line = Line::read(bytes.trim_ascii_end());
        let version = line.as_ref().ok().map(|line| line.copy.unwrap_or(line.v));
        let changes = line.and_then(Line::changes);
        let changes = changes
            .as_ref()
            .map_or(&[][..], |changes| changes.as_slice());
        let keys = changes.iter().filter_map(|change| match change {
            Read::Put(key, _, _) | Read::Delete(key) | Read::Expire(key) => Some(key.to_string()),
            Read::Content(..) | Read::Lost => None,
        });
        self.verified.damage.push(Damaged {
            file: file_name(number),
            line: place.line,
            byte: place.byte,
            bytes: bytes.len() as u64,
            reason: reason.to_owned(),
            keys: keys.collect(),
            version,
            only_checksum: false,
        });
    }
}

/// Where the room behind a segment's last line begins.
fn end_of_lines<T: File>(file: &T, length: u64) -> Result<u64, FileError> {
    let mut lines = Lines::new(file, 0, length);
    let mut end = 0;
    loop {
        lines.skip_empty()?;
        let Some(raw) = lines.next_line()? else {
            return Ok(end);
        };
        end = raw.offset + raw.bytes.len() as u64 + u64::from(raw.ended);
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a segment is shorter than 4 GiB: an opening refuses a longer one"
)]
fn location(number: u32, place: Place, bytes: &[u8], version: u64) -> Location {
    Location {
        version,
        segment: number,
        offset: place.byte as u32,
        length: bytes.len() as u32,
        checksum_before: 0,
    }
}
