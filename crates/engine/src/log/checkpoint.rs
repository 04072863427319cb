//! Index checkpoints: where every value lies, as JSON lines. Only ever a
//! shortcut: one that is missing, cut or damaged costs time and nothing else.
//!
//! One is written in slices while changes go on, so it shows no single moment:
//! it says from where on the log must be read behind it (`at`), and up to where
//! it may know the log already (`end`). It is whole with its last line, which is
//! written when everything that it knows is durable.

use crate::cache::Slot;
use crate::files::{Access, File, FileError, FileErrorKind, Files};
use crate::index::{Entry, Index, Location};
use crate::log::lines::Lines;
use crate::log::record::{self, PREFIX_BYTES, checksum_of, hexadecimal, parse_checksum};
use crate::log::segment::Extent;
use kv_protocol::event::{format_hash, parse_hash};
use kv_protocol::json::{Text, write_number, write_string};
use serde::Deserialize;

mod plain;

const NAME_PREFIX: &str = "checkpoint-";
const NAME_SUFFIX: &str = ".jsonl";

/// The checkpoint format that this release writes, and the only one it reads.
const FORMAT: u64 = 1;

/// A line takes no further entry once it has this many bytes.
const LINE_BYTES: usize = 8 * 1024;

/// So much may be written before it is synced. A sync for each slice would cost as
/// much as that of the batch which pays for it, and one for all of them a pause.
const UNSYNCED_BYTES_MAX: u64 = 1024 * 1024;

/// What a whole checkpoint says.
#[derive(Debug, Default)]
pub(super) struct Checkpoint {
    pub(super) index: Index,
    /// The log behind this place is to be read.
    pub(super) at: Extent,
    /// The version of the store there.
    pub(super) version: u64,
    /// The log must reach this place, or the checkpoint is none of it.
    pub(super) end: Extent,
    /// Its length.
    pub(super) bytes: u64,
}

fn file_name(version: u64) -> String {
    format!("{NAME_PREFIX}{version:016}{NAME_SUFFIX}")
}

/// The version in a checkpoint's file name; nothing for any other name.
fn version_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(NAME_PREFIX)?.strip_suffix(NAME_SUFFIX)?;
    let version = digits.parse().ok()?;
    (file_name(version) == name).then_some(version)
}

/// The names of checkpoints among `names`, newest first.
pub(super) fn newest_first(names: &[String]) -> Vec<String> {
    let mut versions: Vec<u64> = names.iter().filter_map(|name| version_of(name)).collect();
    versions.sort_unstable();
    versions.into_iter().rev().map(file_name).collect()
}

/// A checkpoint that is being written.
#[derive(Debug)]
pub struct Writing<T> {
    file: T,
    version: u64,
    /// The lines that are not written yet.
    buffer: Vec<u8>,
    /// The bytes that are, and those among them that are synced.
    bytes: u64,
    synced_bytes: u64,
    checksum: u32,
    next: Next,
    keys: u64,
    contents: u64,
}

/// What is to be written next: what lies behind the last that was.
#[derive(Debug)]
enum Next {
    Keys(Option<Box<str>>),
    Contents(Option<[u8; 20]>),
    Expiries(Option<Box<str>>),
    Shared(Option<(u32, u32)>),
    End,
}

