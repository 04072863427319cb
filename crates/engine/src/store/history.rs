//! What has changed, in order, from the log itself: it reaches back to where
//! compaction has left it.

use super::Store;
use crate::changes;
use crate::files::{Access, FileError, Files};
use crate::log::line::Line;
use crate::log::lines::Lines;
use crate::log::record::{self, time_and_version};
use crate::log::segment::{Extent, file_name};
use kv_protocol::limits::PAGE_BYTES;
use kv_protocol::reply::Rows;
use kv_protocol::{Code, Refusal};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// One call reads this many bytes of the log at most, and one line.
const SCAN_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How many places are remembered.
const PLACES_MAX: usize = 1024;

/// Places are this many bytes apart, but for those where a scan has ended.
const PLACE_BYTES: u64 = 256 * 1024;

/// A place in the log, between two lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) offset: u64,
    /// The checksum of the line before.
    pub(super) checksum: u32,
    /// The time of the batch that the line before is part of.
    pub(super) time_ms: u64,
    /// The version there.
    pub(super) version: u64,
}

/// A line that was read, and where.
pub(super) struct Scanned<'a> {
    pub(super) place: Place,
    pub(super) bytes: &'a [u8],
    pub(super) line: Line<'a>,
}

/// What is known of where versions lie.
#[derive(Debug, Default)]
pub(super) struct History {
    places: BTreeMap<u64, Place>,
    /// The version at the beginning of segments, by number.
    beginnings: BTreeMap<u32, u64>,
}

impl History {
    fn remember(&mut self, place: Place) {
        self.places.insert(place.version, place);
        if self.places.len() > PLACES_MAX {
            self.places.pop_first();
        }
    }

    /// Reads the log from a place on and hands over each line behind `since`,
    /// checked, until the taker breaks off, which leaves its line unread, or
    /// enough is read. Returns the place reached, and whether it is the end.
    pub(super) fn scan<F: Files>(
        &mut self,
        files: &F,
        extents: impl Iterator<Item = Extent>,
        from: Place,
        since: u64,
        mut take: impl FnMut(Scanned<'_>) -> Result<ControlFlow<()>, Refusal>,
    ) -> Result<(Place, bool), Refusal> {
        let mut place = from;
        let mut left = SCAN_BYTES_MAX;
        let mut remembered = place.offset;
        let mut reached_end = true;
        'segments: for extent in extents {
            if extent.number < place.segment || extent.bytes == 0 {
                continue;
            }
            if extent.number > place.segment {
                place = Place {
                    segment: extent.number,
                    offset: 0,
                    checksum: 0,
                    ..place
                };
                remembered = 0;
            }
            if place.offset >= extent.bytes {
                continue;
            }
            let file = files.open(&file_name(extent.number), Access::Read);
            let file = file.map_err(|e| unreadable(&e))?;
            let mut lines = Lines::new(&file, place.offset, extent.bytes);
            while let Some(raw) = lines.next_line().map_err(|e| unreadable(&e))? {
                if left == 0 {
                    reached_end = false;
                    break 'segments;
                }
                let told = |reason: String| damaged(extent.number, raw.offset, &reason);
                let checksum = record::check(raw.bytes, place.checksum).map_err(told)?;
                let quick = time_and_version(raw.bytes).filter(|(_, version)| *version <= since);
                let (time_ms, version) = if let Some(quick) = quick {
                    quick
                } else {
                    let line = Line::read(raw.bytes).map_err(told)?;
                    let time_and_version = (line.t, line.v);
                    place.time_ms = line.t.unwrap_or(place.time_ms);
                    let scanned = Scanned {
                        place,
                        bytes: raw.bytes,
                        line,
                    };
                    if take(scanned)?.is_break() {
                        reached_end = false;
                        break 'segments;
                    }
                    time_and_version
                };
                let bytes = raw.bytes.len() as u64 + 1;
                place = Place {
                    segment: extent.number,
                    offset: raw.offset + bytes,
                    checksum,
                    time_ms: time_ms.unwrap_or(place.time_ms),
                    version,
                };
                left = left.saturating_sub(bytes);
                if place.offset >= remembered + PLACE_BYTES {
                    self.remember(place);
                    remembered = place.offset;
                }
            }
            if place.offset < extent.bytes {
                let reason = format!("the file ends here, where {} bytes were", extent.bytes);
                return Err(damaged(extent.number, place.offset, &reason));
            }
        }
        self.remember(place);
        Ok((place, reached_end))
    }
}

