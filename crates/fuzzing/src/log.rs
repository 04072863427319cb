//! Any bytes as a data directory: opened, or refused with a place; and what is
//! opened serves, takes writes, and opens again.

use kv_engine::files::memory::MemoryFiles;
use kv_engine::files::{File as _, Files as _};
use kv_engine::{OpenError, Options, Outcome, Store};
use kv_protocol::event::parse;
use serde_json::Value;
use std::hash::{BuildHasherDefault, DefaultHasher};

/// What stands between two files: no UTF-8 has it.
const SEPARATOR: u8 = 0xff;

/// The bytes of a line's checksum.
const CHECKSUM: std::ops::Range<usize> = 6..14;

/// Opens the files in `data`, of which the first byte says whether their
/// checksums are made right first: nothing else would get past them.
pub fn run(data: &[u8]) {
    let Some((mend, rest)) = data.split_first() else {
        return;
    };
    let files = MemoryFiles::default();
    for (number, bytes) in rest.split(|byte| *byte == SEPARATOR).enumerate() {
        let bytes = if mend % 2 == 1 {
            mended(bytes)
        } else {
            bytes.to_vec()
        };
        let name = if memchr::memmem::find(&bytes, b"\"checkpoint\":").is_some() {
            format!("checkpoint-{number:016}.jsonl")
        } else {
            format!("{:08}.jsonl", number + 1)
        };
        let written = files
            .create(&name)
            .and_then(|mut file| file.write_at(0, &bytes));
        written.expect("memory takes it");
    }
    // Whatever is there, this must end, and say something.
    kv_engine::log::verify::verify(
        &files,
        <[BuildHasherDefault<DefaultHasher>; 2]>::default(),
        |_, _| {},
    )
    .ok();
    let (mut store, report) = match Store::open(files.clone(), Options::default()) {
        Ok(opened) => opened,
        Err(OpenError::Damage(damage)) => {
            assert!(!damage.reason.is_empty());
            return;
        }
        Err(OpenError::Files(_) | OpenError::Format { .. }) => return,
    };
    let mut replies = Vec::new();
    let read =
        b"{\"type\":\"list\",\"values\":true}\n{\"type\":\"changes\"}\n{\"type\":\"backup\"}\n";
    let outcome = store.handle(read, 0, &mut replies);
    assert_eq!(outcome, Outcome::Serving);
    assert!(parse(b"{}").operation.is_err());
    if report.version >= (1 << 53) - 2 {
        return;
    }
    replies.clear();
    let put = b"{\"type\":\"put\",\"key\":\"new\",\"value\":1}\n";
    if store.handle(put, 0, &mut replies) == Outcome::Finished {
        return;
    }
    // Values whose time was up have ended before: that is a change of each.
    let version = stored_version(&replies);
    assert!(version.is_none_or(|version| version > report.version));
    drop(store);
    let opened = Store::open(files, Options::default());
    let (_, again) = opened.expect("it opens again");
    match version {
        Some(version) => assert_eq!(again.version, version),
        None => assert!(again.version >= report.version),
    }
}

/// The version that a put was given.
fn stored_version(reply: &[u8]) -> Option<u64> {
    let reply: Value = serde_json::from_slice(reply).expect("a reply is JSON");
    let is_stored = reply["status"] == "ok";
    is_stored.then(|| reply["version"].as_u64().expect("a put has its version"))
}

/// The same lines, with the checksums that they should have.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let mut mended = Vec::with_capacity(bytes.len());
    let mut checksum = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let start = mended.len();
        mended.extend_from_slice(line);
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        if text.len() > 16 && text.starts_with(b"{\"c\":\"") {
            checksum = kv_engine::log::record::checksum_of(checksum, &text[16..]);
            let digits = format!("{checksum:08x}");
            mended[start..][CHECKSUM].copy_from_slice(digits.as_bytes());
        }
    }
    mended
}