impl<T: File> Writing<T> {
    /// Begins a checkpoint at a durable place of the log, where the store has
    /// `version`.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn begin<F: Files<File = T>>(
        files: &F,
        at: Extent,
        version: u64,
    ) -> Result<Self, FileError> {
        let name = file_name(version);
        let file = match files.create(&name) {
            Err(e) if e.kind == FileErrorKind::AlreadyExists => {
                // One that was begun here and never finished.
                files.remove(&name)?;
                files.create(&name)?
            }
            other => other?,
        };
        let mut writing = Self {
            file,
            version,
            buffer: Vec::new(),
            bytes: 0,
            synced_bytes: 0,
            checksum: 0,
            next: Next::Keys(None),
            keys: 0,
            contents: 0,
        };
        writing.line(|line| {
            line.extend_from_slice(b"\"checkpoint\":");
            write_number(line, FORMAT);
            line.extend_from_slice(b",\"v\":");
            write_number(line, version);
            line.extend_from_slice(b",\"at\":");
            at.write(line);
        });
        Ok(writing)
    }

    /// Writes the next entries, at least one line, until `bytes_max` are written;
    /// syncs now and then. True when all are written.
    ///
    /// # Errors
    /// Where the disk refuses: the checkpoint is void.
    pub fn write_slice(&mut self, index: &Index, bytes_max: usize) -> Result<bool, FileError> {
        while !matches!(self.next, Next::End) && self.buffer.len() < bytes_max {
            self.line_of_entries(index, LINE_BYTES.min(bytes_max));
        }
        self.write()?;
        if self.bytes - self.synced_bytes >= UNSYNCED_BYTES_MAX {
            self.sync()?;
        }
        Ok(matches!(self.next, Next::End))
    }

    /// Writes the last line. `end` is the end of the log; what was written so far
    /// knows of nothing behind it. Then removes all older checkpoints.
    ///
    /// # Errors
    /// Where the disk refuses: the checkpoint is void.
    pub fn finish<F: Files<File = T>>(mut self, files: &F, end: Extent) -> Result<u64, FileError> {
        let (keys, contents) = (self.keys, self.contents);
        self.line(|line| {
            line.extend_from_slice(b"\"end\":");
            end.write(line);
            line.extend_from_slice(b",\"counts\":[");
            write_number(line, keys);
            line.push(b',');
            write_number(line, contents);
            line.push(b']');
        });
        self.write()?;
        self.sync()?;
        files.sync_directory()?;
        for name in newest_first(&files.list()?) {
            if version_of(&name).is_some_and(|version| version < self.version) {
                files.remove(&name)?;
            }
        }
        Ok(self.bytes)
    }

    fn write(&mut self) -> Result<(), FileError> {
        self.file.write_at(self.bytes, &self.buffer)?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn sync(&mut self) -> Result<(), FileError> {
        self.file.sync()?;
        self.synced_bytes = self.bytes;
        Ok(())
    }

    fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(b"{\"c\":\"00000000\",");
        write(&mut self.buffer);
        self.buffer.push(b'}');
        self.checksum = checksum_of(self.checksum, &self.buffer[start + PREFIX_BYTES..]);
        self.buffer[start + 6..start + 14].copy_from_slice(&hexadecimal(self.checksum));
        self.buffer.push(b'\n');
    }

    fn line_of_entries(&mut self, index: &Index, bytes: usize) {
        let mut rows = Vec::with_capacity(bytes + 256);
        let (name, next): (&[u8], _) = match &self.next {
            Next::Keys(last) => {
                let mut last_key = None;
                for (key, entry) in index.keys_behind(last.as_deref()) {
                    write_entry(&mut rows, &key, entry.location);
                    self.keys += 1;
                    last_key = Some(key);
                    if rows.len() >= bytes {
                        break;
                    }
                }
                let next = last_key.map(|key| Next::Keys(Some(key.into())));
                (b"keys", next.unwrap_or(Next::Contents(None)))
            }
            Next::Contents(last) => {
                let mut last_hash = None;
                for (hash, entry) in index.contents_behind(last.as_ref()) {
                    write_entry(&mut rows, &format_hash(hash), entry.location);
                    self.contents += 1;
                    last_hash = Some(*hash);
                    if rows.len() >= bytes {
                        break;
                    }
                }
                let next = last_hash.map(|hash| Next::Contents(Some(hash)));
                (b"contents", next.unwrap_or(Next::Expiries(None)))
            }
            Next::Expiries(last) => {
                let mut last_key = None;
                for (key, expires_ms) in index.expiries_behind(last.as_deref()) {
                    write_row(&mut rows, Some(key), &[expires_ms]);
                    last_key = Some(key);
                    if rows.len() >= bytes {
                        break;
                    }
                }
                let next = last_key.map(|key| Next::Expiries(Some(key.into())));
                (b"expiries", next.unwrap_or(Next::Shared(None)))
            }
            Next::Shared(last) => {
                let mut last_place = None;
                for (segment, offset, share) in index.shared_behind(*last) {
                    let numbers = [segment, offset, share].map(u64::from);
                    write_row(&mut rows, None, &numbers);
                    last_place = Some((segment, offset));
                    if rows.len() >= bytes {
                        break;
                    }
                }
                let next = last_place.map(|place| Next::Shared(Some(place)));
                (b"shared", next.unwrap_or(Next::End))
            }
            Next::End => (b"", Next::End),
        };
        if !rows.is_empty() {
            self.line(|line| {
                line.push(b'"');
                line.extend_from_slice(name);
                line.extend_from_slice(b"\":[");
                line.extend_from_slice(&rows);
                line.push(b']');
            });
        }
        self.next = next;
    }
}

