//! A count of the keys and the content that there are, without where they lie:
//! much less memory to touch than an index has.

use crate::log::line::{Changes, Read};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::hash::BuildHasher;

/// A hash of a key under each of two secrets: no two keys have the same by chance,
/// and nobody who doesn't know the secrets can make two that have.
type Hashes = [u64; 2];

/// So many changes of keys are looked up at once: the processor waits for several
/// places in memory at the same time, then.
const PENDING_MAX: usize = 1024;

pub(super) struct Present<S> {
    secrets: [S; 2],
    keys: HashTable<Hashes>,
    /// Keys that are there or not, behind all that `keys` knows.
    pending: Vec<(Hashes, bool)>,
    contents: HashTable<(u64, [u8; 20])>,
}

impl<S: BuildHasher> Present<S> {
    pub(super) fn new(secrets: [S; 2]) -> Self {
        Self {
            secrets,
            keys: HashTable::new(),
            pending: Vec::new(),
            contents: HashTable::new(),
        }
    }

    pub(super) fn apply(&mut self, changes: &Changes<'_>) {
        for change in changes.as_slice() {
            match change {
                Read::Put(key, ..) => self.key(key, true),
                Read::Delete(key) | Read::Expire(key) => self.key(key, false),
                Read::Content(hash, _) => {
                    let slot = self.secrets[0].hash_one(hash);
                    let same = |other: &(u64, _)| other.1 == *hash;
                    let entry = self.contents.entry(slot, same, |content| content.0);
                    entry.or_insert((slot, *hash));
                }
                Read::Lost => {}
            }
        }
    }

    fn key(&mut self, key: &str, is_there: bool) {
        let hashes = self.secrets.each_ref().map(|secret| secret.hash_one(key));
        self.pending.push((hashes, is_there));
        if self.pending.len() >= PENDING_MAX {
            self.settle();
        }
    }

    fn settle(&mut self) {
        for (hashes, is_there) in self.pending.drain(..) {
            let same = |other: &Hashes| *other == hashes;
            match self.keys.entry(hashes[0], same, |hashes| hashes[0]) {
                Entry::Vacant(place) if is_there => {
                    place.insert(hashes);
                }
                Entry::Occupied(present) if !is_there => {
                    present.remove();
                }
                _ => {}
            }
        }
    }

    /// How many keys and content objects there are.
    pub(super) fn counts(mut self) -> (usize, usize) {
        self.settle();
        (self.keys.len(), self.contents.len())
    }
}
