//! What a repair tells of changes that are lost, with the help of a checkpoint.

use crate::common::*;
use kv_engine::Options;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::log::repair::{LostChange, repair};

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
    }
}
