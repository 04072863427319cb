//! A line of the log: written into a batch, read back and checked.

use crate::log::segment::Extent;
use kv_protocol::json::{Text, write_number, write_string};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The format that this release writes, and the only one it reads.
pub const FORMAT: u64 = 1;

/// `{"c":"00000000",`: what stands before the checked rest of a line.
pub const PREFIX_BYTES: usize = 16;

/// What a line changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// `key` gets `value`, a compact JSON text.
    Put {
        /// The key.
        key: &'a str,
        /// The value's text.
        value: &'a str,
    },
    /// `key` loses its value.
    Delete {
        /// The key.
        key: &'a str,
    },
    /// Content in its canonical form, under its hash in hexadecimal digits.
    Content {
        /// The hash's digits.
        hash: &'a str,
        /// The canonical text.
        content: &'a str,
    },
}

/// Appends a line to a batch. `batch` holds the batch from its first line on,
/// `checksum` is that of the line before, and the new line's is returned.
/// `copy_of` is the version of the change that the line repeats, if it does.
pub fn write_change(
    batch: &mut Vec<u8>,
    checksum: u32,
    time_ms: u64,
    version: u64,
    copy_of: Option<u64>,
    change: Change<'_>,
) -> u32 {
    let start = begin(batch, time_ms);
    batch.extend_from_slice(b"\"v\":");
    write_number(batch, version);
    if let Some(original) = copy_of {
        batch.extend_from_slice(b",\"copy\":");
        write_number(batch, original);
    }
    match change {
        Change::Put { key, value } => write_pair(batch, "put", key, value),
        Change::Content { hash, content } => write_pair(batch, "content", hash, content),
        Change::Delete { key } => {
            batch.extend_from_slice(b",\"delete\":");
            write_string(batch, key);
        }
    }
    end(batch, start, checksum)
}

/// Appends a segment's header, which is a batch's first line.
pub fn write_header(
    batch: &mut Vec<u8>,
    time_ms: u64,
    version: u64,
    number: u32,
    segments: &[Extent],
) -> u32 {
    let start = begin(batch, time_ms);
    batch.extend_from_slice(b"\"format\":");
    write_number(batch, FORMAT);
    batch.extend_from_slice(b",\"segment\":");
    write_number(batch, u64::from(number));
    batch.extend_from_slice(b",\"segments\":[");
    for (position, sealed) in segments.iter().enumerate() {
        if position > 0 {
            batch.push(b',');
        }
        sealed.write(batch);
    }
    batch.extend_from_slice(b"],\"v\":");
    write_number(batch, version);
    end(batch, start, 0)
}

fn begin(batch: &mut Vec<u8>, time_ms: u64) -> usize {
    let start = batch.len();
    batch.extend_from_slice(b"{\"c\":\"00000000\",");
    if start == 0 {
        batch.extend_from_slice(b"\"t\":");
        write_number(batch, time_ms);
    } else {
        batch.extend_from_slice(b"\"b\":");
        write_number(batch, start as u64);
    }
    batch.push(b',');
    start
}

fn end(batch: &mut Vec<u8>, start: usize, checksum: u32) -> u32 {
    batch.push(b'}');
    let checksum = checksum_of(checksum, &batch[start + PREFIX_BYTES..]);
    batch[start + 6..start + 14].copy_from_slice(&hexadecimal(checksum));
    batch.push(b'\n');
    checksum
}

fn write_pair(batch: &mut Vec<u8>, name: &str, member: &str, value: &str) {
    batch.extend_from_slice(b",\"");
    batch.extend_from_slice(name.as_bytes());
    batch.extend_from_slice(b"\":{");
    write_string(batch, member);
    batch.push(b':');
    batch.extend_from_slice(value.as_bytes());
    batch.push(b'}');
}

/// The checksum of `rest` behind what has the checksum `before`.
pub(super) fn checksum_of(before: u32, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(rest);
    hasher.finalize()
}

/// A checksum's eight digits.
pub(super) fn hexadecimal(checksum: u32) -> [u8; 8] {
    let mut digits = *b"0123456789abcdef";
    let alphabet = digits;
    for (place, digit) in digits[..8].iter_mut().enumerate() {
        *digit = alphabet[(checksum >> (28 - 4 * place) & 15) as usize];
    }
    [
        digits[0], digits[1], digits[2], digits[3], digits[4], digits[5], digits[6], digits[7],
    ]
}

/// Checks a line, without its line feed, against the checksum of the line
/// before it, and returns its own.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check(line: &[u8], before: u32) -> Result<u32, String> {
    let Some((claimed, rest)) = split(line) else {
        return Err("this is no line of a log".to_owned());
    };
    let actual = checksum_of(before, rest);
    if claimed == actual {
        Ok(actual)
    } else {
        Err(format!(
            "the checksum is {actual:08x} where {claimed:08x} is written: the line, or its place, was changed"
        ))
    }
}

/// A line's own checksum and the rest that it covers.
fn split(line: &[u8]) -> Option<(u32, &[u8])> {
    let rest = line.get(PREFIX_BYTES..)?;
    let digits = line.strip_prefix(b"{\"c\":\"")?.get(..8)?;
    if &line[14..PREFIX_BYTES] != b"\"," {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    Some((parse_checksum(digits)?, rest))
}

/// Reads a checksum's eight digits, exactly as they are written.
pub(super) fn parse_checksum(digits: &str) -> Option<u32> {
    let exact = digits.len() == 8
        && digits
            .bytes()
            .all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
    exact
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten()
}

/// A line, taken apart.
#[derive(Debug, Deserialize)]
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
    #[serde(borrow)]
    put: Option<Pair<'a>>,
    #[serde(borrow)]
    delete: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Pair<'a>>,
}

/// A change, as it was read.
#[derive(Debug)]
pub enum Read<'a> {
    /// See [`Change::Put`].
    Put(Cow<'a, str>, &'a str),
    /// See [`Change::Delete`].
    Delete(Cow<'a, str>),
    /// See [`Change::Content`].
    Content([u8; 20], &'a str),
    /// Nothing: changes were lost here.
    Lost,
}

impl<'a> Line<'a> {
    /// Reads a line, whose checksum need not hold.
    ///
    /// # Errors
    /// What can't be read in it, for people.
    pub fn read(line: &'a [u8]) -> Result<Self, String> {
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
    /// Where it is not exactly one change.
    pub fn change(self) -> Result<Read<'a>, String> {
        match (self.put, self.delete, self.content, self.lost) {
            (Some(Pair(key, value)), None, None, None) => Ok(Read::Put(key, value)),
            (None, Some(Text(key)), None, None) => Ok(Read::Delete(key)),
            (None, None, Some(Pair(hash, content)), None) => kv_protocol::event::parse_hash(&hash)
                .map(|hash| Read::Content(hash, content))
                .ok_or_else(|| "the content's hash is none".to_owned()),
            (None, None, None, Some(_)) => Ok(Read::Lost),
            _ => Err("the line has not exactly one operation".to_owned()),
        }
    }
}

/// An object of one member.
#[derive(Debug)]
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
