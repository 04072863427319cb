//! The last level of a tree: entries, and a tag of each key, so that finding a key
//! mostly touches the tags and its own row, no others.

use super::Entry;
use std::cmp::Ordering;

/// A leaf takes no more rows. Their tags are a cache line.
pub(super) const ROWS_MAX: usize = 64;

/// So many rows may wait to be put in order: to find a new row's place would touch
/// others, and to make room for it as well.
const UNSORTED_MAX: usize = 16;

/// Eight tags are compared at once.
const TAGS: usize = 8;

/// So many keys that only have the same tag are looked at before the order is
/// asked: keys that are made to have one tag cost hardly more than others.
const MISTAKES_MAX: usize = 2;

/// What a tree is ordered by.
pub(super) trait TreeKey: Ord {
    /// A byte that differs among keys that lie side by side.
    fn tag(&self) -> u8;
}

/// A row is a cache line, where the key is a `Key`.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Row<K> {
    pub(super) key: K,
    pub(super) entry: Entry,
}

#[derive(Debug)]
pub(super) struct Leaf<K> {
    tags: [[u8; TAGS]; ROWS_MAX / TAGS],
    rows: Vec<Row<K>>,
    /// So many rows in front are in order; where the others belong is open.
    sorted: usize,
}

impl<K> Default for Leaf<K> {
    fn default() -> Self {
        Self {
            tags: [[0; TAGS]; ROWS_MAX / TAGS],
            rows: Vec::new(),
            sorted: 0,
        }
    }
}

impl<K> Leaf<K> {
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn row(&self, place: usize) -> Option<&Row<K>> {
        self.rows.get(place)
    }

    pub(super) fn row_mut(&mut self, place: usize) -> Option<&mut Row<K>> {
        self.rows.get_mut(place)
    }
}

impl<K: TreeKey> Leaf<K> {
    /// The place of a key.
    pub(super) fn find(&self, key: &K) -> Option<usize> {
        const LOW: u64 = u64::from_le_bytes([0x01; TAGS]);
        const HIGH: u64 = u64::from_le_bytes([0x80; TAGS]);
        let sought = u64::from_le_bytes([key.tag(); TAGS]);
        let mut mistakes = 0;
        for (start, tags) in (0..self.rows.len()).step_by(TAGS).zip(&self.tags) {
            // A byte that is zero gets its high bit; one above it may, too.
            let difference = u64::from_le_bytes(*tags) ^ sought;
            let mut zeros = difference.wrapping_sub(LOW) & !difference & HIGH;
            while zeros != 0 {
                let place = start + zeros.trailing_zeros() as usize / TAGS;
                match self.rows.get(place) {
                    Some(row) if row.key == *key => return Some(place),
                    _ => mistakes += 1,
                }
                if mistakes > MISTAKES_MAX {
                    return self.find_in_order(key);
                }
                zeros &= zeros - 1;
            }
        }
        None
    }

    fn find_in_order(&self, key: &K) -> Option<usize> {
        let (sorted, others) = self.rows.split_at(self.sorted);
        sorted
            .binary_search_by(|row| row.key.cmp(key))
            .ok()
            .or_else(|| {
                let other = others.iter().position(|row| row.key == *key)?;
                Some(self.sorted + other)
            })
    }

    /// Whether a key is behind all others. It sorts the rows.
    pub(super) fn ends_before(&mut self, key: &K) -> bool {
        self.sort();
        self.rows.last().is_none_or(|last| last.key < *key)
    }

    /// Adds a row where there is room for it.
    pub(super) fn insert(&mut self, row: Row<K>) {
        let count = self.rows.len();
        if self.rows.capacity() < ROWS_MAX {
            // Once, so that a leaf does not leave smaller ones behind.
            self.rows.reserve_exact(ROWS_MAX - count);
        }
        let in_order = |last: &Row<K>| last.key < row.key;
        if self.sorted == count && self.rows.last().is_none_or(in_order) {
            self.sorted += 1;
        }
        self.tags.as_flattened_mut()[count] = row.key.tag();
        self.rows.push(row);
        if self.rows.len() - self.sorted > UNSORTED_MAX {
            self.sort();
        }
    }

    /// Removes a row, which is there.
    pub(super) fn remove(&mut self, place: usize) -> Row<K> {
        let tags = self.tags.as_flattened_mut();
        tags.copy_within(place + 1..self.rows.len(), place);
        self.sorted -= usize::from(place < self.sorted);
        self.rows.remove(place)
    }

    /// Takes off the rows from a place in their order on.
    pub(super) fn split_off(&mut self, place: usize) -> Self {
        self.sort();
        let mut upper = Self::default();
        for row in self.rows.drain(place..) {
            upper.insert(row);
        }
        self.sorted = place;
        upper
    }

    /// Takes in the rows of the leaf behind it.
    pub(super) fn join(&mut self, mut upper: Self) {
        self.sort();
        upper.sort();
        for row in upper.rows {
            self.insert(row);
        }
    }

    fn sort(&mut self) {
        if self.sorted == self.rows.len() {
            return;
        }
        // No two are equal, and this keeps what is in order already.
        self.rows.sort_by(by_key);
        self.sorted = self.rows.len();
        for (tag, row) in self.tags.as_flattened_mut().iter_mut().zip(&self.rows) {
            *tag = row.key.tag();
        }
    }

    /// The rows, in order.
    pub(super) fn in_order(&self) -> Vec<&Row<K>> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        if self.sorted < rows.len() {
            rows.sort_by(|one, other| by_key(one, other));
        }
        rows
    }
}

fn by_key<K: Ord>(one: &Row<K>, other: &Row<K>) -> Ordering {
    one.key.cmp(&other.key)
}
