//! A backup, page by page, while writes go on: the lines of the log that count,
//! as of the version where the last page ends. docs/format.md says what a backup
//! file holds.
//!
//! The log is read once, from its beginning to its end. Of what was there when
//! the backup began, each line that the index means is copied; of what came
//! later, every change. A value that moves meanwhile moves to the log's end,
//! where it is met again; and one that is replaced or deleted is so by a change
//! that is met later, too. So the last page ends with exactly what is stored.

use super::history::{Place, Scanned, compacted};
use super::{Store, Turn, lines};
use crate::files::Files;
use crate::index::{Address, Entry, Index};
use crate::log::line::{Line, Read};
use crate::log::record::{self, Change};
use kv_protocol::limits::PAGE_BYTES;
use kv_protocol::reply::Rows;
use kv_protocol::{Code, Refusal};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// How far a backup has come: what its cursor says.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Progress {
    segment: u32,
    offset: u64,
    checksum: u32,
    time_ms: u64,
    version: u64,
    /// The version behind which every change is copied, with its own version.
    begun: u64,
    /// Whether only changes are wanted.
    incremental: bool,
    /// The checksum of the last line that was handed over, and their number.
    chain: u32,
    lines: u64,
    /// Where a line is written before it is handed over.
    #[serde(skip)]
    line: Vec<u8>,
}

/// What the index held before the batch that is being handled.
#[derive(Default)]
struct Before {
    keys: BTreeMap<String, Option<Entry>>,
    contents: BTreeMap<[u8; 20], Option<Entry>>,
}

impl<F: Files> Store<F> {
    /// Hands over the next page of a backup.
    pub(super) fn back_up(
        &mut self,
        since: u64,
        cursor: Option<&str>,
        turn: Turn<'_>,
        id: Option<&str>,
        replies: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let mut rows = Rows::begin(replies, id, "lines");
        let result = self.fill_page(since, cursor, turn, &mut rows);
        match result {
            Ok((progress, complete)) => {
                rows.end(|members| {
                    members.boolean("complete", complete);
                    members.number("version", progress.version);
                    if !complete {
                        members.string("cursor", &seal(&progress));
                    }
                });
                Ok(())
            }
            Err(refusal) => {
                rows.abandon();
                Err(refusal)
            }
        }
    }

    fn fill_page(
        &mut self,
        since: u64,
        cursor: Option<&str>,
        turn: Turn<'_>,
        rows: &mut Rows<'_>,
    ) -> Result<(Progress, bool), Refusal> {
        let mut progress = match cursor {
            Some(cursor) => open(cursor)?,
            None => self.begin_backup(since, turn, rows)?,
        };
        let before = self.before_batch();
        let floor = if progress.incremental {
            progress.begun
        } else {
            0
        };
        let place = self.place_to_go_on(&progress)?;
        let index = &self.index;
        let live = |address: Address<'_>| before.get(index, address);
        let extents = self.writer.extents();
        let (place, complete) =
            self.history
                .scan(&self.files, extents, place, floor, |scanned| {
                    if rows.bytes() >= PAGE_BYTES {
                        return Ok(ControlFlow::Break(()));
                    }
                    copy(&mut progress, rows, scanned, &live)?;
                    Ok(ControlFlow::Continue(()))
                })?;
        progress = Progress {
            segment: place.segment,
            offset: place.offset,
            checksum: place.checksum,
            time_ms: place.time_ms,
            version: place.version.max(progress.version),
            ..progress
        };
        if complete {
            let (version, lines) = (progress.version, progress.lines);
            progress.hand_over(rows, |line, chain| {
                record::write_backup_end(line, chain, turn.time_ms, version, lines)
            });
        }
        Ok((progress, complete))
    }

    fn begin_backup(
        &mut self,
        since: u64,
        turn: Turn<'_>,
        rows: &mut Rows<'_>,
    ) -> Result<Progress, Refusal> {
        let incremental = since > 0;
        let begun = if incremental {
            since
        } else {
            self.writer.durable_version()
        };
        let place = if incremental {
            self.place_behind(since)?
        } else {
            let oldest = self.writer.extents().find(|extent| extent.bytes > 0);
            match oldest {
                Some(oldest) => self.beginning_of(oldest)?,
                None => self.place_behind(0)?,
            }
        };
        let mut progress = Progress {
            segment: place.segment,
            offset: place.offset,
            checksum: place.checksum,
            time_ms: place.time_ms,
            version: begun,
            begun,
            incremental,
            chain: 0,
            lines: 0,
            line: Vec::new(),
        };
        progress.hand_over(rows, |line, _| {
            record::write_backup_begin(line, turn.time_ms, begun, since)
        });
        Ok(progress)
    }

