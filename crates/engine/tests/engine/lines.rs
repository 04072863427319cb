//! Lines of a log whose checksums hold, and which say what no writer writes.

use crate::common::*;
use kv_engine::content;
use kv_engine::files::File;
use kv_engine::files::Files;
use kv_engine::files::memory::{MemoryFile, MemoryFiles};
use kv_engine::log::line::Line;
use kv_engine::log::record::{self, Change};
use kv_engine::log::restore::{RestoreError, restore};
use kv_engine::log::verify::verify;
use kv_engine::{OpenError, Options, Store};
use std::borrow::Cow;
use std::collections::BTreeSet;

const EXPIRES: (&str, &str) = ("expires", "5");
const PUT: (&str, &str) = ("put", r#"{"a":1}"#);
const DELETE: (&str, &str) = ("delete", r#""a""#);
const EXPIRE: (&str, &str) = ("expire", r#""a""#);
const CONTENT: (&str, &str) = (
    "content",
    r#"{"356a192b7913b04c54574d18c28d46e6395428ab":1}"#,
);
const BATCH: (&str, &str) = ("batch", r#"[{"put":{"a":1}},{"delete":"b"}]"#);
const LOST: (&str, &str) = ("lost", "1");

/// Every choice among members, with those chosen as the members of an object.
fn choices<'a>(members: &[(&'a str, &str)]) -> Vec<(Vec<&'a str>, String)> {
    (0..1_u32 << members.len())
        .map(|choice| {
            let chosen = members.iter().enumerate();
            let chosen = chosen.filter(|(place, _)| choice >> place & 1 == 1);
            let chosen: Vec<_> = chosen.map(|(_, member)| member).collect();
            let texts: Vec<_> = chosen
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            let names = chosen.iter().map(|(name, _)| *name).collect();
            (names, texts.join(","))
        })
        .collect()
}

#[test]
fn a_line_has_exactly_one_operation() {
    let valid: [&[&str]; 7] = [
        &["put"],
        &["expires", "put"],
        &["delete"],
        &["expire"],
        &["content"],
        &["batch"],
        &["lost"],
    ];
    for (names, members) in choices(&[EXPIRES, PUT, DELETE, EXPIRE, CONTENT, BATCH, LOST]) {
        let comma = if members.is_empty() { "" } else { "," };
        let line = format!(r#"{{"c":"00000000","t":1,"v":1{comma}{members}}}"#);
        let read = Line::read(line.as_bytes()).and_then(Line::changes);
        assert_eq!(read.is_ok(), valid.contains(&&*names), "{line}: {read:?}");
    }
}

#[test]
fn so_has_each_part_of_a_batch() {
    let valid: [&[&str]; 4] = [&["put"], &["expires", "put"], &["delete"], &["content"]];
    for (names, members) in choices(&[EXPIRES, PUT, DELETE, CONTENT]) {
        let line = format!(r#"{{"c":"00000000","t":1,"v":1,"batch":[{{{members}}}]}}"#);
        let read = Line::read(line.as_bytes()).and_then(Line::changes);
        assert_eq!(read.is_ok(), valid.contains(&&*names), "{line}: {read:?}");
    }
}

#[test]
fn a_put_of_no_key_is_told_as_such() {
    let line = br#"{"c":"00000000","t":1,"v":1,"put":{}}"#;
    let error = Line::read(line).unwrap_err();
    assert!(
        error.contains("expected an object of one member"),
        "{error}"
    );
}

#[test]
fn the_last_version_is_used_and_none_behind_it() {
    const LAST: u64 = 9_007_199_254_740_991;
    let files = MemoryFiles::default();
    let mut log = Vec::new();
    record::write_header(&mut log, TIME_MS, LAST - 2, 1, &[]);
    replace(&files, "00000001.jsonl", &log);
    let mut store = open(&files);
    for version in [LAST - 1, LAST] {
        let reply = put(&mut store, "a", &version.to_string());
        assert!(reply.contains(&format!("\"version\":{version}")), "{reply}");
    }
    for mut store in [store, open(&files)] {
        assert_eq!(code_in(&put(&mut store, "a", "1")), "storage");
        assert_eq!(get(&mut store, "a"), Ok(LAST.to_string()));
    }
}

/// The change that stores content under a hash, or under another.
fn stored(text: &str, is_true: bool) -> Change<'_> {
    let (mut hash, _) = content::address(text).unwrap();
    hash[7] ^= u8::from(!is_true);
    Change::Content {
        hash,
        content: Cow::Borrowed(text),
    }
}

#[test]
fn content_under_another_hash_is_found_and_not_restored() {
    for is_true in [true, false] {
        let mut log = Vec::new();
        let checksum = record::write_header(&mut log, TIME_MS, 0, 1, &[]);
        let change = [stored("[1]", is_true)];
        record::write_changes(&mut log, checksum, TIME_MS, 1, None, &change);
        let files = MemoryFiles::default();
        replace(&files, "00000001.jsonl", &log);
        let found = verify(&files, secrets(), |_, _| {}).unwrap();
        let lines: Vec<_> = found.damage.iter().map(|damage| damage.line).collect();
        assert_eq!(lines, if is_true { vec![] } else { vec![2] });

        let backup = backup_of(&change);
        let to = MemoryFiles::default();
        let restored = restore(&[("b", backup)], &to, TIME_MS, 1 << 20, |_, _| {});
        if is_true {
            assert_eq!(restored.unwrap().version, 1);
        } else {
            assert!(matches!(restored, Err(RestoreError::Damage(damage)) if damage.line == 2));
            assert!(to.list().unwrap().is_empty());
        }
    }
}

/// A backup of one line of changes.
fn backup_of(changes: &[Change<'_>]) -> MemoryFile {
    let mut lines = [Vec::new(), Vec::new(), Vec::new()];
    let checksum = record::write_backup_begin(&mut lines[0], TIME_MS, 0, 0);
    let checksum = record::write_changes(&mut lines[1], checksum, TIME_MS, 1, None, changes);
    record::write_backup_end(&mut lines[2], checksum, TIME_MS, 1, 2);
    let mut file = MemoryFiles::default().create("backup").unwrap();
    file.write_at(0, &lines.concat()).unwrap();
    file
}

#[test]
fn a_header_within_a_backup_is_damage() {
    let change = [Change::Put {
        key: "a".into(),
        value: "1".into(),
        expires_ms: None,
    }];
    for has_header in [false, true] {
        let mut text = Vec::new();
        let checksum = record::write_backup_begin(&mut text, TIME_MS, 0, 0);
        let mut line = Vec::new();
        let mut checksum = record::write_changes(&mut line, checksum, TIME_MS, 1, None, &change);
        text.append(&mut line);
        if has_header {
            // As it stands in a log, but for the line that it follows.
            record::write_header(&mut line, TIME_MS, 1, 1, &[]);
            let rest = &line[record::PREFIX_BYTES..line.len() - 1];
            checksum = record::checksum_of(checksum, rest);
            text.extend_from_slice(format!("{{\"c\":\"{checksum:08x}\",").as_bytes());
            text.extend_from_slice(&line.split_off(record::PREFIX_BYTES));
        }
        line.clear();
        record::write_backup_end(&mut line, checksum, TIME_MS, 1, 2 + u64::from(has_header));
        text.append(&mut line);
        let mut backup = MemoryFiles::default().create("backup").unwrap();
        backup.write_at(0, &text).unwrap();
        let to = MemoryFiles::default();
        let restored = restore(&[("b", backup)], &to, TIME_MS, 1 << 20, |_, _| {});
        if has_header {
            assert!(matches!(restored, Err(RestoreError::Damage(damage)) if damage.line == 3));
        } else {
            assert_eq!(restored.unwrap().version, 1);
        }
    }
}

#[test]
fn a_version_that_is_left_out_of_a_backup_is_damage() {
    let change = [Change::Delete { key: "a".into() }];
    for version in [1, 2] {
        let mut lines = [Vec::new(), Vec::new(), Vec::new()];
        let checksum = record::write_backup_begin(&mut lines[0], TIME_MS, 0, 0);
        let checksum =
            record::write_changes(&mut lines[1], checksum, TIME_MS, version, None, &change);
        record::write_backup_end(&mut lines[2], checksum, TIME_MS, version, 2);
        let mut backup = MemoryFiles::default().create("backup").unwrap();
        backup.write_at(0, &lines.concat()).unwrap();
        let to = MemoryFiles::default();
        let restored = restore(&[("b", backup)], &to, TIME_MS, 1 << 20, |_, _| {});
        if version == 1 {
            assert_eq!(restored.unwrap().version, 1);
        } else {
            assert!(matches!(restored, Err(RestoreError::Damage(damage)) if damage.line == 2));
        }
    }
}

#[test]
fn what_is_torn_is_counted_to_the_byte() {
    let files = MemoryFiles::default();
    put(&mut open(&files), "a", "1");
    let whole = bytes_of(&files, "00000001.jsonl");
    for torn in [0, 1, 7, 300] {
        let tail = vec![b'x'; torn];
        replace(&files, "00000001.jsonl", &[&whole[..], &tail].concat());
        let found = verify(&files, secrets(), |_, _| {}).unwrap();
        assert!(found.damage.is_empty(), "{found:?}");
        assert_eq!(found.torn_bytes, torn as u64);
        let (_, report) = Store::open(files.clone(), Options::default()).unwrap();
        let told: Vec<_> = report.torn.iter().map(|torn| torn.bytes).collect();
        assert_eq!(told, if torn == 0 { vec![] } else { vec![torn as u64] });
    }
}

#[test]
fn a_verification_tells_how_far_it_is_and_what_it_could_not_read() {
    let files = FaultyFiles::new();
    for value in ["1", "2", "3"] {
        put(&mut open(&files), value, value);
    }
    let mut names = files.list().unwrap();
    names.sort();
    let lengths = names.iter().map(|name| bytes_of(&files, name).len() as u64);
    let lengths: Vec<u64> = lengths.collect();
    let total: u64 = lengths.iter().sum();
    let mut told = Vec::new();
    let found = verify(&files, secrets(), |done, total| told.push((done, total))).unwrap();
    let (first, second) = (lengths[0], lengths[0] + lengths[1]);
    assert_eq!(told, [(first, total), (second, total), (total, total)]);
    assert_eq!((found.bytes, found.segments, found.lines), (total, 3, 6));
    // A disk that refuses is no damage.
    files.fault.set(Fault::Open);
    assert!(matches!(
        verify(&files, secrets(), |_, _| {}),
        Err(OpenError::Files(_))
    ));
}

/// Keys come and go in any order, close together and far apart; and where the log is
/// compacted, some are deleted in it that it knows nothing else of.
#[test]
fn verify_counts_what_is_there() {
    let mut random = fastrand::Rng::with_seed(7);
    for changes in [0, 1, 1023, 1024, 1025, 5000] {
        let options = Options {
            segment_bytes_max: 2000,
            ..Options::default()
        };
        let files = MemoryFiles::default();
        let (mut store, _) = open_with(&files, options);
        let (mut keys, mut contents) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..changes {
            let number = random.u32(..600);
            match random.u32(..5) {
                0..3 => {
                    put(&mut store, &format!("k{number}"), "1");
                    keys.insert(number);
                }
                3 => {
                    say(
                        &mut store,
                        &format!(r#"{{"type":"delete","key":"k{number}"}}"#),
                    );
                    keys.remove(&number);
                }
                _ => {
                    let event = format!(r#"{{"type":"store_content","content":{number}}}"#);
                    say(&mut store, &event);
                    contents.insert(number);
                }
            }
        }
        let found = verify(&files, secrets(), |_, _| {}).unwrap();
        assert_eq!((found.keys, found.contents), (keys.len(), contents.len()));
    }
}
