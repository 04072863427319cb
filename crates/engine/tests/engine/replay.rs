//! Opening from a checkpoint: what lies behind it is read, all of that and no
//! more; and one that is not of this very log is passed over.

use crate::common::*;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::{OpenError, Options, Report, Store};
use serde_json::Value;

const KEYS: usize = 400;

fn options(segment_bytes_max: u64) -> Options {
    Options {
        segment_bytes_max,
        checkpoint_interval_bytes: 3000,
        ..Options::default()
    }
}

/// So many keys, each written once: there is nothing to compact.
fn written(segment_bytes_max: u64, keys: usize) -> (MemoryFiles, Store<MemoryFiles>) {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, options(segment_bytes_max));
    for number in 0..keys {
        put(&mut store, &format!("k{number}"), &number.to_string());
    }
    (files, store)
}

/// Numbers of keys, with few segments and with one.
fn sizes() -> impl Iterator<Item = (usize, u64)> {
    let keys = (20..KEYS).step_by(7);
    keys.flat_map(|keys| [(keys, 5000), (keys, 100_000)])
}

fn without_checkpoints(files: &MemoryFiles) -> MemoryFiles {
    let copy = copy(files);
    for name in names(&copy, "checkpoint-") {
        copy.remove(&name).unwrap();
    }
    copy
}

fn names(files: &MemoryFiles, prefix: &str) -> Vec<String> {
    let mut names = files.list().unwrap();
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    names
}

/// A place in the log: a segment's number, and bytes of it.
type Place = (usize, usize);

/// Where the newest whole checkpoint was begun, and where it was ended.
fn places(files: &MemoryFiles) -> Option<(Place, Place)> {
    let place = |value: &Value| {
        let number = |at: usize| usize::try_from(value[at].as_u64().unwrap()).unwrap();
        (number(0), number(1))
    };
    names(files, "checkpoint-").iter().rev().find_map(|name| {
        let text = String::from_utf8(bytes_of(files, name)).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let end = lines.last().and_then(|line| line.get("end"))?;
        Some((place(&lines[0]["at"]), place(end)))
    })
}

/// The places behind each line of a segment.
fn line_ends(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes.iter().enumerate();
    ends.filter(|(_, byte)| **byte == b'\n')
        .map(|(place, _)| place + 1)
        .collect()
}

/// The bytes of all lines behind a place, but for headers.
fn bytes_behind(files: &MemoryFiles, place: Place) -> usize {
    let segments = names(files, "0");
    let behind = segments.iter().enumerate().map(|(position, name)| {
        let bytes = lines_of(files, name);
        let number = position + 1;
        match number {
            _ if number < place.0 => 0,
            _ if number == place.0 => bytes.len() - place.1,
            _ => bytes.len() - line_ends(&bytes)[0],
        }
    });
    behind.sum()
}

/// What opening says, and the value of every key.
fn opened(files: &MemoryFiles) -> (Report, Vec<Result<String, String>>) {
    let (mut store, report) = open_with(files, options(1 << 20));
    let values = (0..KEYS).map(|number| get(&mut store, &format!("k{number}")));
    let values = values.collect();
    (report, values)
}

#[test]
fn what_lies_behind_the_checkpoint_is_read_and_no_more() {
    let mut is_sealed = [false; 2];
    for (keys, segment_bytes_max) in sizes() {
        let (files, _) = written(segment_bytes_max, keys);
        let replayed = |files: &_| open_with(files, options(1 << 20)).1.replayed_bytes;
        let all = without_checkpoints(&files);
        assert_eq!(replayed(&all), bytes_behind(&files, (0, 0)) as u64);
        if let Some((at, _)) = places(&files) {
            assert_eq!(replayed(&files), bytes_behind(&files, at) as u64);
            is_sealed[usize::from(at.0 < names(&files, "0").len())] = true;
        }
    }
    assert_eq!(is_sealed, [true; 2]);
}

#[test]
fn a_segment_that_no_checkpoint_leaves_to_be_read_must_be_there_whole() {
    let (files, mut store) = written(5000, KEYS);
    store.stop();
    let (at, _) = places(&files).unwrap();
    assert!(at.0 > 2, "{at:?}");
    for name in &names(&files, "0")[..at.0 - 1] {
        let bytes = lines_of(&files, name);
        for left in [None, Some(bytes.len() - 1)] {
            let files = copy(&files);
            files.remove(name).unwrap();
            if let Some(left) = left {
                replace(&files, name, &bytes[..left]);
            }
            match Store::open(files, options(5000)) {
                Err(OpenError::Damage(damage)) => assert_eq!(&damage.file, name),
                other => panic!(
                    "{name}, {left:?} bytes: {:?}",
                    other.map(|(_, report)| report)
                ),
            }
        }
    }
}

