//! A JSON object of key and value, read member by member from a stream.

use crate::failure::Failure;
use kv_protocol::Code;
use kv_protocol::json::{compact, write_string};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::io::Read;

/// Hands over a `put` for every member of the object that begins with `first`
/// and goes on in `rest`.
pub(super) fn read(
    first: &[u8],
    rest: impl Read,
    put: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut members = Members { put, failure: None };
    let mut deserializer = serde_json::Deserializer::from_reader(first.chain(rest));
    let read = (&mut members)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    match (members.failure, read) {
        (Some(failure), _) => Err(failure),
        (None, Ok(())) => Ok(()),
        (None, Err(e)) => Err(Failure::coded(
            Code::InvalidJson,
            format!(
                "the file holds neither events, one a line, nor one JSON object of key and value: {e}"
            ),
        )),
    }
}

struct Members<P> {
    put: P,
    /// What `put` said, while the reader only knows that it must stop.
    failure: Option<Failure>,
}

impl<'de, P: FnMut(&[u8]) -> Result<(), Failure>> DeserializeSeed<'de> for &mut Members<P> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, P: FnMut(&[u8]) -> Result<(), Failure>> Visitor<'de> for &mut Members<P> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
            if let Err(failure) = event(&key, &value).and_then(|event| (self.put)(&event)) {
                self.failure = Some(failure);
                return Err(serde::de::Error::custom("a member can't be stored"));
            }
        }
        Ok(())
    }
}

fn event(key: &str, value: &RawValue) -> Result<Vec<u8>, Failure> {
    let mut event = b"{\"type\":\"put\",\"key\":".to_vec();
    write_string(&mut event, key);
    event.extend_from_slice(b",\"value\":");
    event.extend_from_slice(compact("`value`", value.get())?.as_bytes());
    event.push(b'}');
    Ok(event)
}
