//! From backups to a log. Everything is checked before anything is written; see
//! docs/format.md for what a backup holds.

use crate::content;
use crate::error::Damage;
use crate::files::{File, FileError, Files};
use crate::log::line::{Line, Read};
use crate::log::lines::{Lines, RawLine};
use crate::log::record::{self, FORMAT, time_and_version};
use crate::log::segment::{Extent, file_name};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The version of the store.
    pub version: u64,
    /// The lines of the backups.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The segments that were written.
    pub segments: usize,
}

/// Why nothing was restored, or not all.
#[derive(Clone, Debug)]
pub enum RestoreError {
    /// The disk refused.
    Files(FileError),
    /// A backup is not whole, not what was written, or not the next one.
    Damage(Damage),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(e) => e.fmt(formatter),
            Self::Damage(damage) => write!(
                formatter,
                "{}, line {}, byte {}: {}; nothing was restored",
                damage.file, damage.line, damage.byte, damage.reason
            ),
        }
    }
}

impl std::error::Error for RestoreError {}

impl From<FileError> for RestoreError {
    fn from(error: FileError) -> Self {
        Self::Files(error)
    }
}

/// The first line of a backup.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin<'a> {
    #[allow(dead_code, reason = "checked before the line is read")]
    c: &'a str,
    #[allow(dead_code, reason = "only written down")]
    t: u64,
    format: u64,
    backup_since: u64,
    v: u64,
}

/// The last line of a backup.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End<'a> {
    #[allow(dead_code, reason = "checked before the line is read")]
    c: &'a str,
    #[allow(dead_code, reason = "only written down")]
    t: u64,
    v: u64,
    backup_lines: u64,
}

/// A last line is never longer.
const END_BYTES_MAX: usize = 128;

/// How much is collected before it is written.
const PIECE_BYTES: usize = 1024 * 1024;

/// Writes the log that backups make, each the one that follows the one before,
/// into `to`, which is empty. It is durable when this returns. Each backup comes
/// with a name for messages. `progress` is called with the bytes read so far and those in all.
///
/// # Errors
/// Where a backup is not whole or not what was written, before anything is
/// written; and where the disk refuses.
pub fn restore<S: AsRef<str>, T: File, F: Files>(
    backups: &[(S, T)],
    to: &F,
    time_ms: u64,
    segment_bytes_max: u64,
    mut progress: impl FnMut(u64, u64),
) -> Result<Restored, RestoreError> {
    let mut total = 0;
    for (_, file) in backups {
        total += 2 * file.length()?;
    }
    let mut restored = Restored::default();
    let mut done = 0;
    for (name, file) in backups {
        let mut backup = Backup::open(name.as_ref(), file)?;
        backup.begin(restored.version)?;
        while backup.next(|_, _| Ok(()))? {
            if backup.lines % 1024 == 0 {
                progress(done + backup.place.offset, total);
            }
        }
        restored.version = backup.version;
        restored.lines += backup.lines;
        done += backup.length;
    }
    restored.bytes = done;
    let mut log = Log {
        files: to,
        time_ms,
        segment_bytes_max,
        sealed: Vec::new(),
        open: None,
    };
    let mut version = 0;
    for (name, file) in backups {
        let mut backup = Backup::open(name.as_ref(), file)?;
        let begun = backup.begin(version)?;
        if log.open.is_none() {
            log.begin(begun)?;
        }
        while backup.next(|version, line| log.write(version, line))? {
            if backup.lines % 1024 == 0 {
                progress(done + backup.place.offset, total);
            }
        }
        version = backup.version;
        done += backup.length;
    }
    restored.segments = log.finish()?;
    Ok(restored)
}

/// A backup that is being read.
struct Backup<'a, T> {
    name: &'a str,
    lines_left: Lines<'a, T>,
    length: u64,
    place: Place,
    lines: u64,
    version: u64,
}

/// The line in hand, and the checksum of the one before.
#[derive(Clone, Copy, Default)]
struct Place {
    line: u64,
    offset: u64,
    checksum: u32,
}

impl<'a, T: File> Backup<'a, T> {
    fn open(name: &'a str, file: &'a T) -> Result<Self, RestoreError> {
        let length = file.length()?;
        Ok(Self {
            name,
            lines_left: Lines::new(file, 0, length),
            length,
            place: Place::default(),
            lines: 0,
            version: 0,
        })
    }

    /// Reads the first line. `expected` is the version that the backup is to
    /// follow; 0 where it is to hold everything.
    fn begin(&mut self, expected: u64) -> Result<u64, RestoreError> {
        let name = self.name;
        let place = &mut self.place;
        let told = |place: &Place, reason: &str| damage(name, *place, reason);
        place.line = 1;
        let Some(raw) = self.lines_left.next_line()? else {
            return Err(told(place, "the file is empty"));
        };
        place.checksum = whole(&raw, 0).map_err(|reason| told(place, &reason))?;
        let begin: Begin<'_> = serde_json::from_slice(raw.bytes)
            .map_err(|e| told(place, &format!("this is no backup's first line: {e}")))?;
        if begin.format != FORMAT {
            return Err(told(place, "a later release has written this backup"));
        }
        if begin.backup_since != expected {
            let reason = format!(
                "this backup holds the changes since version {}, and is to follow version {expected}",
                begin.backup_since
            );
            return Err(told(place, &reason));
        }
        self.version = begin.v;
        self.lines = 1;
        Ok(begin.v)
    }

