//! Asks the actor, and reads what it answers.

use super::Context;
use super::problem::Problem;
use crate::refusal;
use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use kv_protocol::json::write_string;
use kv_runtime::{Posted, Request, Unavailable};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

/// A reply, its values as text.
#[derive(Debug, Deserialize)]
pub(super) struct Reply<'a> {
    status: &'a str,
    pub(super) version: Option<u64>,
    pub(super) deleted: Option<Deleted>,
    pub(super) not_modified: Option<bool>,
    pub(super) expires_in_ms: Option<u64>,
    pub(super) created: Option<bool>,
    pub(super) hash: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) value: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) content: Option<&'a RawValue>,
}

/// What a deletion comes to: that of one key, or of several.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub(super) enum Deleted {
    One(bool),
    Several(u64),
}

/// A member that is there, even where it is `null`.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Posts events, a line each; the answer has a reply line for the first of them,
/// one at least.
pub(super) async fn ask(context: &Context, events: Vec<u8>) -> Result<Bytes, Unavailable> {
    let (sender, receiver) = oneshot::channel();
    let answers = context.answers.clone();
    let request = Request::new(events, move |answer| answers.send(sender, answer));
    // A request that isn't taken is answered, like any other.
    let (Posted::Waiting | Posted::Full | Posted::Closed) = context.mailbox.post(request);
    receiver
        .await
        .unwrap_or_else(|_| Err(Unavailable::new("the actor was stopped")))
        .map(Bytes::from)
}

/// Posts one event and returns its reply line.
pub(super) async fn ask_one(context: &Context, event: Event) -> Result<Bytes, Problem> {
    let mut line = event.line();
    line.push(b'\n');
    ask(context, line)
        .await
        .map_err(|e| Problem::from(refusal::unavailable(&e)))
}

/// Reads a reply line; an error reply is a problem.
pub(super) fn read(line: &Bytes) -> Result<Reply<'_>, Problem> {
    let reply: Reply<'_> = serde_json::from_slice(line).map_err(|_| unreadable())?;
    if reply.status == "ok" {
        return Ok(reply);
    }
    Err(refusal::read(line).into())
}

/// Posts one event and hands its reply on as it is.
pub(super) async fn pass_on(context: &Context, event: Event) -> Result<Response, Problem> {
    let line = ask_one(context, event).await?;
    read(&line)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], line).into_response())
}

/// A value of a reply line, without a copy.
pub(super) fn part(line: &Bytes, value: &RawValue) -> Bytes {
    line.slice_ref(value.get().as_bytes())
}

/// The actor is trusted to write replies; this says so if it doesn't.
pub(super) fn unreadable() -> Problem {
    refusal::unreadable().into()
}

/// An event, as it is put together.
pub(super) struct Event(Vec<u8>);

impl Event {
    pub(super) fn new(kind: &str) -> Self {
        Self(format!("{{\"type\":\"{kind}\"").into_bytes())
    }

    pub(super) fn string(mut self, name: &str, text: &str) -> Self {
        self.name(name);
        write_string(&mut self.0, text);
        self
    }

    /// `json` must be on one line.
    pub(super) fn raw(mut self, name: &str, json: &str) -> Self {
        self.name(name);
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    /// Its line, without a line feed.
    pub(super) fn line(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}
