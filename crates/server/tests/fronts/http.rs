//! The HTTP front, with the real store behind it.

mod backup;
mod bodies;
mod conditions;
mod content;
mod events;
mod guard;
mod keys;
mod listing;
mod operation;
mod patching;

use crate::support::{Response, request, store};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Sends one request to the store that the tests share.
fn ask(method: &str, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Response {
    request(store().http(), method, path, headers, body)
}
