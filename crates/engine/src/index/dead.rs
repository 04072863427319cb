//! Lines that no entry lies at any more, as far as that is known: so compaction
//! need not ask the tree about each of them. One bit for every 32 bytes of log.

use super::Location;
use std::collections::BTreeMap;

/// No line that stores a value is shorter, so that no two begin in the same of these.
const BYTES: u32 = 32;

/// A line that is not in it may be dead all the same; one that is in it is.
#[derive(Debug, Default)]
pub(super) struct Dead {
    segments: BTreeMap<u32, Vec<u64>>,
}

impl Dead {
    /// Takes in a line that an entry lay at, the only one that could.
    pub(super) fn insert(&mut self, location: Location) {
        let (word, bit) = place(location.offset);
        let words = self.segments.entry(location.segment).or_default();
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        words[word] |= bit;
    }

    /// Takes out a line that an entry lies at now.
    pub(super) fn remove(&mut self, location: Location) {
        let (word, bit) = place(location.offset);
        let words = self.segments.get_mut(&location.segment);
        if let Some(word) = words.and_then(|words| words.get_mut(word)) {
            *word &= !bit;
        }
    }

    pub(super) fn contains(&self, segment: u32, offset: u32) -> bool {
        let (word, bit) = place(offset);
        let words = self.segments.get(&segment);
        let word = words.and_then(|words| words.get(word));
        word.is_some_and(|word| word & bit != 0)
    }

    /// Forgets the segments before one.
    pub(super) fn forget_before(&mut self, segment: u32) {
        self.segments = self.segments.split_off(&segment);
    }
}

/// The word and the bit in it that stand for a line.
fn place(offset: u32) -> (usize, u64) {
    let place = offset / BYTES;
    ((place / u64::BITS) as usize, 1 << (place % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::line::Line;

    #[test]
    fn no_line_with_a_value_is_shorter_than_what_a_bit_stands_for() {
        // As short as they are written, or shorter still where a reader takes it.
        let hash = "0".repeat(40);
        for change in [
            r#""put":{"":0}"#.to_owned(),
            format!(r#""content":{{"{hash}":0}}"#),
            r#""batch":[{"put":{"":0}}]"#.to_owned(),
        ] {
            let line = format!(r#"{{"c":"00000000","v":1,{change}}}"#);
            assert!(Line::read(line.as_bytes()).and_then(Line::changes).is_ok());
            assert!(line.len() + 1 >= BYTES as usize, "{line}");
            for cut in 0..line.len() {
                let shorter = [&line[..cut], &line[cut + 1..]].concat();
                let read = Line::read(shorter.as_bytes()).and_then(Line::changes);
                let long_enough = shorter.len() + 1 >= BYTES as usize;
                assert!(read.is_err() || long_enough, "{shorter}");
            }
        }
    }
}
