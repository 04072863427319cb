//! What a restore tells while it goes on, and how it shares lines between segments.

use crate::common::*;
use kv_engine::files::memory::{MemoryFile, MemoryFiles};
use kv_engine::files::{File, Files};
use kv_engine::log::record::{self, Change};
use kv_engine::log::restore::restore;
use std::borrow::Cow;

/// So many changes behind a version, as a backup's text.
fn backup(since: u64, changes: u64, value: &str) -> String {
    let mut text = Vec::new();
    let mut checksum = record::write_backup_begin(&mut text, TIME_MS, since, since);
    for version in since + 1..=since + changes {
        let change = Change::Put {
            key: Cow::Owned(format!("k{version}")),
            value: Cow::Borrowed(value),
            expires_ms: None,
        };
        let mut line = Vec::new();
        checksum = record::write_changes(&mut line, checksum, TIME_MS, version, None, &[change]);
        text.extend_from_slice(&line);
    }
    let mut line = Vec::new();
    record::write_backup_end(&mut line, checksum, TIME_MS, since + changes, changes + 1);
    text.extend_from_slice(&line);
    String::from_utf8(text).unwrap()
}

fn file(text: &str) -> MemoryFile {
    let mut file = MemoryFiles::default().create("backup").unwrap();
    file.write_at(0, text.as_bytes()).unwrap();
    file
}

#[test]
fn progress_is_told_with_every_1024th_line() {
    let texts = [backup(0, 2500, "1"), backup(2500, 1100, "\"more\"")];
    let backups: Vec<_> = texts.iter().map(|text| ("b", file(text))).collect();
    let mut told = Vec::new();
    let to = MemoryFiles::default();
    let restored = restore(&backups, &to, TIME_MS, 1 << 20, |done, total| {
        told.push((done, total));
    });
    let restored = restored.unwrap();
    // All is read twice: to be checked, then to be written.
    let bytes = texts.iter().map(String::len).sum::<usize>() as u64;
    let mut expected = Vec::new();
    let mut before = 0;
    for text in texts.iter().chain(&texts) {
        let mut offset = before;
        for (place, line) in text.split_inclusive('\n').enumerate() {
            if (place + 1) % 1024 == 0 {
                expected.push((offset, 2 * bytes));
            }
            offset += line.len() as u64;
        }
        before += text.len() as u64;
    }
    assert_eq!(told, expected);
    assert_eq!(
        (restored.version, restored.lines, restored.bytes),
        (3600, 3602, bytes)
    );
}

#[test]
fn a_refusal_names_the_file_and_the_line() {
    let text = backup(0, 9, "1").replacen("\"k4\"", "\"K4\"", 1);
    let to = MemoryFiles::default();
    let backups = [("monday.backup", file(&text))];
    let error = restore(&backups, &to, TIME_MS, 1 << 20, |_, _| {}).unwrap_err();
    assert!(
        error.to_string().contains("monday.backup, line 5,"),
        "{error}"
    );
}

#[test]
fn a_segment_takes_no_further_line_once_it_is_full() {
    let text = backup(0, 3000, &quoted(&"x".repeat(1000)));
    for segment_bytes_max in [100_000, 1_500_000] {
        let to = MemoryFiles::default();
        let backups = [("b", file(&text))];
        let restored = restore(&backups, &to, TIME_MS, segment_bytes_max, |_, _| {}).unwrap();
        let mut names = to.list().unwrap();
        names.sort();
        assert_eq!(restored.segments, names.len());
        let newest = names.pop().unwrap();
        for name in names {
            let bytes = bytes_of(&to, &name);
            let last = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n');
            let without_last = last.unwrap() as u64 + 1;
            assert!(bytes.len() as u64 >= segment_bytes_max, "{name}");
            assert!(without_last < segment_bytes_max, "{name}");
        }
        assert!((bytes_of(&to, &newest).len() as u64) < segment_bytes_max + 1200);
        assert_eq!(get(&mut open(&to), "k2999"), Ok(quoted(&"x".repeat(1000))));
    }
}

#[test]
fn lines_are_written_many_at_once() {
    let text = backup(0, 3000, &quoted(&"x".repeat(1000)));
    // A segment is created, written in pieces of a megabyte, and synced.
    let to = StoppingFiles::new(MemoryFiles::default(), 20);
    restore(&[("b", file(&text))], &to, TIME_MS, 1 << 30, |_, _| {}).unwrap();
}
