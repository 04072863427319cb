//! `POST /events`: one event as JSON, or any number of them as NDJSON. Those are
//! handed to the actor and answered piece by piece, so that the response is
//! never held whole; but the request is read to its end first, because most
//! clients read no response before they have sent all.

use super::Context;
use super::actor::{ask, unreadable};
use super::body::{self, Held};
use super::problem::{Problem, status};
use super::query;
use crate::refusal;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use kv_protocol::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, EVENT_BYTES_MAX};
use kv_protocol::{Code, Refusal, event, reply};
use serde::Deserialize;
use std::convert::Infallible;
use std::ops::Range;

const NDJSON: &str = "application/x-ndjson";

/// The most bytes of NDJSON in one request.
const NDJSON_BYTES_MAX: usize = 64 * 1024 * 1024;

pub(super) async fn post(
    State(context): State<Context>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    query::refuse_all(&uri)?;
    if body::media_type(&headers).eq_ignore_ascii_case(NDJSON) {
        let held = body::read(&context.room, &headers, body, NDJSON_BYTES_MAX).await?;
        return Ok(many(context, held));
    }
    if body::require_json(&headers).is_err() {
        return Err(body::unsupported(
            "send one event as application/json, or a line each as application/x-ndjson",
        ));
    }
    let held = body::read(&context.room, &headers, body, EVENT_BYTES_MAX).await?;
    one(&context, &held).await
}

/// One event; its reply has the status of its code.
async fn one(context: &Context, held: &Held) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    struct Coded<'a> {
        code: Option<&'a str>,
    }
    let mut event = held.json()?.as_bytes().to_vec();
    // In JSON no string has a line feed in it: each of these is insignificant.
    for byte in &mut event {
        if *byte == b'\n' {
            *byte = b' ';
        }
    }
    event.push(b'\n');
    let reply = ask(context, event)
        .await
        .map_err(|e| Problem::from(refusal::unavailable(&e)))?;
    let coded: Coded<'_> = serde_json::from_slice(&reply).map_err(|_| unreadable())?;
    let status = match coded.code {
        None => StatusCode::OK,
        Some(name) => Code::from_name(name).map_or(StatusCode::INTERNAL_SERVER_ERROR, status),
    };
    let headers = [(header::CONTENT_TYPE, "application/json")];
    Ok((status, headers, reply).into_response())
}

/// Many events; their replies are lines of a response that is always 200.
fn many(context: Context, held: Held) -> Response {
    let events = Events {
        context,
        held,
        next: 0,
    };
    let replies = unfold(events, |mut events| async {
        let replies = events.next_replies().await?;
        Some((Ok::<_, Infallible>(replies), events))
    });
    let headers = [(header::CONTENT_TYPE, NDJSON)];
    (headers, Body::from_stream(replies)).into_response()
}

struct Events {
    context: Context,
    held: Held,
    /// Where the first line begins that is not answered.
    next: usize,
}

impl Events {
    /// The next replies; nothing at the end.
    async fn next_replies(&mut self) -> Option<Bytes> {
        let batch = self.gather();
        let Some(last) = batch.last() else {
            return self.refuse_too_long();
        };
        let mut events = Vec::new();
        for line in &batch {
            events.extend_from_slice(&self.held.bytes[line.clone()]);
            events.push(b'\n');
        }
        match ask(&self.context, events).await {
            Ok(replies) => {
                let answered = memchr::memchr_iter(b'\n', &replies).count();
                let last = batch.get(..answered).and_then(<[_]>::last).unwrap_or(last);
                self.next = last.end + 1;
                Some(replies)
            }
            Err(unavailable) => {
                let (mut replies, refusal) = (Vec::new(), refusal::unavailable(&unavailable));
                for line in &batch {
                    let id = event::id_of(&self.held.bytes[line.clone()]);
                    reply::error(&mut replies, id, &refusal);
                }
                self.next = last.end + 1;
                Some(replies.into())
            }
        }
    }

    /// The next lines that are not blank, as many as make a batch; up to one that
    /// is too long.
    fn gather(&self) -> Vec<Range<usize>> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        let mut next = self.next;
        while lines.len() < BATCH_EVENTS_MAX && bytes < BATCH_BYTES_MAX {
            let Some(line) = self.line(next) else {
                break;
            };
            if line.len() > EVENT_BYTES_MAX {
                break;
            }
            next = line.end + 1;
            if !self.held.bytes[line.clone()].trim_ascii().is_empty() {
                bytes += line.len();
                lines.push(line);
            }
        }
        lines
    }

    /// Where the line at `start` lies, without its line feed.
    fn line(&self, start: usize) -> Option<Range<usize>> {
        let rest = self
            .held
            .bytes
            .get(start..)
            .filter(|rest| !rest.is_empty())?;
        let bytes = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        Some(start..start + bytes)
    }

    /// Refuses the next line that is too long; there is nothing before it.
    fn refuse_too_long(&mut self) -> Option<Bytes> {
        while let Some(line) = self.line(self.next) {
            self.next = line.end + 1;
            if line.len() > EVENT_BYTES_MAX {
                let message = format!("the event has more than {EVENT_BYTES_MAX} bytes");
                let mut refused = Vec::new();
                reply::error(&mut refused, None, &Refusal::new(Code::TooLarge, message));
                return Some(refused.into());
            }
        }
        None
    }
}
