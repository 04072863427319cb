//! The keys whose values have their time: by key, and in the order of time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Every key that has a time. Keys without one cost nothing here.
#[derive(Debug, Default)]
pub(super) struct Expiries {
    by_key: BTreeMap<Box<str>, u64>,
    by_time: BTreeSet<(u64, Box<str>)>,
}

impl Expiries {
    /// Sets or removes a key's time, and returns the one before.
    pub(super) fn set(&mut self, key: &str, expires_ms: Option<u64>) -> Option<u64> {
        if expires_ms.is_none() && self.by_key.is_empty() {
            return None;
        }
        let before = match expires_ms {
            Some(expires_ms) => self.by_key.insert(key.into(), expires_ms),
            None => self.by_key.remove(key),
        };
        if let Some(before) = before {
            self.by_time.remove(&(before, key.into()));
        }
        if let Some(expires_ms) = expires_ms {
            self.by_time.insert((expires_ms, key.into()));
        }
        before
    }

    pub(super) fn get(&self, key: &str) -> Option<u64> {
        if self.by_key.is_empty() {
            return None;
        }
        self.by_key.get(key).copied()
    }

    pub(super) fn count(&self) -> usize {
        self.by_key.len()
    }

    /// The key whose time is up first.
    pub(super) fn first(&self) -> Option<(u64, &str)> {
        let (time_ms, key) = self.by_time.first()?;
        Some((*time_ms, key))
    }

    /// The keys behind one, or all, in order.
    pub(super) fn behind(&self, key: Option<&str>) -> impl Iterator<Item = (&str, u64)> {
        let start = key.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.by_key.range::<str, _>((start, Bound::Unbounded));
        range.map(|(key, expires_ms)| (&**key, *expires_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_time_and_the_first_comes_first() {
        let mut expiries = Expiries::default();
        assert_eq!(expiries.set("a", None), None);
        assert_eq!(expiries.set("a", Some(30)), None);
        assert_eq!(expiries.set("b", Some(20)), None);
        assert_eq!(expiries.first(), Some((20, "b")));
        assert_eq!(expiries.set("b", Some(40)), Some(20));
        assert_eq!(expiries.first(), Some((30, "a")));
        assert_eq!(expiries.behind(Some("a")).collect::<Vec<_>>(), [("b", 40)]);
        assert_eq!(expiries.set("a", None), Some(30));
        assert_eq!(expiries.get("a"), None);
        assert_eq!(expiries.first(), Some((40, "b")));
    }
}
