//! A line with one change, read fast where it is written as this release writes
//! it. It says what serde says of the same line; all others are left to serde.

use super::{Line, Pair};
use kv_protocol::json::{Plain, Text};
use std::borrow::Cow;

/// What a line stores that has one change: a value under a key, or content under
/// the digits of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored<'a> {
    /// Key and value.
    Value(&'a str, &'a str),
    /// Digits and content.
    Content(&'a str, &'a str),
}

impl<'a> Stored<'a> {
    /// Reads a line that has no escape in its key and nothing unusual in its
    /// value; nothing of others.
    #[must_use]
    pub fn read(line: &'a [u8]) -> Option<Self> {
        let mut text = Plain::new(std::str::from_utf8(line).ok()?);
        let head = head(&mut text)?;
        let stored = if text.literal(",\"put\":{").is_some() {
            let (key, value) = pair(&mut text)?;
            Self::Value(key, value)
        } else if head.expires.is_none() {
            text.literal(",\"content\":{")?;
            let (digits, content) = pair(&mut text)?;
            Self::Content(digits, content)
        } else {
            return None;
        };
        end(&mut text)?;
        Some(stored)
    }
}

/// The key that a line puts, which has no escape in it, without a look at the value;
/// nothing of other lines.
#[must_use]
pub fn key_of_put(line: &[u8]) -> Option<&str> {
    let mut text = Plain::new(std::str::from_utf8(line).ok()?);
    head(&mut text)?;
    text.literal(",\"put\":{")?;
    text.string()
}

/// Reads a line that has no escape in its key and nothing unusual in its value.
pub(super) fn read(line: &[u8]) -> Option<Line<'_>> {
    let mut text = Plain::new(std::str::from_utf8(line).ok()?);
    let Head {
        c,
        b,
        t,
        v,
        copy,
        expires,
    } = head(&mut text)?;
    let mut line = Line {
        c,
        b,
        t,
        v,
        copy,
        expires,
        ..Line::default()
    };
    if text.literal(",\"put\":{").is_some() {
        line.put = Some(Pair::from(pair(&mut text)?));
    } else if text.literal(",\"content\":{").is_some() {
        line.content = Some(Pair::from(pair(&mut text)?));
    } else {
        text.literal(",\"delete\":")?;
        line.delete = Some(Text(Cow::Borrowed(text.string()?)));
    }
    end(&mut text)?;
    Some(line)
}

/// What a line says before its change, each as in [`Line`].
struct Head<'a> {
    c: &'a str,
    b: u64,
    t: Option<u64>,
    v: u64,
    copy: Option<u64>,
    expires: Option<u64>,
}

fn head<'a>(text: &mut Plain<'a>) -> Option<Head<'a>> {
    text.literal("{\"c\":")?;
    let c = text.string()?;
    let (b, t) = if text.literal(",\"b\":").is_some() {
        (text.number()?, None)
    } else {
        text.literal(",\"t\":")?;
        (0, Some(text.number()?))
    };
    text.literal(",\"v\":")?;
    let v = text.number()?;
    let mut optional = |name| match text.literal(name) {
        Some(()) => text.number().map(Some),
        None => Some(None),
    };
    Some(Head {
        c,
        b,
        t,
        v,
        copy: optional(",\"copy\":")?,
        expires: optional(",\"expires\":")?,
    })
}

/// The one member of an object that is open already, and the object's end.
fn pair<'a>(text: &mut Plain<'a>) -> Option<(&'a str, &'a str)> {
    let name = text.string()?;
    text.literal(":")?;
    let value = text.value()?;
    text.literal("}")?;
    Some((name, value))
}

fn end(text: &mut Plain<'_>) -> Option<()> {
    text.literal("}")?;
    text.is_end().then_some(())
}

impl<'a> From<(&'a str, &'a str)> for Pair<'a> {
    fn from((name, value): (&'a str, &'a str)) -> Self {
        Self(Cow::Borrowed(name), value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::line::Read;
    use crate::log::record::{Change, write_changes};
    use kv_protocol::event::parse_hash;
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
            let serde = || serde_json::from_slice::<Line<'_>>(&line).unwrap();
            if let (Some(key), Ok(line)) = (key_of_put(&line), serde_json::from_slice::<Line<'_>>(&line)) {
                prop_assert_eq!(key, &*line.put.unwrap().0);
            }
            if let Some(read) = read(&line) {
                prop_assert_eq!(read, serde());
            }
            match Stored::read(&line) {
                // Its digits may be none of a hash, which is for the reader to see.
                Some(Stored::Content(digits, content)) if parse_hash(digits).is_none() => {
                    let pair = serde().content.unwrap();
                    prop_assert_eq!((digits, content), (&*pair.0, pair.1));
                }
                Some(stored) => {
                    let changes = serde().changes().unwrap();
                    let expected = match changes.as_slice() {
                        [Read::Put(key, value, _)] => (Some(&**key), None, *value),
                        [Read::Content(hash, content)] => (None, Some(*hash), *content),
                        _ => panic!("{stored:?} of {changes:?}"),
                    };
                    let stored = match stored {
                        Stored::Value(key, value) => (Some(key), None, value),
                        Stored::Content(digits, content) => (None, parse_hash(digits), content),
                    };
                    prop_assert_eq!(stored, expected);
                }
                None => {}
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
            let line = batch.trim_ascii_end();
            assert!(read(line).is_some(), "{change:?}");
            let puts = matches!(change, Change::Put { .. });
            assert_eq!(key_of_put(line), puts.then_some("user/7"));
            let stores = !matches!(change, Change::Delete { .. });
            assert_eq!(Stored::read(line).is_some(), stores, "{change:?}");
        }
    }
}
