//! A line of the log, taken apart.

use crate::index::Address;
use crate::log::record::Change;
use crate::log::segment::Extent;
use kv_protocol::event::parse_hash;
use kv_protocol::json::Text;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

pub use plain::{Stored, key_of_put};

mod plain;

/// A line, taken apart.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line<'a> {
    #[allow(dead_code, reason = "checked before the line is read")]
    c: &'a str,
    /// Bytes from the batch's first byte to this line's.
    #[serde(default)]
    pub b: u64,
    /// The batch's time, on its first line.
    pub t: Option<u64>,
    /// A header's format.
    pub format: Option<u64>,
    /// A header's own segment number.
    pub segment: Option<u32>,
    /// The segments that a header seals, oldest first.
    pub segments: Option<Vec<Extent>>,
    /// The version after this line.
    pub v: u64,
    /// The version of the change that this line repeats.
    pub copy: Option<u64>,
    /// How many changes were lost here: a repair has set them aside.
    pub lost: Option<u64>,
    expires: Option<u64>,
    #[serde(borrow)]
    put: Option<Pair<'a>>,
    #[serde(borrow)]
    delete: Option<Text<'a>>,
    #[serde(borrow)]
    expire: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Pair<'a>>,
    #[serde(borrow)]
    batch: Option<Vec<Element<'a>>>,
}

/// One of several changes in a line.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Element<'a> {
    expires: Option<u64>,
    #[serde(borrow)]
    put: Option<Pair<'a>>,
    #[serde(borrow)]
    delete: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Pair<'a>>,
}

/// A change, as it was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// See [`Change::Put`](super::record::Change::Put).
    Put(Cow<'a, str>, &'a str, Option<u64>),
    /// See [`Change::Delete`](super::record::Change::Delete).
    Delete(Cow<'a, str>),
    /// See [`Change::Expire`](super::record::Change::Expire).
    Expire(Cow<'a, str>),
    /// See [`Change::Content`](super::record::Change::Content).
    Content([u8; 20], &'a str),
    /// Nothing: changes were lost here.
    Lost,
}

impl Read<'_> {
    /// The value that it stores, to be written once more, and where; nothing
    /// where it stores none.
    #[must_use]
    pub fn stored(&self) -> Option<(Address<'_>, Change<'_>)> {
        match self {
            Self::Put(key, value, expires_ms) => {
                let change = Change::Put {
                    key: Cow::Borrowed(key),
                    value: Cow::Borrowed(value),
                    expires_ms: *expires_ms,
                };
                Some((Address::Key(key), change))
            }
            Self::Content(hash, content) => {
                let change = Change::Content {
                    hash: *hash,
                    content: Cow::Borrowed(content),
                };
                Some((Address::Content(hash), change))
            }
            Self::Delete(_) | Self::Expire(_) | Self::Lost => None,
        }
    }
}

/// What a line changes: one thing, or several at once, in order.
#[derive(Debug)]
pub enum Changes<'a> {
    /// The usual.
    One(Read<'a>),
    /// An atomic batch.
    Batch(Vec<Read<'a>>),
}

impl<'a> Changes<'a> {
    /// The changes, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Read<'a>] {
        match self {
            Self::One(change) => std::slice::from_ref(change),
            Self::Batch(changes) => changes,
        }
    }
}

impl<'a> Line<'a> {
    /// Reads a line, whose checksum need not hold.
    ///
    /// # Errors
    /// What can't be read in it, for people.
    pub fn read(line: &'a [u8]) -> Result<Self, String> {
        if let Some(line) = plain::read(line) {
            return Ok(line);
        }
        serde_json::from_slice(line).map_err(|e| format!("the line can't be read: {e}"))
    }

    /// By how much the line raises the version.
    #[must_use]
    pub fn steps(&self) -> u64 {
        match (self.copy, self.lost) {
            (Some(_), _) => 0,
            (None, Some(lost)) => lost,
            (None, None) => 1,
        }
    }

    /// What the line changes.
    ///
    /// # Errors
    /// Where it is no line of changes.
    pub fn changes(self) -> Result<Changes<'a>, String> {
        let element = Element {
            expires: self.expires,
            put: self.put,
            delete: self.delete,
            content: self.content,
        };
        match (self.batch, self.expire, self.lost) {
            (None, None, None) => element.read().map(Changes::One),
            (Some(batch), None, None) if element.is_empty() => {
                let changes: Result<_, _> = batch.into_iter().map(Element::read).collect();
                changes.map(Changes::Batch)
            }
            (None, Some(Text(key)), None) if element.is_empty() => {
                Ok(Changes::One(Read::Expire(key)))
            }
            (None, None, Some(_)) if element.is_empty() => Ok(Changes::One(Read::Lost)),
            _ => Err(NOT_ONE.to_owned()),
        }
    }
}

const NOT_ONE: &str = "the line has not exactly one operation";

impl<'a> Element<'a> {
    fn is_empty(&self) -> bool {
        self.expires.is_none()
            && self.put.is_none()
            && self.delete.is_none()
            && self.content.is_none()
    }

    fn read(self) -> Result<Read<'a>, String> {
        match (self.put, self.delete, self.content, self.expires) {
            (Some(Pair(key, value)), None, None, expires) => Ok(Read::Put(key, value, expires)),
            (None, Some(Text(key)), None, None) => Ok(Read::Delete(key)),
            (None, None, Some(Pair(hash, content)), None) => parse_hash(&hash)
                .map(|hash| Read::Content(hash, content))
                .ok_or_else(|| "the content's hash is none".to_owned()),
            _ => Err(NOT_ONE.to_owned()),
        }
    }
}

/// An object of one member.
#[derive(Debug, PartialEq, Eq)]
struct Pair<'a>(Cow<'a, str>, &'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Pair<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairVisitor)
    }
}

struct PairVisitor;

impl<'de> Visitor<'de> for PairVisitor {
    type Value = Pair<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of one member")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pair<'de>, A::Error> {
        let entry: Option<(Text<'de>, &'de RawValue)> = map.next_entry()?;
        let (Text(name), value) = entry.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        Ok(Pair(name, value.get()))
    }
}
