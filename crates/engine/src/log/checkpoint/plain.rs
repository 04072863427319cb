//! A line of keys, read fast where it is written as this release writes it. It
//! says what serde says of the same line; all others are left to serde.

use crate::cache::Slot;
use crate::index::{Entry, Location};
use crate::log::record::parse_checksum;
use kv_protocol::json::Plain;

/// More than a line mostly has.
const ROWS: usize = 256;

/// The entries of a line. Nothing where the line is another, or a key has an
/// escape.
pub(super) fn read_keys(line: &[u8]) -> Option<Vec<(&str, Entry)>> {
    let mut text = Plain::new(std::str::from_utf8(line).ok()?);
    text.literal("{\"c\":")?;
    text.string()?;
    text.literal(",\"keys\":[")?;
    let mut rows = Vec::with_capacity(ROWS);
    loop {
        rows.push(row(&mut text)?);
        if text.literal(",").is_none() {
            text.literal("]}")?;
            return text.is_end().then_some(rows);
        }
    }
}

fn row<'a>(text: &mut Plain<'a>) -> Option<(&'a str, Entry)> {
    fn number<T: TryFrom<u64>>(text: &mut Plain<'_>) -> Option<T> {
        text.literal(",")?;
        text.number()?.try_into().ok()
    }
    text.literal("[")?;
    let key = text.string()?;
    let (version, segment) = (number(text)?, number(text)?);
    let (offset, length) = (number(text)?, number(text)?);
    text.literal(",")?;
    let checksum_before = parse_checksum(text.string()?)?;
    text.literal("]")?;
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

#[cfg(test)]
mod tests {
    use super::super::{Line, write_entry};
    use super::*;
    use proptest::prelude::*;

    fn line() -> impl Strategy<Value = Vec<u8>> {
        let key = prop_oneof![9 => "[a-z/é]{0,8}", 1 => "[a\"\n]{1,2}"];
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

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
