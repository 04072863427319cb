//! The store: events in, replies out, one durable batch a call.

use crate::cache::Cache;
use crate::content;
use crate::error::OpenError;
use crate::files::{FileError, Files};
use crate::index::{Address, Entry, Index};
use crate::log::record::{Change, Line, Read};
use crate::log::recovery::{Torn, recover};
use crate::log::writer::{CommitError, VERSION_MAX, Writer};
use kv_protocol::event::{Operation, format_hash, parse};
use kv_protocol::limits::REPLIES_BYTES_MAX;
use kv_protocol::{Code, Refusal, reply};
pub use options::Options;
use reader::Reader;
use serde::Serialize;
use upkeep::Upkeep;

mod options;
mod reader;
mod upkeep;

/// What was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The keys that have a value.
    pub keys: usize,
    /// The content objects.
    pub contents: usize,
    /// The segments of the log.
    pub segments: usize,
    /// The version of the last change.
    pub version: u64,
    /// The bytes of the log that were read: all of it, or what lies behind the
    /// newest whole checkpoint.
    pub replayed_bytes: u64,
    /// What was cut off as the unfinished end of a killed writer.
    pub torn: Vec<Torn>,
}

/// What became of a batch, beside its replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The store can go on.
    Serving,
    /// It can't: open it again from its directory.
    Finished,
}

/// A store on a directory of files.
#[derive(Debug)]
pub struct Store<F: Files> {
    files: F,
    index: Index,
    cache: Cache,
    reader: Reader<F>,
    writer: Writer<F>,
    /// For each change of the batch, what was in its place in the index.
    undo: Vec<Option<Entry>>,
    upkeep: Upkeep<F::File>,
    /// Why this store must not go on.
    finished: Option<Refusal>,
}

impl<F: Files> Store<F> {
    /// Opens the store in `files`, which may be empty. Changes nothing on disk.
    ///
    /// # Errors
    /// Where the disk refuses, and at the first damage in the log.
    pub fn open(files: F, options: Options) -> Result<(Self, Report), OpenError> {
        let mut recovered = recover(&files)?;
        let index = std::mem::take(&mut recovered.index);
        let oldest_live = index.oldest_segment();
        let report = Report {
            keys: index.keys_count(),
            contents: index.contents_count(),
            segments: recovered.segments.len(),
            version: recovered.version,
            replayed_bytes: recovered.replayed_bytes,
            torn: recovered.torn.clone(),
        };
        let store = Self {
            files,
            index,
            cache: Cache::new(options.cache_bytes_max),
            reader: Reader::default(),
            upkeep: Upkeep::new(options, &recovered),
            writer: Writer::new(options.segment_bytes_max, recovered, oldest_live),
            undo: Vec::new(),
            finished: None,
        };
        Ok((store, report))
    }

    /// Handles a batch: one event a line, one reply a line. Whatever the replies
    /// say has happened is durable when this returns. Once the replies hold
    /// [`REPLIES_BYTES_MAX`], the events behind are left: hand them in again.
    ///
    /// `time_ms` is milliseconds since the Unix epoch, and only written down.
    pub fn handle(&mut self, events: &[u8], time_ms: u64, replies: &mut Vec<u8>) -> Outcome {
        self.writer.clear();
        self.undo.clear();
        if let Some(refusal) = self.finished.clone() {
            refuse_all(events, &refusal, replies);
            return Outcome::Finished;
        }
        let start = replies.len();
        self.run(events, time_ms, None, replies);
        self.compact(time_ms);
        let refusal = match self.writer.commit(&self.files) {
            Ok(()) => {
                self.after_commit();
                return Outcome::Serving;
            }
            Err(CommitError::Refused(e)) => {
                // Nothing was stored. Once more, so that every read is answered
                // from what is stored and every write is told why.
                self.roll_back();
                replies.truncate(start);
                self.run(events, time_ms, Some(&not_stored(&e)), replies);
                return Outcome::Serving;
            }
            Err(CommitError::Failed(e)) => Refusal::new(
                Code::Storage,
                format!(
                    "{e}; whether the change is stored is unknown until the store is opened again"
                ),
            ),
            Err(CommitError::Replaced) => Refusal::new(
                Code::Unavailable,
                "another process has opened this data directory and owns it now; whether the change is stored is unknown",
            ),
        };
        self.roll_back();
        replies.truncate(start);
        refuse_all(events, &refusal, replies);
        self.finished = Some(refusal);
        Outcome::Finished
    }

    /// What the last batch changed: the lines of the log.
    #[must_use]
    pub fn changes(&self) -> &[u8] {
        self.writer.changes()
    }

    fn run(
        &mut self,
        events: &[u8],
        time_ms: u64,
        refused: Option<&Refusal>,
        replies: &mut Vec<u8>,
    ) {
        let start = replies.len();
        for line in lines(events) {
            if replies.len() - start >= REPLIES_BYTES_MAX {
                return;
            }
            let event = parse(line);
            let id = event.id;
            let done = event
                .operation
                .and_then(|operation| self.operate(operation, id, time_ms, refused, replies));
            if let Err(refusal) = done {
                reply::error(replies, id, &refusal);
            }
        }
    }

