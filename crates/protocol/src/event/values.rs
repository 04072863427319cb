//! The values of an event's fields, from raw JSON text that is known to be valid.

use super::fields::{Field, Fields};
use super::kinds::Kind;
use crate::json::{Text, compact};
use crate::limits::{KEY_BYTES_MAX, NUMBER_MAX, OPERATIONS_MAX};
use crate::{Code, Refusal};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A field that an event of this kind must have.
pub(super) fn required<'a>(
    kind: &Kind,
    fields: &Fields<'a>,
    field: Field,
) -> Result<&'a str, Refusal> {
    fields.get(field).ok_or_else(|| {
        Refusal::new(
            Code::InvalidEvent,
            format!(
                "field `{}` is missing; `{}` needs it",
                field.name(),
                kind.name
            ),
        )
    })
}

/// Reads a JSON string.
pub(super) fn string<'a>(name: &str, raw: &'a str) -> Result<Cow<'a, str>, Refusal> {
    if !raw.starts_with('"') {
        return Err(invalid(format!("`{name}` must be a string")));
    }
    let inner = &raw[1..raw.len() - 1];
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(inner));
    }
    // The grammar is known to hold: only an unpaired surrogate can fail.
    serde_json::from_str::<String>(raw)
        .map(Cow::Owned)
        .map_err(|_| {
            Refusal::new(
                Code::InvalidJson,
                format!("`{name}` has an unpaired surrogate escape: write the character itself, or both halves of its pair"),
            )
        })
}

/// Reads a string that is a key, or a part of one.
pub(super) fn key<'a>(name: &str, raw: &'a str) -> Result<Cow<'a, str>, Refusal> {
    let key = string(name, raw)?;
    check_key(name, &key)?;
    Ok(key)
}

fn check_key(name: &str, key: &str) -> Result<(), Refusal> {
    if key.len() > KEY_BYTES_MAX {
        return Err(too_large(&format!("`{name}`"), key.len(), KEY_BYTES_MAX));
    }
    Ok(())
}

/// Compact JSON text.
pub(super) fn text<'a>(
    name: &str,
    raw: &'a str,
    bytes_max: usize,
) -> Result<Cow<'a, str>, Refusal> {
    let name = format!("`{name}`");
    let compacted = compact(&name, raw)?;
    if compacted.len() > bytes_max {
        return Err(too_large(&name, compacted.len(), bytes_max));
    }
    Ok(compacted)
}

/// A whole number that a double can hold, if the field is there.
pub(super) fn number(fields: &Fields<'_>, field: Field) -> Result<Option<u64>, Refusal> {
    let Some(raw) = fields.get(field) else {
        return Ok(None);
    };
    let number = raw.parse().ok().filter(|number| *number <= NUMBER_MAX);
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(invalid(format!(
            "`{}` must be a whole number from 0 to {NUMBER_MAX}",
            field.name()
        ))),
    }
}

/// A number from 1 on, if the field is there.
pub(super) fn positive(
    fields: &Fields<'_>,
    field: Field,
    max: u64,
) -> Result<Option<u64>, Refusal> {
    match number(fields, field)? {
        Some(number) if !(1..=max).contains(&number) => Err(invalid(format!(
            "`{}` must be from 1 to {max}",
            field.name()
        ))),
        number => Ok(number),
    }
}

/// True or false; false where the field is missing.
pub(super) fn boolean(fields: &Fields<'_>, field: Field) -> Result<bool, Refusal> {
    match fields.get(field) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(invalid(format!("`{}` must be true or false", field.name()))),
    }
}

/// The keys of a list.
pub(super) fn keys(field: Field, raw: &str) -> Result<Vec<Cow<'_, str>>, Refusal> {
    elements(field, raw)?
        .into_iter()
        .map(|raw| key("a key", raw.get()))
        .collect()
}

/// The elements of a list that is not too long.
pub(super) fn elements(field: Field, raw: &str) -> Result<Vec<&RawValue>, Refusal> {
    if !raw.starts_with('[') {
        return Err(invalid(format!("`{}` must be a list", field.name())));
    }
    read::<Bounded<&RawValue>>(field, raw)
}

/// The members of an object that has not too many.
pub(super) fn members<'a>(
    field: Field,
    raw: &'a str,
) -> Result<Vec<(Cow<'a, str>, &'a str)>, Refusal> {
    if !raw.starts_with('{') {
        return Err(invalid(format!("`{}` must be an object", field.name())));
    }
    let members = read::<Bounded<(Text<'a>, &RawValue)>>(field, raw)?;
    let members = members
        .into_iter()
        .map(|(Text(name), value)| check_key("a key", &name).map(|()| (name, value.get())));
    members.collect()
}

fn read<'a, T: Deserialize<'a> + Elements>(
    field: Field,
    raw: &'a str,
) -> Result<Vec<T::Element>, Refusal> {
    let name = field.name();
    let elements = serde_json::from_str::<T>(raw)
        .map_err(|e| Refusal::new(Code::InvalidJson, format!("`{name}` can't be read: {e}")))?;
    elements.taken().ok_or_else(|| {
        Refusal::new(
            Code::TooLarge,
            format!("`{name}` has more than {OPERATIONS_MAX} elements; send several events"),
        )
    })
}

/// A list or an object of which no more is kept than may be there.
struct Bounded<T>(Option<Vec<T>>);

/// What is read in bounds.
trait Elements {
    type Element;

    /// All of them; nothing where there are too many.
    fn taken(self) -> Option<Vec<Self::Element>>;
}

impl<T> Elements for Bounded<T> {
    type Element = T;

    fn taken(self) -> Option<Vec<T>> {
        self.0
    }
}

impl<'de> Deserialize<'de> for Bounded<&'de RawValue> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BoundedVisitor::<&RawValue>(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Bounded<(Text<'de>, &'de RawValue)> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BoundedVisitor::<(Text<'de>, &RawValue)>(PhantomData))
    }
}

struct BoundedVisitor<T>(PhantomData<T>);

impl<T> BoundedVisitor<T> {
    fn collect<E>(mut next: impl FnMut() -> Result<Option<T>, E>) -> Result<Bounded<T>, E> {
        let mut elements = Vec::new();
        let mut fits = true;
        while let Some(element) = next()? {
            fits &= elements.len() < OPERATIONS_MAX;
            if fits {
                elements.push(element);
            }
        }
        Ok(Bounded(fits.then_some(elements)))
    }
}

impl<'de> Visitor<'de> for BoundedVisitor<&'de RawValue> {
    type Value = Bounded<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        Self::collect(|| list.next_element())
    }
}

impl<'de> Visitor<'de> for BoundedVisitor<(Text<'de>, &'de RawValue)> {
    type Value = Bounded<(Text<'de>, &'de RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        Self::collect(|| map.next_entry())
    }
}

pub(super) fn too_large(what: &str, bytes: usize, bytes_max: usize) -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("{what} has {bytes} bytes; at most {bytes_max} are allowed"),
    )
}

pub(super) fn invalid(message: String) -> Refusal {
    Refusal::new(Code::InvalidEvent, message)
}
