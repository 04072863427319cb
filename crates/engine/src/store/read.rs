//! What an event that reads comes to: from the cache or, checked, from disk.

use super::{Store, Turn, reader, versions_used_up};
use crate::files::Files;
use crate::index::{Address, Entry};
use kv_protocol::event::format_hash;
use kv_protocol::limits::GET_MANY_BYTES_MAX;
use kv_protocol::reply::{self, Rows};
use kv_protocol::{Code, Refusal};
use std::borrow::Cow;

impl<F: Files> Store<F> {
    /// The entry of a key whose time is not up.
    pub(super) fn live(&mut self, key: &str, turn: Turn<'_>) -> Result<Option<Entry>, Refusal> {
        let entry = self.index.get(Address::Key(key));
        let expires_ms = self.index.expires_ms(key);
        if expires_ms.is_none_or(|time_ms| time_ms > turn.time_ms) {
            return Ok(entry);
        }
        // What was told to be gone stays so, whatever the clock does next.
        match turn.refused {
            None if self.end(key, turn) => Ok(None),
            Some(_) => Ok(None),
            None => Err(versions_used_up()),
        }
    }

    pub(super) fn get_many(
        &mut self,
        keys: &[Cow<'_, str>],
        turn: Turn<'_>,
        id: Option<&str>,
        replies: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let mut rows = Rows::begin(replies, id, "entries");
        let mut read = |key: &str| {
            let entry = self.live(key, turn)?;
            let mut write = |value: Option<&str>| {
                rows.row(|output| {
                    reply::object(output, "key", key, |members| {
                        if let Some(value) = value {
                            members.raw("value", value);
                        }
                        let version = entry.map_or(0, |entry| entry.location.version);
                        members.number("version", version);
                    });
                });
                if rows.bytes() > GET_MANY_BYTES_MAX {
                    return Err(Refusal::new(
                        Code::TooLarge,
                        format!(
                            "the values come to more than {GET_MANY_BYTES_MAX} bytes; ask for fewer at once"
                        ),
                    ));
                }
                Ok(())
            };
            match entry {
                Some(entry) => {
                    let mut written = Ok(());
                    self.read(Address::Key(key), entry, |value| {
                        written = write(Some(value));
                    })?;
                    written
                }
                None => write(None),
            }
        };
        match keys.iter().try_for_each(|key| read(key)) {
            Ok(()) => {
                rows.end(|_| {});
                Ok(())
            }
            Err(refusal) => {
                rows.abandon();
                Err(refusal)
            }
        }
    }

    /// Hands over the text at an entry, from the cache or, checked, from disk.
    pub(super) fn read(
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
        let in_cache = self.cache.insert(location.version, value);
        if in_cache != slot {
            self.index.set_slot(address, in_cache);
        }
        take(value);
        Ok(())
    }

    /// Whether content is stored, and whole. What turns out damaged is not: it
    /// is to be stored again. This asks the disk, not the cache.
    pub(super) fn holds(&mut self, hash: &[u8; 20]) -> Result<bool, Refusal> {
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
}

pub(super) fn not_found_key(key: &str) -> Refusal {
    const CHARACTERS_MAX: usize = 64;
    let shown: String = key.chars().take(CHARACTERS_MAX).collect();
    let rest = if shown.len() < key.len() { "…" } else { "" };
    Refusal::new(
        Code::NotFound,
        format!("nothing is stored under the key `{shown}{rest}`"),
    )
}

pub(super) fn not_found_content(hash: &[u8; 20]) -> Refusal {
    Refusal::new(
        Code::NotFound,
        format!("no content with the hash {} is stored", format_hash(hash)),
    )
}
