//! `/keys`, `/changes` and `/stats`: the replies of `list`, `delete_prefix`,
//! `changes` and `stats`, as they are.

use super::Context;
use super::actor::{Event, ask_one, pass_on, read, unreadable};
use super::problem::Problem;
use super::query::{self, Kind};
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};

pub(super) async fn list(State(context): State<Context>, uri: Uri) -> Result<Response, Problem> {
    let taken = [
        ("prefix", Kind::Text),
        ("start", Kind::Text),
        ("end", Kind::Text),
        ("reverse", Kind::Boolean),
        ("limit", Kind::Number),
        ("values", Kind::Boolean),
        ("cursor", Kind::Text),
    ];
    let event = query::add(&uri, Event::new("list"), &taken)?;
    pass_on(&context, event).await
}

pub(super) async fn delete_prefix(
    State(context): State<Context>,
    uri: Uri,
) -> Result<Response, Problem> {
    let taken = [("prefix", Kind::Text), ("limit", Kind::Number)];
    let event = query::add(&uri, Event::new("delete_prefix"), &taken)?;
    pass_on(&context, event).await
}

pub(super) async fn changes(State(context): State<Context>, uri: Uri) -> Result<Response, Problem> {
    let taken = [
        ("since", Kind::Number),
        ("prefix", Kind::Text),
        ("limit", Kind::Number),
    ];
    let event = query::add(&uri, Event::new("changes"), &taken)?;
    pass_on(&context, event).await
}

/// The store's figures, and since when this server runs.
pub(super) async fn stats(State(context): State<Context>, uri: Uri) -> Result<Response, Problem> {
    query::refuse_all(&uri)?;
    let line = ask_one(&context, Event::new("stats")).await?;
    read(&line)?;
    let members = line.trim_ascii_end().strip_suffix(b"}");
    let mut reply = members.ok_or_else(unreadable)?.to_vec();
    let uptime_ms = context.begun.elapsed().as_millis();
    reply.extend_from_slice(format!(",\"uptime_ms\":{uptime_ms}}}\n").as_bytes());
    Ok(([(header::CONTENT_TYPE, "application/json")], reply).into_response())
}
