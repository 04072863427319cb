//! Opening a log: every line is read and checked, a torn tail is told apart
//! from damage. docs/format.md, "Opening", has the rules and their reasons.

use crate::error::{Damage, OpenError};
use crate::files::{Access, File, FileErrorKind, Files};
use crate::index::Location;
use crate::log::lines::{Lines, RawLine};
use crate::log::record::{self, FORMAT, Line, Read};
use crate::log::segment::{Sealed, file_name, number_of};
use serde::Serialize;

/// A log, as it was found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Every segment, oldest first, with the bytes that count.
    pub segments: Vec<Sealed>,
    /// The highest segment number that is taken, 0 where there is none.
    pub number: u32,
    /// The version of the last change.
    pub version: u64,
    /// What was cut off, newest segment first.
    pub torn: Vec<Torn>,
    /// The length, when it was read, of each file that an owner may still have
    /// been writing: the newest with a header, and those claimed behind it.
    pub read_bytes: Vec<(u32, u64)>,
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

/// Reads the log in `files` and hands over every change, in order.
///
/// # Errors
/// Where the disk refuses, and at the first damage.
pub fn recover<F: Files>(
    files: &F,
    mut apply: impl FnMut(Location, Read<'_>),
) -> Result<Recovered, OpenError> {
    let mut numbers: Vec<u32> = files
        .list()?
        .iter()
        .filter_map(|name| number_of(name))
        .collect();
    numbers.sort_unstable();
    let mut recovered = Recovered {
        number: numbers.last().copied().unwrap_or(0),
        ..Recovered::default()
    };
    let mut unfinished = Vec::new();
    while let Some(number) = numbers.pop() {
        let mut newest = Segment::open(files, number)?;
        recovered.read_bytes.push((number, newest.length));
        let Some(sealed) = newest.read_header()? else {
            unfinished.push(Sealed {
                number,
                bytes: 0,
                checksum: 0,
            });
            recovered.torn.extend(newest.torn);
            continue;
        };
        for expected in sealed.iter().filter(|sealed| sealed.bytes > 0) {
            recovered.version = read_sealed(files, *expected, &mut apply)?;
        }
        recovered.segments = sealed;
        newest.read_changes(&mut apply)?;
        // A writer that was killed may have left lines, or even this file's
        // name, in memory alone.
        newest.file.sync()?;
        files.sync_directory()?;
        recovered.version = newest.version;
        recovered.segments.push(newest.as_sealed());
        recovered.torn.extend(newest.torn);
        break;
    }
    recovered.segments.extend(unfinished.into_iter().rev());
    Ok(recovered)
}

/// Reads exactly the bytes that a newer header says count, and returns the
/// version at their end.
fn read_sealed<F: Files>(
    files: &F,
    expected: Sealed,
    apply: &mut impl FnMut(Location, Read<'_>),
) -> Result<u64, OpenError> {
    let damage = |byte: u64, reason: &str| Damage {
        file: file_name(expected.number),
        line: 1,
        byte,
        reason: reason.to_owned(),
    };
    let mut segment = match Segment::open(files, expected.number) {
        Err(OpenError::Files(e)) if e.kind == FileErrorKind::NotFound => {
            return Err(damage(0, "this segment is missing, though a later one seals it").into());
        }
        other => other?,
    };
    if segment.length < expected.bytes {
        let reason = format!(
            "the file ends here, though a later segment seals {} bytes of it",
            expected.bytes
        );
        return Err(damage(segment.length, &reason).into());
    }
    segment.length = expected.bytes;
    segment.sealed = true;
    if segment.read_header()?.is_none() {
        return Err(damage(0, "the header can't be read").into());
    }
    segment.read_changes(apply)?;
    if segment.checksum != expected.checksum {
        return Err(damage(
            0,
            "this is not the segment that a later one seals: its last checksum is another",
        )
        .into());
    }
    Ok(segment.version)
}

/// A segment while it is read.
struct Segment<T> {
    number: u32,
    file: T,
    /// Its bytes, or those of them that count.
    length: u64,
    /// Whether all of them must be valid.
    sealed: bool,
    /// What has been read: lines, bytes, the last checksum and version.
    lines: u64,
    bytes: u64,
    checksum: u32,
    version: u64,
    torn: Option<Torn>,
}

impl<T: File> Segment<T> {
    fn open<F: Files<File = T>>(files: &F, number: u32) -> Result<Self, OpenError> {
        let file = files.open(&file_name(number), Access::Read)?;
        let length = file.length()?;
        if length > u64::from(u32::MAX) {
            let file = file_name(number);
            let reason = "the file is longer than any segment".to_owned();
            return Err(OpenError::Damage(Damage {
                file,
                line: 1,
                byte: u64::from(u32::MAX),
                reason,
            }));
        }
        Ok(Self {
            number,
            file,
            length,
            sealed: false,
            lines: 0,
            bytes: 0,
            checksum: 0,
            version: 0,
            torn: None,
        })
    }

    fn as_sealed(&self) -> Sealed {
        Sealed {
            number: self.number,
            bytes: self.bytes,
            checksum: self.checksum,
        }
    }

    /// Reads the first line. Nothing where its write was never finished.
    fn read_header(&mut self) -> Result<Option<Vec<Sealed>>, OpenError> {
        let length = self.length;
        let file = &self.file;
        let mut lines = Lines::new(file, length);
        let Some(raw) = lines.next_line()? else {
            return Ok(None);
        };
        let read = whole(&raw, 0).and_then(|checksum| Ok((checksum, Line::read(raw.bytes)?)));
        let (checksum, line) = match read {
            Ok(read) => read,
            Err(reason) => {
                let first = Invalid::new(&raw, reason);
                let later = batch_begun_behind(&mut lines, 0)?;
                self.torn_or_damage(first, later)?;
                return Ok(None);
            }
        };
        if let Some(format) = line.format.filter(|format| *format != FORMAT) {
            return Err(OpenError::Format {
                file: file_name(self.number),
                format,
            });
        }
        let sealed = line.sealed();
        let ours = line.format.is_some() && line.segment == Some(self.number);
        let Some(sealed) = sealed.filter(|sealed| ours && in_order(sealed, self.number)) else {
            let reason = "the first line is no header of this segment";
            return Err(self.damage(0, reason).into());
        };
        (self.version, self.checksum, self.lines) = (line.v, checksum, 1);
        self.bytes = raw.bytes.len() as u64 + 1;
        Ok(Some(sealed))
    }

    /// Reads the lines behind the header, up to a torn tail or the end.
    fn read_changes(
        &mut self,
        apply: &mut impl FnMut(Location, Read<'_>),
    ) -> Result<(), OpenError> {
        let length = self.length;
        let mut invalid = None;
        let mut version = self.version;
        let mut checksum = self.checksum;
        let mut bytes = 0;
        let mut count = 0;
        let mut lines = Lines::new(&self.file, length);
        while let Some(raw) = lines.next_line()? {
            if count == 0 {
                // The header, which is read.
                count = 1;
                bytes = self.bytes;
                continue;
            }
            match read_change(&raw, checksum, version) {
                Ok((own, change)) => {
                    apply(location(self.number, version + 1, &raw, checksum), change);
                    (checksum, version) = (own, version + 1);
                    bytes = raw.offset + raw.bytes.len() as u64 + 1;
                    count += 1;
                }
                Err(reason) => {
                    invalid = Some(Invalid::new(&raw, reason));
                    break;
                }
            }
        }
        let later = match &invalid {
            Some(first) => batch_begun_behind(&mut lines, first.offset)?,
            None => None,
        };
        (self.version, self.checksum, self.bytes, self.lines) = (version, checksum, bytes, count);
        match invalid {
            Some(first) => self.torn_or_damage(first, later),
            None => Ok(()),
        }
    }

    /// Decides what an invalid line is: see docs/format.md.
    fn torn_or_damage(&mut self, first: Invalid, later: Option<u64>) -> Result<(), OpenError> {
        let reason = first.reason;
        if self.sealed {
            return Err(self.damage(first.offset, &reason).into());
        }
        if let Some(batch) = later {
            let reason = format!(
                "{reason} (a batch that was begun later, at byte {batch}, proves that this one was durable)"
            );
            return Err(self.damage(first.offset, &reason).into());
        }
        if first.whole {
            let reason = format!("{reason} (it was written whole, and changed afterwards)");
            return Err(self.damage(first.offset, &reason).into());
        }
        self.torn = Some(Torn {
            file: file_name(self.number),
            byte: first.offset,
            bytes: self.length - first.offset,
        });
        Ok(())
    }

    fn damage(&self, byte: u64, reason: &str) -> Damage {
        Damage {
            file: file_name(self.number),
            line: self.lines + 1,
            byte,
            reason: reason.to_owned(),
        }
    }
}

/// A line that is not what was written.
struct Invalid {
    offset: u64,
    /// It ends with a line feed and holds no zero byte.
    whole: bool,
    reason: String,
}

impl Invalid {
    fn new(raw: &RawLine<'_>, reason: String) -> Self {
        Self {
            offset: raw.offset,
            whole: raw.ended && memchr::memchr(0, raw.bytes).is_none(),
            reason,
        }
    }
}

/// The first byte of a batch that some line behind says was begun behind `byte`.
fn batch_begun_behind<T: File>(
    lines: &mut Lines<'_, T>,
    byte: u64,
) -> Result<Option<u64>, OpenError> {
    while let Some(raw) = lines.next_line()? {
        let begun = raw
            .ended
            .then(|| Line::read(raw.bytes).ok())
            .flatten()
            .and_then(|line| raw.offset.checked_sub(line.b))
            .filter(|begun| *begun > byte);
        if begun.is_some() {
            return Ok(begun);
        }
    }
    Ok(None)
}

/// Checks that a line has its end and its checksum, and returns that.
fn whole(raw: &RawLine<'_>, checksum: u32) -> Result<u32, String> {
    if raw.ended {
        record::check(raw.bytes, checksum)
    } else {
        Err("the line has no end".to_owned())
    }
}

fn read_change<'a>(
    raw: &RawLine<'a>,
    checksum: u32,
    version: u64,
) -> Result<(u32, Read<'a>), String> {
    let own = whole(raw, checksum)?;
    let line = Line::read(raw.bytes)?;
    if line.v != version + 1 {
        return Err(format!("version {} follows version {version}", line.v));
    }
    Ok((own, line.change()?))
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a writer keeps segments below 4 GiB; a longer file is refused when it is opened"
)]
fn location(number: u32, version: u64, raw: &RawLine<'_>, checksum_before: u32) -> Location {
    Location {
        version,
        segment: number,
        offset: raw.offset as u32,
        length: raw.bytes.len() as u32,
        checksum_before,
    }
}

fn in_order(sealed: &[Sealed], number: u32) -> bool {
    let mut numbers = sealed.iter().map(|sealed| sealed.number).chain([number]);
    let mut before = 0;
    numbers.all(|number| std::mem::replace(&mut before, number) < number)
}
