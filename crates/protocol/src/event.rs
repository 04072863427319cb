//! From a line of JSON to an event. A line is read in one pass that keeps
//! values as text; nothing is built that the size of the line doesn't bound.

use crate::json::{compact, hexadecimal};
use crate::limits::{
    DELETE_PREFIX_KEYS, DELETE_PREFIX_KEYS_MAX, EVENT_BYTES_MAX, ID_BYTES_MAX, PAGE_ROWS,
    PAGE_ROWS_MAX,
};
use crate::{Code, Refusal};
use fields::{Field, Fields};
use kinds::{Kind, Verb};
use std::borrow::Cow;
use values::{invalid, required, too_large};
pub use write::{Patch, Write};

mod fields;
mod kinds;
mod usual;
mod values;
mod write;

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
    /// Change one thing.
    Write(Write<'a>),
    /// Read the value under `key`.
    Get {
        /// The key.
        key: Cow<'a, str>,
        /// The version that the client has already.
        if_none_match: Option<u64>,
    },
    /// Say whether there is a value under `key`.
    Exists {
        /// The key.
        key: Cow<'a, str>,
    },
    /// Read the content with `hash`.
    GetContent {
        /// The SHA-1.
        hash: [u8; 20],
    },
    /// Read several values, as of one moment.
    GetMany {
        /// Their keys.
        keys: Vec<Cow<'a, str>>,
    },
    /// Change several things, all or none.
    Batch {
        /// What to change, in order.
        writes: Vec<Write<'a>>,
        /// How it is answered.
        kind: BatchKind,
    },
    /// List keys in order.
    List(List<'a>),
    /// Delete the first keys that begin with `prefix`.
    DeletePrefix {
        /// How the keys begin.
        prefix: Cow<'a, str>,
        /// How many keys at most.
        limit: u64,
    },
    /// Tell the changes behind a version.
    Changes {
        /// The version.
        since: u64,
        /// How the keys begin.
        prefix: Cow<'a, str>,
        /// How many changes at most, but for those of the last version.
        limit: u64,
    },
    /// Hand over the next page of a backup.
    Backup {
        /// The version behind which changes are wanted; 0 for everything.
        since: u64,
        /// Where the page before has ended.
        cursor: Option<Cow<'a, str>>,
    },
    /// Tell how the store stands.
    Stats,
    /// Tell each change as it happens. It is for the front, not for the store.
    Watch {
        /// How the keys begin.
        prefix: Cow<'a, str>,
        /// The version behind which changes are wanted; from now on without it.
        since: Option<u64>,
    },
    /// Tell no more of them.
    Unwatch,
}

/// Which event a batch came as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// `batch`.
    Batch,
    /// `put_many`.
    PutMany,
    /// `delete_many`.
    DeleteMany,
}

/// Which keys a `list` lists.
#[derive(Debug, PartialEq, Eq)]
pub struct List<'a> {
    /// How the keys begin.
    pub prefix: Cow<'a, str>,
    /// The first key, if it is there.
    pub start: Option<Cow<'a, str>>,
    /// The key that is no longer listed, nor those behind it.
    pub end: Option<Cow<'a, str>>,
    /// Whether the last comes first.
    pub reverse: bool,
    /// How many keys at most.
    pub limit: u64,
    /// Whether values are told, too.
    pub values: bool,
    /// Where the page before has ended.
    pub cursor: Option<Cow<'a, str>>,
}

/// Reads one line, without its line feed.
#[must_use]
pub fn parse(line: &[u8]) -> Event<'_> {
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
    match usual::read(text) {
        Some(operation) => Event {
            id: None,
            operation: Ok(operation),
        },
        None => read_any(text),
    }
}

fn read_any(text: &str) -> Event<'_> {
    let read = fields::read(text).and_then(|fields| Ok((id(&fields)?, fields)));
    match read {
        Err(refusal) => refused(refusal),
        Ok((id, fields)) => Event {
            id,
            operation: operation(&fields),
        },
    }
}

fn refused<'a>(refusal: Refusal) -> Event<'a> {
    Event {
        id: None,
        operation: Err(refusal),
    }
}

/// The `id` to echo for a line that is not carried out at all.
#[must_use]
pub fn id_of(line: &[u8]) -> Option<&str> {
    parse(line).id
}

fn id<'a>(fields: &Fields<'a>) -> Result<Option<&'a str>, Refusal> {
    let Some(id) = fields.get(Field::Id) else {
        return Ok(None);
    };
    if id.len() > ID_BYTES_MAX {
        return Err(too_large("`id`", id.len(), ID_BYTES_MAX));
    }
    // Only checked: the reply repeats it as it came, but on one line.
    if !fields.is_plain() {
        compact("`id`", id)?;
    }
    Ok(Some(id))
}

