//! `POST /events`: one event as JSON, or any number of them as NDJSON. Those are
//! read, handed to the actor and answered piece by piece, so that neither the
//! request nor the response is ever held whole.

use super::Context;
use super::actor::{ask, unreadable};
use super::body;
use super::problem::{Problem, status};
use crate::framing::{Frame, Framing};
use crate::reactor::refusal;
use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{StreamExt, unfold};
use kv_protocol::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, EVENT_BYTES_MAX};
use kv_protocol::{Code, Refusal, event, reply};
use serde::Deserialize;
use std::convert::Infallible;

const NDJSON: &str = "application/x-ndjson";

pub(super) async fn post(
    State(context): State<Context>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if body::media_type(&headers).eq_ignore_ascii_case(NDJSON) {
        return Ok(many(context, body));
    }
    if body::require_json(&headers).is_err() {
        return Err(body::unsupported(
            "send one event as application/json, or a line each as application/x-ndjson",
        ));
    }
    one(&context, &headers, body).await
}

/// One event; its reply has the status of its code.
async fn one(context: &Context, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    struct Coded<'a> {
        code: Option<&'a str>,
    }
    let body = body::read(headers, body, EVENT_BYTES_MAX).await?;
    let mut event = body::on_one_line("the event", &body)?.into_bytes();
    event.push(b'\n');
    let reply = ask(context, event)
        .await
        .map_err(|e| Problem::from(refusal(&e)))?;
    let coded: Coded<'_> = serde_json::from_slice(&reply).map_err(|_| unreadable())?;
    let status = match coded.code {
        None => StatusCode::OK,
        Some(name) => Code::from_name(name).map_or(StatusCode::INTERNAL_SERVER_ERROR, status),
    };
    let headers = [(header::CONTENT_TYPE, "application/json")];
    Ok((status, headers, reply).into_response())
}

/// Many events; their replies are lines of a response that is always 200.
fn many(context: Context, body: Body) -> Response {
    let events = Events {
        context,
        body: body.into_data_stream(),
        framing: Framing::default(),
        waiting: Vec::new(),
        ended: false,
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
    body: BodyDataStream,
    framing: Framing,
    /// Events that were taken from the body and are not answered, a line each.
    waiting: Vec<u8>,
    ended: bool,
}

impl Events {
    /// The next replies; nothing at the end.
    async fn next_replies(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(refused) = self.gather() {
                return Some(refused);
            }
            if !self.waiting.is_empty() {
                return Some(self.answer().await);
            }
            if self.ended {
                return None;
            }
            self.read().await;
        }
    }

    /// Takes lines that have come, up to what makes a batch. A line too long is
    /// refused in its place, once those before it are answered.
    fn gather(&mut self) -> Option<Vec<u8>> {
        let mut count = self.waiting.split(|byte| *byte == b'\n').count();
        while count < BATCH_EVENTS_MAX && self.waiting.len() < BATCH_BYTES_MAX {
            if !self.waiting.is_empty() && self.framing.is_too_long_next() {
                return None;
            }
            match self.framing.next()? {
                Frame::Line(range) => {
                    self.waiting.extend_from_slice(self.framing.line(range));
                    self.waiting.push(b'\n');
                    count += 1;
                }
                Frame::TooLong => {
                    let message = format!("the event has more than {EVENT_BYTES_MAX} bytes");
                    let mut line = Vec::new();
                    reply::error(&mut line, None, &Refusal::new(Code::TooLarge, message));
                    return Some(line);
                }
            }
        }
        None
    }

    /// Has the waiting events answered, or the first of them.
    async fn answer(&mut self) -> Vec<u8> {
        match ask(&self.context, self.waiting.clone()).await {
            Ok(replies) => {
                let answered = memchr::memchr_iter(b'\n', &replies).count();
                let end = memchr::memchr_iter(b'\n', &self.waiting)
                    .take(answered)
                    .last();
                self.waiting.drain(..end.map_or(0, |end| end + 1));
                replies
            }
            Err(unavailable) => {
                let mut replies = Vec::new();
                let refusal = refusal(&unavailable);
                for line in self
                    .waiting
                    .split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
                {
                    reply::error(&mut replies, event::id_of(line), &refusal);
                }
                self.waiting.clear();
                replies
            }
        }
    }

    async fn read(&mut self) {
        match self.body.next().await {
            Some(Ok(bytes)) => self.framing.feed(&bytes),
            // A body that breaks off has no last line.
            Some(Err(_)) => self.ended = true,
            None => {
                self.ended = true;
                self.framing.end();
            }
        }
    }
}
