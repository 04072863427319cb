//! From an outcome to a reply line. Each function appends one whole line. `id`
//! is the client's mark as raw JSON text.

use crate::Refusal;
use crate::event::format_hash;
use crate::json::{write_number, write_string};

/// `put` has stored the value.
pub fn put(output: &mut Vec<u8>, id: Option<&str>, key: &str, version: u64) {
    ok(output, id);
    string(output, "key", key);
    number(output, "version", version);
    end(output);
}

/// `get` has found `value`, which is compact JSON text.
pub fn get(output: &mut Vec<u8>, id: Option<&str>, key: &str, value: &str, version: u64) {
    ok(output, id);
    string(output, "key", key);
    raw(output, "value", value);
    number(output, "version", version);
    end(output);
}

/// `delete` is done; `version` is there where it removed something.
pub fn delete(output: &mut Vec<u8>, id: Option<&str>, key: &str, version: Option<u64>) {
    ok(output, id);
    string(output, "key", key);
    boolean(output, "deleted", version.is_some());
    if let Some(version) = version {
        number(output, "version", version);
    }
    end(output);
}

/// `store_content` is done; `created` is false where it was there already.
pub fn store_content(output: &mut Vec<u8>, id: Option<&str>, hash: &[u8; 20], created: bool) {
    ok(output, id);
    string(output, "hash", &format_hash(hash));
    boolean(output, "created", created);
    end(output);
}

/// `get_content` has found `content`, its canonical text.
pub fn get_content(output: &mut Vec<u8>, id: Option<&str>, hash: &[u8; 20], content: &str) {
    ok(output, id);
    string(output, "hash", &format_hash(hash));
    raw(output, "content", content);
    end(output);
}

/// The client has shown the token.
pub fn authenticate(output: &mut Vec<u8>, id: Option<&str>) {
    ok(output, id);
    end(output);
}

/// The event was not carried out.
pub fn error(output: &mut Vec<u8>, id: Option<&str>, refusal: &Refusal) {
    begin(output, "error", id);
    string(output, "code", refusal.code.name());
    string(output, "message", &refusal.message);
    end(output);
}

fn ok(output: &mut Vec<u8>, id: Option<&str>) {
    begin(output, "ok", id);
}

fn begin(output: &mut Vec<u8>, status: &str, id: Option<&str>) {
    output.extend_from_slice(b"{\"status\":\"");
    output.extend_from_slice(status.as_bytes());
    output.push(b'"');
    if let Some(id) = id {
        raw(output, "id", id);
    }
}

fn end(output: &mut Vec<u8>) {
    output.extend_from_slice(b"}\n");
}

fn name(output: &mut Vec<u8>, name: &str) {
    output.extend_from_slice(b",\"");
    output.extend_from_slice(name.as_bytes());
    output.extend_from_slice(b"\":");
}

fn string(output: &mut Vec<u8>, member: &str, text: &str) {
    name(output, member);
    write_string(output, text);
}

fn number(output: &mut Vec<u8>, member: &str, value: u64) {
    name(output, member);
    write_number(output, value);
}

fn boolean(output: &mut Vec<u8>, member: &str, value: bool) {
    raw(output, member, if value { "true" } else { "false" });
}

fn raw(output: &mut Vec<u8>, member: &str, text: &str) {
    name(output, member);
    output.extend_from_slice(text.as_bytes());
}
