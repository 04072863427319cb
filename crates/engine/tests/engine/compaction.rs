//! Compaction: the log stays short, and nothing changes but that.

use crate::common::*;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::log::compaction::{BATCH_FACTOR, SLICE_BYTES_MIN, is_due};
use kv_engine::{Options, Store};
use std::collections::BTreeMap;

const SEGMENT_BYTES: u64 = 4096;

fn small() -> Options {
    Options {
        segment_bytes_max: SEGMENT_BYTES,
        cache_bytes_max: 0,
        ..Options::default()
    }
}

/// The bytes of all segments on disk.
fn log_bytes(files: &MemoryFiles) -> u64 {
    let names = files.list().unwrap();
    let segments = names.iter().filter(|name| !name.starts_with("checkpoint-"));
    segments
        .map(|name| lines_of(files, name).len() as u64)
        .sum()
}

/// A repeatable order without a pattern.
fn shuffled(step: u64, modulus: u64) -> u64 {
    step.wrapping_mul(6_364_136_223_846_793_005).rotate_left(29) % modulus
}

#[test]
fn the_log_stays_below_twice_what_is_live_and_two_segments() {
    for (keys, value_bytes) in [(1, 10), (10, 100), (200, 100), (40, 3000), (1000, 10)] {
        let files = MemoryFiles::default();
        let (mut store, _) = open_with(&files, small());
        let mut model = BTreeMap::new();
        let value = "x".repeat(value_bytes);
        // What one line takes, at most.
        let line_bytes = value_bytes as u64 + 100;
        for step in 0..(20 * keys).max(2000) {
            let key = format!("key-{}", shuffled(step, keys));
            let version = step + 1;
            put(&mut store, &key, &quoted(&format!("{version}{value}")));
            model.insert(key, version);
            let live = model.len() as u64 * line_bytes;
            let bound = 2 * live + 2 * SEGMENT_BYTES + 5 * line_bytes;
            let found = log_bytes(&files);
            assert!(
                found <= bound,
                "{keys} keys, step {step}: {found} > {bound}"
            );
        }
        assert!(store.damage().is_none());
        let (mut store, report) = open_with(&files, small());
        assert_eq!(report.keys, model.len());
        for (key, version) in &model {
            let reply = say(&mut store, &get_event(key));
            let expected = format!(
                r#"{{"status":"ok","key":"{key}","value":"{version}{value}","version":{version}}}"#
            );
            assert_eq!(reply, expected);
        }
    }
}

#[test]
fn what_is_deleted_leaves_for_good() {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, small());
    put(&mut store, "kept", "1");
    for round in 0..1000 {
        put(
            &mut store,
            &format!("gone-{round}"),
            &quoted(&"x".repeat(60)),
        );
        say(
            &mut store,
            &format!(r#"{{"type":"delete","key":"gone-{round}"}}"#),
        );
        assert!(log_bytes(&files) <= 2 * SEGMENT_BYTES + 1000, "{round}");
        if round % 97 == 0 {
            store = open_with(&files, small()).0;
        }
    }
    let (mut store, report) = open_with(&files, small());
    assert_eq!(report.keys, 1);
    assert_eq!(get(&mut store, "kept").as_deref(), Ok("1"));
    let names = files.list().unwrap();
    assert!(!names.contains(&"00000001.jsonl".to_owned()), "{names:?}");
}