impl<F: Files> Store<F> {
    /// Tells the changes behind a version.
    pub(super) fn tell_changes(
        &mut self,
        since: u64,
        prefix: &str,
        limit: u64,
        id: Option<&str>,
        replies: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let place = self.place_behind(since)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut rows = Rows::begin(replies, id, "changes");
        let extents = self.writer.extents();
        let take = |scanned: Scanned<'_>| {
            if rows.count() >= limit || rows.bytes() >= PAGE_BYTES {
                return Ok(ControlFlow::Break(()));
            }
            if scanned.line.format.is_none() && scanned.line.copy.is_none() {
                tell(&mut rows, scanned, prefix)?;
            }
            Ok(ControlFlow::Continue(()))
        };
        match self.history.scan(&self.files, extents, place, since, take) {
            Ok((place, complete)) => {
                rows.end(|members| {
                    members.number("version", place.version.max(since));
                    members.boolean("complete", complete);
                });
                Ok(())
            }
            Err(refusal) => {
                rows.abandon();
                Err(refusal)
            }
        }
    }

    /// The version behind which every change is still there.
    pub(super) fn oldest_version(&mut self) -> Result<u64, Refusal> {
        let oldest = self.writer.extents().find(|extent| extent.bytes > 0);
        oldest.map_or(Ok(0), |extent| self.beginning(extent))
    }

    /// A place that is not behind the change that follows a version.
    pub(super) fn place_behind(&mut self, since: u64) -> Result<Place, Refusal> {
        let newest = self.writer.durable_version();
        if since > newest {
            let mut refusal = Refusal::new(
                Code::InvalidEvent,
                format!("`since` is in the future: the store is at version {newest}"),
            );
            refusal.details.version = Some(newest);
            return Err(refusal);
        }
        let oldest = self.oldest_version()?;
        if since < oldest {
            return Err(compacted(oldest));
        }
        let extents: Vec<_> = self.writer.extents().filter(|e| e.bytes > 0).collect();
        let known = self.history.places.range(..=since).next_back();
        let known = known
            .map(|(_, place)| *place)
            .filter(|place| extents.iter().any(|extent| extent.number == place.segment));
        // The last segment that begins at the version or before it.
        let from = known.map_or(0, |place| place.segment);
        let mut behind = extents.partition_point(|extent| extent.number <= from);
        let mut end = extents.len();
        while behind < end {
            let middle = behind.midpoint(end);
            if self.beginning(extents[middle])? <= since {
                behind = middle + 1;
            } else {
                end = middle;
            }
        }
        let begun = behind.checked_sub(1).map(|place| extents[place]);
        match (known, begun) {
            (Some(known), Some(begun)) if begun.number == known.segment => Ok(known),
            (Some(known), None) => Ok(known),
            (_, Some(begun)) => self.beginning_of(begun),
            (None, None) => Ok(Place {
                segment: 0,
                offset: 0,
                checksum: 0,
                time_ms: 0,
                version: 0,
            }),
        }
    }

    /// Where a segment begins.
    pub(super) fn beginning_of(&mut self, segment: Extent) -> Result<Place, Refusal> {
        Ok(Place {
            segment: segment.number,
            offset: 0,
            checksum: 0,
            time_ms: 0,
            version: self.beginning(segment)?,
        })
    }

    /// The version at which a segment begins.
    fn beginning(&mut self, segment: Extent) -> Result<u64, Refusal> {
        if let Some(version) = self.history.beginnings.get(&segment.number) {
            return Ok(*version);
        }
        let file = self.files.open(&file_name(segment.number), Access::Read);
        let file = file.map_err(|e| unreadable(&e))?;
        let mut lines = Lines::new(&file, 0, segment.bytes);
        let raw = lines.next_line().map_err(|e| unreadable(&e))?;
        let bytes = raw.map_or(&[][..], |raw| raw.bytes);
        let header = record::check(bytes, 0).and_then(|_| Line::read(bytes));
        let version = header
            .map_err(|reason| damaged(segment.number, 0, &reason))?
            .v;
        let oldest = self
            .writer
            .extents()
            .next()
            .map_or(0, |extent| extent.number);
        let beginnings = &mut self.history.beginnings;
        *beginnings = beginnings.split_off(&oldest);
        beginnings.insert(segment.number, version);
        Ok(version)
    }
}

/// Adds the changes of a line to keys that begin with `prefix`.
fn tell(rows: &mut Rows<'_>, scanned: Scanned<'_>, prefix: &str) -> Result<(), Refusal> {
    let place = scanned.place;
    let version = scanned.line.v;
    let changes = scanned
        .line
        .changes()
        .map_err(|reason| damaged(place.segment, place.offset, &reason))?;
    for change in changes.as_slice() {
        if changes::key(change).starts_with(prefix) {
            rows.row(|output| changes::write_row(output, version, place.time_ms, change));
        }
    }
    Ok(())
}

pub(super) fn compacted(oldest: u64) -> Refusal {
    let mut refusal = Refusal::new(
        Code::Compacted,
        format!(
            "the history from there on is compacted: list or back up what there is, and go on with the changes since version {oldest} or later"
        ),
    );
    refusal.details.oldest = Some(oldest);
    refusal
}

fn unreadable(error: &FileError) -> Refusal {
    Refusal::new(Code::Storage, format!("the log can't be read: {error}"))
}

fn damaged(segment: u32, byte: u64, reason: &str) -> Refusal {
    Refusal::new(
        Code::Corrupt,
        format!(
            "{}, byte {byte}: {reason}; `kv-actor verify` tells all that is damaged",
            file_name(segment)
        ),
    )
}
