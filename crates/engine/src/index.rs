//! Where every value lies: all keys and content hashes, in memory, ordered.

use crate::cache::Slot;
use dead::Dead;
use expiries::Expiries;
use key::Key;
use leaf::TreeKey;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;
use tree::{Place, Tree};

mod branch;
mod dead;
mod expiries;
mod key;
mod leaf;
mod rows;
#[cfg(test)]
mod tests;
mod tree;

/// Where a line lies, and what it takes to check it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The version of the change; those of one atomic batch share it.
    pub version: u64,
    /// The segment's number.
    pub segment: u32,
    /// The line's first byte in it.
    pub offset: u32,
    /// The line's bytes, without its line feed.
    pub length: u32,
    /// The checksum of the line before it.
    pub checksum_before: u32,
}

/// A stored value: where it lies, and where the cache may hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line on disk.
    pub location: Location,
    /// The place in the cache; checked there by version.
    pub slot: Slot,
}

/// What an address holds: nothing, or a value that may have its time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// The value.
    pub entry: Option<Entry>,
    /// When its time is up, in milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
}

/// What a value is stored under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address<'a> {
    /// A key.
    Key(&'a str),
    /// The SHA-1 of content.
    Content(&'a [u8; 20]),
}

/// Every key and every content hash.
#[derive(Debug, Default)]
pub struct Index {
    keys: Tree<Key<'static>>,
    contents: Tree<[u8; 20]>,
    expiries: Expiries,
    /// Lines that hold several values, by segment and offset, with the bytes of
    /// each value's share.
    shared: BTreeMap<(u32, u32), u32>,
    dead: Dead,
    live_bytes: u64,
}

impl Index {
    /// The entry at an address.
    #[must_use]
    pub fn get(&self, address: Address<'_>) -> Option<Entry> {
        match address {
            Address::Key(key) => {
                // A tree of keys that live long is one of keys that live shorter.
                let keys: &Tree<Key<'_>> = &self.keys;
                keys.get(&Key::new(key)).copied()
            }
            Address::Content(hash) => self.contents.get(hash).copied(),
        }
    }

    /// The entries of several keys, sooner than one by one.
    #[must_use]
    pub fn get_all<'a>(&self, keys: impl Iterator<Item = &'a str>) -> Vec<Option<Entry>> {
        let keys: Vec<_> = keys.map(Key::new).collect();
        let tree: &Tree<Key<'_>> = &self.keys;
        tree.get_all(&keys)
            .into_iter()
            .map(Option::<&Entry>::copied)
            .collect()
    }

    /// Sets or removes what is at an address, and returns what was.
    pub fn set(&mut self, address: Address<'_>, held: Held) -> Held {
        let Held { entry, expires_ms } = held;
        let before = match address {
            Address::Key(key) => {
                let key = Key::new(key);
                let keys: &Tree<Key<'_>> = &self.keys;
                let place = keys.find(&key);
                set(&mut self.keys, place, || key.into_owned(), entry)
            }
            Address::Content(hash) => {
                let place = self.contents.find(hash);
                set(&mut self.contents, place, || *hash, entry)
            }
        };
        self.live_bytes += entry.map_or(0, |entry| self.bytes(entry));
        self.live_bytes -= before.map_or(0, |entry| self.bytes(entry));
        if let Some(Entry { location, .. }) = before
            && self.shared_bytes(location).is_none()
        {
            self.dead.insert(location);
        }
        // Last: an opening may set what a checkpoint has set already.
        if let Some(Entry { location, .. }) = entry {
            self.dead.remove(location);
        }
        let expires_before_ms = match address {
            Address::Key(key) => self.expiries.set(key, expires_ms),
            Address::Content(_) => None,
        };
        Held {
            entry: before,
            expires_ms: expires_before_ms,
        }
    }

    /// Remembers where the cache holds a value.
    pub fn set_slot(&mut self, address: Address<'_>, slot: Slot) {
        if slot == Slot::NONE {
            // The one before, if any, answers for nothing any more.
            return;
        }
        let entry = match address {
            Address::Key(key) => {
                let keys: &Tree<Key<'_>> = &self.keys;
                let place = keys.find(&Key::new(key));
                self.keys.entry_mut(place)
            }
            Address::Content(hash) => {
                let place = self.contents.find(hash);
                self.contents.entry_mut(place)
            }
        };
        if let Some(entry) = entry {
            entry.slot = slot;
        }
    }

    /// Says that a line holds several values, before they are set.
    pub fn share(&mut self, location: Location, values: usize) {
        let values = u32::try_from(values).unwrap_or(u32::MAX);
        if let Some(bytes) = (location.length + 1).checked_div(values) {
            let place = (location.segment, location.offset);
            self.shared.insert(place, bytes);
        }
    }

    /// The lines that hold several values behind one, or all: their segment,
    /// offset, and the bytes of each value's share.
    pub fn shared_behind(
        &self,
        place: Option<(u32, u32)>,
    ) -> impl Iterator<Item = (u32, u32, u32)> {
        let start = place.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.shared.range((start, Bound::Unbounded));
        range.map(|((segment, offset), bytes)| (*segment, *offset, *bytes))
    }

    /// Whether no entry lies at a line any more. Where it is not known, false.
    #[must_use]
    pub fn is_dead(&self, segment: u32, offset: u32) -> bool {
        self.dead.contains(segment, offset)
    }

    /// Forgets the lines before a segment: no entry lies there.
    pub fn forget_before(&mut self, segment: u32) {
        self.shared = self.shared.split_off(&(segment, 0));
        self.dead.forget_before(segment);
    }

    /// Forgets the lines from a place on: no entry lies there.
    pub fn forget_from(&mut self, segment: u32, offset: u32) {
        self.shared.split_off(&(segment, offset));
    }

    /// When the time of the value under `key` is up, if it has one.
    #[must_use]
    pub fn expires_ms(&self, key: &str) -> Option<u64> {
        self.expiries.get(key)
    }

    /// The key whose time is up first, and when.
    #[must_use]
    pub fn next_expiry(&self) -> Option<(u64, &str)> {
        self.expiries.first()
    }

    /// The keys behind one, or all, that have a time, in order.
    pub fn expiries_behind(&self, key: Option<&str>) -> impl Iterator<Item = (&str, u64)> {
        self.expiries.behind(key)
    }

    /// The part of its line that an entry takes on disk, line feed included.
    fn bytes(&self, entry: Entry) -> u64 {
        match self.shared_bytes(entry.location) {
            Some(bytes) => u64::from(bytes),
            None => u64::from(entry.location.length) + 1,
        }
    }

    /// What a value has of a line that holds several; nothing of another line.
    fn shared_bytes(&self, location: Location) -> Option<u32> {
        if self.shared.is_empty() {
            return None;
        }
        let place = (location.segment, location.offset);
        self.shared.get(&place).copied()
    }

    /// Adds a key, before any line is shared. False, and it is not added, where it
    /// is not behind all others.
    pub fn append_key(&mut self, key: &str, entry: Entry) -> bool {
        let is_behind = self.keys.append(Key::new(key).into_owned(), entry);
        self.live_bytes += if is_behind { self.bytes(entry) } else { 0 };
        is_behind
    }

    /// Adds a content hash, as [`Self::append_key`] does a key.
    pub fn append_content(&mut self, hash: &[u8; 20], entry: Entry) -> bool {
        let is_behind = self.contents.append(*hash, entry);
        self.live_bytes += if is_behind { self.bytes(entry) } else { 0 };
        is_behind
    }

    /// Gives a key its time.
    pub fn set_expiry(&mut self, key: &str, expires_ms: u64) {
        self.expiries.set(key, Some(expires_ms));
    }

    /// Says which lines hold several values, once their entries are there: as
    /// [`Self::shared_behind`] tells it.
    pub fn set_shared(&mut self, shared: Vec<(u32, u32, u32)>) {
        if shared.is_empty() {
            return;
        }
        let shared = shared.into_iter();
        self.shared = shared
            .map(|(segment, offset, bytes)| ((segment, offset), bytes))
            .collect();
        self.live_bytes = self.entries().map(|entry| self.bytes(*entry)).sum();
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let keys = self.keys.rows().map(|row| &row.entry);
        keys.chain(self.contents.rows().map(|row| &row.entry))
    }

    /// The keys behind one, or all, in order.
    pub fn keys_behind(&self, key: Option<&str>) -> impl Iterator<Item = (Cow<'_, str>, Entry)> {
        let start = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.keys_in((start, Bound::Unbounded))
    }

    /// The keys in a range, in order. The range must not end before it begins.
    #[must_use = "it does nothing by itself"]
    pub fn keys_in(
        &self,
        range: (Bound<&str>, Bound<&str>),
    ) -> impl DoubleEndedIterator<Item = (Cow<'_, str>, Entry)> {
        let key = |key: &str| Key::new(key).into_owned();
        let rows = self.keys.range((range.0.map(key), range.1.map(key)));
        rows.map(|row| (row.key.text(), row.entry))
    }

    /// The content hashes behind one, or all, in order.
    pub fn contents_behind(
        &self,
        hash: Option<&[u8; 20]>,
    ) -> impl Iterator<Item = (&[u8; 20], Entry)> {
        let start = hash.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.contents.range((start.cloned(), Bound::Unbounded));
        rows.map(|row| (&row.key, row.entry))
    }

    /// The oldest segment that an entry lies in.
    #[must_use]
    pub fn oldest_segment(&self) -> Option<u32> {
        self.entries().map(|entry| entry.location.segment).min()
    }

    /// What the lines of all entries take on disk.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// How many keys there are.
    #[must_use]
    pub fn keys_count(&self) -> usize {
        self.keys.count()
    }

    /// How many keys have a time.
    #[must_use]
    pub fn expiries_count(&self) -> usize {
        self.expiries.count()
    }

    /// How many content objects there are.
    #[must_use]
    pub fn contents_count(&self) -> usize {
        self.contents.count()
    }
}

/// Sets or removes the entry of a key whose place was found, and returns the one
/// before.
fn set<K: TreeKey + Clone>(
    tree: &mut Tree<K>,
    place: Place,
    key: impl FnOnce() -> K,
    entry: Option<Entry>,
) -> Option<Entry> {
    let Some(entry) = entry else {
        return tree.remove(place);
    };
    if let Some(present) = tree.entry_mut(place) {
        return Some(std::mem::replace(present, entry));
    }
    tree.insert(place, key(), entry);
    None
}

impl TreeKey for [u8; 20] {
    fn tag(&self) -> u8 {
        // Hashes that lie side by side begin alike.
        self[19]
    }
}