fn operation<'a>(fields: &Fields<'a>) -> Result<Operation<'a>, Refusal> {
    let kind = fields.kind()?;
    if let Some(write) = write::read(kind, fields)? {
        return Ok(Operation::Write(write));
    }
    match kind.verb {
        Verb::Get => Ok(Operation::Get {
            key: key(kind, fields)?,
            if_none_match: values::number(fields, Field::IfNoneMatch)?,
        }),
        Verb::Exists => Ok(Operation::Exists {
            key: key(kind, fields)?,
        }),
        Verb::GetContent => Ok(Operation::GetContent {
            hash: hash(required(kind, fields, Field::Hash)?)?,
        }),
        Verb::GetMany => Ok(Operation::GetMany {
            keys: values::keys(Field::Keys, required(kind, fields, Field::Keys)?)?,
        }),
        Verb::Batch | Verb::PutMany | Verb::DeleteMany => batch(kind, fields),
        Verb::List => list(fields).map(Operation::List),
        Verb::DeletePrefix => Ok(Operation::DeletePrefix {
            prefix: values::key("prefix", required(kind, fields, Field::Prefix)?)?,
            limit: values::positive(fields, Field::Limit, DELETE_PREFIX_KEYS_MAX)?
                .unwrap_or(DELETE_PREFIX_KEYS),
        }),
        Verb::Changes => Ok(Operation::Changes {
            since: values::number(fields, Field::Since)?.unwrap_or(0),
            prefix: optional_key(fields, Field::Prefix)?.unwrap_or_default(),
            limit: limit(fields)?,
        }),
        Verb::Backup => Ok(Operation::Backup {
            since: values::number(fields, Field::Since)?.unwrap_or(0),
            cursor: cursor(fields)?,
        }),
        Verb::Watch => Ok(Operation::Watch {
            prefix: optional_key(fields, Field::Prefix)?.unwrap_or_default(),
            since: values::number(fields, Field::Since)?,
        }),
        Verb::Unwatch => Ok(Operation::Unwatch),
        _ => Ok(Operation::Stats),
    }
}

fn batch<'a>(kind: &Kind, fields: &Fields<'a>) -> Result<Operation<'a>, Refusal> {
    let (kind, writes) = match kind.verb {
        Verb::Batch => {
            let raw = required(kind, fields, Field::Operations)?;
            (
                BatchKind::Batch,
                write::operations(&values::elements(Field::Operations, raw)?)?,
            )
        }
        Verb::PutMany => {
            let raw = required(kind, fields, Field::Entries)?;
            let entries = values::members(Field::Entries, raw)?;
            let ttl_ms = write::ttl_ms(fields)?;
            (BatchKind::PutMany, write::puts(entries, ttl_ms)?)
        }
        _ => {
            let keys = values::keys(Field::Keys, required(kind, fields, Field::Keys)?)?;
            let delete = |key| Write::Delete {
                key,
                if_version: None,
            };
            (
                BatchKind::DeleteMany,
                keys.into_iter().map(delete).collect(),
            )
        }
    };
    Ok(Operation::Batch { writes, kind })
}

fn list<'a>(fields: &Fields<'a>) -> Result<List<'a>, Refusal> {
    Ok(List {
        prefix: optional_key(fields, Field::Prefix)?.unwrap_or_default(),
        start: optional_key(fields, Field::Start)?,
        end: optional_key(fields, Field::End)?,
        reverse: values::boolean(fields, Field::Reverse)?,
        limit: limit(fields)?,
        values: values::boolean(fields, Field::Values)?,
        cursor: cursor(fields)?,
    })
}

fn limit(fields: &Fields<'_>) -> Result<u64, Refusal> {
    Ok(values::positive(fields, Field::Limit, PAGE_ROWS_MAX)?.unwrap_or(PAGE_ROWS))
}

fn cursor<'a>(fields: &Fields<'a>) -> Result<Option<Cow<'a, str>>, Refusal> {
    let raw = fields.get(Field::Cursor);
    raw.map(|raw| values::string("cursor", raw)).transpose()
}

fn key<'a>(kind: &Kind, fields: &Fields<'a>) -> Result<Cow<'a, str>, Refusal> {
    values::key("key", required(kind, fields, Field::Key)?)
}

fn optional_key<'a>(fields: &Fields<'a>, field: Field) -> Result<Option<Cow<'a, str>>, Refusal> {
    let raw = fields.get(field);
    raw.map(|raw| values::key(field.name(), raw)).transpose()
}

fn hash(raw: &str) -> Result<[u8; 20], Refusal> {
    parse_hash(&values::string("hash", raw)?)
        .ok_or_else(|| invalid("`hash` must be the 40 hexadecimal digits of a SHA-1".to_owned()))
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
    hash_digits(hash).map(char::from).iter().collect()
}

/// The same, as bytes.
#[must_use]
pub fn hash_digits(hash: &[u8; 20]) -> [u8; 40] {
    let mut digits = [0; 40];
    let words = hash.as_chunks().0.iter();
    for (digits, word) in digits.as_chunks_mut().0.iter_mut().zip(words) {
        *digits = hexadecimal(u32::from_be_bytes(*word));
    }
    digits
}

#[cfg(test)]
mod tests;
