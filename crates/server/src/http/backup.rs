//! `GET /backup`: the pages of a backup as one stream of lines, while writes go
//! on. A page is asked for when the client has taken the one before.

use super::Context;
use super::actor::{Event, ask_one, read, unreadable};
use super::problem::Problem;
use super::query::{self, Kind};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io;

/// A page, as far as it matters here.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    lines: Vec<&'a RawValue>,
    complete: bool,
    cursor: Option<String>,
}

/// How far the stream has come.
enum Next {
    /// The page that was asked for already.
    First(Bytes),
    Behind(String),
    End,
}

pub(super) async fn get(State(context): State<Context>, uri: Uri) -> Result<Response, Problem> {
    let event = query::add(&uri, Event::new("backup"), &[("since", Kind::Number)])?;
    // What the first page is refused for has a status of its own.
    let first = ask_one(&context, event).await?;
    read(&first)?;
    let stream = try_unfold(Next::First(first), move |next| {
        let context = context.clone();
        async move { go_on(&context, next).await.map_err(|e| broken(&e)) }
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// The next lines, and where to go on behind them.
async fn go_on(context: &Context, next: Next) -> Result<Option<(Bytes, Next)>, Problem> {
    let reply = match next {
        Next::First(reply) => reply,
        Next::Behind(cursor) => {
            let event = Event::new("backup").string("cursor", &cursor);
            ask_one(context, event).await?
        }
        Next::End => return Ok(None),
    };
    read(&reply)?;
    let page: Page<'_> = serde_json::from_slice(&reply).map_err(|_| unreadable())?;
    let mut lines = Vec::with_capacity(reply.len());
    for line in page.lines {
        lines.extend_from_slice(line.get().as_bytes());
        lines.push(b'\n');
    }
    let next = match (page.complete, page.cursor) {
        (true, _) => Next::End,
        (false, Some(cursor)) => Next::Behind(cursor),
        (false, None) => return Err(unreadable()),
    };
    Ok(Some((lines.into(), next)))
}

/// The transfer breaks off: what has come must not be taken for a whole backup.
fn broken(problem: &Problem) -> io::Error {
    tracing::warn!(?problem, "a backup was broken off");
    io::Error::other("the backup was broken off")
}