#[test]
fn content_is_kept_once_and_whole() {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, small());
    let mut hashes = Vec::new();
    for number in 0..20 {
        let reply = say(
            &mut store,
            &format!(r#"{{"type":"store_content","content":[{number}]}}"#),
        );
        let start = reply.find("\"hash\":\"").unwrap() + 8;
        hashes.push(reply[start..start + 40].to_owned());
    }
    for step in 0..2000 {
        put(&mut store, "k", &step.to_string());
        let again = format!(r#"{{"type":"store_content","content":[{}]}}"#, step % 20);
        assert!(say(&mut store, &again).contains("\"created\":false"));
    }
    let (mut store, report) = open_with(&files, small());
    assert_eq!((report.keys, report.contents), (1, 20));
    for (number, hash) in hashes.iter().enumerate() {
        let reply = say(
            &mut store,
            &format!(r#"{{"type":"get_content","hash":"{hash}"}}"#),
        );
        assert!(
            reply.contains(&format!("\"content\":[{number}]")),
            "{reply}"
        );
    }
}

#[test]
fn damage_in_the_oldest_segment_is_not_copied_and_its_file_stays() {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, small());
    put(&mut store, "first", "\"needle\"");
    fill(&mut store, 22);
    assert!(files.exists("00000002.jsonl").unwrap());
    let first = bytes_of(&files, "00000001.jsonl");
    let place = String::from_utf8_lossy(&first).find("needle").unwrap();
    let mut damaged = first.clone();
    damaged[place] ^= 1;
    replace(&files, "00000001.jsonl", &damaged);
    fill(&mut store, 2000);
    let damage = store.damage().expect("it was met");
    assert_eq!((damage.file.as_str(), damage.line), ("00000001.jsonl", 2));
    assert_eq!(get(&mut store, "first"), Err("corrupt".to_owned()));
    assert!(bytes_of(&files, "00000001.jsonl") == damaged);
    // Made whole again, it is compacted like any other.
    replace(&files, "00000001.jsonl", &first);
    let (mut store, _) = open_with(&files, small());
    fill(&mut store, 2000);
    assert_eq!(get(&mut store, "first").as_deref(), Ok("\"needle\""));
    assert!(!files.exists("00000001.jsonl").unwrap());
}

#[test]
fn a_line_longer_than_a_slice_is_copied() {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, small());
    let long = quoted(&"x".repeat(5 * SLICE_BYTES_MIN));
    put(&mut store, "long", &long);
    fill(&mut store, 2000);
    assert_eq!(store.damage(), None);
    assert!(!files.exists("00000001.jsonl").unwrap());
    let (mut store, _) = open_with(&files, small());
    assert_eq!(get(&mut store, "long"), Ok(long));
}

#[test]
fn a_small_batch_copies_no_more_than_a_slice() {
    let files = MemoryFiles::default();
    let options = Options {
        segment_bytes_max: 1 << 20,
        ..small()
    };
    let (mut store, _) = open_with(&files, options);
    let value = quoted(&"x".repeat(1000));
    let mut copied = 0;
    let mut before = 0;
    // Each segment keeps every second value, and others are overwritten.
    for step in 0..8000 {
        put(
            &mut store,
            &format!("k{}", if step % 2 == 0 { step % 4000 } else { 1 }),
            &value,
        );
        let bytes = log_bytes(&files);
        let grown = bytes.saturating_sub(before);
        assert!(
            grown < SLICE_BYTES_MIN as u64 + 4000,
            "step {step}: {grown}"
        );
        copied += u64::from(grown > 10_000);
        before = bytes;
    }
    assert!(copied > 20, "{copied}");
}

#[test]
fn a_batch_reads_its_part_however_long_the_lines_are() {
    for value_bytes in [200_000, 300_000, 2_000_000] {
        let files = FaultyFiles::new();
        let options = Options {
            segment_bytes_max: 8 << 20,
            ..small()
        };
        let (mut store, _) = open_with(&files, options);
        let long = quoted(&"x".repeat(value_bytes));
        let keys = (16 << 20) / value_bytes as u64;
        let mut ahead: usize = 0;
        let mut small_read_long = false;
        for step in 0..32 * keys {
            let is_long = step % 4 == 0;
            let (key, value) = if is_long {
                (format!("k{}", shuffled(step, keys)), long.clone())
            } else {
                ("small".to_owned(), step.to_string())
            };
            let before = files.read_bytes.get();
            put(&mut store, &key, &value);
            let read = files.read_bytes.get() - before;
            small_read_long |= !is_long && read > value_bytes;
            let part = SLICE_BYTES_MIN.max(BATCH_FACTOR * value.len());
            ahead = (ahead + read).saturating_sub(part);
            // To the line's end, and perhaps a slice beyond.
            let bound = value_bytes + 2 * SLICE_BYTES_MIN;
            assert!(ahead <= bound, "{value_bytes} bytes, step {step}: {ahead}");
        }
        assert!(store.damage().is_none());
        assert!(small_read_long, "{value_bytes} bytes");
    }
}

