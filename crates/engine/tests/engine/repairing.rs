//! Verify finds all that is damaged; repair sets it aside and keeps all the rest.

use crate::common::*;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::log::repair::{Repaired, repair};
use kv_engine::log::verify::{Verified, verify};
use kv_engine::{Options, Store};
use std::collections::BTreeMap;

fn small() -> Options {
    Options {
        segment_bytes_max: 700,
        ..Options::default()
    }
}

/// Three segments: keys that are written twice, once, and deleted; content.
fn written() -> MemoryFiles {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(
        &files,
        Options {
            segment_bytes_max: 600,
            ..small()
        },
    );
    for step in 0..18 {
        put(
            &mut store,
            &format!("k{}", step % 13),
            &format!("\"value {step}\""),
        );
    }
    say(&mut store, r#"{"type":"delete","key":"k8"}"#);
    say(
        &mut store,
        r#"{"type":"store_content","content":{"some":"content"}}"#,
    );
    put(&mut store, "last", "1");
    files
}

fn verified(files: &MemoryFiles) -> Verified {
    verify(files, secrets(), |_, _| {}).unwrap()
}

fn repaired(files: &MemoryFiles) -> (Repaired, MemoryFiles) {
    let lost = MemoryFiles::default();
    (repair(files, &lost, TIME_MS).unwrap(), lost)
}

/// Every key's reply: value and version.
fn state(store: &mut Store<MemoryFiles>) -> BTreeMap<String, String> {
    let mut keys: Vec<_> = (0..13).map(|number| format!("k{number}")).collect();
    keys.push("last".to_owned());
    keys.into_iter()
        .map(|key| (say(store, &get_event(&key)), key))
        .map(|(reply, key)| (key, reply))
        .collect()
}

fn segments(files: &MemoryFiles) -> Vec<String> {
    let mut names = files.list().unwrap();
    names.sort();
    names
}

#[test]
fn a_whole_log_is_whole_and_repair_leaves_it_alone() {
    let files = written();
    let found = verified(&files);
    assert!(found.damage.is_empty(), "{found:?}");
    assert_eq!((found.keys, found.contents, found.version), (13, 1, 21));
    assert!(found.segments >= 3 && found.lines > 21, "{found:?}");
    let before: Vec<_> = segments(&files)
        .iter()
        .map(|name| bytes_of(&files, name))
        .collect();
    let (report, lost) = repaired(&files);
    assert!(report.damage.is_empty() && lost.list().unwrap().is_empty());
    let after: Vec<_> = segments(&files)
        .iter()
        .map(|name| bytes_of(&files, name))
        .collect();
    assert!(before == after);
}

#[test]
fn every_flipped_bit_is_found_and_costs_no_more_than_the_lines_it_hits() {
    let files = written();
    let whole = state(&mut open_with(&files, small()).0);
    for name in segments(&files) {
        let bytes = bytes_of(&files, &name);
        for place in 0..bytes.len() {
            let files = copy(&files);
            let mut changed = bytes.clone();
            changed[place] ^= 1 << (place % 8);
            replace(&files, &name, &changed);
            let found = verified(&files);
            let context = format!("{name}, byte {place}: {found:?}");
            if found.damage.is_empty() {
                // What can't be told: the last batch looks torn.
                assert!(found.torn_bytes > 0, "{context}");
                continue;
            }
            let (report, lost) = repaired(&files);
            let context = format!("{context} {report:?}");
            assert!(
                verified(&files).damage.is_empty(),
                "{context} {:?}",
                verified(&files)
            );
            let (mut store, opened) = open_with(&files, small());
            assert!(opened.version >= 20, "{context}");
            let after = state(&mut store);
            let changed: Vec<_> = whole
                .iter()
                .filter(|(key, reply)| after[*key] != **reply)
                .map(|(key, _)| key.clone())
                .collect();
            // One bit hits one line, or two where it is their line feed, and the
            // one behind a header can be unproven.
            assert!(changed.len() <= 2, "{changed:?} {context}");
            assert!(report.versions_lost <= 2, "{context}");
            let only_digits = report.damage.iter().all(|damage| damage.only_checksum);
            assert_eq!(lost.list().unwrap().is_empty(), only_digits, "{context}");
            if only_digits {
                assert!(changed.is_empty() && report.versions_lost == 0, "{context}");
            }
            // No version comes twice.
            let reply = put(&mut store, "new", "1");
            assert!(reply.contains(&format!("\"version\":{}", opened.version + 1)));
        }
    }
}

#[test]
fn what_was_lost_is_told_and_set_aside() {
    let files = written();
    let name = "00000001.jsonl";
    let bytes = bytes_of(&files, name);
    let text = String::from_utf8(bytes.clone()).unwrap();
    let place = text.find("value 2").unwrap();
    let mut damaged = bytes.clone();
    damaged[place] = b'V';
    replace(&files, name, &damaged);
    let error = Store::open(files.clone(), small()).err().unwrap();
    assert!(error.to_string().contains("kv-actor repair"), "{error}");
    let (report, lost) = repaired(&files);
    assert_eq!(report.damage.len(), 1);
    let damage = &report.damage[0];
    assert_eq!((damage.file.as_str(), damage.line), (name, 4));
    assert_eq!(
        (damage.keys.first().map(String::as_str), damage.version),
        (Some("k2"), Some(3))
    );
    // It was overwritten later: the key has lost nothing but history.
    assert_eq!(report.keys[0].now, Some(16));
    assert_eq!(report.versions_lost, 1);
    let aside = lost.list().unwrap();
    assert_eq!(aside, [format!("00000001-{}.jsonl", damage.byte)]);
    let line = bytes_of(&lost, &aside[0]);
    assert!(String::from_utf8(line).unwrap().contains("Value 2"));
}

#[test]
fn segments_that_are_missing_cut_or_without_a_header_are_repaired() {
    let damages: [fn(&MemoryFiles); 6] = [
        |files| files.remove("00000001.jsonl").unwrap(),
        |files| files.remove("00000002.jsonl").unwrap(),
        |files| {
            let bytes = bytes_of(files, "00000002.jsonl");
            replace(files, "00000002.jsonl", &bytes[..bytes.len() / 2]);
        },
        |files| {
            let mut bytes = bytes_of(files, "00000002.jsonl");
            bytes[30] ^= 1;
            replace(files, "00000002.jsonl", &bytes);
        },
        // A line is gone, another is there twice.
        |files| {
            let text = String::from_utf8(bytes_of(files, "00000001.jsonl")).unwrap();
            let mut lines: Vec<_> = text.split_inclusive('\n').collect();
            lines.remove(3);
            replace(files, "00000001.jsonl", lines.concat().as_bytes());
        },
        |files| {
            let text = String::from_utf8(bytes_of(files, "00000001.jsonl")).unwrap();
            let mut lines: Vec<_> = text.split_inclusive('\n').collect();
            lines.swap(2, 3);
            replace(files, "00000001.jsonl", lines.concat().as_bytes());
        },
    ];
    for (number, damage) in damages.iter().enumerate() {
        let files = written();
        damage(&files);
        assert!(Store::open(files.clone(), small()).is_err(), "{number}");
        assert!(!verified(&files).damage.is_empty(), "{number}");
        let (report, _) = repaired(&files);
        // A header alone holds no change.
        assert_eq!(
            report.versions_lost > 0,
            number != 3,
            "{number}: {report:?}"
        );
        let found = verified(&files);
        assert!(found.damage.is_empty(), "{number}: {found:?}");
        let (mut store, opened) = open_with(&files, small());
        assert_eq!(opened.version, 21, "{number}");
        assert_eq!(get(&mut store, "last").as_deref(), Ok("1"), "{number}");
    }
}

#[test]
fn a_repair_that_ends_anywhere_can_be_run_again() {
    let damaged = written();
    for name in ["00000001.jsonl", "00000002.jsonl"] {
        let mut bytes = bytes_of(&damaged, name);
        let place = bytes.len() - 10;
        bytes[place] ^= 4;
        replace(&damaged, name, &bytes);
    }
    let expected = {
        let files = copy(&damaged);
        let (report, _) = repaired(&files);
        (
            state(&mut open_with(&files, small()).0),
            report.versions_lost,
        )
    };
    let mut calls = 0;
    let mut finished = 0;
    loop {
        let files = StoppingFiles::new(copy(&damaged), calls);
        let lost = StoppingFiles::new(MemoryFiles::default(), u64::MAX);
        let done = repair(&files, &lost, TIME_MS).is_ok();
        // What is set aside already is set aside once more.
        let files = files.files;
        let report = repair(&files, &lost.files, TIME_MS).unwrap();
        // Once the header is there, the first repair is only finished.
        finished += report.finished.len();
        assert!(report.finished.is_empty() || report.damage.is_empty());
        let found = verified(&files);
        assert!(found.damage.is_empty(), "ended at call {calls}: {found:?}");
        let after = state(&mut open_with(&files, small()).0);
        assert_eq!(after, expected.0, "ended at call {calls}");
        if done {
            break;
        }
        calls += 1;
    }
    assert!(calls > 10 && finished > 2, "{calls} {finished}");
}

#[test]
fn a_short_line_that_was_put_in_is_damage_like_any_other() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    put(&mut store, "a", "1");
    put(&mut store, "b", "2");
    let bytes = bytes_of(&files, "00000001.jsonl");
    let place = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let with = [&bytes[..place], b"short\n", &bytes[place..]].concat();
    replace(&files, "00000001.jsonl", &with);
    let verified = verify(&files, secrets(), |_, _| {}).unwrap();
    assert_eq!(verified.damage.len(), 1, "{verified:?}");
    assert_eq!((verified.damage[0].line, verified.damage[0].bytes), (2, 6));
}

