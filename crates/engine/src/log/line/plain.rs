//! A line with one change, read fast where it is written as this release writes
//! it. It says what serde says of the same line; all others are left to serde.

use super::{Line, Pair};
use kv_protocol::json::{Plain, Text};
use std::borrow::Cow;

/// Reads a line that has no escape in its key and nothing unusual in its value.
pub(super) fn read(line: &[u8]) -> Option<Line<'_>> {
    let mut text = Plain::new(std::str::from_utf8(line).ok()?);
    let mut line = Line::default();
    text.literal("{\"c\":")?;
    line.c = text.string()?;
    if text.literal(",\"b\":").is_some() {
        line.b = text.number()?;
    } else {
        text.literal(",\"t\":")?;
        line.t = Some(text.number()?);
    }
    text.literal(",\"v\":")?;
    line.v = text.number()?;
    if text.literal(",\"copy\":").is_some() {
        line.copy = Some(text.number()?);
    }
    if text.literal(",\"expires\":").is_some() {
        line.expires = Some(text.number()?);
    }
    if text.literal(",\"put\":{").is_some() {
        line.put = Some(pair(&mut text)?);
    } else if text.literal(",\"content\":{").is_some() {
        line.content = Some(pair(&mut text)?);
    } else {
        text.literal(",\"delete\":")?;
        line.delete = Some(Text(Cow::Borrowed(text.string()?)));
    }
    text.literal("}")?;
    text.is_end().then_some(line)
}

/// The one member of an object that is open already, and the object's end.
fn pair<'a>(text: &mut Plain<'a>) -> Option<Pair<'a>> {
    let name = text.string()?;
    text.literal(":")?;
    let value = text.value()?;
    text.literal("}")?;
    Some(Pair(Cow::Borrowed(name), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::{Change, write_changes};
    use proptest::prelude::*;

    fn change() -> impl Strategy<Value = Change<'static>> {
        let text = prop_oneof!["[a-z/]{0,8}", "[a\"\\\\é\n]{0,3}"];
        let value = prop_oneof![
            "\"[a-z]{0,40}\"",
            "-?[1-9]{1,3}",
            "\\{\"a\":\\[1,null\\]\\}"
        ];
        let expires_ms = prop::option::of(0..1_u64 << 53);
        (0..4, text, value, expires_ms).prop_map(|(kind, key, value, expires_ms)| {
            let (key, value) = (Cow::Owned(key), Cow::Owned(value));
            match kind {
                0 => Change::Put {
                    key,
                    value,
                    expires_ms,
                },
                1 => Change::Delete { key },
                2 => Change::Expire { key },
                _ => Change::Content {
                    hash: [7; 20],
                    content: value,
                },
            }
        })
    }

    /// A line as it is written, behind another where it is not the first.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let changes = prop_oneof![
            9 => prop::collection::vec(change(), 1),
            1 => prop::collection::vec(change(), 2..3)
        ];
        let versions = (1..1_u64 << 53, prop::option::of(1..1_u64 << 53));
        (changes, versions, any::<bool>()).prop_map(|(changes, (version, copy_of), is_first)| {
            let mut batch = b"another\n"[..if is_first { 0 } else { 8 }].to_vec();
            let start = batch.len();
            write_changes(&mut batch, 1, 2, version, copy_of, &changes);
            batch.pop();
            batch.split_off(start)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_line_reads_as_serde_reads_it(
            mut line in line(),
            damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            if let Some((place, byte)) = damage {
                let place = place.index(line.len());
                line[place] = byte;
            }
            if let Some(read) = read(&line) {
                let expected: Line<'_> = serde_json::from_slice(&line).unwrap();
                prop_assert_eq!(read, expected);
            }
        }
    }

    #[test]
    fn the_usual_lines_are_read_here() {
        for change in [
            Change::Put {
                key: Cow::Borrowed("user/7"),
                value: Cow::Borrowed("{\"name\":\"Ada\"}"),
                expires_ms: Some(9),
            },
            Change::Delete {
                key: Cow::Borrowed("user/7"),
            },
            Change::Content {
                hash: [1; 20],
                content: Cow::Borrowed("[1]"),
            },
        ] {
            let mut batch = Vec::new();
            write_changes(&mut batch, 0, 5, 6, Some(3), std::slice::from_ref(&change));
            assert!(read(batch.trim_ascii_end()).is_some(), "{change:?}");
        }
    }
}