    /// Reads the next line of the log, checks it and hands it over, with the
    /// version behind it. False at the backup's whole end.
    fn next(
        &mut self,
        take: impl FnOnce(u64, &[u8]) -> Result<(), RestoreError>,
    ) -> Result<bool, RestoreError> {
        let name = self.name;
        self.place.line += 1;
        let place = self.place;
        let told = |reason: &str| damage(name, place, reason);
        let Some(raw) = self.lines_left.next_line()? else {
            return Err(told("the backup is not whole: its last line is missing"));
        };
        self.place.offset = raw.offset;
        let place = self.place;
        let told = |reason: &str| damage(name, place, reason);
        self.place.checksum = whole(&raw, place.checksum).map_err(|reason| told(&reason))?;
        if raw.bytes.len() <= END_BYTES_MAX
            && let Ok(end) = serde_json::from_slice::<End<'_>>(raw.bytes)
        {
            if (end.backup_lines, end.v) != (self.lines, self.version) {
                return Err(told("the last line tells of another backup"));
            }
            if self.lines_left.next_line()?.is_some() {
                return Err(told("something stands behind the last line"));
            }
            return Ok(false);
        }
        let line = Line::read(raw.bytes).map_err(|reason| told(&reason))?;
        if line.format.is_some() || line.v.checked_sub(line.steps()) != Some(self.version) {
            return Err(told("its version does not follow the one before"));
        }
        self.version = line.v;
        self.lines += 1;
        let changes = line.changes().map_err(|reason| told(&reason))?;
        let is_false = |change: &Read<'_>| match change {
            Read::Content(hash, text) => !content::verify(hash, text),
            _ => false,
        };
        if changes.as_slice().iter().any(is_false) {
            return Err(told("the content does not have its hash"));
        }
        take(self.version, raw.bytes)?;
        Ok(true)
    }
}

fn whole(raw: &RawLine<'_>, checksum: u32) -> Result<u32, String> {
    if raw.ended {
        record::check(raw.bytes, checksum)
    } else {
        Err("the line has no end".to_owned())
    }
}

fn damage(name: &str, place: Place, reason: &str) -> RestoreError {
    RestoreError::Damage(Damage {
        file: name.to_owned(),
        line: place.line,
        byte: place.offset,
        reason: reason.to_owned(),
    })
}

/// The log that is being written.
struct Log<'a, F: Files> {
    files: &'a F,
    time_ms: u64,
    segment_bytes_max: u64,
    sealed: Vec<Extent>,
    open: Option<Segment<F::File>>,
}

struct Segment<T> {
    file: T,
    extent: Extent,
    /// What is not written yet.
    lines: Vec<u8>,
    /// The version behind the last line.
    version: u64,
}

impl<F: Files> Log<'_, F> {
    fn begin(&mut self, version: u64) -> Result<(), RestoreError> {
        let number = self.sealed.last().map_or(0, |extent| extent.number) + 1;
        let file = self.files.create(&file_name(number))?;
        let mut lines = Vec::new();
        let checksum =
            record::write_header(&mut lines, self.time_ms, version, number, &self.sealed);
        self.open = Some(Segment {
            file,
            extent: Extent {
                number,
                bytes: 0,
                checksum,
            },
            lines,
            version,
        });
        Ok(())
    }

    /// Writes a line once more, as a batch of its own.
    fn write(&mut self, version: u64, line: &[u8]) -> Result<(), RestoreError> {
        let full = self
            .open
            .as_ref()
            .filter(|open| open.extent.bytes + open.lines.len() as u64 >= self.segment_bytes_max);
        if let Some(begins_at) = full.map(|open| open.version) {
            self.seal()?;
            self.begin(begins_at)?;
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let time_ms = time_and_version(line).and_then(|(time_ms, _)| time_ms);
        let mut again = Vec::with_capacity(line.len() + 1);
        let time_ms = time_ms.unwrap_or(self.time_ms);
        open.extent.checksum = record::write_again(&mut again, open.extent.checksum, time_ms, line);
        open.lines.extend_from_slice(&again);
        open.version = version;
        if open.lines.len() >= PIECE_BYTES {
            open.flush()?;
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), RestoreError> {
        if let Some(mut open) = self.open.take() {
            open.flush()?;
            open.file.sync()?;
            self.sealed.push(open.extent);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<usize, RestoreError> {
        self.seal()?;
        self.files.sync_directory()?;
        Ok(self.sealed.len())
    }
}

impl<T: File> Segment<T> {
    fn flush(&mut self) -> Result<(), RestoreError> {
        self.file.write_at(self.extent.bytes, &self.lines)?;
        self.extent.bytes += self.lines.len() as u64;
        self.lines.clear();
        Ok(())
    }
}
