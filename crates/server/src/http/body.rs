//! Request bodies: JSON, within limits, refused before they are read whole.

use super::problem::Problem;
use crate::limits::Limits;
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use kv_protocol::{Code, Refusal};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// Room is taken in blocks of this.
const BLOCK_BYTES: usize = 64 * 1024;

/// For how long a body that is too large is taken in, so that a client which
/// reads only when it has sent all still reads why it was refused.
const PASS_OVER_TIMEOUT: Duration = Duration::from_secs(5);

/// Room for request bodies, in memory and in time.
#[derive(Clone, Debug)]
pub(super) struct Room {
    blocks: Arc<Semaphore>,
    stall_timeout: Duration,
}

impl Room {
    pub(super) fn new(limits: &Limits) -> Self {
        let blocks = limits.http_bodies_bytes_max / BLOCK_BYTES;
        Self {
            blocks: Arc::new(Semaphore::new(blocks)),
            stall_timeout: limits.http_stall_timeout,
        }
    }
}

/// A body that was read, and the room that it takes until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    blocks: Vec<OwnedSemaphorePermit>,
}

impl Held {
    fn push(&mut self, bytes: &[u8], room: &Room) -> Result<(), Problem> {
        let needed = (self.bytes.len() + bytes.len()).div_ceil(BLOCK_BYTES);
        while self.blocks.len() < needed {
            let block = Arc::clone(&room.blocks).try_acquire_owned().map_err(|_| {
                let message = "too many large requests are in progress; try again later";
                Problem::from(Refusal::new(Code::Unavailable, message))
            })?;
            self.blocks.push(block);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The body's JSON.
    pub(super) fn json(&self) -> Result<&str, Problem> {
        let invalid = |message: String| Problem::from(Refusal::new(Code::InvalidJson, message));
        let text = std::str::from_utf8(&self.bytes)
            .map_err(|e| invalid(format!("byte {} of the body is not UTF-8", e.valid_up_to())))?;
        let raw: &RawValue =
            serde_json::from_str(text).map_err(|e| invalid(format!("the body is no JSON: {e}")))?;
        Ok(raw.get())
    }
}

/// What a request says its body is.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or("")
        .trim()
}

/// Refuses what is not declared to be JSON.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    if media_type(headers).eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(unsupported(
        "send JSON, with the header content-type: application/json",
    ))
}

pub(super) fn unsupported(detail: &str) -> Problem {
    Problem::with_status(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::InvalidEvent,
        detail,
    )
}

/// Reads a body of at most `bytes_max` bytes.
pub(super) async fn read(
    room: &Room,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Held, Problem> {
    let mut stream = body.into_data_stream();
    let mut held = Held {
        bytes: Vec::new(),
        blocks: Vec::new(),
    };
    let mut is_too_large = declared_bytes(headers) > bytes_max as u64;
    while !is_too_large {
        let piece = match timeout(room.stall_timeout, stream.next()).await {
            Ok(None) => return Ok(held),
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(_))) => {
                return Err(Refusal::new(Code::InvalidJson, "the body was cut off").into());
            }
            Err(_) => {
                let detail = "the rest of the body did not come in time";
                let status = StatusCode::REQUEST_TIMEOUT;
                return Err(Problem::with_status(status, Code::InvalidJson, detail));
            }
        };
        is_too_large = held.bytes.len() + piece.len() > bytes_max;
        if !is_too_large {
            held.push(&piece, room)?;
        }
    }
    // Who asks first, with `Expect`, has sent nothing.
    if !headers.contains_key(header::EXPECT) {
        tokio::spawn(pass_over(stream));
    }
    let message = format!("the body has more than {bytes_max} bytes");
    Err(Refusal::new(Code::TooLarge, message).into())
}

fn declared_bytes(headers: &HeaderMap) -> u64 {
    headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(0)
}

/// Takes in what a client goes on sending, and keeps none of it.
async fn pass_over(mut stream: BodyDataStream) {
    let deadline = Instant::now() + PASS_OVER_TIMEOUT;
    while let Ok(Some(Ok(_))) = timeout_at(deadline, stream.next()).await {}
}
