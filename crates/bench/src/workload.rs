//! What is asked of a server: which operation, on which keys, by how many.

use std::fmt;

/// The bytes of a key.
pub(crate) const KEY_BYTES: usize = 20;

/// The bytes of a value: a JSON string, its quotes included.
pub(crate) const VALUE_BYTES: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Put,
    Get,
}

/// An operation, and how many connections keep how many requests each in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) operation: Operation,
    pub(crate) connections: usize,
    pub(crate) depth: usize,
}

impl Workload {
    pub(crate) const ALL: [Self; 6] = [
        Self::new(Operation::Put, 1, 1),
        Self::new(Operation::Put, 64, 1),
        Self::new(Operation::Put, 64, 16),
        Self::new(Operation::Get, 1, 1),
        Self::new(Operation::Get, 64, 1),
        Self::new(Operation::Get, 64, 16),
    ];

    pub(crate) const fn new(operation: Operation, connections: usize, depth: usize) -> Self {
        Self {
            operation,
            connections,
            depth,
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = match self.operation {
            Operation::Put => "durable put",
            Operation::Get => "get",
        };
        write!(
            formatter,
            "{operation}, {} × {}",
            self.connections, self.depth
        )
    }
}

/// Random keys, the same for the same seed. `SplitMix64` (Steele, Lea and Flood,
/// 2014) is more than random enough for choosing keys.
#[derive(Debug)]
pub(crate) struct Keys {
    count: u64,
    state: u64,
}

impl Keys {
    pub(crate) fn new(count: u64, seed: u64) -> Self {
        Self { count, state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % self.count
    }
}

/// The text of a key.
pub(crate) fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = *b"key:0000000000000000";
    let mut rest = number;
    for digit in key.iter_mut().rev().take(16) {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    key
}

/// The value under a key: the same whenever it is put, so that a get can be
/// checked to the byte.
pub(crate) fn value(number: u64) -> [u8; VALUE_BYTES] {
    let mut value = [b'.'; VALUE_BYTES];
    for part in value.chunks_exact_mut(KEY_BYTES) {
        part.copy_from_slice(&key(number));
    }
    value[0] = b'"';
    value[VALUE_BYTES - 1] = b'"';
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_repeat_with_the_seed_and_stay_in_range() {
        let take = |seed| {
            let mut keys = Keys::new(1000, seed);
            (0..100).map(|_| keys.next()).collect::<Vec<_>>()
        };
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
        assert!(take(1).iter().all(|key| *key < 1000));
    }

    #[test]
    fn values_are_json_of_the_stated_size() {
        assert_eq!(&key(42), b"key:0000000000000042");
        let text: String = serde_json::from_slice(&value(42)).unwrap();
        assert_eq!(text.len() + 2, VALUE_BYTES);
        assert_ne!(value(42), value(43));
    }
}
