//! What an event that writes comes to. First its condition is compared and its
//! change worked out, which changes nothing; then the change is collected.

use super::{Store, Turn, versions_used_up};
use crate::cache::Slot;
use crate::content;
use crate::files::Files;
use crate::index::{Address, Entry, Held};
use crate::log::record::Change;
use crate::log::writer::VERSION_MAX;
use crate::patch;
use kv_protocol::event::{BatchKind, Write, format_hash};
use kv_protocol::limits::{EVENT_BYTES_MAX, NUMBER_MAX};
use kv_protocol::reply::{self, Rows};
use kv_protocol::{Code, Refusal};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What a write comes to.
enum Planned<C> {
    Change(C),
    /// There is nothing to delete.
    Absent,
    /// The content is there already.
    Stored([u8; 20]),
}

/// The changes of a batch so far, of which the index knows nothing yet.
#[derive(Default)]
struct Pending<'w> {
    changes: Vec<Change<'w>>,
    keys: BTreeMap<&'w str, usize>,
    contents: BTreeSet<[u8; 20]>,
    /// The bytes of all values.
    bytes: usize,
}

impl<F: Files> Store<F> {
    /// Carries out one write and appends its reply.
    pub(super) fn write(
        &mut self,
        write: &Write<'_>,
        turn: Turn<'_>,
        id: Option<&str>,
        replies: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        self.check_condition(write, turn)?;
        let planned = self.plan(write, None, turn)?;
        let version = match &planned {
            Planned::Change(change) => Some(self.collect(std::slice::from_ref(change), turn)?),
            Planned::Absent | Planned::Stored(_) => None,
        };
        match (&planned, write) {
            (Planned::Change(Change::Put { key, value, .. }), Write::Increment { .. }) => {
                reply::increment(replies, id, key, value, version.unwrap_or_default());
            }
            (Planned::Change(Change::Content { hash, .. }) | Planned::Stored(hash), _) => {
                reply::store_content(replies, id, hash, version.is_some());
            }
            (_, Write::Delete { key, .. }) => reply::delete(replies, id, key, version),
            _ => {
                let key = write.key().unwrap_or_default();
                reply::put(replies, id, key, version.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Carries out several writes, all or none, and appends their reply.
    pub(super) fn write_batch(
        &mut self,
        writes: &[Write<'_>],
        kind: BatchKind,
        turn: Turn<'_>,
        id: Option<&str>,
        replies: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let mut pending = Pending::default();
        // For each write, where its change is.
        let mut outcomes = Vec::with_capacity(writes.len());
        for (number, write) in writes.iter().enumerate() {
            let planned = self
                .check_condition(write, turn)
                .and_then(|()| self.plan(write, Some(&pending), turn))
                .and_then(|planned| pending.take(planned))
                .map_err(|refusal| named(number, refusal))?;
            outcomes.push(planned);
        }
        let version = match pending.changes.as_slice() {
            [] => None,
            changes => Some(self.collect(changes, turn)?),
        };
        if kind == BatchKind::Batch {
            let mut rows = Rows::begin(replies, id, "results");
            for (write, outcome) in writes.iter().zip(&outcomes) {
                rows.row(|output| pending.write_result(output, write, outcome));
            }
            rows.end(|members| {
                if let Some(version) = version {
                    members.number("version", version);
                }
            });
            return Ok(());
        }
        let name = match kind {
            BatchKind::DeleteMany => "deleted",
            BatchKind::Batch | BatchKind::PutMany => "stored",
        };
        reply::members(replies, id, |members| {
            members.number(name, pending.changes.len() as u64);
            if let Some(version) = version {
                members.number("version", version);
            }
        });
        Ok(())
    }

    /// Compares the version that a write asks for with what was there before it,
    /// and before the batch that it is part of.
    fn check_condition(&mut self, write: &Write<'_>, turn: Turn<'_>) -> Result<(), Refusal> {
        let (Some(key), Some(expected)) = (write.key(), write.if_version()) else {
            return Ok(());
        };
        let entry = self.live(key, turn)?;
        let version = entry.map_or(0, |entry| entry.location.version);
        if version == expected {
            return Ok(());
        }
        let mut refusal = Refusal::new(
            Code::Conflict,
            match version {
                0 => "`if_version` does not hold: there is no value".to_owned(),
                _ => format!("`if_version` does not hold: the version is {version}"),
            },
        );
        refusal.details.version = Some(version);
        Err(refusal)
    }

    /// Works out what a write changes behind the changes that are pending, where it
    /// is one of a batch.
    fn plan<'w>(
        &mut self,
        write: &'w Write<'_>,
        pending: Option<&Pending<'w>>,
        turn: Turn<'_>,
    ) -> Result<Planned<Change<'w>>, Refusal> {
        let change = match write {
            Write::Put {
                key, value, ttl_ms, ..
            } => Change::Put {
                key: Cow::Borrowed(key),
                value: Cow::Borrowed(value),
                expires_ms: expires_ms(*ttl_ms, turn)?,
            },
            Write::Delete { key, .. } => {
                let is_there = match pending.and_then(|pending| pending.change_of(key)) {
                    Some(change) => matches!(change, Change::Put { .. }),
                    None => self.live(key, turn)?.is_some(),
                };
                if !is_there {
                    return Ok(Planned::Absent);
                }
                Change::Delete {
                    key: Cow::Borrowed(key),
                }
            }
            Write::StoreContent { content } => {
                let (hash, canonical) = content::address(content)?;
                let is_pending = pending.is_some_and(|pending| pending.contents.contains(&hash));
                if is_pending || self.holds(&hash)? {
                    return Ok(Planned::Stored(hash));
                }
                Change::Content {
                    hash,
                    content: Cow::Owned(canonical),
                }
            }
            Write::Patch {
                key, patch, ttl_ms, ..
            } => self.replace(key, *ttl_ms, pending, turn, |current| {
                patch::apply(current, patch)
            })?,
            Write::Increment {
                key, by, ttl_ms, ..
            } => self.replace(key, *ttl_ms, pending, turn, |current| {
                patch::add(current, *by)
            })?,
        };
        Ok(Planned::Change(change))
    }

    /// The change that gives a key the value that `make` makes of its present
    /// one. It keeps its time where `ttl_ms` gives it no new one.
    fn replace<'w>(
        &mut self,
        key: &'w str,
        ttl_ms: Option<u64>,
        pending: Option<&Pending<'w>>,
        turn: Turn<'_>,
        make: impl FnOnce(Option<&str>) -> Result<String, Refusal>,
    ) -> Result<Change<'w>, Refusal> {
        let mut version = 0;
        let (current, expires_before_ms) = match pending.and_then(|pending| pending.change_of(key))
        {
            Some(Change::Put {
                value, expires_ms, ..
            }) => (Some(value.clone().into_owned()), *expires_ms),
            Some(_) => (None, None),
            None => match self.live(key, turn)? {
                Some(entry) => {
                    version = entry.location.version;
                    let mut current = String::new();
                    self.read(Address::Key(key), entry, |value| {
                        value.clone_into(&mut current);
                    })?;
                    (Some(current), self.index.expires_ms(key))
                }
                None => (None, None),
            },
        };
        let value = make(current.as_deref()).map_err(|mut refusal| {
            if refusal.code == Code::Conflict {
                refusal.details.version = Some(version);
            }
            refusal
        })?;
        Ok(Change::Put {
            key: Cow::Borrowed(key),
            value: Cow::Owned(value),
            expires_ms: match ttl_ms {
                Some(_) => expires_ms(ttl_ms, turn)?,
                None => expires_before_ms,
            },
        })
    }

    /// Appends a line of changes to the batch, and to index and cache.
    pub(super) fn collect(
        &mut self,
        changes: &[Change<'_>],
        turn: Turn<'_>,
    ) -> Result<u64, Refusal> {
        if let Some(refusal) = turn.refused {
            return Err(refusal.clone());
        }
        if self.writer.version() >= VERSION_MAX {
            return Err(versions_used_up());
        }
        let location = self.writer.append(turn.time_ms, changes);
        if changes.len() > 1 {
            let is_value = |change: &&Change<'_>| {
                matches!(change, Change::Put { .. } | Change::Content { .. })
            };
            let values = changes.iter().filter(is_value).count();
            self.index.share(location, values);
        }
        for change in changes {
            let held = |slot: Slot, expires_ms| Held {
                entry: Some(Entry { location, slot }),
                expires_ms,
            };
            let (address, after) = match change {
                Change::Put {
                    key,
                    value,
                    expires_ms,
                } => {
                    let slot = self.cache.insert(location.version, value);
                    (Address::Key(key), held(slot, *expires_ms))
                }
                Change::Content { hash, content } => {
                    let slot = self.cache.insert(location.version, content);
                    (Address::Content(hash), held(slot, None))
                }
                Change::Delete { key } | Change::Expire { key } => {
                    (Address::Key(key), Held::default())
                }
            };
            let before = self.index.set(address, after);
            if let Some(entry) = before.entry {
                self.cache.remove(entry.slot, entry.location.version);
            }
            self.undo.push(before);
        }
        Ok(location.version)
    }
}

impl<'w> Pending<'w> {
    /// What the batch does last to a key.
    fn change_of(&self, key: &str) -> Option<&Change<'w>> {
        let place = self.keys.get(key)?;
        self.changes.get(*place)
    }