#[test]
fn a_checkpoint_that_knows_what_the_log_has_lost_is_passed_over() {
    let mut met = [false; 2];
    for (keys, segment_bytes_max) in sizes().step_by(9) {
        let (files, _) = written(segment_bytes_max, keys);
        let Some((at, end)) = places(&files) else {
            continue;
        };
        let segments = names(&files, "0");
        if end.0 != segments.len() {
            continue;
        }
        // The newest segment is cut at each line before the second place.
        let name = &segments[end.0 - 1];
        let bytes = lines_of(&files, name);
        let cuts = line_ends(&bytes).into_iter();
        for cut in cuts.filter(|cut| (1..end.1).contains(cut)) {
            let files = copy(&files);
            replace(&files, name, &bytes[..cut]);
            assert_eq!(opened(&files), opened(&without_checkpoints(&files)));
            met[usize::from(at.0 == end.0)] = true;
        }
    }
    assert_eq!(met, [true; 2]);
}

#[test]
fn so_is_one_of_a_log_that_has_gone_another_way() {
    let mut met = 0;
    for keys in (20..KEYS).step_by(21) {
        let (files, mut store) = written(1 << 20, keys);
        let early = copy(&files);
        let Some(before) = places(&files) else {
            continue;
        };
        // One more checkpoint in the one log, begun before they part.
        let mut checkpoint = None;
        for number in 0..200 {
            put(&mut store, &format!("k{number}"), "\"here\"");
            checkpoint = places(&files).filter(|places| *places != before);
            if checkpoint.is_some() {
                break;
            }
        }
        let Some((at, end)) = checkpoint else {
            continue;
        };
        if at.1 > lines_of(&early, "00000001.jsonl").len() {
            continue;
        }
        assert!(end.1 > lines_of(&early, "00000001.jsonl").len());
        // The other one goes on in a segment of its own, or in two.
        let mut other = open_with(&early, options(1 << 20)).0;
        for round in 0..2 {
            put(&mut other, "k1", "\"there\"");
            let files_there = without_checkpoints(&early);
            let name = names(&files, "checkpoint-").pop().unwrap();
            replace(&files_there, &name, &bytes_of(&files, &name));
            assert_eq!(
                opened(&files_there),
                opened(&without_checkpoints(&files_there)),
                "{keys} keys, round {round}"
            );
            other = open_with(&early, options(1 << 20)).0;
            met += 1;
        }
    }
    assert!(met > 5, "{met}");
}

/// The figures that tell when the log is to be compacted.
fn figures(store: &mut Store<MemoryFiles>) -> Vec<Value> {
    let told = ask(store, r#"{"type":"stats"}"#);
    let names = ["keys", "contents", "expiring_keys", "live_bytes"];
    names.iter().map(|name| told[name].clone()).collect()
}

#[test]
fn what_is_live_is_counted_alike_before_and_after_opening() {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, options(5000));
    for number in 0..300 {
        for event in [
            format!(
                r#"{{"type":"put_many","entries":{{"a{number}":1,"b{}":2,"c":3}}}}"#,
                number % 7
            ),
            format!(
                r#"{{"type":"put","key":"t{number}","value":1,"ttl_ms":{}}}"#,
                (number + 1) * 100
            ),
            format!(r#"{{"type":"store_content","content":[{number}]}}"#),
            format!(
                r#"{{"type":"batch","operations":[{{"type":"delete","key":"a{}"}},{{"type":"store_content","content":{number}}},{{"type":"put","key":"d","value":0}}]}}"#,
                number / 2
            ),
        ] {
            let reply = ask(&mut store, &event);
            assert_eq!(reply["status"], "ok", "{reply}");
        }
        if number % 20 == 7 {
            let expected = figures(&mut store);
            let reopened = |files: &_| figures(&mut open_with(files, options(5000)).0);
            assert_eq!(reopened(&copy(&files)), expected, "{number}");
            assert_eq!(reopened(&without_checkpoints(&files)), expected, "{number}");
        }
    }
    assert!(places(&files).is_some());
}

#[test]
fn checkpoints_begin_one_interval_after_another() {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, options(1 << 20));
    let mut begun = vec![];
    for number in 0..900 {
        put(&mut store, &format!("k{}", number % 20), "1");
        if let Some(((_, at), _)) = places(&files).filter(|(at, _)| begun.last() != Some(&at.1)) {
            begun.push(at);
        }
    }
    // Whatever time it takes to write one. A line has about 80 bytes.
    for pair in begun.windows(2) {
        assert!((3000..3200).contains(&(pair[1] - pair[0])), "{begun:?}");
    }
    assert!(begun.len() > 10, "{begun:?}");
}