#[test]
fn an_oldest_segment_that_was_cut_is_damage() {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, small());
    fill(&mut store, 30);
    let first = bytes_of(&files, "00000001.jsonl");
    let header_bytes = first.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    replace(&files, "00000001.jsonl", &first[..header_bytes + 20]);
    fill(&mut store, 100);
    let damage = store.damage().expect("it was met");
    assert_eq!((damage.file.as_str(), damage.line), ("00000001.jsonl", 2));
    assert_eq!(damage.byte, header_bytes as u64);
}

fn fill(store: &mut Store<MemoryFiles>, count: u64) {
    for step in 0..count {
        put(store, &format!("k{}", step % 10), &quoted(&"x".repeat(150)));
    }
}

#[test]
fn a_log_of_many_small_segments_is_drawn_together() {
    let files = MemoryFiles::default();
    for number in 0..1500 {
        let (mut store, _) = open_with(&files, Options::default());
        put(
            &mut store,
            &format!("k{}", number % 150),
            &number.to_string(),
        );
    }
    let (_, report) = open_with(&files, Options::default());
    assert_eq!(report.keys, 150);
    assert!(report.segments <= 70, "{}", report.segments);
    assert!(files.list().unwrap().len() <= 70);
}

#[test]
fn an_owner_whose_segments_were_compacted_away_acknowledges_nothing() {
    let files = MemoryFiles::default();
    let (mut first, _) = open_with(&files, small());
    put(&mut first, "a", "1");
    let (mut second, _) = open_with(&files, small());
    fill(&mut second, 2000);
    for gone in ["00000001.jsonl", "00000002.jsonl"] {
        assert!(!files.exists(gone).unwrap());
    }
    // Neither its own number nor the next one is there any more.
    let (replies, _) = say_all(&mut first, &[&get_event("a")]);
    assert_ne!(code_in(&replies[0]), "ok");
    let full = "x".repeat(5000);
    let (mut third, _) = open_with(&files, small());
    put(&mut third, "b", &quoted(&full));
    // One that has to begin a new segment, under a number that is free again.
    let files = MemoryFiles::default();
    let (mut first, _) = open_with(&files, small());
    put(&mut first, "a", &quoted(&full));
    let (mut second, _) = open_with(&files, small());
    fill(&mut second, 2000);
    let (replies, _) = say_all(&mut first, &[&put_event("a", "2")]);
    assert_eq!(code_in(&replies[0]), "unavailable");
    let (mut last, _) = open_with(&files, small());
    assert_eq!(get(&mut last, "a"), Ok(quoted(&full)));
}

#[test]
fn so_does_one_that_has_opened_an_empty_directory() {
    for event in [get_event("k1"), put_event("k1", "2")] {
        let files = MemoryFiles::default();
        let (mut first, _) = open_with(&files, small());
        let (mut second, _) = open_with(&files, small());
        fill(&mut second, 2000);
        assert!(!files.exists("00000001.jsonl").unwrap());
        let (replies, _) = say_all(&mut first, &[&event]);
        assert_eq!(code_in(&replies[0]), "unavailable");
    }
}

#[test]
fn it_is_due_behind_exact_bounds() {
    // The most that is dead where so much is live, in segments of 1000 bytes.
    for (live, dead_max) in [(0, 1500), (500, 1350), (1000, 1200), (10_000, 7500)] {
        assert!(!is_due(live + dead_max, live, 1, 1000), "{live}");
        assert!(is_due(live + dead_max + 1, live, 1, 1000), "{live}");
    }
    // Too many segments, whatever they hold: 64, and four for each full one.
    for (log, segments_max) in [(0, 64), (3000, 76), (3999, 76), (4000, 80)] {
        assert!(!is_due(log, log, segments_max, 1000), "{log}");
        assert!(is_due(log, log, segments_max + 1, 1000), "{log}");
    }
}