/// Appends `["key",version,segment,offset,length,"checksum"]`.
fn write_entry(rows: &mut Vec<u8>, name: &str, location: Location) {
    let numbers = [
        location.version,
        u64::from(location.segment),
        u64::from(location.offset),
        u64::from(location.length),
    ];
    write_row(rows, Some(name), &numbers);
    rows.truncate(rows.len() - 1);
    rows.extend_from_slice(b",\"");
    rows.extend_from_slice(&hexadecimal(location.checksum_before));
    rows.extend_from_slice(b"\"]");
}

/// Appends `["key",number,…]`, or without a key.
fn write_row(rows: &mut Vec<u8>, key: Option<&str>, numbers: &[u64]) {
    rows.extend_from_slice(if rows.is_empty() { b"[" } else { b",[" });
    if let Some(key) = key {
        write_string(rows, key);
    }
    for (position, number) in numbers.iter().enumerate() {
        if position > 0 || key.is_some() {
            rows.push(b',');
        }
        write_number(rows, *number);
    }
    rows.push(b']');
}

/// A line of a checkpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[allow(dead_code, reason = "checked before the line is read")]
    c: &'a str,
    checkpoint: Option<u64>,
    v: Option<u64>,
    at: Option<Extent>,
    #[serde(borrow, default)]
    keys: Vec<Row<'a>>,
    #[serde(borrow, default)]
    contents: Vec<Row<'a>>,
    #[serde(borrow, default)]
    expiries: Vec<(Text<'a>, u64)>,
    #[serde(default)]
    shared: Vec<(u32, u32, u32)>,
    end: Option<Extent>,
    counts: Option<(u64, u64)>,
}

/// An entry: name, version, segment, offset, length, checksum before.
#[derive(Deserialize)]
struct Row<'a>(#[serde(borrow)] Text<'a>, u64, u32, u32, u32, &'a str);

impl Row<'_> {
    fn entry(&self) -> Option<Entry> {
        let &Self(_, version, segment, offset, length, checksum) = self;
        let location = Location {
            version,
            segment,
            offset,
            length,
            checksum_before: parse_checksum(checksum)?,
        };
        Some(Entry {
            location,
            slot: Slot::NONE,
        })
    }
}

/// Reads a checkpoint. Nothing where it can't be read, is not whole, or is not as
/// it was written: the log tells the same.
pub(super) fn read<F: Files>(files: &F, name: &str) -> Option<Checkpoint> {
    let file = files.open(name, Access::Read).ok()?;
    let bytes = file.length().ok()?;
    let mut lines = Lines::new(&file, 0, bytes);
    let mut checksum = 0;
    let mut start = None;
    let mut index = Index::default();
    let mut shared = Vec::new();
    while let Some(raw) = lines.next_line().ok()? {
        checksum = record::check(raw.bytes, checksum).ok()?;
        if let Some(rows) = plain::read_keys(raw.bytes) {
            for (key, entry) in rows {
                index.append_key(key, entry).then_some(())?;
            }
            continue;
        }
        let line: Line<'_> = serde_json::from_slice(raw.bytes).ok()?;
        if line.checkpoint == Some(FORMAT) {
            start = line.at.zip(line.v);
        }
        for row in &line.keys {
            index.append_key(&row.0.0, row.entry()?).then_some(())?;
        }
        for row in &line.contents {
            let hash = parse_hash(&row.0.0)?;
            index.append_content(&hash, row.entry()?).then_some(())?;
        }
        for (key, expires_ms) in &line.expiries {
            index.set_expiry(&key.0, *expires_ms);
        }
        shared.extend(line.shared);
        if let Some(end) = line.end {
            let (at, version) = start?;
            let counts = (index.keys_count() as u64, index.contents_count() as u64);
            index.set_shared(shared);
            return (line.counts == Some(counts)).then_some(Checkpoint {
                index,
                at,
                version,
                end,
                bytes,
            });
        }
    }
    None
}