    /// Carries out one event and appends its reply, or says why not.
    fn operate(
        &mut self,
        operation: Operation<'_>,
        id: Option<&str>,
        time_ms: u64,
        refused: Option<&Refusal>,
        replies: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        match operation {
            Operation::Put { key, value } => {
                let change = Change::Put {
                    key: &key,
                    value: &value,
                };
                let version = self.write(Address::Key(&key), change, time_ms, refused)?;
                reply::put(replies, id, &key, version);
            }
            Operation::Get { key } => {
                let entry = self
                    .index
                    .get(Address::Key(&key))
                    .ok_or_else(|| not_found_key(&key))?;
                self.read(Address::Key(&key), entry, |value| {
                    reply::get(replies, id, &key, value, entry.location.version);
                })?;
            }
            Operation::Delete { key } => {
                let version = if self.index.get(Address::Key(&key)).is_some() {
                    let change = Change::Delete { key: &key };
                    Some(self.write(Address::Key(&key), change, time_ms, refused)?)
                } else {
                    None
                };
                reply::delete(replies, id, &key, version);
            }
            Operation::StoreContent { content } => {
                let (hash, canonical) = content::address(&content)?;
                let created = !self.holds(&hash)?;
                if created {
                    let change = Change::Content {
                        hash: &format_hash(&hash),
                        content: &canonical,
                    };
                    self.write(Address::Content(&hash), change, time_ms, refused)?;
                }
                reply::store_content(replies, id, &hash, created);
            }
            Operation::GetContent { hash } => {
                let address = Address::Content(&hash);
                let entry = self
                    .index
                    .get(address)
                    .ok_or_else(|| not_found_content(&hash))?;
                self.read(address, entry, |content| {
                    reply::get_content(replies, id, &hash, content);
                })?;
            }
        }
        Ok(())
    }

    /// Appends a change to the batch, and to index and cache.
    fn write(
        &mut self,
        address: Address<'_>,
        change: Change<'_>,
        time_ms: u64,
        refused: Option<&Refusal>,
    ) -> Result<u64, Refusal> {
        if let Some(refusal) = refused {
            return Err(refusal.clone());
        }
        if self.writer.version() >= VERSION_MAX {
            return Err(Refusal::new(
                Code::Storage,
                "the store has used up its versions, of which there are 2^53 - 1",
            ));
        }
        let location = self.writer.append(time_ms, change);
        let entry = match change {
            Change::Put { value, .. } | Change::Content { content: value, .. } => Some(Entry {
                location,
                slot: self.cache.insert(location.version, value),
            }),
            Change::Delete { .. } => None,
        };
        let before = self.index.set(address, entry);
        if let Some(before) = before {
            self.cache.remove(before.slot, before.location.version);
        }
        self.undo.push(before);
        Ok(location.version)
    }

    /// Hands over the text at an entry, from the cache or, checked, from disk.
    fn read(
        &mut self,
        address: Address<'_>,
        entry: Entry,
        take: impl FnOnce(&str),
    ) -> Result<(), Refusal> {
        let Entry { location, slot } = entry;
        if let Some(value) = self.cache.get(slot, location.version) {
            take(value);
            return Ok(());
        }
        let value = match self.writer.collected(location) {
            Some(line) => reader::value(line, address, location)?,
            None => self.reader.read(&self.files, address, location)?,
        };
        let slot = self.cache.insert(location.version, &value);
        self.index.set(address, Some(Entry { location, slot }));
        take(&value);
        Ok(())
    }

    /// Whether content is stored, and whole. What turns out damaged is not: it
    /// is to be stored again. This asks the disk, not the cache.
    fn holds(&mut self, hash: &[u8; 20]) -> Result<bool, Refusal> {
        let address = Address::Content(hash);
        let Some(Entry { location, .. }) = self.index.get(address) else {
            return Ok(false);
        };
        let read = match self.writer.collected(location) {
            Some(line) => reader::value(line, address, location),
            None => self.reader.read(&self.files, address, location),
        };
        match read {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.code == Code::Corrupt => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    fn roll_back(&mut self) {
        // The batch's lines say what was changed, one line a change.
        let changes: Vec<_> = lines(self.writer.changes_and_copies()).collect();
        for (line, before) in changes.iter().zip(self.undo.drain(..)).rev() {
            let after = match Line::read(line).and_then(Line::change) {
                Ok(Read::Put(key, _) | Read::Delete(key)) => {
                    self.index.set(Address::Key(&key), before)
                }
                Ok(Read::Content(hash, _)) => self.index.set(Address::Content(&hash), before),
                Ok(Read::Lost) => None,
                Err(reason) => unreachable!("a line that was just written: {reason}"),
            };
            if let Some(entry) = after {
                self.cache.remove(entry.slot, entry.location.version);
            }
        }
        self.writer.clear();
        self.upkeep.roll_back();
    }
}

/// The events of a batch, without their line feeds.
fn lines(events: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = events;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest);
        let (line, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind.get(1..).unwrap_or_default();
        Some(line)
    })
}

fn refuse_all(events: &[u8], refusal: &Refusal, replies: &mut Vec<u8>) {
    for line in lines(events) {
        reply::error(replies, parse(line).id, refusal);
    }
}

fn not_stored(error: &FileError) -> Refusal {
    Refusal::new(
        Code::Storage,
        format!(
            "nothing was stored: {error}; reads still work, and so will writes once the disk takes them"
        ),
    )
}

fn not_found_key(key: &str) -> Refusal {
    const CHARACTERS_MAX: usize = 64;
    let shown: String = key.chars().take(CHARACTERS_MAX).collect();
    let rest = if shown.len() < key.len() { "…" } else { "" };
    Refusal::new(
        Code::NotFound,
        format!("nothing is stored under the key `{shown}{rest}`"),
    )
}

fn not_found_content(hash: &[u8; 20]) -> Refusal {
    Refusal::new(
        Code::NotFound,
        format!("no content with the hash {} is stored", format_hash(hash)),
    )
}
