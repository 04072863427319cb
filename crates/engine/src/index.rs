//! Where every value lies: all keys and content hashes, in memory, ordered.

use crate::cache::Slot;
use std::collections::BTreeMap;

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
        match (address, entry) {
            (Address::Key(key), Some(entry)) => match self.keys.get_mut(key) {
                Some(present) => Some(std::mem::replace(present, entry)),
                None => self.keys.insert(key.into(), entry),
            },
            (Address::Key(key), None) => self.keys.remove(key),
            (Address::Content(hash), Some(entry)) => self.contents.insert(*hash, entry),
            (Address::Content(hash), None) => self.contents.remove(hash),
        }
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
