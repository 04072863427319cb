//! The events that most lines are, as most clients write them: `type` first, and
//! nothing behind it but what it must have. It says what the complete reader says
//! of the same line; all others are left to that one.

use super::{Operation, Write};
use crate::json::Plain;
use crate::limits::{CONTENT_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use std::borrow::Cow;

/// Reads a `put`, a `get` or a `store_content` that has nothing unusual in it.
pub(super) fn read(line: &str) -> Option<Operation<'_>> {
    let mut line = Plain::new(line);
    line.literal("{\"type\":")?;
    line.spaces();
    let operation = if line.literal("\"get\",").is_some() {
        Operation::Get {
            key: key(&mut line)?,
            if_none_match: None,
        }
    } else if line.literal("\"put\",").is_some() {
        let key = key(&mut line)?;
        line.literal(",")?;
        Operation::Write(Write::Put {
            key,
            value: value(&mut line, "\"value\":", VALUE_BYTES_MAX)?,
            if_version: None,
            ttl_ms: None,
        })
    } else {
        line.literal("\"store_content\",")?;
        Operation::Write(Write::StoreContent {
            content: value(&mut line, "\"content\":", CONTENT_BYTES_MAX)?,
        })
    };
    line.literal("}")?;
    line.is_end().then_some(operation)
}

#[inline]
fn key<'a>(line: &mut Plain<'a>) -> Option<Cow<'a, str>> {
    line.spaces();
    line.literal("\"key\":")?;
    line.spaces();
    let key = line.string()?;
    (key.len() <= KEY_BYTES_MAX).then_some(Cow::Borrowed(key))
}

#[inline]
fn value<'a>(line: &mut Plain<'a>, name: &str, bytes_max: usize) -> Option<Cow<'a, str>> {
    line.spaces();
    line.literal(name)?;
    line.spaces();
    let value = line.value()?;
    (value.len() <= bytes_max).then_some(Cow::Borrowed(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::read_any;
    use proptest::prelude::*;

    #[test]
    fn the_usual_events_are_read_here() {
        for line in [
            r#"{"type":"get","key":"user/7"}"#,
            r#"{"type": "get", "key": "é"}"#,
            r#"{"type":"put","key":"","value":{"a":[1,"\n"]}}"#,
            r#"{"type": "put", "key": "a", "value": "b"}"#,
            r#"{"type":"store_content","content":{"a":1.50}}"#,
        ] {
            assert!(read(line).is_some(), "{line}");
        }
        let longest = "k".repeat(KEY_BYTES_MAX);
        let get = |key: &str| format!("{{\"type\":\"get\",\"key\":\"{key}\"}}");
        assert!(read(&get(&longest)).is_some());
        let long = get(&(longest + "k"));
        assert!(read(&long).is_none());
        let put = |bytes: usize| {
            let value = "v".repeat(bytes - 2);
            format!("{{\"type\":\"put\",\"key\":\"k\",\"value\":\"{value}\"}}")
        };
        assert!(read(&put(VALUE_BYTES_MAX)).is_some());
        assert!(read(&put(VALUE_BYTES_MAX + 1)).is_none());
        let store = |bytes: usize| {
            let content = "c".repeat(bytes - 2);
            format!("{{\"type\":\"store_content\",\"content\":\"{content}\"}}")
        };
        assert!(read(&store(CONTENT_BYTES_MAX)).is_some());
        assert!(read(&store(CONTENT_BYTES_MAX + 1)).is_none());
    }

    /// Lines near the usual ones.
    fn line() -> impl Strategy<Value = String> {
        let piece = "(\\{|\\}|,| |\"type\":|\"key\":|\"value\":|\"content\":|\"id\":7|\
            \"get\"|\"put\"|\"store_content\"|\"a\"|\"\\\\n\"|1|01|\\{\"b\":\\[\\]\\}|\\[1, 2\\])";
        let usual = prop::sample::select(vec![
            "{ \"type\": \"get\" , \"key\": \"a\" }",
            "{ \"type\": \"put\" , \"key\": \"a\" , \"value\": \"b\" }",
            "{ \"type\": \"store_content\" , \"content\": \"b\" }",
        ]);
        let change = (any::<prop::sample::Index>(), 0..3, piece);
        (usual, prop::collection::vec(change, 0..3)).prop_map(|(usual, changes)| {
            let mut pieces: Vec<String> = usual.split(' ').map(str::to_owned).collect();
            for (place, kind, piece) in changes {
                let place = place.index(pieces.len());
                match kind {
                    0 => pieces[place] = piece,
                    1 => pieces.insert(place, piece),
                    _ => pieces[place].clear(),
                }
            }
            pieces.concat()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_usual_event_reads_as_any_other(line in line()) {
            if let Some(operation) = read(&line) {
                let event = read_any(&line);
                prop_assert_eq!((event.id, event.operation), (None, Ok(operation)));
            }
        }
    }
}
