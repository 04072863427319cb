//! The store: events in, replies out, one durable batch a call.

use crate::cache::Cache;
use crate::error::OpenError;
use crate::files::{FileError, Files};
use crate::index::{Address, Held, Index};
use crate::log::line::{Line, Read};
use crate::log::record::Change;
use crate::log::recovery::{Torn, recover};
use crate::log::writer::{CommitError, Writer};
use history::History;
use kv_protocol::event::{Event, Operation, parse};
use kv_protocol::limits::REPLIES_BYTES_MAX;
use kv_protocol::{Code, Refusal, reply};
pub use options::Options;
use read::{not_found_content, not_found_key};
use reader::Reader;
use serde::Serialize;
use std::borrow::Cow;
use upkeep::Upkeep;

mod backup;
mod history;
mod list;
mod options;
mod read;
mod reader;
mod statistics;
mod upkeep;
mod write;

/// So many events are read before the first of them is carried out. What they touch
/// fits in the processor's cache.
const EVENTS_AHEAD: usize = 64;

/// Fewer events than this are carried out one by one.
const EVENTS_TOUCHED_MIN: usize = 4;

/// So are the events of a store with fewer keys: its index fits in the processor's
/// cache, and to look keys up twice would only cost time.
const KEYS_TOUCHED_MIN: usize = 20_000;

/// A batch writes the end of at most this many keys whose time is up.
const EXPIRIES_MAX: usize = 1000;

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