    /// Where a backup goes on. Its segment may be compacted meanwhile: what is
    /// live of it lies at the log's end, but changes behind the beginning of the
    /// backup must not be missed.
    fn place_to_go_on(&mut self, progress: &Progress) -> Result<Place, Refusal> {
        let place = Place {
            segment: progress.segment,
            offset: progress.offset,
            checksum: progress.checksum,
            time_ms: progress.time_ms,
            version: progress.version,
        };
        let mut extents = self.writer.extents();
        let next = extents.find(|extent| extent.number >= place.segment && extent.bytes > 0);
        drop(extents);
        match next {
            Some(next) if next.number > place.segment => {
                let beginning = self.beginning_of(next)?;
                if beginning.version > progress.begun.max(progress.version) {
                    let oldest = self.oldest_version()?;
                    return Err(compacted(oldest));
                }
                Ok(Place {
                    time_ms: place.time_ms,
                    ..beginning
                })
            }
            _ => Ok(place),
        }
    }

    /// What was at the addresses that the batch in hand has changed: that is not
    /// durable yet, and no part of the backup.
    fn before_batch(&self) -> Before {
        let mut before = Before::default();
        let mut undo = self.undo.iter();
        for line in lines(self.writer.changes_and_copies()) {
            let Ok(changes) = Line::read(line).and_then(Line::changes) else {
                continue;
            };
            for (change, held) in changes.as_slice().iter().zip(&mut undo) {
                match change {
                    Read::Put(key, ..) | Read::Delete(key) | Read::Expire(key) => {
                        before.keys.entry(key.to_string()).or_insert(held.entry);
                    }
                    Read::Content(hash, _) => {
                        before.contents.entry(*hash).or_insert(held.entry);
                    }
                    Read::Lost => {}
                }
            }
        }
        before
    }
}

impl Before {
    /// What was at an address before the batch, which `index` knows already.
    fn get(&self, index: &Index, address: Address<'_>) -> Option<Entry> {
        let before = match address {
            Address::Key(key) => self.keys.get(key),
            Address::Content(hash) => self.contents.get(hash),
        };
        match before {
            Some(entry) => *entry,
            None => index.get(address),
        }
    }
}

impl Progress {
    /// Hands over a line, which `write` writes behind the checksum of the last.
    fn hand_over(&mut self, rows: &mut Rows<'_>, write: impl FnOnce(&mut Vec<u8>, u32) -> u32) {
        self.line.clear();
        self.chain = write(&mut self.line, self.chain);
        self.lines += 1;
        rows.row(|output| output.extend_from_slice(self.line.trim_ascii_end()));
    }
}

/// Hands over what counts of a line.
fn copy(
    progress: &mut Progress,
    rows: &mut Rows<'_>,
    scanned: Scanned<'_>,
    live: &impl Fn(Address<'_>) -> Option<Entry>,
) -> Result<(), Refusal> {
    let Scanned { place, bytes, line } = scanned;
    if line.format.is_some() {
        return Ok(());
    }
    let original = line.copy.unwrap_or(line.v);
    let time_ms = place.time_ms;
    if line.copy.is_none() && line.v > progress.begun {
        progress.version = line.v;
        progress.hand_over(rows, |output, chain| {
            record::write_again(output, chain, time_ms, bytes)
        });
        return Ok(());
    }
    if progress.incremental {
        return Ok(());
    }
    let changes = line.changes().map_err(|reason| {
        let message = format!("a line of the log can't be read: {reason}");
        Refusal::new(Code::Corrupt, message)
    })?;
    let here = (place.segment, place.offset);
    let is_live = |address: Address<'_>| {
        let location = live(address).map(|entry| entry.location);
        location.is_some_and(|location| (location.segment, u64::from(location.offset)) == here)
    };
    let mut hand_over = |change: &Change<'_>| {
        let version = progress.version;
        progress.hand_over(rows, |output, chain| {
            let copy_of = Some(original);
            let change = std::slice::from_ref(change);
            record::write_changes(output, chain, time_ms, version, copy_of, change)
        });
    };
    if let [change] = changes.as_slice() {
        if let Some((address, change)) = change.stored()
            && is_live(address)
        {
            hand_over(&change);
        }
        return Ok(());
    }
    let mut copied = Vec::new();
    let mut seen = BTreeSet::new();
    for change in changes.as_slice().iter().rev() {
        // The last of several for one address counts.
        if let Some((address, change)) = change.stored()
            && is_live(address)
            && seen.insert(address)
        {
            copied.push(change);
        }
    }
    copied.iter().rev().for_each(hand_over);
    Ok(())
}

/// A cursor: what it says, under its checksum.
fn seal(progress: &Progress) -> String {
    let text = serde_json::to_string(progress).unwrap_or_default();
    format!("{:08x}{text}", crc32fast::hash(text.as_bytes()))
}

fn open(cursor: &str) -> Result<Progress, Refusal> {
    let (digits, text) = cursor.split_at_checked(8).unwrap_or_default();
    let progress = (u32::from_str_radix(digits, 16) == Ok(crc32fast::hash(text.as_bytes())))
        .then(|| serde_json::from_str(text).ok())
        .flatten();
    progress.ok_or_else(|| {
        Refusal::new(
            Code::InvalidEvent,
            "`cursor` is none of a backup: send the one of the page before",
        )
    })
}
