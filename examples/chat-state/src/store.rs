//! The store, as this actor talks to it: an event goes out, its reply comes back.

use crate::bindings::ntwk::actor::messages;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The store's name in its manifest.
const STORE: &str = "store";

/// Why something can't be done: the store's codes, and our own.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    status: &'static str,
    pub(crate) code: String,
    message: String,
}

impl Refusal {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            status: "error",
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

/// A reply of the store.
#[derive(Deserialize)]
struct Reply {
    status: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    version: u64,
    #[serde(default)]
    hash: String,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    content: Value,
}

/// The string under a key, and its version.
pub(crate) fn get(key: &str) -> Result<(String, u64), Refusal> {
    let reply = ask(&json!({"type": "get", "key": key}))?;
    Ok((read(reply.value)?, reply.version))
}

/// Puts a string under a key whose version must be this one; 0 for none.
pub(crate) fn put(key: &str, value: &str, if_version: u64) -> Result<(), Refusal> {
    ask(&json!({"type": "put", "key": key, "value": value, "if_version": if_version})).map(drop)
}

/// Stores content and returns its hash.
pub(crate) fn store_content(content: &impl Serialize) -> Result<String, Refusal> {
    Ok(ask(&json!({"type": "store_content", "content": content}))?.hash)
}

/// The content with a hash.
pub(crate) fn get_content<T: DeserializeOwned>(hash: &str) -> Result<T, Refusal> {
    read(ask(&json!({"type": "get_content", "hash": hash}))?.content)
}

fn ask(event: &Value) -> Result<Reply, Refusal> {
    let replies = messages::request(STORE, format!("{event}\n").as_bytes())
        .map_err(|error| Refusal::new(&error.code, error.message))?;
    let reply: Reply = serde_json::from_slice(&replies).map_err(|e| unreadable(&e))?;
    match reply.status.as_str() {
        "ok" => Ok(reply),
        _ => Err(Refusal::new(&reply.code, reply.message)),
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Refusal> {
    serde_json::from_value(value).map_err(|e| unreadable(&e))
}

fn unreadable(error: &serde_json::Error) -> Refusal {
    Refusal::new(
        "corrupt",
        format!("what the store has can't be read: {error}"),
    )
}