/// When events are handled, and why they can't write, if they can't.
#[derive(Clone, Copy, Debug)]
struct Turn<'a> {
    time_ms: u64,
    refused: Option<&'a Refusal>,
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
    undo: Vec<Held>,
    history: History,
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
            reader: Reader::new(options.segments_open_max),
            upkeep: Upkeep::new(options, &recovered),
            writer: Writer::new(options.segment_bytes_max, recovered, oldest_live),
            undo: Vec::new(),
            history: History::default(),
            finished: None,
        };
        Ok((store, report))
    }

    /// Handles a batch: one event a line, one reply a line. Whatever the replies
    /// say has happened is durable when this returns. Once the replies hold
    /// [`REPLIES_BYTES_MAX`], the events behind are left: hand them in again.
    ///
    /// `time_ms` is milliseconds since the Unix epoch: it is written down, and
    /// decides whose time is up. No events at all end those, too.
    pub fn handle(&mut self, events: &[u8], time_ms: u64, replies: &mut Vec<u8>) -> Outcome {
        self.writer.clear();
        self.undo.clear();
        if let Some(refusal) = self.finished.clone() {
            refuse_all(events, &refusal, replies);
            return Outcome::Finished;
        }
        let start = replies.len();
        let turn = Turn {
            time_ms,
            refused: None,
        };
        self.expire(turn);
        self.run(events, turn, replies);
        self.copy_found(time_ms);
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
                let turn = Turn {
                    time_ms,
                    refused: Some(&not_stored(&e)),
                };
                self.run(events, turn, replies);
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

    /// The same, to be kept. The store tells it once.
    #[must_use]
    pub fn take_changes(&mut self) -> Vec<u8> {
        self.writer.take_changes()
    }

    /// When the next value's time is up, in milliseconds since the Unix epoch:
    /// a batch then, even an empty one, makes its end a change.
    #[must_use]
    pub fn wake_at_ms(&self) -> Option<u64> {
        self.index.next_expiry().map(|(time_ms, _)| time_ms)
    }

    /// Ends the values whose time is up.
    fn expire(&mut self, turn: Turn<'_>) {
        for _ in 0..EXPIRIES_MAX {
            let due = self.index.next_expiry();
            let Some((_, key)) = due.filter(|(time_ms, _)| *time_ms <= turn.time_ms) else {
                return;
            };
            let key = key.to_owned();
            if !self.end(&key, turn) {
                return;
            }
        }
    }

    /// Writes that a key's time is up, where anything can be written.
    fn end(&mut self, key: &str, turn: Turn<'_>) -> bool {
        let change = Change::Expire {
            key: Cow::Borrowed(key),
        };
        self.collect(&[change], turn).is_ok()
    }

    fn run(&mut self, events: &[u8], turn: Turn<'_>, replies: &mut Vec<u8>) {
        let start = replies.len();
        let mut lines = lines(events);
        loop {
            let events: Vec<_> = lines.by_ref().take(EVENTS_AHEAD).map(parse).collect();
            if events.is_empty() {
                return;
            }
            self.touch(&events);
            for Event { id, operation } in events {
                if replies.len() - start >= REPLIES_BYTES_MAX {
                    return;
                }
                let done =
                    operation.and_then(|operation| self.operate(operation, id, turn, replies));
                if let Err(refusal) = done {
                    reply::error(replies, id, &refusal);
                }
            }
        }
    }

    /// Has what events will ask the index and the cache for in the processor's cache,
    /// where there are several and many keys: what they would wait for one by one comes
    /// at once.
    fn touch(&self, events: &[Event<'_>]) {
        if events.len() < EVENTS_TOUCHED_MIN || self.index.keys_count() < KEYS_TOUCHED_MIN {
            return;
        }
        let operations = events
            .iter()
            .filter_map(|event| event.operation.as_ref().ok());
        let keys = operations.filter_map(|operation| match operation {
            Operation::Write(write) => write.key(),
            Operation::Get { key, .. } | Operation::Exists { key } => Some(key),
            _ => None,
        });
        let entries = self.index.get_all(keys);
        self.cache
            .touch(entries.iter().flatten().map(|entry| entry.slot));
    }

    /// Carries out one event and appends its reply, or says why not.
    fn operate(
        &mut self,
        operation: Operation<'_>,
        id: Option<&str>,
        turn: Turn<'_>,
        replies: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        match operation {
            Operation::Write(write) => self.write(&write, turn, id, replies),
            Operation::Batch { writes, kind } => self.write_batch(&writes, kind, turn, id, replies),
            Operation::Get { key, if_none_match } => {
                let entry = self.live(&key, turn)?.ok_or_else(|| not_found_key(&key))?;
                let version = entry.location.version;
                if if_none_match == Some(version) {
                    reply::not_modified(replies, id, &key, version);
                    return Ok(());
                }
                let expires_ms = self.index.expires_ms(&key);
                let expires_in_ms = expires_ms.map(|time_ms| time_ms - turn.time_ms);
                self.read(Address::Key(&key), entry, |value| {
                    reply::get(replies, id, &key, value, version, expires_in_ms);
                })
            }
            Operation::Exists { key } => {
                let entry = self.live(&key, turn)?;
                let version = entry.map_or(0, |entry| entry.location.version);
                reply::exists(replies, id, &key, version);
                Ok(())
            }
            Operation::GetContent { hash } => {
                let address = Address::Content(&hash);
                let entry = self
                    .index
                    .get(address)
                    .ok_or_else(|| not_found_content(&hash))?;
                self.read(address, entry, |content| {
                    reply::get_content(replies, id, &hash, content);
                })
            }
            Operation::GetMany { keys } => self.get_many(&keys, turn, id, replies),
            Operation::List(list) => self.list(&list, turn, id, replies),
            Operation::DeletePrefix { prefix, limit } => {
                self.delete_prefix(&prefix, limit, turn, id, replies)
            }
            Operation::Changes {
                since,
                prefix,
                limit,
            } => self.tell_changes(since, &prefix, limit, id, replies),
            Operation::Backup { since, cursor } => {
                self.back_up(since, cursor.as_deref(), turn, id, replies)
            }
            Operation::Stats => {
                self.tell_statistics(id, replies);
                Ok(())
            }
            Operation::Watch { .. } | Operation::Unwatch => Err(Refusal::new(
                Code::InvalidEvent,
                "a watch needs a connection that stays: send it to a server over lines, or ask for GET /watch",
            )),
        }
    }

    fn roll_back(&mut self) {
        // The batch's lines say what was changed.
        let lines: Vec<_> = lines(self.writer.changes_and_copies())
            .map(|line| Line::read(line).and_then(Line::changes))
            .collect();
        let changes = lines.iter().flat_map(|changes| match changes {
            Ok(changes) => changes.as_slice(),
            Err(reason) => unreachable!("a line that was just written: {reason}"),
        });
        let undo: Vec<_> = changes.zip(self.undo.drain(..)).collect();
        for (change, before) in undo.into_iter().rev() {
            let after = match change {
                Read::Put(key, _, _) | Read::Delete(key) | Read::Expire(key) => {
                    self.index.set(Address::Key(key), before)
                }
                Read::Content(hash, _) => self.index.set(Address::Content(hash), before),
                Read::Lost => Held::default(),
            };
            if let Some(entry) = after.entry {
                self.cache.remove(entry.slot, entry.location.version);
            }
        }
        if let Some((segment, offset)) = self.writer.batch_place() {
            self.index.forget_from(segment, offset);
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

fn versions_used_up() -> Refusal {
    Refusal::new(
        Code::Storage,
        "the store has used up its versions, of which there are 2^53 - 1",
    )
}
