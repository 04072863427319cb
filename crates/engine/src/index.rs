//! Where every value lies: all keys and content hashes, in memory, ordered.

use crate::cache::Slot;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Where a line lies, and what it takes to check it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The version of the change, unique in the store.
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
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The line on disk.
    pub location: Location,
    /// The place in the cache; checked there by version.
    pub slot: Slot,
}

/// What a value is stored under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// A key.
    Key(&'a str),
    /// The SHA-1 of content.
    Content(&'a [u8; 20]),
}

/// Every key and every content hash.
#[derive(Debug, Default)]
pub struct Index {
    keys: BTreeMap<Box<str>, Entry>,
    contents: BTreeMap<[u8; 20], Entry>,
    live_bytes: u64,
}

impl Entry {
    /// What the line takes on disk, its line feed included.
    fn bytes(self) -> u64 {
        u64::from(self.location.length) + 1
    }
}

impl Index {
    /// The entry at an address.
    #[must_use]
    pub fn get(&self, address: Address<'_>) -> Option<Entry> {
        match address {
            Address::Key(key) => self.keys.get(key),
            Address::Content(hash) => self.contents.get(hash),
        }
        .copied()
    }

    /// Sets or removes the entry at an address, and returns the one before.
    pub fn set(&mut self, address: Address<'_>, entry: Option<Entry>) -> Option<Entry> {
        let before = match (address, entry) {
            (Address::Key(key), Some(entry)) => match self.keys.get_mut(key) {
                Some(present) => Some(std::mem::replace(present, entry)),
                None => self.keys.insert(key.into(), entry),
            },
            (Address::Key(key), None) => self.keys.remove(key),
            (Address::Content(hash), Some(entry)) => self.contents.insert(*hash, entry),
            (Address::Content(hash), None) => self.contents.remove(hash),
        };
        self.live_bytes += entry.map_or(0, Entry::bytes);
        self.live_bytes -= before.map_or(0, Entry::bytes);
        before
    }

    /// An index of entries that are in order.
    #[must_use]
    pub fn from_sorted(keys: Vec<(Box<str>, Entry)>, contents: Vec<([u8; 20], Entry)>) -> Self {
        let keys_bytes: u64 = keys.iter().map(|(_, entry)| entry.bytes()).sum();
        let contents_bytes: u64 = contents.iter().map(|(_, entry)| entry.bytes()).sum();
        Self {
            keys: BTreeMap::from_iter(keys),
            contents: BTreeMap::from_iter(contents),
            live_bytes: keys_bytes + contents_bytes,
        }
    }

    /// The keys behind one, or all, in order.
    pub fn keys_behind(&self, key: Option<&str>) -> impl Iterator<Item = (&str, Entry)> {
        let start = key.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.keys.range::<str, _>((start, Bound::Unbounded));
        range.map(|(key, entry)| (&**key, *entry))
    }

    /// The content hashes behind one, or all, in order.
    pub fn contents_behind(
        &self,
        hash: Option<&[u8; 20]>,
    ) -> impl Iterator<Item = (&[u8; 20], Entry)> {
        let start = hash.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self
            .contents
            .range::<[u8; 20], _>((start, Bound::Unbounded));
        range.map(|(hash, entry)| (hash, *entry))
    }

    /// The oldest segment that an entry lies in.
    #[must_use]
    pub fn oldest_segment(&self) -> Option<u32> {
        let entries = self.keys.values().chain(self.contents.values());
        entries.map(|entry| entry.location.segment).min()
    }

    /// What the lines of all entries take on disk.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// How many keys there are.
    #[must_use]
    pub fn keys_count(&self) -> usize {
        self.keys.len()
    }

    /// How many content objects there are.
    #[must_use]
    pub fn contents_count(&self) -> usize {
        self.contents.len()
    }
}