#[test]
fn what_was_deleted_behind_a_checkpoint_is_not_told_as_lost() {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(
        &files,
        Options {
            checkpoint_interval_bytes: 1,
            ..Options::default()
        },
    );
    for key in ["deleted", "kept", "hit"] {
        put(&mut store, key, &quoted(key));
    }
    // The checkpoint knows them all, and what follows it does not.
    let known = files.list().unwrap();
    assert!(known.iter().any(|name| name.starts_with("checkpoint-")));
    say(&mut store, r#"{"type":"delete","key":"deleted"}"#);
    put(&mut store, "behind", "1");
    drop(store);
    for name in files.list().unwrap() {
        if name.starts_with("checkpoint-") && !known.contains(&name) {
            files.remove(&name).unwrap();
        }
    }
    let name = "00000001.jsonl";
    let text = String::from_utf8(bytes_of(&files, name)).unwrap();
    let damaged = text.replace("\"put\":{\"hit\":\"hit\"}", "\"put\":{\"hit\":\"hot\"}");
    assert_ne!(text, damaged);
    replace(&files, name, damaged.as_bytes());
    let (report, _) = repaired(&files);
    let lost: Vec<_> = report.keys.iter().map(|lost| lost.key.as_str()).collect();
    assert_eq!(lost, ["hit"], "{report:?}");
    assert_eq!(report.keys[0].now, None);
}

#[test]
fn a_segment_that_is_cut_short_is_told_with_its_own_line() {
    let files = written();
    for number in [1, 2] {
        let files = copy(&files);
        let name = format!("0000000{number}.jsonl");
        let whole = bytes_of(&files, &name);
        let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        let kept = lines.len() - 1;
        replace(&files, &name, &lines[..kept].concat());
        let [damage] = &verified(&files).damage[..] else {
            panic!("one damage");
        };
        assert_eq!((&damage.file, damage.line), (&name, kept as u64 + 1));
        assert_eq!(damage.byte, (whole.len() - lines[kept].len()) as u64);
    }
}

#[test]
fn a_damaged_line_feed_costs_the_lines_beside_it_and_no_others() {
    let name = "00000001.jsonl";
    let whole = bytes_of(&written(), name);
    let ends: Vec<_> = memchr::memchr_iter(b'\n', &whole).collect();
    for line in 1..ends.len() - 1 {
        let files = written();
        let mut bytes = whole.clone();
        bytes[ends[line]] ^= 1;
        replace(&files, name, &bytes);
        let [damage] = &verified(&files).damage[..] else {
            panic!("one damage");
        };
        assert_eq!(
            (damage.line, damage.byte),
            (line as u64 + 1, ends[line - 1] as u64 + 1)
        );
        assert_eq!(damage.bytes, (ends[line + 1] - ends[line - 1]) as u64);
        let (report, _) = repaired(&files);
        assert_eq!((report.damage.len(), report.versions_lost), (1, 2));
    }
}

#[test]
fn a_segment_that_cannot_be_opened_is_not_taken_for_one_that_is_missing() {
    let damaged = written();
    let mut bytes = bytes_of(&damaged, "00000001.jsonl");
    let place = bytes.len() - 10;
    bytes[place] ^= 4;
    replace(&damaged, "00000001.jsonl", &bytes);
    let files = copy(&damaged);
    let (expected, _) = repaired(&files);
    let expected_state = state(&mut open_with(&files, small()).0);
    for opens in 0.. {
        let faulty = FaultyFiles {
            files: copy(&damaged),
            ..FaultyFiles::new()
        };
        faulty.fault.set(Fault::OpenAfter(opens));
        let lost = FaultyFiles::new();
        let first = repair(&faulty, &lost, TIME_MS);
        faulty.fault.set(Fault::None);
        let is_done = first.is_ok();
        let report = first.or_else(|_| repair(&faulty, &lost, TIME_MS)).unwrap();
        assert_eq!(report.versions_lost, expected.versions_lost, "{opens}");
        assert_eq!(report.damage.len(), 1, "{opens}");
        assert_eq!(lost.files.list().unwrap().len(), 1, "{opens}");
        let after = state(&mut open_with(&faulty.files, small()).0);
        assert_eq!(after, expected_state, "{opens}");
        if is_done {
            // The verification before it opens it as well.
            assert!(opens > 2);
            break;
        }
    }
}

#[test]
fn the_reason_tells_a_line_without_an_end_from_one_that_is_changed() {
    let name = "00000001.jsonl";
    let whole = bytes_of(&written(), name);
    let reason = |bytes: &[u8]| {
        let files = written();
        replace(&files, name, bytes);
        verified(&files).damage[0].reason.clone()
    };
    assert_eq!(
        reason(&whole[..whole.len() - 5]),
        "the line has no end",
        "cut"
    );
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    let changed = reason(&changed);
    assert!(changed.contains("checksum"), "{changed}");
}
