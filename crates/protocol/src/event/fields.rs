//! The members of an event, each as raw JSON text. What is wrong with them is
//! collected, not thrown: a faulty event still gets its `id` echoed, and text
//! that is no JSON is told apart from JSON that is no event.

use super::kinds::{KINDS, Kind};
use crate::json::{Plain, Text};
use crate::{Code, Refusal};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A field that some event takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is called as it is on the wire")]
pub(super) enum Field {
    Type,
    Key,
    Value,
    Id,
    Content,
    Hash,
    IfVersion,
    TtlMs,
    IfNoneMatch,
    By,
    Merge,
    Patch,
    Operations,
    Keys,
    Entries,
    Prefix,
    Start,
    End,
    Reverse,
    Limit,
    Values,
    Cursor,
    Since,
}

/// The fields' names, in the order of [`Field`].
const NAMES: [(Field, &str); 23] = [
    (Field::Type, "type"),
    (Field::Key, "key"),
    (Field::Value, "value"),
    (Field::Id, "id"),
    (Field::Content, "content"),
    (Field::Hash, "hash"),
    (Field::IfVersion, "if_version"),
    (Field::TtlMs, "ttl_ms"),
    (Field::IfNoneMatch, "if_none_match"),
    (Field::By, "by"),
    (Field::Merge, "merge"),
    (Field::Patch, "patch"),
    (Field::Operations, "operations"),
    (Field::Keys, "keys"),
    (Field::Entries, "entries"),
    (Field::Prefix, "prefix"),
    (Field::Start, "start"),
    (Field::End, "end"),
    (Field::Reverse, "reverse"),
    (Field::Limit, "limit"),
    (Field::Values, "values"),
    (Field::Cursor, "cursor"),
    (Field::Since, "since"),
];

/// Some of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet(u32);

impl FieldSet {
    pub(super) const NONE: Self = Self(0);

    /// One more.
    pub(super) const fn with(self, field: Field) -> Self {
        Self(self.0 | 1 << field as u32)
    }

    fn has(self, field: Field) -> bool {
        self.0 >> field as u32 & 1 == 1
    }

    /// The first that the other has not.
    fn first_outside(self, other: Self) -> Option<Field> {
        let place = (self.0 & !other.0).trailing_zeros();
        NAMES.get(place as usize).map(|row| row.0)
    }
}

impl Field {
    #[inline]
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "type" => Self::Type,
            "key" => Self::Key,
            "value" => Self::Value,
            "id" => Self::Id,
            "content" => Self::Content,
            "hash" => Self::Hash,
            "if_version" => Self::IfVersion,
            "ttl_ms" => Self::TtlMs,
            "if_none_match" => Self::IfNoneMatch,
            "by" => Self::By,
            "merge" => Self::Merge,
            "patch" => Self::Patch,
            "operations" => Self::Operations,
            "keys" => Self::Keys,
            "entries" => Self::Entries,
            "prefix" => Self::Prefix,
            "start" => Self::Start,
            "end" => Self::End,
            "reverse" => Self::Reverse,
            "limit" => Self::Limit,
            "values" => Self::Values,
            "cursor" => Self::Cursor,
            "since" => Self::Since,
            _ => return None,
        })
    }

    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        NAMES[self as usize].1
    }
}

/// An event's fields.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    /// Their texts, each where `present` has it.
    raw: [&'a str; NAMES.len()],
    present: FieldSet,
    unknown: Option<String>,
    doubled: Option<Field>,
    is_plain: bool,
}

/// Reads the members of the event in `line`.
pub(super) fn read(line: &str) -> Result<Fields<'_>, Refusal> {
    if let Some(fields) = read_plain(line) {
        return Ok(fields);
    }
    serde_json::from_str(line).map_err(|e| match e.classify() {
        Category::Data => Refusal::new(
            Code::InvalidEvent,
            "an event must be a JSON object, such as {\"type\":\"get\",\"key\":\"a\"}",
        ),
        Category::Syntax | Category::Eof | Category::Io => {
            Refusal::new(Code::InvalidJson, format!("the event is no JSON: {e}"))
        }
    })
}

/// The same, fast, of an event with nothing unusual in it; nothing of others.
fn read_plain(line: &str) -> Option<Fields<'_>> {
    let mut fields = Fields {
        is_plain: true,
        ..Fields::default()
    };
    let mut line = Plain::new(line);
    line.literal("{")?;
    loop {
        let field = Field::from_name(line.string()?)?;
        line.literal(":")?;
        line.spaces();
        if fields.present.has(field) {
            return None;
        }
        fields.set(field, line.value()?);
        if line.literal("}").is_some() {
            return line.is_end().then_some(fields);
        }
        line.literal(",")?;
        line.spaces();
    }
}

