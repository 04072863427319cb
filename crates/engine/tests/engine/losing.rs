//! What a repair tells of changes that are lost, with the help of a checkpoint.

use crate::common::*;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::files::{FileErrorKind, Files};
use kv_engine::log::repair::{LostChange, repair};
use kv_engine::log::verify::verify;
use kv_engine::{OpenError, Options};
use std::collections::BTreeMap;

/// Three segments and more of keys that are written once, and checkpoints.
fn written() -> MemoryFiles {
    let files = MemoryFiles::default();
    let options = Options {
        segment_bytes_max: 700,
        checkpoint_interval_bytes: 1,
        ..Options::default()
    };
    let (mut store, _) = open_with(&files, options);
    for number in 0..40 {
        put(&mut store, &format!("k{number:02}"), "1");
    }
    files
}

/// What is told as lost where these keys are, which lie at these versions.
fn lost(versions: impl Iterator<Item = u64>) -> Vec<LostChange> {
    let change = |version| LostChange {
        key: format!("k{:02}", version - 1),
        version: Some(version),
        now: None,
        proven: true,
    };
    versions.map(change).collect()
}

/// The versions of the changes in a segment's text.
fn versions(text: &str) -> impl Iterator<Item = u64> {
    let changes = text.lines().filter(|line| line.contains("\"put\""));
    changes.map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["v"].as_u64().unwrap()
    })
}

#[test]
fn a_checkpoint_tells_what_a_missing_segment_held() {
    let files = written();
    let text = String::from_utf8(bytes_of(&files, "00000002.jsonl")).unwrap();
    files.remove("00000002.jsonl").unwrap();
    let report = repair(&files, &MemoryFiles::default(), TIME_MS).unwrap();
    assert_eq!(report.keys, lost(versions(&text)));
    assert_eq!(report.versions_lost, versions(&text).count() as u64);
}

#[test]
fn and_what_lay_behind_the_place_where_one_is_cut() {
    let whole = written();
    let text = String::from_utf8(bytes_of(&whole, "00000002.jsonl")).unwrap();
    let ends = text.match_indices('\n').map(|(place, _)| place + 1);
    for cut in ends.filter(|cut| *cut < text.len()) {
        let files = written();
        replace(&files, "00000002.jsonl", &text.as_bytes()[..cut]);
        let report = repair(&files, &MemoryFiles::default(), TIME_MS).unwrap();
        assert_eq!(report.keys, lost(versions(&text[cut..])), "cut at {cut}");
        assert_eq!(report.damage[0].byte, cut as u64);
        let count = versions(&text[cut..]).count() as u64;
        assert_eq!(report.versions_lost, count, "cut at {cut}");
        let found = verify(&files, secrets(), |_, _| {}).unwrap();
        assert!(found.damage.is_empty(), "cut at {cut}: {found:?}");
    }
}

#[test]
fn a_replacement_that_no_header_seals_is_not_put_in_place() {
    let files = written();
    let text = String::from_utf8(bytes_of(&files, "00000002.jsonl")).unwrap();
    let key = text.find("\"k1").unwrap() + 1;
    // As long as the segment, and of another that is cut.
    let mut changed = text.clone().into_bytes();
    changed[key] = b'K';
    for replacement in [&changed[..], &text.as_bytes()[..text.len() / 2]] {
        let files = written();
        replace(&files, "00000002.jsonl", &changed);
        replace(&files, "repair-00000002.jsonl", replacement);
        let report = repair(&files, &MemoryFiles::default(), TIME_MS).unwrap();
        assert_eq!(report.finished, Vec::<String>::new());
        assert_eq!((report.damage.len(), report.versions_lost), (1, 1));
    }
    // One that a header seals is.
    let files = written();
    replace(&files, "00000002.jsonl", &changed);
    replace(&files, "repair-00000002.jsonl", text.as_bytes());
    let report = repair(&files, &MemoryFiles::default(), TIME_MS).unwrap();
    assert_eq!(report.finished, ["00000002.jsonl"]);
    assert_eq!((report.damage.len(), report.versions_lost), (0, 0));
    assert_eq!(bytes_of(&files, "00000002.jsonl"), text.as_bytes());
}

