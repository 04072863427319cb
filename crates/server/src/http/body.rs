//! Request bodies: JSON, within limits, refused before they are read whole.

use super::problem::Problem;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};
use kv_protocol::json::compact;
use kv_protocol::{Code, Refusal};
use serde_json::value::RawValue;

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
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        Problem::from(Refusal::new(
            Code::TooLarge,
            format!("the body has more than {bytes_max} bytes"),
        ))
    };
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(too_large());
    }
    match to_bytes(body, bytes_max).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(e) if is_over_limit(&e) => Err(too_large()),
        Err(_) => Err(Refusal::new(Code::InvalidJson, "the body was cut off").into()),
    }
}

fn is_over_limit(error: &axum::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// The body's JSON on one line, which is what an event takes.
pub(super) fn on_one_line(name: &str, body: &[u8]) -> Result<String, Problem> {
    let invalid = |message: String| Problem::from(Refusal::new(Code::InvalidJson, message));
    let text = std::str::from_utf8(body)
        .map_err(|e| invalid(format!("byte {} of the body is not UTF-8", e.valid_up_to())))?;
    let raw: &RawValue =
        serde_json::from_str(text).map_err(|e| invalid(format!("the body is no JSON: {e}")))?;
    Ok(compact(name, raw.get())?.into_owned())
}
