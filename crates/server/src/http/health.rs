//! For those who run the server: is it alive, is it ready, how is it doing, and
//! what can be asked of it.

use super::Context;
use super::actor::{Event, ask_one};
use super::problem::Problem;
use crate::metrics::store::StoreFigures;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use kv_protocol::{Code, Refusal};

/// The process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// The actor is running.
pub(super) async fn ready(State(context): State<Context>) -> Result<&'static str, Problem> {
    if context.metrics.is_serving() {
        Ok("ok\n")
    } else {
        Err(Refusal::new(
            Code::Unavailable,
            "the actor is down; the server's log says why",
        )
        .into())
    }
}

pub(super) async fn metrics(State(context): State<Context>) -> Result<Response, Problem> {
    // An actor that is down or says nothing of the kind leaves the others.
    let stats = ask_one(&context, Event::new("stats")).await.ok();
    let store = stats.and_then(|line| serde_json::from_slice::<StoreFigures>(&line).ok());
    let text = context
        .metrics
        .text(store.as_ref())
        .map_err(|e| Problem::from(Refusal::new(Code::Unavailable, e.to_string())))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

pub(super) async fn openapi() -> Response {
    let document = include_str!("openapi.json");
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}