impl<'a> Fields<'a> {
    /// Whether every field is compact already, and checked.
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The text of a field that the event may have.
    pub(super) fn get(&self, field: Field) -> Option<&'a str> {
        let is_there = self.present.has(field);
        is_there.then(|| self.raw[field as usize])
    }

    fn set(&mut self, field: Field, raw: &'a str) {
        self.present = self.present.with(field);
        self.raw[field as usize] = raw;
    }

    /// The event's kind, and that it has no field that this kind does not take.
    pub(super) fn kind(&self) -> Result<&'static Kind, Refusal> {
        let invalid = |message: String| Err(Refusal::new(Code::InvalidEvent, message));
        if let Some(field) = self.doubled {
            return invalid(format!(
                "field `{}` is there twice; send it once",
                field.name()
            ));
        }
        let Some(raw) = self.get(Field::Type) else {
            return invalid(format!("field `type` is missing; it is one of {}", kinds()));
        };
        let name = super::values::string("type", raw)?;
        let Some(kind) = Kind::of(&name) else {
            return invalid(format!(
                "unknown type `{}`; it is one of {}",
                shown(&name),
                kinds()
            ));
        };
        self.allow_only(kind)?;
        Ok(kind)
    }

    fn allow_only(&self, kind: &Kind) -> Result<(), Refusal> {
        let foreign = self.present.first_outside(kind.taken).map(Field::name);
        match self.unknown.as_deref().or(foreign) {
            None => Ok(()),
            Some(name) => {
                let fields = [Field::Type, Field::Id].iter().chain(kind.fields);
                let fields: Vec<_> = fields.map(|field| field.name()).collect();
                Err(Refusal::new(
                    Code::InvalidEvent,
                    format!(
                        "`{}` takes no field `{}`; it takes `{}`",
                        kind.name,
                        shown(name),
                        fields.join("`, `")
                    ),
                ))
            }
        }
    }
}

fn kinds() -> String {
    let names: Vec<_> = KINDS
        .iter()
        .map(|kind| format!("`{}`", kind.name))
        .collect();
    names.join(", ")
}

/// A client's word, short enough to be repeated in a message.
fn shown(word: &str) -> Cow<'_, str> {
    const CHARACTERS_MAX: usize = 64;
    match word.char_indices().nth(CHARACTERS_MAX) {
        None => Cow::Borrowed(word),
        Some((end, _)) => Cow::Owned(format!("{}…", &word[..end])),
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an event object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(Text(name)) = map.next_key()? {
            match Field::from_name(&name) {
                None => {
                    map.next_value::<IgnoredAny>()?;
                    fields.unknown.get_or_insert_with(|| name.into_owned());
                }
                Some(field) => {
                    let raw: &'de RawValue = map.next_value()?;
                    if fields.present.has(field) {
                        fields.doubled = Some(field);
                    }
                    fields.set(field, raw.get());
                }
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_field_finds_its_own_name() {
        for (position, (field, name)) in NAMES.iter().enumerate() {
            assert_eq!(*field as usize, position);
            assert_eq!(field.name(), *name);
            assert_eq!(Field::from_name(name), Some(*field));
        }
    }

    fn members() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec!["type", "key", "value", "id", "ttl_ms", "x", ""]);
        let value = "(\\[1, ?2\\]|\"[ab\\\\\"]{0,2}\"|-?[01]{1,2}|\\{\"a\":null\\}|true)?";
        let member = (name, " ?", value)
            .prop_map(|(name, space, value)| format!("\"{name}\":{space}{value}"));
        prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(",")))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn an_event_with_nothing_unusual_reads_as_any_other(text in members()) {
            if let Some(plain) = read_plain(&text) {
                let fields: Fields<'_> = serde_json::from_str(&text).unwrap();
                prop_assert_eq!((plain.present, plain.raw), (fields.present, fields.raw));
                prop_assert_eq!((fields.unknown, fields.doubled), (None, None));
            }
        }
    }

    #[test]
    fn the_usual_events_have_nothing_unusual() {
        for text in [
            r#"{"type":"put","key":"a","value":{"b":[1,"\n"]},"id":7}"#,
            r#"{"type": "get", "key": "a"}"#,
        ] {
            assert!(read_plain(text).is_some(), "{text}");
        }
        for text in [
            r#"{"type":"get","key":"a"} "#,
            r#"{"key":"a","key":"b"}"#,
            r#"{"x":1}"#,
            "{}",
        ] {
            assert!(read_plain(text).is_none(), "{text}");
        }
    }
}
