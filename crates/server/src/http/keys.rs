//! `/keys/{key}`: a value as a resource. Its version is its `ETag`.

use super::Context;
use super::actor::{Event, ask_one, read, unreadable};
use super::body;
use super::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use kv_protocol::limits::EVENT_BYTES_MAX;
use kv_protocol::{Code, Refusal};
use percent_encoding::percent_decode_str;

pub(super) async fn get(State(context): State<Context>, uri: Uri) -> Result<Response, Problem> {
    let event = Event::new("get").string("key", &key(&uri)?);
    let line = ask_one(&context, event).await?;
    let reply = read(&line)?;
    let (Some(value), Some(version)) = (reply.value, reply.version) else {
        return Err(unreadable());
    };
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::ETAG, format!("\"{version}\"")),
    ];
    Ok((headers, value.get().to_owned()).into_response())
}

pub(super) async fn put(
    State(context): State<Context>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let key = key(&uri)?;
    body::require_json(&headers)?;
    let body = body::read(&headers, body, EVENT_BYTES_MAX).await?;
    let value = body::on_one_line("`value`", &body)?;
    let event = Event::new("put").string("key", &key).raw("value", &value);
    let line = ask_one(&context, event).await?;
    let version = read(&line)?.version.ok_or_else(unreadable)?;
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::ETAG, format!("\"{version}\"")),
    ];
    Ok((headers, line).into_response())
}

pub(super) async fn delete(State(context): State<Context>, uri: Uri) -> Result<Response, Problem> {
    let key = key(&uri)?;
    let event = Event::new("delete").string("key", &key);
    let line = ask_one(&context, event).await?;
    if read(&line)?.deleted == Some(true) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(Refusal::new(Code::NotFound, "nothing is stored under this key").into())
}

/// The key in the path: one segment, percent-encoded UTF-8, perhaps empty.
fn key(uri: &Uri) -> Result<String, Problem> {
    let encoded = uri.path().strip_prefix("/keys/").unwrap_or_default();
    percent_decode_str(encoded)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| {
            Refusal::new(
                Code::InvalidEvent,
                "the key in the path is not UTF-8, percent-encoded",
            )
            .into()
        })
}
