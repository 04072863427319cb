//! Events that change one thing: each may also be an operation of a `batch`.

use super::fields::{Field, Fields};
use super::kinds::{Kind, Verb};
use super::values::{self, invalid, required};
use super::{fields, key};
use crate::Refusal;
use crate::limits::{CONTENT_BYTES_MAX, EVENT_BYTES_MAX, NUMBER_MAX, VALUE_BYTES_MAX};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A change of one thing. `if_version` is the version that must be there, 0 for
/// nothing at all; `ttl_ms` is how long the value lives.
#[derive(Debug, PartialEq, Eq)]
pub enum Write<'a> {
    /// Store `value` under `key`.
    Put {
        /// The key.
        key: Cow<'a, str>,
        /// The value's text.
        value: Cow<'a, str>,
        /// The condition.
        if_version: Option<u64>,
        /// The value's time.
        ttl_ms: Option<u64>,
    },
    /// Remove `key`.
    Delete {
        /// The key.
        key: Cow<'a, str>,
        /// The condition.
        if_version: Option<u64>,
    },
    /// Store `content` under the SHA-1 of its canonical form.
    StoreContent {
        /// The content's text, not yet canonical.
        content: Cow<'a, str>,
    },
    /// Change parts of the value under `key`.
    Patch {
        /// The key.
        key: Cow<'a, str>,
        /// What to change.
        patch: Patch<'a>,
        /// The condition.
        if_version: Option<u64>,
        /// The value's new time; it keeps the one that it has otherwise.
        ttl_ms: Option<u64>,
    },
    /// Add to the number under `key`; nothing there counts as 0.
    Increment {
        /// The key.
        key: Cow<'a, str>,
        /// What to add.
        by: i64,
        /// The condition.
        if_version: Option<u64>,
        /// The value's new time; it keeps the one that it has otherwise.
        ttl_ms: Option<u64>,
    },
}

/// A patch, as compact JSON text.
#[derive(Debug, PartialEq, Eq)]
pub enum Patch<'a> {
    /// RFC 7396, JSON Merge Patch.
    Merge(Cow<'a, str>),
    /// RFC 6902, JSON Patch.
    Operations(Cow<'a, str>),
}

impl Write<'_> {
    /// The key that it changes; content has none.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Put { key, .. }
            | Self::Delete { key, .. }
            | Self::Patch { key, .. }
            | Self::Increment { key, .. } => Some(key),
            Self::StoreContent { .. } => None,
        }
    }

    /// The version that must be there.
    #[must_use]
    pub fn if_version(&self) -> Option<u64> {
        match self {
            Self::Put { if_version, .. }
            | Self::Delete { if_version, .. }
            | Self::Patch { if_version, .. }
            | Self::Increment { if_version, .. } => *if_version,
            Self::StoreContent { .. } => None,
        }
    }
}

/// The change that an event asks for; nothing where it is of another kind.
pub(super) fn read<'a>(kind: &Kind, fields: &Fields<'a>) -> Result<Option<Write<'a>>, Refusal> {
    let write = match kind.verb {
        Verb::Put => Write::Put {
            key: key(kind, fields)?,
            value: value(kind, fields, Field::Value, VALUE_BYTES_MAX)?,
            if_version: if_version(fields)?,
            ttl_ms: ttl_ms(fields)?,
        },
        Verb::Delete => Write::Delete {
            key: key(kind, fields)?,
            if_version: if_version(fields)?,
        },
        Verb::StoreContent => Write::StoreContent {
            content: value(kind, fields, Field::Content, CONTENT_BYTES_MAX)?,
        },
        Verb::Patch => Write::Patch {
            key: key(kind, fields)?,
            patch: patch(fields)?,
            if_version: if_version(fields)?,
            ttl_ms: ttl_ms(fields)?,
        },
        Verb::Increment => Write::Increment {
            key: key(kind, fields)?,
            by: by(fields)?,
            if_version: if_version(fields)?,
            ttl_ms: ttl_ms(fields)?,
        },
        _ => return Ok(None),
    };
    Ok(Some(write))
}

/// The operations of a `batch`.
pub(super) fn operations<'a>(elements: &[&'a RawValue]) -> Result<Vec<Write<'a>>, Refusal> {
    let operation = |raw: &&'a RawValue| {
        let fields = fields::read(raw.get())?;
        let kind = fields.kind()?;
        if fields.get(Field::Id).is_some() {
            return Err(invalid(
                "an operation takes no `id`; the event does".to_owned(),
            ));
        }
        read(kind, &fields)?
            .ok_or_else(|| invalid(format!("`{}` is no operation of a `batch`", kind.name)))
    };
    let named = |(number, raw)| {
        operation(raw).map_err(|mut refusal| {
            refusal.message = format!("operation {number}: {}", refusal.message);
            refusal.details.operation = Some(number);
            refusal
        })
    };
    elements.iter().enumerate().map(named).collect()
}

/// The entries of a `put_many`.
pub(super) fn puts<'a>(
    entries: Vec<(Cow<'a, str>, &'a str)>,
    ttl_ms: Option<u64>,
) -> Result<Vec<Write<'a>>, Refusal> {
    let mut sorted: Vec<&str> = entries.iter().map(|(key, _)| &**key).collect();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let key: String = pair[0].chars().take(64).collect();
        return Err(invalid(format!("key `{key}` is there twice; send it once")));
    }
    let put = |(key, raw)| {
        Ok(Write::Put {
            key,
            value: values::text("value", raw, VALUE_BYTES_MAX)?,
            if_version: None,
            ttl_ms,
        })
    };
    entries.into_iter().map(put).collect()
}

/// How long a value is to live, if the event says so.
pub(super) fn ttl_ms(fields: &Fields<'_>) -> Result<Option<u64>, Refusal> {
    values::positive(fields, Field::TtlMs, NUMBER_MAX)
}

fn if_version(fields: &Fields<'_>) -> Result<Option<u64>, Refusal> {
    values::number(fields, Field::IfVersion)
}

fn value<'a>(
    kind: &Kind,
    fields: &Fields<'a>,
    field: Field,
    bytes_max: usize,
) -> Result<Cow<'a, str>, Refusal> {
    let raw = required(kind, fields, field)?;
    if fields.is_plain() && raw.len() <= bytes_max {
        return Ok(Cow::Borrowed(raw));
    }
    values::text(field.name(), raw, bytes_max)
}

fn patch<'a>(fields: &Fields<'a>) -> Result<Patch<'a>, Refusal> {
    let text = |field: Field, raw| values::text(field.name(), raw, EVENT_BYTES_MAX);
    match (fields.get(Field::Merge), fields.get(Field::Patch)) {
        (Some(raw), None) => text(Field::Merge, raw).map(Patch::Merge),
        (None, Some(raw)) => text(Field::Patch, raw).map(Patch::Operations),
        _ => Err(invalid(
            "`patch` needs either `merge` (RFC 7396) or `patch` (RFC 6902)".to_owned(),
        )),
    }
}

fn by(fields: &Fields<'_>) -> Result<i64, Refusal> {
    let Some(raw) = fields.get(Field::By) else {
        return Ok(1);
    };
    raw.parse().map_err(|_| {
        invalid(format!(
            "`by` must be a whole number from {} to {}",
            i64::MIN,
            i64::MAX
        ))
    })
}
