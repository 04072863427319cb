//! One segment, read line by line: a torn tail is told apart from damage.
//! docs/format.md, "Opening", has the rule and its reasons.

use crate::error::{Damage, OpenError};
use crate::files::{Access, File, FileError, Files};
use crate::index::Location;
use crate::log::line::{Changes, Line};
use crate::log::lines::{Lines, RawLine};
use crate::log::record::{self, FORMAT};
use crate::log::recovery::Torn;
use crate::log::segment::{Extent, file_name};

/// What a disk writes whole or not at all: docs/format.md, "What is assumed of disks".
const SECTOR_BYTES: usize = 512;

/// A segment while it is read.
pub(super) struct Scan<T> {
    pub(super) number: u32,
    pub(super) file: T,
    /// Its bytes, or those of them that count.
    pub(super) length: u64,
    /// Whether all of them must be valid.
    pub(super) sealed: bool,
    /// What has been read: lines, bytes, the last checksum and version.
    lines: u64,
    pub(super) bytes: u64,
    pub(super) checksum: u32,
    pub(super) version: u64,
    /// A place to look out for, and whether it was passed.
    pub(super) awaited: Option<Extent>,
    pub(super) torn: Option<Torn>,
}

impl<T: File> Scan<T> {
    pub(super) fn open<F: Files<File = T>>(files: &F, number: u32) -> Result<Self, OpenError> {
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
            awaited: None,
            torn: None,
        })
    }

    /// How far it was read.
    pub(super) fn extent(&self) -> Extent {
        Extent {
            number: self.number,
            bytes: self.bytes,
            checksum: self.checksum,
        }
    }

    /// Takes it as read up to a place where the store had a version.
    pub(super) fn skip_to(&mut self, place: Extent, version: u64) {
        (self.bytes, self.checksum, self.version) = (place.bytes, place.checksum, version);
    }

    /// Reads the first line. Nothing where its write was never finished.
    pub(super) fn read_header(&mut self) -> Result<Option<Vec<Extent>>, OpenError> {
        let mut lines = Lines::new(&self.file, 0, self.length);
        let Some(raw) = lines.next_line()? else {
            return Ok(None);
        };
        let read = whole(&raw, 0).and_then(|checksum| Ok((checksum, Line::read(raw.bytes)?)));
        let (checksum, line) = match read {
            Ok(read) => read,
            Err(reason) => {
                let first = Invalid::new(&raw, reason);
                let behind = Behind::read(&mut lines, 0)?;
                self.torn_or_damage(first, &behind)?;
                return Ok(None);
            }
        };
        if let Some(format) = line.format.filter(|format| *format != FORMAT) {
            return Err(OpenError::Format {
                file: file_name(self.number),
                format,
            });
        }
        let ours = line.format.is_some() && line.segment == Some(self.number);
        let sealed = line
            .segments
            .filter(|sealed| ours && in_order(sealed, self.number));
        let Some(sealed) = sealed else {
            let reason = "the first line is no header of this segment";
            return Err(self.damage(0, reason).into());
        };
        (self.version, self.checksum, self.lines) = (line.v, checksum, 1);
        self.bytes = raw.bytes.len() as u64 + 1;
        Ok(Some(sealed))
    }

    /// Reads the lines behind what is read, up to a torn tail or the end.
    pub(super) fn read_changes(
        &mut self,
        apply: &mut impl FnMut(Location, Changes<'_>),
    ) -> Result<(), OpenError> {
        let mut invalid = None;
        let mut place = self.extent();
        let (mut version, mut count) = (self.version, self.lines);
        let mut awaited = self.awaited;
        let mut lines = Lines::new(&self.file, place.bytes, self.length);
        loop {
            awaited = awaited.filter(|awaited| *awaited != place);
            let Some(raw) = lines.next_line()? else {
                break;
            };
            match read_change(&raw, place.checksum, version) {
                Ok(line) => {
                    let location = location(self.number, line.version, &raw, place.checksum);
                    apply(location, line.changes);
                    version = line.version_after;
                    place.checksum = line.checksum;
                    place.bytes = raw.offset + raw.bytes.len() as u64 + 1;
                    count += 1;
                }
                Err(reason) => {
                    invalid = Some(Invalid::new(&raw, reason));
                    break;
                }
            }
        }
        let invalid = invalid.map(|first| {
            let behind = Behind::read(&mut lines, first.offset)?;
            Ok::<_, FileError>((first, behind))
        });
        let invalid = invalid.transpose()?;
        self.skip_to(place, version);
        (self.lines, self.awaited) = (count, awaited);
        match invalid {
            Some((first, behind)) => self.torn_or_damage(first, &behind),
            None => Ok(()),
        }
    }

    /// Decides what an invalid line is: see docs/format.md.
    fn torn_or_damage(&mut self, first: Invalid, behind: &Behind) -> Result<(), OpenError> {
        let reason = first.reason;
        if self.sealed {
            return Err(self.damage(first.offset, &reason).into());
        }
        if let Some(batch) = behind.later_batch {
            let reason = format!(
                "{reason} (a batch that was begun later, at byte {batch}, proves that this one was durable)"
            );
            return Err(self.damage(first.offset, &reason).into());
        }
        if first.whole && !self.reads_as_room(first.end)? {
            let reason = format!("{reason} (it was written whole, and changed afterwards)");
            return Err(self.damage(first.offset, &reason).into());
        }
        if first.end > first.offset || !behind.is_room {
            self.torn = Some(Torn {
                file: file_name(self.number),
                byte: first.offset,
                bytes: self.length - first.offset,
            });
        }
        Ok(())
    }

    /// Whether the bytes from a line feed on are what was there before a write that did
    /// not reach the disk: room, to the end of the sector, and zeros behind it. The end
    /// of a line that was written lies anywhere; what did not arrive begins with a
    /// sector, or where the lines before end.
    #[allow(clippy::cast_possible_truncation, reason = "a remainder of 512")]
    fn reads_as_room(&self, byte: u64) -> Result<bool, FileError> {
        let into_sector = (byte % SECTOR_BYTES as u64) as usize;
        if into_sector != 0 && byte != self.bytes {
            return Ok(false);
        }
        let mut sector = [0; SECTOR_BYTES];
        let rest = &mut sector[into_sector..];
        let bytes = self.file.read_at(byte, rest)?;
        Ok(rest[..bytes].iter().all(|byte| matches!(byte, b'\n' | 0)))
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
    /// Where its line feed is, or the end of the file.
    end: u64,
    /// It ends with a line feed and holds no zero byte.
    whole: bool,
    reason: String,
}

impl Invalid {
    fn new(raw: &RawLine<'_>, reason: String) -> Self {
        Self {
            offset: raw.offset,
            end: raw.offset + raw.bytes.len() as u64,
            whole: raw.ended && memchr::memchr(0, raw.bytes).is_none(),
            reason,
        }
    }
}

/// What lies behind an invalid line.
struct Behind {
    /// The first byte of a batch that some line says was begun behind that one.
    later_batch: Option<u64>,
    /// Whether it is nothing but line feeds.
    is_room: bool,
}

impl Behind {
    /// Reads the lines behind the invalid one at `byte`.
    fn read<T: File>(lines: &mut Lines<'_, T>, byte: u64) -> Result<Self, FileError> {
        let mut behind = Self {
            later_batch: None,
            is_room: true,
        };
        loop {
            lines.skip_empty()?;
            let Some(raw) = lines.next_line()? else {
                return Ok(behind);
            };
            behind.is_room = false;
            behind.later_batch = raw
                .ended
                .then(|| Line::read(raw.bytes).ok())
                .flatten()
                .and_then(|line| raw.offset.checked_sub(line.b))
                .filter(|begun| *begun > byte);
            if behind.later_batch.is_some() {
                return Ok(behind);
            }
        }
    }
}

/// Whether a line that was written whole begins where a place ends.
pub(super) fn line_follows<T: File>(file: &T, place: Extent) -> Result<bool, FileError> {
    let mut lines = Lines::new(file, place.bytes, file.length()?);
    let raw = lines.next_line()?;
    Ok(raw.is_some_and(|raw| whole(&raw, place.checksum).is_ok()))
}

/// Checks that a line has its end and its checksum, and returns that.
fn whole(raw: &RawLine<'_>, checksum: u32) -> Result<u32, String> {
    if raw.ended {
        record::check(raw.bytes, checksum)
    } else {
        Err("the line has no end".to_owned())
    }
}

/// A line behind the header, checked.
struct Checked<'a> {
    checksum: u32,
    /// The version of the change, and that of the store after it.
    version: u64,
    version_after: u64,
    changes: Changes<'a>,
}

fn read_change<'a>(
    raw: &RawLine<'a>,
    checksum: u32,
    version_before: u64,
) -> Result<Checked<'a>, String> {
    let checksum = whole(raw, checksum)?;
    let line = Line::read(raw.bytes)?;
    let (version_after, steps) = (line.v, line.steps());
    if version_after.checked_sub(steps) != Some(version_before) {
        return Err(format!(
            "version {version_after} follows version {version_before}"
        ));
    }
    Ok(Checked {
        checksum,
        version: line.copy.unwrap_or(version_after),
        version_after,
        changes: line.changes()?,
    })
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

fn in_order(sealed: &[Extent], number: u32) -> bool {
    let mut numbers = sealed.iter().map(|sealed| sealed.number).chain([number]);
    let mut before = 0;
    numbers.all(|number| std::mem::replace(&mut before, number) < number)
}
