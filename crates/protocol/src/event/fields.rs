//! The members of an event, each as raw JSON text. What is wrong with them is
//! collected, not thrown: a faulty event still gets its `id` echoed, and text
//! that is no JSON is told apart from JSON that is no event.

use crate::json::Text;
use crate::{Code, Refusal};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Which events there are, and the fields of each beside `type` and `id`.
const KINDS: [(&str, &[&str]); 5] = [
    ("put", &["key", "value"]),
    ("get", &["key"]),
    ("delete", &["key"]),
    ("store_content", &["content"]),
    ("get_content", &["hash"]),
];

#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    kind: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    pub(super) key: Option<&'a str>,
    pub(super) value: Option<&'a str>,
    pub(super) content: Option<&'a str>,
    pub(super) hash: Option<&'a str>,
    unknown: Option<String>,
    doubled: Option<String>,
}

/// Reads the members of the event in `line`.
pub(super) fn read(line: &str) -> Result<Fields<'_>, Refusal> {
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

/// A field that an event of this kind must have.
pub(super) fn required<'a>(
    kind: &str,
    name: &str,
    raw: Option<&'a str>,
) -> Result<&'a str, Refusal> {
    raw.ok_or_else(|| {
        Refusal::new(
            Code::InvalidEvent,
            format!("field `{name}` is missing; `{kind}` needs it"),
        )
    })
}

/// Reads a JSON string that is known to be valid JSON text.
pub(super) fn string<'a>(name: &str, raw: &'a str) -> Result<Cow<'a, str>, Refusal> {
    if !raw.starts_with('"') {
        return Err(Refusal::new(
            Code::InvalidEvent,
            format!("`{name}` must be a string"),
        ));
    }
    let inner = &raw[1..raw.len() - 1];
    if !inner.contains('\\') {
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

impl<'a> Fields<'a> {
    /// The event's type, one of those known.
    pub(super) fn kind(&self) -> Result<&'static str, Refusal> {
        let invalid = |message: String| Err(Refusal::new(Code::InvalidEvent, message));
        if let Some(name) = &self.doubled {
            return invalid(format!("field `{name}` is there twice; send it once"));
        }
        let Some(raw) = self.kind else {
            return invalid(format!("field `type` is missing; it is one of {}", kinds()));
        };
        let kind = string("type", raw)?;
        match KINDS.iter().find(|known| known.0 == kind) {
            Some(known) => Ok(known.0),
            None => invalid(format!(
                "unknown type `{}`; it is one of {}",
                shown(&kind),
                kinds()
            )),
        }
    }

    /// Refuses every field that an event of this kind does not take.
    pub(super) fn allow_only(&self, kind: &str) -> Result<(), Refusal> {
        let allowed = KINDS
            .iter()
            .find(|known| known.0 == kind)
            .map_or(&[][..], |known| known.1);
        let present = [
            ("key", self.key),
            ("value", self.value),
            ("content", self.content),
            ("hash", self.hash),
        ];
        let foreign = present
            .iter()
            .find(|(name, raw)| raw.is_some() && !allowed.contains(name))
            .map(|(name, _)| *name);
        match self.unknown.as_deref().or(foreign) {
            None => Ok(()),
            Some(name) => Err(Refusal::new(
                Code::InvalidEvent,
                format!(
                    "`{kind}` takes no field `{}`; it takes `type`, `id` and `{}`",
                    shown(name),
                    allowed.join("`, `")
                ),
            )),
        }
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        match name {
            "type" => Some(&mut self.kind),
            "id" => Some(&mut self.id),
            "key" => Some(&mut self.key),
            "value" => Some(&mut self.value),
            "content" => Some(&mut self.content),
            "hash" => Some(&mut self.hash),
            _ => None,
        }
    }
}

fn kinds() -> String {
    KINDS.map(|known| format!("`{}`", known.0)).join(", ")
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
            match fields.slot(&name) {
                None => {
                    map.next_value::<IgnoredAny>()?;
                    fields.unknown.get_or_insert_with(|| name.into_owned());
                }
                Some(slot) => {
                    let raw: &'de RawValue = map.next_value()?;
                    if slot.replace(raw.get()).is_some() {
                        fields.doubled = Some(name.into_owned());
                    }
                }
            }
        }
        Ok(fields)
    }
}
