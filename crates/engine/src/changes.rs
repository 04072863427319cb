//! A change as those are told who ask for history, or watch.

use crate::log::line::Read;
use kv_protocol::event::format_hash;
use kv_protocol::reply;

/// The key that a change is about. Content has none: it is told to those who
/// ask for no prefix, and so is that changes were lost.
#[must_use]
pub fn key<'c>(change: &'c Read<'_>) -> &'c str {
    match change {
        Read::Put(key, ..) | Read::Delete(key) | Read::Expire(key) => key,
        Read::Content(..) | Read::Lost => "",
    }
}

/// Appends a change as a compact JSON object.
pub fn write_row(output: &mut Vec<u8>, version: u64, time_ms: u64, change: &Read<'_>) {
    let (kind, key) = match change {
        Read::Put(key, ..) => ("put", Some(key)),
        Read::Delete(key) => ("delete", Some(key)),
        Read::Expire(key) => ("expire", Some(key)),
        Read::Content(..) => ("store_content", None),
        Read::Lost => ("lost", None),
    };
    reply::object(output, "type", kind, |members| {
        members.number("version", version);
        members.number("time_ms", time_ms);
        if let Some(key) = key {
            members.string("key", key);
        }
        match change {
            Read::Put(_, value, expires_ms) => {
                members.raw("value", value);
                if let Some(expires_ms) = expires_ms {
                    members.number("expires_ms", *expires_ms);
                }
            }
            Read::Content(hash, _) => members.string("hash", &format_hash(hash)),
            Read::Delete(_) | Read::Expire(_) | Read::Lost => {}
        }
    });
}