#[test]
fn a_key_goes_back_to_an_older_version_and_that_is_told() {
    let files = MemoryFiles::default();
    let options = Options {
        checkpoint_interval_bytes: 1,
        ..Options::default()
    };
    let (mut store, _) = open_with(&files, options);
    for value in ["1", "2", "3"] {
        put(&mut store, "a", value);
        put(&mut store, "b", value);
    }
    for _ in 0..9 {
        put(&mut store, "c", "1");
    }
    let text = String::from_utf8(bytes_of(&files, "00000001.jsonl")).unwrap();
    let damaged = text.replace(r#""put":{"a":3}"#, r#""put":{"a":4}"#);
    assert_ne!(text, damaged);
    replace(&files, "00000001.jsonl", damaged.as_bytes());
    let report = repair(&files, &MemoryFiles::default(), TIME_MS).unwrap();
    let expected = LostChange {
        key: "a".to_owned(),
        version: Some(5),
        now: Some(3),
        proven: true,
    };
    assert_eq!(report.keys, [expected]);
    assert_eq!(get(&mut open(&files), "a").as_deref(), Ok("2"));
}

#[test]
fn lines_of_a_repaired_segment_tell_where_their_batch_begins() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    let mut changes = 0;
    for size in [1, 3, 2, 4, 1, 5] {
        let events: Vec<_> = (0..size)
            .map(|_| {
                changes += 1;
                put_event(&format!("k{changes:02}"), "1")
            })
            .collect();
        let events: Vec<_> = events.iter().map(String::as_str).collect();
        assert!(
            say_all(&mut store, &events)
                .0
                .iter()
                .all(|reply| code_in(reply) == "ok")
        );
    }
    let text = String::from_utf8(bytes_of(&files, "00000001.jsonl")).unwrap();
    for change in 1..=changes {
        let files = MemoryFiles::default();
        let damaged = text.replace(&format!("k{change:02}"), "k??");
        replace(&files, "00000001.jsonl", damaged.as_bytes());
        repair(&files, &MemoryFiles::default(), TIME_MS).unwrap();
        let repaired = String::from_utf8(bytes_of(&files, "00000001.jsonl")).unwrap();
        let (mut offset, mut begun, mut behind, mut batches) = (0, 0, 0, 0);
        for line in repaired.split_inclusive('\n') {
            let told: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(bytes) = told["b"].as_u64() {
                assert_eq!(bytes, offset - begun, "change {change}: {line}");
                behind += 1;
            } else {
                begun = offset;
                batches += 1;
            }
            offset += line.len() as u64;
        }
        assert!(behind > 5, "{repaired}");
        // The header is one; the batch of the damaged line may be lost.
        assert!(batches >= 6, "{repaired}");
    }
}

#[test]
fn a_damaged_last_line_has_had_a_version() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    for key in ["a", "b", "c"] {
        put(&mut store, key, "1");
    }
    let text = String::from_utf8(bytes_of(&files, "00000001.jsonl")).unwrap();
    replace(
        &files,
        "00000001.jsonl",
        text.replace("\"c\":1", "\"c\":2").as_bytes(),
    );
    let report = repair(&files, &MemoryFiles::default(), TIME_MS).unwrap();
    assert_eq!((report.damage.len(), report.versions_lost), (1, 1));
    assert!(put(&mut open(&files), "d", "1").contains("\"version\":4"));
}

#[test]
fn a_full_disk_is_told_as_such() {
    let files = written();
    files.remove("00000002.jsonl").unwrap();
    let faulty = FaultyFiles::new();
    for name in files.list().unwrap() {
        replace(&faulty, &name, &bytes_of(&files, &name));
    }
    faulty.fault.set(Fault::Create);
    let lost = FaultyFiles::new();
    let error = repair(&faulty, &lost, TIME_MS).err().unwrap();
    assert!(matches!(error, OpenError::Files(e) if e.kind == FileErrorKind::NoSpace));
    faulty.fault.set(Fault::None);
    assert!(repair(&faulty, &lost, TIME_MS).is_ok());
}

/// The lines of changes that a later segment has as well: their file and text.
fn in_two_segments(files: &MemoryFiles) -> Vec<(String, String)> {
    let mut names = files.list().unwrap();
    names.retain(|name| !name.starts_with("checkpoint-"));
    names.sort();
    let mut seen: BTreeMap<u64, (String, String)> = BTreeMap::new();
    let mut found = Vec::new();
    for name in names {
        let text = String::from_utf8(bytes_of(files, &name)).unwrap();
        for line in text.lines().filter(|line| line.contains("\"put\"")) {
            let told: serde_json::Value = serde_json::from_str(line).unwrap();
            let copied = told.get("copy").unwrap_or(&told["v"]);
            let version = copied.as_u64().unwrap();
            let first = seen.insert(version, (name.clone(), line.to_owned()));
            found.extend(first.filter(|(earlier, _)| *earlier != name));
        }
    }
    found
}

#[test]
fn a_key_whose_line_was_copied_by_compaction_has_provably_lost_nothing() {
    let files = MemoryFiles::default();
    let options = Options {
        segment_bytes_max: 700,
        checkpoint_interval_bytes: 3000,
        ..Options::default()
    };
    let (mut store, _) = open_with(&files, options);
    for number in 0..20 {
        put(&mut store, &format!("k{number:02}"), "1");
    }
    let mut copied = 0;
    for step in 0..400 {
        put(&mut store, &format!("k{:02}", 10 + step % 10), "2");
        for (name, line) in in_two_segments(&files) {
            let files = copy(&files);
            let text = String::from_utf8(bytes_of(&files, &name)).unwrap();
            let damaged = line.replace(":1}", ":3}");
            replace(&files, &name, text.replace(&line, &damaged).as_bytes());
            let report = repair(&files, &MemoryFiles::default(), TIME_MS).unwrap();
            let proven = report.keys.iter().any(|change| change.proven);
            assert!(!proven, "step {step}, {line}: {report:?}");
            copied += usize::from(!report.damage.is_empty());
        }
    }
    assert!(copied > 10, "{copied}");
}
