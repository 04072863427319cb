//! A page of history, from the actor's reply.

use super::sink::Row;
use crate::refusal;
use axum::body::Bytes;
use kv_protocol::Refusal;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a watcher is told of the past.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) rows: Vec<Row>,
    /// The version that it reaches.
    pub(super) version: u64,
    /// Whether nothing more has happened.
    pub(super) is_complete: bool,
}

impl Page {
    /// Reads the reply to `changes`; or to `stats`, which says where things are.
    pub(super) fn read(reply: &[u8]) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Reply<'a> {
            status: &'a str,
            #[serde(borrow, default)]
            changes: Vec<&'a RawValue>,
            version: Option<u64>,
            complete: Option<bool>,
        }
        #[derive(Deserialize)]
        struct Change {
            version: u64,
        }
        let reply_line = reply;
        let reply: Reply<'_> =
            serde_json::from_slice(reply_line).map_err(|_| refusal::unreadable())?;
        if reply.status != "ok" {
            return Err(refusal::read(reply_line));
        }
        let mut rows = Vec::with_capacity(reply.changes.len());
        for row in reply.changes {
            let Change { version } =
                serde_json::from_str(row.get()).map_err(|_| refusal::unreadable())?;
            let text = Bytes::copy_from_slice(row.get().as_bytes());
            Row::push(&mut rows, text, version);
        }
        Ok(Self {
            rows,
            version: reply.version.ok_or_else(refusal::unreadable)?,
            is_complete: reply.complete.unwrap_or(true),
        })
    }
}
