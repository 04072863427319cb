//! Queries: their parameters are members of the event.

use super::actor::Event;
use super::path::decode;
use super::problem::Problem;
use axum::http::Uri;
use kv_protocol::{Code, Refusal};
use std::collections::BTreeSet;

/// What a parameter is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Number,
    Boolean,
}

/// Adds the query's parameters to an event: only those in `taken`, each once.
pub(super) fn add(
    uri: &Uri,
    mut event: Event,
    taken: &[(&'static str, Kind)],
) -> Result<Event, Problem> {
    let mut seen = BTreeSet::new();
    let query = uri.query().unwrap_or_default();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, text) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = decode_form(name)?;
        let text = decode_form(text)?;
        let Some((name, kind)) = taken.iter().find(|(known, _)| *known == name) else {
            return Err(unknown(taken));
        };
        if !seen.insert(*name) {
            return Err(invalid(format!("the parameter `{name}` is there twice")));
        }
        event = match kind {
            Kind::Text => event.string(name, &text),
            Kind::Number => {
                let number: u64 = text
                    .parse()
                    .map_err(|_| invalid(format!("the parameter `{name}` must be a number")))?;
                event.raw(name, &number.to_string())
            }
            Kind::Boolean if text == "true" || text == "false" => event.raw(name, &text),
            Kind::Boolean => {
                let message = format!("the parameter `{name}` must be `true` or `false`");
                return Err(invalid(message));
            }
        };
    }
    Ok(event)
}

/// For a resource that takes no parameters: one that is mistaken for another
/// must not be passed over.
pub(super) fn refuse_all(uri: &Uri) -> Result<(), Problem> {
    match uri.query() {
        None | Some("") => Ok(()),
        Some(_) => Err(unknown(&[])),
    }
}

/// Forms write a space as `+`, and a `+` as `%2B`.
fn decode_form(encoded: &str) -> Result<String, Problem> {
    Ok(decode(&encoded.replace('+', " "), "query")?)
}

fn unknown(taken: &[(&'static str, Kind)]) -> Problem {
    let names: Vec<_> = taken.iter().map(|(name, _)| *name).collect();
    invalid(if names.is_empty() {
        "this resource takes no parameters".to_owned()
    } else {
        format!(
            "a parameter is unknown; this resource takes `{}`",
            names.join("`, `")
        )
    })
}

fn invalid(message: String) -> Problem {
    Refusal::new(Code::InvalidEvent, message).into()
}
