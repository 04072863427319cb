//! `/keys/{key}`: a value as a resource. Its version is its `ETag`.

use super::Context;
use super::actor::{Event, ask_one, part, read, unreadable};
use super::body;
use super::path::segment;
use super::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use kv_protocol::json::compact;
use kv_protocol::limits::EVENT_BYTES_MAX;
use kv_protocol::{Code, Refusal};

const PREFIX: &str = "/keys/";

pub(super) async fn get(State(context): State<Context>, uri: Uri) -> Result<Response, Problem> {
    let event = Event::new("get").string("key", &segment(&uri, PREFIX)?);
    let line = ask_one(&context, event).await?;
    let reply = read(&line)?;
    let (Some(value), Some(version)) = (reply.value, reply.version) else {
        return Err(unreadable());
    };
    Ok((headers(version), part(&line, value)).into_response())
}

pub(super) async fn put(
    State(context): State<Context>,
    uri: Uri,
    request_headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let key = segment(&uri, PREFIX)?;
    body::require_json(&request_headers)?;
    let held = body::read(&context.room, &request_headers, body, EVENT_BYTES_MAX).await?;
    let value = compact("`value`", held.json()?)?;
    let event = Event::new("put").string("key", &key).raw("value", &value);
    drop(value);
    let line = ask_one(&context, event).await?;
    let version = read(&line)?.version.ok_or_else(unreadable)?;
    Ok((headers(version), line).into_response())
}

pub(super) async fn delete(State(context): State<Context>, uri: Uri) -> Result<Response, Problem> {
    let event = Event::new("delete").string("key", &segment(&uri, PREFIX)?);
    let line = ask_one(&context, event).await?;
    match read(&line)?.deleted {
        Some(true) => Ok(StatusCode::NO_CONTENT.into_response()),
        Some(false) => {
            let message = "nothing is stored under this key";
            Err(Refusal::new(Code::NotFound, message).into())
        }
        None => Err(unreadable()),
    }
}

fn headers(version: u64) -> [(header::HeaderName, String); 2] {
    [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::ETAG, format!("\"{version}\"")),
    ]
}
