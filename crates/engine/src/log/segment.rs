//! Segments: their names, and how much of one counts.

use crate::log::record::{hexadecimal, parse_checksum};
use kv_protocol::json::write_number;
use serde::Deserialize;
use std::borrow::Cow;

/// A segment and how much of it counts: what a header says of those before it,
/// and also a place in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "(u32, u64, Cow<'_, str>)")]
pub struct Extent {
    /// The number in its file name.
    pub number: u32,
    /// How many of its bytes are part of the log.
    pub bytes: u64,
    /// The checksum of the last line in those bytes, 0 where there is none.
    pub checksum: u32,
}

impl Extent {
    /// Appends `[number,bytes,"checksum"]`.
    pub(super) fn write(self, output: &mut Vec<u8>) {
        output.push(b'[');
        write_number(output, u64::from(self.number));
        output.push(b',');
        write_number(output, self.bytes);
        output.extend_from_slice(b",\"");
        output.extend_from_slice(&hexadecimal(self.checksum));
        output.extend_from_slice(b"\"]");
    }
}

impl TryFrom<(u32, u64, Cow<'_, str>)> for Extent {
    type Error = &'static str;

    fn try_from((number, bytes, checksum): (u32, u64, Cow<'_, str>)) -> Result<Self, Self::Error> {
        Ok(Self {
            number,
            bytes,
            checksum: parse_checksum(&checksum).ok_or("a checksum has eight digits")?,
        })
    }
}

/// The file name of a segment.
#[must_use]
pub fn file_name(number: u32) -> String {
    // Without the machinery of formats: every batch asks for two names.
    const DIGITS_MIN: u32 = 8;
    let digits = number.checked_ilog10().map_or(1, |log| log + 1);
    let mut name = String::with_capacity(16);
    for place in (0..digits.max(DIGITS_MIN)).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        name.extend(char::from_digit(digit, 10));
    }
    name.push_str(".jsonl");
    name
}

/// The number in a segment's file name; nothing for any other name.
#[must_use]
pub fn number_of(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".jsonl")?;
    let number = digits.parse().ok()?;
    // Exactly the name that we would give: no sign, no further zeros.
    (number > 0 && file_name(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_one_to_one() {
        for number in [1, 99_999_999, 100_000_000, u32::MAX] {
            assert_eq!(number_of(&file_name(number)), Some(number));
        }
        assert_eq!(file_name(7), "00000007.jsonl");
        for stray in [
            "",
            "7.jsonl",
            "00000000.jsonl",
            "000000007.jsonl",
            "+0000007.jsonl",
            "00000007.json",
            "checkpoint-00000007.jsonl",
        ] {
            assert_eq!(number_of(stray), None, "{stray}");
        }
    }
}
