//! `kv-actor export`: a file for each key, for people and other tools; and the
//! names of these files, from which `import` reads the keys.
//!
//! A name is the key, percent-encoded but for letters, digits, `_` and `-`, and
//! `.json`; that of the empty key is `%.json`. A key that is too long for a name
//! has the file `%%` and its SHA-1, which holds `{"key":…,"value":…}`.

use crate::arguments::Place as Arguments;
use crate::event::Event;
use crate::failure::Failure;
use crate::output::print;
use crate::place::Place;
use kv_protocol::Code;
use kv_protocol::event::format_hash;
use kv_protocol::json::{Text, write_string};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fs;
use std::path::{Path, PathBuf};

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// File systems take names of 255 bytes.
const STEM_BYTES_MAX: usize = 240;

const SUFFIX: &str = ".json";

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    keys: Vec<Row<'a>>,
    complete: bool,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// Writes a file for each key.
pub(crate) fn run(place: &Arguments, folder: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, e: std::io::Error| {
        let message = format!("{} can't be written: {e}", path.display());
        Failure::coded(Code::Storage, message)
    };
    fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    let mut entries = fs::read_dir(folder).map_err(|e| failed(folder, e))?;
    if entries.next().is_some() {
        let message = format!("{} is not empty; nothing was exported", folder.display());
        return Err(Failure::coded(Code::Storage, message));
    }
    let mut place = Place::open(place)?;
    let mut cursor: Option<String> = None;
    let mut count = 0_u64;
    loop {
        let mut event = Event::new("list")
            .raw("values", "true")
            .raw("limit", "1000");
        if let Some(cursor) = &cursor {
            event = event.string("cursor", cursor);
        }
        let reply = place.ask(event)?;
        let page: Page<'_> = serde_json::from_str(&reply)
            .map_err(|e| Failure::new(format!("the store's reply can't be read: {e}")))?;
        for Row { key, value } in &page.keys {
            let (name, text) = file(&key.0, value.get());
            let path = folder.join(name);
            fs::write(&path, text).map_err(|e| failed(&path, e))?;
            count += 1;
        }
        cursor = page.cursor;
        if page.complete {
            return print(&format!("{{\"keys\":{count}}}"));
        }
    }
}

/// A key's file: its name, and what it holds.
fn file(key: &str, value: &str) -> (String, Vec<u8>) {
    let mut stem: String = utf8_percent_encode(key, ENCODED).collect();
    let mut text = Vec::new();
    if stem.len() > STEM_BYTES_MAX {
        stem = format!("%%{}", sha1(key));
        text.extend_from_slice(b"{\"key\":");
        write_string(&mut text, key);
        text.extend_from_slice(b",\"value\":");
        text.extend_from_slice(value.as_bytes());
        text.push(b'}');
    } else {
        text.extend_from_slice(value.as_bytes());
    }
    text.push(b'\n');
    if stem.is_empty() {
        stem.push('%');
    }
    (stem + SUFFIX, text)
}

/// The SHA-1 of the key as a JSON string.
fn sha1(key: &str) -> String {
    let mut quoted = Vec::new();
    write_string(&mut quoted, key);
    let quoted = String::from_utf8_lossy(&quoted);
    // Only a key that was made to collide has none, and such a one is its own.
    let hash = kv_engine::content::address(&quoted).map(|(hash, _)| hash);
    format_hash(&hash.unwrap_or_default())
}

/// The files of an export, in the order of their names.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |e: std::io::Error| Failure::new(format!("{}: {e}", folder.display()));
    let entries: Result<Vec<_>, _> = fs::read_dir(folder).map_err(failed)?.collect();
    let mut paths: Vec<_> = entries
        .map_err(failed)?
        .iter()
        .map(fs::DirEntry::path)
        .collect();
    paths.sort_unstable();
    Ok(paths)
}

/// The event that puts back what a file of an export holds.
pub(crate) fn event(path: &Path) -> Result<Vec<u8>, Failure> {
    let invalid = |reason: &str| {
        let message = format!("{} is no file of an export: {reason}", path.display());
        Failure::coded(Code::InvalidEvent, message)
    };
    let name = path.file_name().and_then(|name| name.to_str());
    let stem = name.and_then(|name| name.strip_suffix(SUFFIX));
    let stem = stem.ok_or_else(|| invalid("its name does not end with .json"))?;
    let text = fs::read_to_string(path).map_err(|e| invalid(&e.to_string()))?;
    let json = |e: serde_json::Error| invalid(&e.to_string());
    if stem.starts_with("%%") {
        let Row { key, value } = serde_json::from_str(&text).map_err(json)?;
        return Ok(put(&key.0, value.get()));
    }
    let value: &RawValue = serde_json::from_str(&text).map_err(json)?;
    if stem == "%" {
        return Ok(put("", value.get()));
    }
    let key = percent_decode_str(stem)
        .decode_utf8()
        .map_err(|e| invalid(&e.to_string()))?;
    Ok(put(&key, value.get()))
}

fn put(key: &str, value: &str) -> Vec<u8> {
    // A file may have been edited: an event is one line.
    let value = value.replace(['\n', '\r'], " ");
    Event::new("put")
        .string("key", key)
        .raw("value", &value)
        .line()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_name_of_its_own_that_tells_it() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(65_536);
        let keys = [
            "", ".", "..", "a/b", "%", "%%", "%41", "A", "\0", "🔑", "a.json", &long,
        ];
        for key in keys {
            let (name, text) = file(key, "[1]");
            assert!(!name.starts_with('.') && !name.contains('/'), "{name}");
            assert!(name.len() < 256);
            let path = folder.path().join(&name);
            assert!(!path.exists(), "{name}");
            fs::write(&path, text).unwrap();
            assert_eq!(event(&path).unwrap(), put(key, "[1]"));
        }
    }
}
