//! Conditions of requests (RFC 9110, 13): a version is a strong entity tag. One
//! that can't be compared is refused, never passed over.

use super::actor::Event;
use super::problem::Problem;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use kv_protocol::{Code, Refusal};

/// Makes the condition of a request that writes one of its event.
pub(super) fn of_write(headers: &HeaderMap, event: Event) -> Result<Event, Problem> {
    let expected = match (one(headers, &IF_MATCH)?, one(headers, &IF_NONE_MATCH)?) {
        (None, None) => return Ok(event),
        (Some(tag), None) => version(tag).ok_or_else(|| {
            refused("If-Match takes the version that the key must have, as in If-Match: \"7\"")
        })?,
        (None, Some("*")) => 0,
        (None, Some(_)) => {
            return Err(refused(
                "a request that writes takes If-None-Match: *, for a key that must not be there, and no other",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(refused("send If-Match or If-None-Match, not both"));
        }
    };
    Ok(event.raw("if_version", &expected.to_string()))
}

/// The versions that a reader has already.
pub(super) fn known_versions(headers: &HeaderMap) -> Known {
    let tags: Vec<_> = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    if tags.contains(&"*") {
        return Known::Any;
    }
    let weak = |tag: &str| version(tag.strip_prefix("W/").unwrap_or(tag));
    Known::These(tags.into_iter().filter_map(weak).collect())
}

/// What a reader has.
#[derive(Debug)]
pub(super) enum Known {
    Any,
    These(Vec<u64>),
}

impl Known {
    /// Whether it has this version.
    pub(super) fn has(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::These(versions) => versions.contains(&version),
        }
    }
}

/// A header that is there at most once.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(HeaderValue::to_str);
    if values.next().is_some() {
        return Err(refused("send one condition"));
    }
    first
        .transpose()
        .map(|value| value.map(str::trim))
        .map_err(|_| refused("the condition is no text"))
}

fn version(tag: &str) -> Option<u64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    digits.parse().ok().filter(|version| *version > 0)
}

fn refused(message: &str) -> Problem {
    Refusal::new(Code::InvalidEvent, message).into()
}
