//! `/keys/{key}`: a value as a resource. Its version is its `ETag`.

use super::Context;
use super::actor::{Deleted, Event, Reply, ask_one, part, read, unreadable};
use super::body;
use super::conditions::{Known, known_versions, of_write};
use super::path::segment;
use super::problem::Problem;
use super::query::{self, Kind};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use kv_protocol::json::compact;
use kv_protocol::limits::EVENT_BYTES_MAX;
use kv_protocol::{Code, Refusal};
use serde::Deserialize;
use serde_json::value::RawValue;

const PREFIX: &str = "/keys/";
const INCREMENT: &str = "/increment";

/// How long a value is still there.
const EXPIRES_IN_MS: HeaderName = HeaderName::from_static("expires-in-ms");

/// RFC 5789, 3.1.
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const PATCHES: &str = "application/merge-patch+json, application/json-patch+json";

pub(super) async fn get(
    State(context): State<Context>,
    uri: Uri,
    request_headers: HeaderMap,
) -> Result<Response, Problem> {
    query::refuse_all(&uri)?;
    let mut event = Event::new("get").string("key", &segment(&uri, PREFIX, "")?);
    let known = known_versions(&request_headers);
    if let Known::These(versions) = &known
        && let [version] = versions[..]
    {
        event = event.raw("if_none_match", &version.to_string());
    }
    let line = ask_one(&context, event).await?;
    let reply = read(&line)?;
    let version = reply.version.ok_or_else(unreadable)?;
    if reply.not_modified == Some(true) || known.has(version) {
        return Ok((StatusCode::NOT_MODIFIED, headers(&reply)?).into_response());
    }
    let value = reply.value.ok_or_else(unreadable)?;
    Ok((headers(&reply)?, part(&line, value)).into_response())
}

pub(super) async fn put(
    State(context): State<Context>,
    uri: Uri,
    request_headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let event = write("put", &uri, "", &request_headers)?;
    body::require_json(&request_headers)?;
    let held = body::read(&context.room, &request_headers, body, EVENT_BYTES_MAX).await?;
    let value = compact("`value`", held.json()?)?;
    let event = event.raw("value", &value);
    drop(value);
    answer(ask_one(&context, event).await?)
}

pub(super) async fn patch(
    State(context): State<Context>,
    uri: Uri,
    request_headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let event = write("patch", &uri, "", &request_headers)?;
    let media_type = body::media_type(&request_headers);
    let member = if media_type.eq_ignore_ascii_case(MERGE_PATCH) {
        "merge"
    } else if media_type.eq_ignore_ascii_case(JSON_PATCH) {
        "patch"
    } else {
        let problem = body::unsupported(&format!("send a patch as one of {PATCHES}"));
        let mut response = problem.into_response();
        let accepted = HeaderValue::from_static(PATCHES);
        response.headers_mut().insert(ACCEPT_PATCH, accepted);
        return Ok(response);
    };
    let held = body::read(&context.room, &request_headers, body, EVENT_BYTES_MAX).await?;
    let patch = compact(&format!("`{member}`"), held.json()?)?;
    let event = event.raw(member, &patch);
    drop(patch);
    answer(ask_one(&context, event).await?)
}

pub(super) async fn increment(
    State(context): State<Context>,
    uri: Uri,
    request_headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut event = write("increment", &uri, INCREMENT, &request_headers)?;
    let held = body::read(&context.room, &request_headers, body, EVENT_BYTES_MAX).await?;
    if !held.bytes.is_empty() {
        body::require_json(&request_headers)?;
        let by = by(held.json()?)?;
        if let Some(by) = by {
            event = event.raw("by", &compact("`by`", by.get())?);
        }
    }
    answer(ask_one(&context, event).await?)
}

/// How far to count, of the body of a request that says so.
fn by(body: &str) -> Result<Option<&RawValue>, Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Increment<'a> {
        #[serde(borrow)]
        by: Option<&'a RawValue>,
    }
    // Serde would take an array of the fields for them as well.
    if body.starts_with('{')
        && let Ok(Increment { by }) = serde_json::from_str(body)
    {
        return Ok(by);
    }
    let message = "the body must be empty, or an object such as {\"by\":1}";
    Err(Refusal::new(Code::InvalidEvent, message).into())
}

pub(super) async fn delete(
    State(context): State<Context>,
    uri: Uri,
    request_headers: HeaderMap,
) -> Result<Response, Problem> {
    query::refuse_all(&uri)?;
    let event = Event::new("delete").string("key", &segment(&uri, PREFIX, "")?);
    let event = of_write(&request_headers, event)?;
    let line = ask_one(&context, event).await?;
    match read(&line)?.deleted {
        Some(Deleted::One(true)) => Ok(StatusCode::NO_CONTENT.into_response()),
        Some(Deleted::One(false)) => {
            let message = "nothing is stored under this key";
            Err(Refusal::new(Code::NotFound, message).into())
        }
        Some(Deleted::Several(_)) | None => Err(unreadable()),
    }
}

/// Begins an event that gives the key in the path a value.
fn write(
    kind: &str,
    uri: &Uri,
    suffix: &str,
    request_headers: &HeaderMap,
) -> Result<Event, Problem> {
    let event = Event::new(kind).string("key", &segment(uri, PREFIX, suffix)?);
    let event = query::add(uri, event, &[("ttl_ms", Kind::Number)])?;
    of_write(request_headers, event)
}

/// The answer to a write: its reply, and the version as a tag.
fn answer(line: Bytes) -> Result<Response, Problem> {
    Ok((headers(&read(&line)?)?, line).into_response())
}

fn headers(reply: &Reply<'_>) -> Result<HeaderMap, Problem> {
    let version = reply.version.ok_or_else(unreadable)?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let tag = format!("\"{version}\"");
    headers.insert(ETAG, HeaderValue::try_from(tag).map_err(|_| unreadable())?);
    if let Some(expires_in_ms) = reply.expires_in_ms {
        headers.insert(EXPIRES_IN_MS, expires_in_ms.into());
    }
    Ok(headers)
}
