//! `/content`: content by its hash. What a hash names never changes.

use super::Context;
use super::actor::{Event, ask_one, part, read, unreadable};
use super::body;
use super::path::segment;
use super::problem::Problem;
use super::query;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use kv_protocol::json::compact;
use kv_protocol::limits::EVENT_BYTES_MAX;

const PREFIX: &str = "/content/";
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

pub(super) async fn post(
    State(context): State<Context>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    query::refuse_all(&uri)?;
    body::require_json(&headers)?;
    let held = body::read(&context.room, &headers, body, EVENT_BYTES_MAX).await?;
    let text = compact("`content`", held.json()?)?;
    let event = Event::new("store_content").raw("content", &text);
    drop(text);
    let line = ask_one(&context, event).await?;
    let reply = read(&line)?;
    let (Some(hash), Some(created)) = (reply.hash, reply.created) else {
        return Err(unreadable());
    };
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::LOCATION, format!("/content/{hash}")),
    ];
    Ok((status, headers, line).into_response())
}

pub(super) async fn get(
    State(context): State<Context>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query::refuse_all(&uri)?;
    let event = Event::new("get_content").string("hash", &segment(&uri, PREFIX, "")?);
    let line = ask_one(&context, event).await?;
    let reply = read(&line)?;
    let (Some(hash), Some(text)) = (reply.hash, reply.content) else {
        return Err(unreadable());
    };
    let tag = format!("\"{hash}\"");
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim() == "*" || value.trim().trim_start_matches("W/") == tag);
    let response = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, IMMUTABLE.to_owned()),
        (header::CONTENT_TYPE, "application/json".to_owned()),
    ];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, response).into_response());
    }
    Ok((response, part(&line, text)).into_response())
}
