//! A line of keys, read fast where it is written as this release writes it. It
//! says what serde says of the same line; all others are left to serde.
//!
//! An opening reads a line's every byte here, a million keys' in one go: hence a
//! reader of its own, which looks at each byte once.

use crate::cache::Slot;
use crate::index::{Entry, Location};

/// More than a line mostly has.
const ROWS: usize = 256;

/// So many digits are less than 2^64, whatever they are.
const DIGITS_MAX: usize = 19;

/// The entries of a line. Nothing where the line is another, or a key has an
/// escape.
pub(super) fn read_keys(line: &[u8]) -> Option<Vec<(&str, Entry)>> {
    let mut reader = Reader {
        text: std::str::from_utf8(line).ok()?,
        position: 0,
    };
    reader.literal(b"{\"c\":\"")?;
    reader.string()?;
    reader.literal(b",\"keys\":[")?;
    let mut rows = Vec::with_capacity(ROWS);
    loop {
        rows.push(reader.row()?);
        if reader.literal(b",").is_none() {
            reader.literal(b"]}")?;
            return reader.rest().is_empty().then_some(rows);
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.position..]
    }

    fn literal<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        let found = self.rest().first_chunk() == Some(expected);
        self.position += if found { N } else { 0 };
        found.then_some(())
    }

    fn row(&mut self) -> Option<(&'a str, Entry)> {
        self.literal(b"[\"")?;
        let key = self.string()?;
        let version = self.number()?;
        let segment = self.number()?.try_into().ok()?;
        let offset = self.number()?.try_into().ok()?;
        let length = self.number()?.try_into().ok()?;
        let checksum_before = self.checksum()?;
        self.literal(b"]")?;
        let location = Location {
            version,
            segment,
            offset,
            length,
            checksum_before,
        };
        let slot = Slot::NONE;
        Some((key, Entry { location, slot }))
    }

    /// What stands before the quote that ends a string. Nothing where it has an
    /// escape, or what must be one.
    fn string(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let mut length = 0;
        // Eight bytes at once, as far as none of them is a quote, a backslash or
        // below a space.
        while let Some(bytes) = rest[length..].first_chunk() {
            let special = special(u64::from_le_bytes(*bytes));
            length += special.trailing_zeros() as usize / 8;
            if special != 0 {
                break;
            }
        }
        let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | ..b' ');
        length += rest[length..].iter().position(|byte| !plain(byte))?;
        if rest[length] != b'"' {
            return None;
        }
        let start = self.position;
        self.position += length + 1;
        self.text.get(start..start + length)
    }

    /// A comma and a whole number.
    fn number(&mut self) -> Option<u64> {
        let (comma, rest) = self.rest().split_first()?;
        let mut number = 0;
        let mut digits = 0;
        for byte in rest {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            if digits == DIGITS_MAX {
                return None;
            }
            number = number * 10 + u64::from(digit);
            digits += 1;
        }
        if *comma != b',' || digits == 0 || (digits > 1 && rest[0] == b'0') {
            return None;
        }
        self.position += 1 + digits;
        Some(number)
    }

    /// A comma and eight digits in quotes.
    fn checksum(&mut self) -> Option<u32> {
        let [b',', b'"', digits @ .., b'"'] = self.rest().first_chunk::<11>()? else {
            return None;
        };
        let mut checksum = 0;
        for digit in digits {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            checksum = checksum << 4 | u32::from(value);
        }
        self.position += 11;
        Some(checksum)
    }
}

/// Has the high bit of the first byte that is a quote, a backslash or below a
/// space; maybe of some behind it.
fn special(bytes: u64) -> u64 {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let below = |bytes: u64, limit: u8| bytes.wrapping_sub(each(limit)) & !bytes;
    let quotes = below(bytes ^ each(b'"'), 1);
    let backslashes = below(bytes ^ each(b'\\'), 1);
    (quotes | backslashes | below(bytes, b' ')) & each(0x80)
}

#[cfg(test)]
mod tests {
    use super::super::{Line, write_entry};
    use super::*;
    use proptest::prelude::*;

    fn line() -> impl Strategy<Value = Vec<u8>> {
        let key = prop_oneof![9 => "[a-z/é\u{7f}~! ]{0,26}", 1 => "[a-z]{0,20}[a\"\n\\\\]{1,2}[a-z]{0,9}"];
        let numbers = (0..1_u64 << 53, any::<[u32; 4]>());
        let rows = prop::collection::vec((key, numbers), 0..4);
        rows.prop_map(|rows| {
            let mut line = b"{\"c\":\"00000000\",\"keys\":[".to_vec();
            let mut written = Vec::new();
            for (key, (version, [segment, offset, length, checksum_before])) in rows {
                let location = Location {
                    version,
                    segment,
                    offset,
                    length,
                    checksum_before,
                };
                write_entry(&mut written, &key, location);
            }
            line.extend_from_slice(&written);
            line.extend_from_slice(b"]}");
            line
        })
    }

    #[test]
    fn a_zero_is_a_number_and_no_other_begins_with_one() {
        for (text, expected) in [(",0]", Some(0)), (",10]", Some(10)), (",01]", None)] {
            let mut reader = Reader { text, position: 0 };
            assert_eq!(reader.number(), expected, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn the_first_special_byte_of_eight_is_found(
            bytes in prop::array::uniform8(prop_oneof![4 => b' '..=b'~', 1 => any::<u8>()]),
        ) {
            let first = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '));
            let found = special(u64::from_le_bytes(bytes)).trailing_zeros() as usize / 8;
            prop_assert_eq!(found, first.unwrap_or(8));
        }

        #[test]
        fn a_line_of_keys_reads_as_serde_reads_it(
            mut line in line(),
            damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let is_whole = damage.is_none();
            if let Some((place, byte)) = damage {
                let place = place.index(line.len());
                line[place] = byte;
            }
            if let Some(rows) = read_keys(&line) {
                let serde: Line<'_> = serde_json::from_slice(&line).unwrap();
                let expected = serde.keys.iter().map(|row| (&*row.0.0, row.entry().unwrap()));
                prop_assert_eq!(rows, expected.collect::<Vec<_>>());
            } else {
                let usual = !line.contains(&b'\\') && line.len() > 30;
                prop_assert!(!(is_whole && usual));
            }
        }
    }
}