    /// Takes in a change, and says where it is.
    fn take(&mut self, planned: Planned<Change<'w>>) -> Result<Planned<usize>, Refusal> {
        let change = match planned {
            Planned::Change(change) => change,
            Planned::Absent => return Ok(Planned::Absent),
            Planned::Stored(hash) => return Ok(Planned::Stored(hash)),
        };
        let place = self.changes.len();
        // Keys are always borrowed from the event.
        if let Change::Put {
            key: Cow::Borrowed(key),
            ..
        }
        | Change::Delete {
            key: Cow::Borrowed(key),
        } = &change
        {
            self.keys.insert(key, place);
        }
        match &change {
            Change::Put { key, value, .. } => self.bytes += key.len() + value.len(),
            Change::Content { hash, content } => {
                self.bytes += content.len();
                self.contents.insert(*hash);
            }
            Change::Delete { .. } | Change::Expire { .. } => {}
        }
        if self.bytes > EVENT_BYTES_MAX {
            return Err(Refusal::new(
                Code::TooLarge,
                format!("the batch comes to more than {EVENT_BYTES_MAX} bytes; send several"),
            ));
        }
        self.changes.push(change);
        Ok(Planned::Change(place))
    }

    /// Writes what became of one write of the batch.
    fn write_result(&self, output: &mut Vec<u8>, write: &Write<'_>, outcome: &Planned<usize>) {
        let change = match outcome {
            Planned::Change(place) => Some(&self.changes[*place]),
            Planned::Absent | Planned::Stored(_) => None,
        };
        let key = write.key().unwrap_or_default();
        match (write, outcome, change) {
            (_, Planned::Stored(hash), _) | (_, _, Some(Change::Content { hash, .. })) => {
                reply::object(output, "hash", &format_hash(hash), |members| {
                    members.boolean("created", change.is_some());
                });
            }
            (Write::Delete { .. }, ..) => reply::object(output, "key", key, |members| {
                members.boolean("deleted", change.is_some());
            }),
            (Write::Increment { .. }, _, Some(Change::Put { value, .. })) => {
                reply::object(output, "key", key, |members| members.raw("value", value));
            }
            _ => reply::object(output, "key", key, |_| {}),
        }
    }
}

fn expires_ms(ttl_ms: Option<u64>, turn: Turn<'_>) -> Result<Option<u64>, Refusal> {
    let Some(ttl_ms) = ttl_ms else {
        return Ok(None);
    };
    match turn.time_ms.checked_add(ttl_ms) {
        Some(expires_ms) if expires_ms <= NUMBER_MAX => Ok(Some(expires_ms)),
        _ => Err(Refusal::new(
            Code::InvalidEvent,
            format!("`ttl_ms` is too long: the time that it ends at is past {NUMBER_MAX}"),
        )),
    }
}

fn named(number: usize, mut refusal: Refusal) -> Refusal {
    refusal.message = format!("operation {number}: {}", refusal.message);
    refusal.details.operation = Some(number);
    refusal
}
