//! From a line of JSON to an event. A line is read in one pass that keeps
//! values as text; nothing is built that the size of the line doesn't bound.

use crate::json::compact;
use crate::limits::{
    CONTENT_BYTES_MAX, EVENT_BYTES_MAX, ID_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX,
};
use crate::{Code, Refusal};
use fields::{Fields, required};
use std::borrow::Cow;

mod fields;

/// An event, as far as it could be read.
#[derive(Debug)]
pub struct Event<'a> {
    /// The client's own mark, as it was sent: echoed in the reply.
    pub id: Option<&'a str>,
    /// What to do, or why it can't be done.
    pub operation: Result<Operation<'a>, Refusal>,
}

/// What an event asks for. Values and content are compact JSON text.
#[derive(Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Store `value` under `key`.
    Put {
        /// The key.
        key: Cow<'a, str>,
        /// The value's text.
        value: Cow<'a, str>,
    },
    /// Read the value under `key`.
    Get {
        /// The key.
        key: Cow<'a, str>,
    },
    /// Remove `key`.
    Delete {
        /// The key.
        key: Cow<'a, str>,
    },
    /// Store `content` under the SHA-1 of its canonical form.
    StoreContent {
        /// The content's text, not yet canonical.
        content: Cow<'a, str>,
    },
    /// Read the content with `hash`.
    GetContent {
        /// The SHA-1.
        hash: [u8; 20],
    },
}

/// Reads one line, without its line feed.
#[must_use]
pub fn parse(line: &[u8]) -> Event<'_> {
    let refused = |refusal| Event {
        id: None,
        operation: Err(refusal),
    };
    if line.len() > EVENT_BYTES_MAX {
        return refused(too_large("the event", line.len(), EVENT_BYTES_MAX));
    }
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(e) => {
            let message = format!("byte {} of the event is not UTF-8", e.valid_up_to());
            return refused(Refusal::new(Code::InvalidJson, message));
        }
    };
    match fields::read(text) {
        Err(refusal) => refused(refusal),
        Ok(fields) => match id(&fields) {
            Err(refusal) => refused(refusal),
            Ok(id) => Event {
                id,
                operation: operation(&fields),
            },
        },
    }
}

/// The `id` to echo for a line that is not carried out at all.
#[must_use]
pub fn id_of(line: &[u8]) -> Option<&str> {
    parse(line).id
}

fn id<'a>(fields: &Fields<'a>) -> Result<Option<&'a str>, Refusal> {
    let Some(id) = fields.id else {
        return Ok(None);
    };
    if id.len() > ID_BYTES_MAX {
        return Err(too_large("`id`", id.len(), ID_BYTES_MAX));
    }
    // Only checked: the reply repeats it as it came, but on one line.
    compact("`id`", id)?;
    Ok(Some(id))
}

fn operation<'a>(fields: &Fields<'a>) -> Result<Operation<'a>, Refusal> {
    let kind = fields.kind()?;
    fields.allow_only(kind)?;
    match kind {
        "put" => Ok(Operation::Put {
            key: key(fields, kind)?,
            value: text(
                "`value`",
                required(kind, "value", fields.value)?,
                VALUE_BYTES_MAX,
            )?,
        }),
        "get" => Ok(Operation::Get {
            key: key(fields, kind)?,
        }),
        "delete" => Ok(Operation::Delete {
            key: key(fields, kind)?,
        }),
        "store_content" => {
            let content = required(kind, "content", fields.content)?;
            Ok(Operation::StoreContent {
                content: text("`content`", content, CONTENT_BYTES_MAX)?,
            })
        }
        _ => Ok(Operation::GetContent {
            hash: hash(required(kind, "hash", fields.hash)?)?,
        }),
    }
}

fn key<'a>(fields: &Fields<'a>, kind: &str) -> Result<Cow<'a, str>, Refusal> {
    let key = fields::string("key", required(kind, "key", fields.key)?)?;
    if key.len() > KEY_BYTES_MAX {
        return Err(too_large("`key`", key.len(), KEY_BYTES_MAX));
    }
    Ok(key)
}

fn text<'a>(what: &str, raw: &'a str, bytes_max: usize) -> Result<Cow<'a, str>, Refusal> {
    let compacted = compact(what, raw)?;
    if compacted.len() > bytes_max {
        return Err(too_large(what, compacted.len(), bytes_max));
    }
    Ok(compacted)
}

fn hash(raw: &str) -> Result<[u8; 20], Refusal> {
    parse_hash(&fields::string("hash", raw)?).ok_or_else(|| {
        Refusal::new(
            Code::InvalidEvent,
            "`hash` must be the 40 hexadecimal digits of a SHA-1",
        )
    })
}

/// Reads the 40 hexadecimal digits of a SHA-1.
#[must_use]
pub fn parse_hash(text: &str) -> Option<[u8; 20]> {
    let digits = text.as_bytes();
    if digits.len() != 40 {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let mut hash = [0; 20];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

/// The 40 hexadecimal digits of a SHA-1.
#[must_use]
pub fn format_hash(hash: &[u8; 20]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    hash.iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}

fn too_large(what: &str, bytes: usize, bytes_max: usize) -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("{what} has {bytes} bytes; at most {bytes_max} are allowed"),
    )
}

#[cfg(test)]
mod tests;
