//! `GET /watch`: changes as they happen, as server-sent events. The reactor tells
//! them over a channel; what is not taken from it is counted.

use super::Context;
use super::actor::Event;
use super::problem::Problem;
use super::query::{self, Kind};
use crate::watch::{Feed, Told};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use kv_protocol::{Code, Operation, Refusal, event, reply};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::timeout;

/// A stream with nothing to tell says so this often: whoever is in between must
/// not take it for dead, and who has gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// So much is put together for one write.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) async fn get(
    State(context): State<Context>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let taken = [("prefix", Kind::Text), ("since", Kind::Number)];
    let line = query::add(&uri, Event::new("watch"), &taken)?.line();
    let (prefix, since) = match event::parse(&line).operation? {
        Operation::Watch { prefix, since } => (prefix.into_owned(), since),
        _ => return Err(super::actor::unreadable()),
    };
    // Who comes again has seen more than when it asked first.
    let since = last_event_id(&headers)?.or(since);
    let mut feed = Feed::begin(context.arrivals.clone(), prefix, since);
    let begun = match feed.receiver.recv().await {
        Some(Told::Begun(version)) => version,
        Some(Told::Refused(refusal)) => return Err(refusal.into()),
        Some(Told::Rows(_)) | None => {
            let refusal = Refusal::new(Code::Unavailable, "the server is ending");
            return Err(refusal.into());
        }
    };
    // So that who is cut off before the first change misses none.
    let first = Bytes::from(format!("id: {begun}\n\n"));
    let events = unfold((Some(first), Some(feed)), |(first, feed)| async move {
        if let Some(first) = first {
            return Some((Ok::<_, Infallible>(first), (None, feed)));
        }
        let mut feed = feed?;
        let (piece, has_more) = next(&mut feed).await?;
        Some((Ok(piece), (None, has_more.then_some(feed))))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(id) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let version = id.to_str().ok().and_then(|id| id.parse().ok());
    version.map(Some).ok_or_else(|| {
        let message = "Last-Event-ID is none of this stream: it must be a version";
        Refusal::new(Code::InvalidEvent, message).into()
    })
}

/// The next bytes, and whether more may follow.
async fn next(feed: &mut Feed) -> Option<(Bytes, bool)> {
    let Ok(told) = timeout(HEARTBEAT, feed.receiver.recv()).await else {
        return Some((Bytes::from_static(b":\n\n"), true));
    };
    let mut piece = Vec::new();
    let mut told = Some(told?);
    while let Some(next) = told.take() {
        match next {
            Told::Begun(_) => {}
            Told::Rows(rows) => {
                for row in &rows {
                    piece.extend_from_slice(b"event: change\ndata: ");
                    piece.extend_from_slice(&row.text);
                    // Who resumes from a version has had all of it.
                    if row.is_last {
                        piece.extend_from_slice(format!("\nid: {}", row.version).as_bytes());
                    }
                    piece.extend_from_slice(b"\n\n");
                }
                feed.taken(&rows);
            }
            Told::Refused(refusal) => {
                piece.extend_from_slice(b"event: error\ndata: ");
                reply::error(&mut piece, None, &refusal);
                piece.push(b'\n');
                return Some((piece.into(), false));
            }
        }
        if piece.len() < PIECE_BYTES {
            told = feed.receiver.try_recv().ok();
        }
    }
    Some((piece.into(), true))
}