#[test]
fn lines_of_one_value_need_no_place_in_a_checkpoint() {
    let (files, _) = written(5000, 100);
    let files = without_checkpoints(&files);
    let (mut store, _) = open_with(&files, options(5000));
    for number in 0..100 {
        put(&mut store, &format!("k{number}"), "1");
    }
    let checkpoints = names(&files, "checkpoint-");
    assert!(places(&files).is_some());
    for name in checkpoints {
        let text = String::from_utf8(bytes_of(&files, &name)).unwrap();
        assert!(!text.contains("\"shared\""), "{text}");
    }
}

#[test]
fn a_long_checkpoint_waits_for_twice_its_length() {
    let files = MemoryFiles::default();
    let options = Options {
        checkpoint_interval_bytes: 1,
        ..options(1 << 30)
    };
    let (mut store, _) = open_with(&files, options);
    let mut begun: Vec<(usize, usize)> = Vec::new();
    for number in 0..2000 {
        put(&mut store, &format!("k{}", number % 100), "1");
        let Some(((_, at), _)) = places(&files) else {
            continue;
        };
        if begun.last().is_none_or(|last| last.0 != at) {
            let name = names(&files, "checkpoint-").swap_remove(0);
            begun.push((at, bytes_of(&files, &name).len()));
        }
    }
    for pair in begun.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= 2 * pair[0].1, "{begun:?}");
    }
    assert!(begun.len() > 5 && begun[4].1 > 3000, "{begun:?}");
}

#[test]
fn a_checkpoint_goes_on_by_a_part_of_the_interval() {
    let files = MemoryFiles::default();
    let options = Options {
        checkpoint_interval_bytes: 1 << 19,
        ..options(1 << 30)
    };
    let (mut store, _) = open_with(&files, options);
    for number in 0..6000 {
        put(&mut store, &format!("k{number}"), &quoted(&"x".repeat(60)));
    }
    // Begun at half a megabyte of log, which has about 4000 keys: 200,000 bytes
    // in slices of 512, which the batches alone would have had of 130.
    let (at, end) = places(&files).expect("it is whole");
    assert!(end.1 - at.1 < 100_000, "{at:?} {end:?}");
}

#[test]
fn a_checkpoint_tells_nothing_of_segments_that_were_gone_before_it() {
    let files = MemoryFiles::default();
    let options = Options {
        segment_bytes_max: 1500,
        checkpoint_interval_bytes: 1,
        ..Options::default()
    };
    let (mut store, _) = open_with(&files, options);
    // The highest version at which each segment was seen.
    let mut seen = std::collections::BTreeMap::new();
    let mut checked = 0;
    for round in 0..600 {
        // Lines of several values, whose places a checkpoint tells.
        let event = format!(
            r#"{{"type":"put_many","entries":{{"a{}":1,"b{}":"{}"}}}}"#,
            round % 3,
            round % 5,
            "x".repeat(200)
        );
        let version = ask(&mut store, &event)["version"].as_u64().unwrap();
        for name in names(&files, "0") {
            let number: u64 = name.trim_end_matches(".jsonl").parse().unwrap();
            seen.insert(number, version);
        }
        for name in names(&files, "checkpoint-") {
            let begun = name.trim_start_matches("checkpoint-");
            let begun: u64 = begun.trim_end_matches(".jsonl").parse().unwrap();
            let text = String::from_utf8(bytes_of(&files, &name)).unwrap();
            for line in text.lines() {
                let line: Value = serde_json::from_str(line).unwrap();
                for row in line["shared"].as_array().into_iter().flatten() {
                    let last_seen = seen[&row[0].as_u64().unwrap()];
                    assert!(last_seen >= begun, "round {round}: {row} in {name}");
                    checked += 1;
                }
            }
        }
    }
    assert!(
        checked > 1000 && seen.len() > 20,
        "{checked} {}",
        seen.len()
    );
}
