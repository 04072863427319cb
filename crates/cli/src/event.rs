//! The commands that are one event each.

use crate::arguments::{Condition, Patch, Place as Arguments};
use crate::failure::Failure;
use crate::output::print;
use crate::place::Place;
use kv_protocol::Code;
use kv_protocol::json::{compact, write_string};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::io::Read;

pub(crate) fn put(
    place: &Arguments,
    key: &str,
    value: &str,
    condition: &Condition,
    ttl_ms: Option<u64>,
) -> Result<(), Failure> {
    let value = argument("value", value)?;
    let event = Event::new("put").string("key", key).raw("value", &value);
    let event = event.condition(condition).optional("ttl_ms", ttl_ms);
    print(reply(place, event)?.trim_end())
}

pub(crate) fn get(place: &Arguments, key: &str) -> Result<(), Failure> {
    let event = Event::new("get").string("key", key);
    let reply = reply(place, event)?;
    print(member(&reply, |reply| reply.value)?)
}

pub(crate) fn exists(place: &Arguments, key: &str) -> Result<(), Failure> {
    let event = Event::new("exists").string("key", key);
    print(reply(place, event)?.trim_end())
}

pub(crate) fn delete(place: &Arguments, key: &str, condition: &Condition) -> Result<(), Failure> {
    let event = Event::new("delete").string("key", key).condition(condition);
    print(reply(place, event)?.trim_end())
}

pub(crate) fn patch(
    place: &Arguments,
    key: &str,
    patch: &Patch,
    condition: &Condition,
) -> Result<(), Failure> {
    let mut event = Event::new("patch").string("key", key);
    for (name, text) in [("merge", &patch.merge), ("patch", &patch.patch)] {
        if let Some(text) = text {
            event = event.raw(name, &argument(name, text)?);
        }
    }
    print(reply(place, event.condition(condition))?.trim_end())
}

pub(crate) fn increment(place: &Arguments, key: &str, by: i64) -> Result<(), Failure> {
    let event = Event::new("increment").string("key", key);
    print(reply(place, event.raw("by", &by.to_string()))?.trim_end())
}

pub(crate) fn stats(place: &Arguments) -> Result<(), Failure> {
    print(reply(place, Event::new("stats"))?.trim_end())
}

pub(crate) fn store(place: &Arguments, content: &str) -> Result<(), Failure> {
    let content = argument("content", content)?;
    let event = Event::new("store_content").raw("content", &content);
    print(reply(place, event)?.trim_end())
}

pub(crate) fn fetch(place: &Arguments, hash: &str) -> Result<(), Failure> {
    let event = Event::new("get_content").string("hash", hash);
    let reply = reply(place, event)?;
    print(member(&reply, |reply| reply.content)?)
}

/// What an event is answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Reply<'a> {
    status: &'a str,
    code: Option<&'a str>,
    message: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    content: Option<&'a RawValue>,
}

/// A member that is there, even where it is `null`.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Reply<'a> {
    /// Reads a reply line; an error reply is a failure.
    pub(crate) fn read(line: &'a str) -> Result<Self, Failure> {
        let reply: Self = serde_json::from_str(line)
            .map_err(|e| Failure::new(format!("the store's reply can't be read: {e}")))?;
        if reply.status == "ok" {
            return Ok(reply);
        }
        let message = reply.message.unwrap_or_default();
        Err(match reply.code.and_then(Code::from_name) {
            Some(code) => Failure::coded(code, message),
            None => Failure::new(message),
        })
    }
}

/// An event, as it is put together.
pub(crate) struct Event(Vec<u8>);

impl Event {
    pub(crate) fn new(kind: &str) -> Self {
        Self(format!("{{\"type\":\"{kind}\"").into_bytes())
    }

    pub(crate) fn string(mut self, name: &str, text: &str) -> Self {
        self.name(name);
        write_string(&mut self.0, text);
        self
    }

    pub(crate) fn raw(mut self, name: &str, json: &str) -> Self {
        self.name(name);
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    pub(crate) fn optional(self, name: &str, number: Option<u64>) -> Self {
        match number {
            Some(number) => self.raw(name, &number.to_string()),
            None => self,
        }
    }

    fn condition(self, condition: &Condition) -> Self {
        self.optional("if_version", condition.if_version)
    }

    /// The event's line.
    pub(crate) fn line(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }

    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(format!(",\"{name}\":").as_bytes());
    }
}

/// Carries out one event and returns its reply line, where it is no error.
fn reply(place: &Arguments, event: Event) -> Result<String, Failure> {
    Place::open(place)?.ask(event)
}

fn member<'a>(
    reply: &'a str,
    take: impl FnOnce(Reply<'a>) -> Option<&'a RawValue>,
) -> Result<&'a str, Failure> {
    take(Reply::read(reply)?)
        .map(RawValue::get)
        .ok_or_else(|| Failure::new("the store's reply lacks the value"))
}

/// A JSON argument on one line; `-` stands for standard input.
fn argument(name: &str, argument: &str) -> Result<String, Failure> {
    let mut input = String::new();
    let text = if argument == "-" {
        std::io::stdin()
            .read_to_string(&mut input)
            .map_err(|e| Failure::new(format!("standard input can't be read: {e}")))?;
        &input
    } else {
        argument
    };
    let raw: &RawValue = serde_json::from_str(text).map_err(|e| {
        let hint = "a string needs its quotes, as in '\"text\"'";
        Failure::coded(
            Code::InvalidJson,
            format!("the {name} is no JSON: {e}; {hint}"),
        )
    })?;
    Ok(compact(name, raw.get())?.into_owned())
}
