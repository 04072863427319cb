//! Changes as they happen, to whoever watches.

mod ends;
mod lines;
mod stream;

use crate::support::LineClient;
use serde_json::{Value, json};

/// Stores something, and returns its version.
fn put(client: &mut LineClient, key: &str, value: impl Into<Value>) -> u64 {
    let event = json!({"type": "put", "key": key, "value": value.into()});
    let reply = client.ask(&event.to_string());
    reply["version"]
        .as_u64()
        .unwrap_or_else(|| panic!("{reply}"))
}

/// Key and version of a change.
fn place(row: &Value) -> (String, u64) {
    let key = row["key"].as_str().unwrap_or_else(|| panic!("{row}"));
    (key.to_owned(), row["version"].as_u64().unwrap())
}
