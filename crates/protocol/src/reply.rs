//! From an outcome to a reply line. Each function appends one whole line. `id`
//! is the client's mark as raw JSON text.

use crate::Refusal;
use crate::event::hash_digits;
use crate::json::{write_number, write_string};

/// `put` has stored the value.
pub fn put(output: &mut Vec<u8>, id: Option<&str>, key: &str, version: u64) {
    ok(output, id);
    string(output, "key", key);
    number(output, "version", version);
    end(output);
}

/// `get` has found `value`, which is compact JSON text. `expires_in_ms` is there
/// where its time is limited.
pub fn get(
    output: &mut Vec<u8>,
    id: Option<&str>,
    key: &str,
    value: &str,
    version: u64,
    expires_in_ms: Option<u64>,
) {
    ok(output, id);
    string(output, "key", key);
    raw(output, "value", value);
    number(output, "version", version);
    if let Some(expires_in_ms) = expires_in_ms {
        number(output, "expires_in_ms", expires_in_ms);
    }
    end(output);
}

/// `get` has found the version that the client has already.
pub fn not_modified(output: &mut Vec<u8>, id: Option<&str>, key: &str, version: u64) {
    ok(output, id);
    string(output, "key", key);
    number(output, "version", version);
    boolean(output, "not_modified", true);
    end(output);
}

/// `exists`: `version` is 0 where there is nothing.
pub fn exists(output: &mut Vec<u8>, id: Option<&str>, key: &str, version: u64) {
    ok(output, id);
    string(output, "key", key);
    boolean(output, "exists", version > 0);
    number(output, "version", version);
    end(output);
}

/// `increment` has stored `value`.
pub fn increment(output: &mut Vec<u8>, id: Option<&str>, key: &str, value: &str, version: u64) {
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

/// A reply that is put together from rows, such as a page.
#[derive(Debug)]
pub struct Rows<'a> {
    output: &'a mut Vec<u8>,
    count: usize,
    start: usize,
}

impl<'a> Rows<'a> {
    /// Begins a reply whose rows are the elements of the array `member`.
    pub fn begin(output: &'a mut Vec<u8>, id: Option<&str>, member: &str) -> Self {
        let start = output.len();
        ok(output, id);
        name(output, member);
        output.push(b'[');
        Self {
            output,
            count: 0,
            start,
        }
    }

    /// The bytes of the reply so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.output.len() - self.start
    }

    /// The rows so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds a row, which `write` writes as compact JSON text.
    pub fn row(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.count > 0 {
            self.output.push(b',');
        }
        self.count += 1;
        write(self.output);
    }

    /// Ends the rows and adds the reply's other members.
    pub fn end(self, members: impl FnOnce(&mut Members<'_>)) {
        self.output.push(b']');
        members(&mut Members {
            output: self.output,
        });
        end(self.output);
    }

    /// Takes back all that was written of the reply.
    pub fn abandon(self) {
        self.output.truncate(self.start);
    }
}

/// Writes the members of an object that has some already.
#[derive(Debug)]
pub struct Members<'a> {
    output: &'a mut Vec<u8>,
}

impl Members<'_> {
    /// A member that is a number.
    pub fn number(&mut self, member: &str, value: u64) {
        number(self.output, member, value);
    }

    /// A member that is true or false.
    pub fn boolean(&mut self, member: &str, value: bool) {
        boolean(self.output, member, value);
    }

    /// A member that is a string.
    pub fn string(&mut self, member: &str, text: &str) {
        string(self.output, member, text);
    }

    /// A member that is compact JSON text.
    pub fn raw(&mut self, member: &str, text: &str) {
        raw(self.output, member, text);
    }
}

/// A reply of these members.
pub fn members(output: &mut Vec<u8>, id: Option<&str>, write: impl FnOnce(&mut Members<'_>)) {
    ok(output, id);
    write(&mut Members { output });
    end(output);
}

/// Appends an object whose first member is the string `member`.
pub fn object(output: &mut Vec<u8>, member: &str, text: &str, rest: impl FnOnce(&mut Members<'_>)) {
    output.extend_from_slice(b"{\"");
    output.extend_from_slice(member.as_bytes());
    output.extend_from_slice(b"\":");
    write_string(output, text);
    rest(&mut Members { output });
    output.push(b'}');
}

/// `store_content` is done; `created` is false where it was there already.
pub fn store_content(output: &mut Vec<u8>, id: Option<&str>, hash: &[u8; 20], created: bool) {
    ok(output, id);
    hash_member(output, hash);
    boolean(output, "created", created);
    end(output);
}

/// `get_content` has found `content`, its canonical text.
pub fn get_content(output: &mut Vec<u8>, id: Option<&str>, hash: &[u8; 20], content: &str) {
    ok(output, id);
    hash_member(output, hash);
    raw(output, "content", content);
    end(output);
}

/// The client has shown the token.
pub fn authenticate(output: &mut Vec<u8>, id: Option<&str>) {
    ok(output, id);
    end(output);
}

/// The watch has begun; it tells the changes behind `version`.
pub fn watch(output: &mut Vec<u8>, id: Option<&str>, version: u64) {
    ok(output, id);
    number(output, "version", version);
    end(output);
}

/// The watch has ended.
pub fn unwatch(output: &mut Vec<u8>, id: Option<&str>) {
    ok(output, id);
    end(output);
}

/// A watcher is told a change: `row` is a compact JSON object.
pub fn change(output: &mut Vec<u8>, id: Option<&str>, row: &[u8]) {
    begin(output, "change", id);
    output.push(b',');
    output.extend_from_slice(row.strip_prefix(b"{").unwrap_or(row));
    output.push(b'\n');
}

/// The event was not carried out.
pub fn error(output: &mut Vec<u8>, id: Option<&str>, refusal: &Refusal) {
    begin(output, "error", id);
    string(output, "code", refusal.code.name());
    string(output, "message", &refusal.message);
    let details = &refusal.details;
    let operation = details.operation.map(|operation| operation as u64);
    for (member, value) in [
        ("operation", operation),
        ("version", details.version),
        ("oldest", details.oldest),
    ] {
        if let Some(value) = value {
            number(output, member, value);
        }
    }
    end(output);
}

#[inline]
fn ok(output: &mut Vec<u8>, id: Option<&str>) {
    begin(output, "ok", id);
}

#[inline]
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

#[inline]
fn name(output: &mut Vec<u8>, name: &str) {
    output.extend_from_slice(b",\"");
    output.extend_from_slice(name.as_bytes());
    output.extend_from_slice(b"\":");
}

#[inline]
fn string(output: &mut Vec<u8>, member: &str, text: &str) {
    name(output, member);
    write_string(output, text);
}

#[inline]
fn number(output: &mut Vec<u8>, member: &str, value: u64) {
    name(output, member);
    write_number(output, value);
}

fn boolean(output: &mut Vec<u8>, member: &str, value: bool) {
    raw(output, member, if value { "true" } else { "false" });
}

#[inline]
fn raw(output: &mut Vec<u8>, member: &str, text: &str) {
    name(output, member);
    output.extend_from_slice(text.as_bytes());
}

fn hash_member(output: &mut Vec<u8>, hash: &[u8; 20]) {
    name(output, "hash");
    output.push(b'"');
    output.extend_from_slice(&hash_digits(hash));
    output.push(b'"');
}
