//! Opening a log: torn tails are cut and said, damage stops the opening.

use crate::common::*;
use kv_engine::error::Damage;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::{OpenError, Options, Outcome, Store};

const FIRST: &str = "00000001.jsonl";
const SECOND: &str = "00000002.jsonl";

/// A log of one segment: a lone put, then a batch of three, then a lone one.
fn written() -> MemoryFiles {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    put(&mut store, "a", "1");
    let batch: Vec<String> = ["b", "c", "d"].map(|key| put_event(key, "2")).into();
    let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
    assert_eq!(say_all(&mut store, &batch).1, Outcome::Serving);
    put(&mut store, "e", "3");
    store.stop();
    files
}

fn damage(files: &MemoryFiles) -> Damage {
    match Store::open(files.clone(), Options::default()) {
        Err(OpenError::Damage(damage)) => damage,
        other => panic!("opened as {:?}", other.map(|(_, report)| report)),
    }
}

fn changed(files: &MemoryFiles, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> MemoryFiles {
    let copy = MemoryFiles::default();
    for name in files.list().unwrap() {
        replace(&copy, &name, &bytes_of(files, &name));
    }
    let mut bytes = bytes_of(files, name);
    change(&mut bytes);
    replace(&copy, name, &bytes);
    copy
}

fn line_starts(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    [0].into_iter()
        .chain(ends.map(|(end, _)| end + 1))
        .collect()
}

#[test]
fn a_log_cut_anywhere_opens_with_every_whole_line_before_the_cut() {
    let files = written();
    let bytes = bytes_of(&files, FIRST);
    let starts = line_starts(&bytes);
    for cut in 0..bytes.len() {
        let files = changed(&files, FIRST, |bytes| bytes.truncate(cut));
        let (mut store, report) = open_with(&files, Options::default());
        let whole = starts[1..].iter().filter(|end| **end <= cut).count();
        assert_eq!(report.keys, whole.saturating_sub(1), "cut at {cut}");
        let torn = starts.iter().all(|start| *start != cut);
        assert_eq!(report.torn.len(), usize::from(torn), "cut at {cut}");
        assert_eq!(report.torn.iter().map(|torn| torn.bytes).sum::<u64>(), {
            let start = starts.iter().rev().find(|start| **start <= cut).unwrap();
            (cut - start) as u64
        });
        // What comes after goes to a new segment, and opens again.
        put(&mut store, "after", "4");
        let left = bytes_of(&files, FIRST).len();
        assert!(starts.contains(&left), "the torn end is cut off: {left}");
        let (mut store, report) = open_with(&files, Options::default());
        assert_eq!(report.keys, whole.saturating_sub(1) + 1);
        assert_eq!(get(&mut store, "after").as_deref(), Ok("4"));
    }
}

#[test]
fn every_flipped_bit_is_damage_or_a_torn_end_and_never_another_value() {
    let files = written();
    let bytes = bytes_of(&files, FIRST);
    let last_line_feed = bytes.len() - 1;
    for (byte, whole) in bytes.iter().enumerate() {
        for bit in 0..8 {
            let files = changed(&files, FIRST, |bytes| bytes[byte] ^= 1 << bit);
            match Store::open(files.clone(), Options::default()) {
                Err(OpenError::Damage(damage)) => assert_eq!(damage.file, FIRST),
                Err(other) => panic!("byte {byte}, bit {bit}: {other}"),
                Ok((mut store, report)) => {
                    // Only what looks like an unfinished write may be cut: the
                    // last line's end is gone, or a zero byte is in it.
                    let flipped = whole ^ 1 << bit;
                    assert!(
                        byte == last_line_feed || flipped == 0,
                        "byte {byte}, bit {bit}"
                    );
                    assert_eq!(report.torn.len(), 1);
                    for key in ["a", "b", "c", "d", "e"] {
                        let value = get(&mut store, key);
                        assert!(["1", "2", "3"].contains(&value.as_deref().unwrap_or("1")));
                    }
                }
            }
        }
    }
}

#[test]
fn a_batch_that_reached_the_disk_in_parts_is_torn() {
    let files = written();
    let bytes = bytes_of(&files, FIRST);
    let starts = line_starts(&bytes);
    // The batch of three is lines 3 to 5; nothing is behind it.
    for (from, to) in [
        (starts[2], starts[3]),
        (starts[3], starts[4] - 1),
        (starts[2] + 9, starts[4] - 9),
    ] {
        let files = changed(&files, FIRST, |bytes| {
            bytes.truncate(starts[5]);
            bytes[from..to].fill(0);
        });
        let (_, report) = open_with(&files, Options::default());
        assert_eq!(report.torn.len(), 1);
        assert!(report.keys < 4);
    }
}

#[test]
fn a_torn_batch_with_a_later_one_behind_it_is_damage() {
    let files = written();
    let starts = line_starts(&bytes_of(&files, FIRST));
    for line in [1, 2, 3, 4] {
        let files = changed(&files, FIRST, |bytes| {
            bytes[starts[line]..starts[line + 1] - 1].fill(0);
        });
        let damage = damage(&files);
        assert_eq!(
            (damage.line, damage.byte),
            (line as u64 + 1, starts[line] as u64)
        );
        assert!(damage.reason.contains("later"), "{damage}");
    }
}

#[test]
fn lines_dropped_doubled_or_moved_are_damage() {
    let files = written();
    let starts = line_starts(&bytes_of(&files, FIRST));
    let line = |number: usize| starts[number]..starts[number + 1];
    for number in 0..5 {
        let dropped = changed(&files, FIRST, |bytes| {
            bytes.drain(line(number));
        });
        assert_eq!(damage(&dropped).line, number as u64 + 1);
        let doubled = changed(&files, FIRST, |bytes| {
            let copy = bytes[line(number)].to_vec();
            bytes.splice(starts[number + 1]..starts[number + 1], copy);
        });
        assert_eq!(damage(&doubled).line, number as u64 + 2);
    }
    let moved = changed(&files, FIRST, |bytes| {
        bytes[starts[2]..starts[4]].rotate_left(starts[3] - starts[2]);
    });
    assert_eq!(damage(&moved).line, 3);
}

#[test]
fn a_sealed_segment_must_be_whole_and_the_same() {
    let files = written();
    put(&mut open(&files), "f", "4");
    assert_eq!(files.list().unwrap(), [FIRST, SECOND]);
    let length = bytes_of(&files, FIRST).len();
    for cut in [0, 1, length / 2, length - 1] {
        assert_eq!(
            damage(&changed(&files, FIRST, |bytes| bytes.truncate(cut))).file,
            FIRST
        );
    }
    for byte in 0..length {
        assert_eq!(
            damage(&changed(&files, FIRST, |bytes| bytes[byte] ^= 4)).file,
            FIRST
        );
    }
    // Another log, equally long and valid in itself.
    let other = MemoryFiles::default();
    let mut store = open(&other);
    put(&mut store, "a", "9");
    let swapped = changed(&files, FIRST, |bytes| *bytes = bytes_of(&other, FIRST));
    assert_eq!(damage(&swapped).file, FIRST);
    files.remove(FIRST).unwrap();
    assert!(damage(&files).reason.contains("missing"));
}

#[test]
fn what_lies_behind_the_sealed_bytes_does_not_count() {
    let files = written();
    let tail = changed(&files, FIRST, |bytes| {
        bytes.extend_from_slice(b"{\"c\":\"0000");
    });
    put(&mut open(&tail), "f", "4");
    let (mut store, report) = open_with(&tail, Options::default());
    assert_eq!((report.keys, report.torn.len()), (6, 0));
    assert_eq!(get(&mut store, "f").as_deref(), Ok("4"));
}

#[test]
fn a_segment_that_was_only_begun_counts_with_no_bytes() {
    let files = written();
    put(&mut open(&files), "f", "4");
    let header = line_starts(&bytes_of(&files, SECOND))[1];
    for begun in [
        vec![],
        b"{\"c\":\"12".to_vec(),
        vec![0; 300],
        bytes_of(&files, SECOND)[..header - 1].to_vec(),
    ] {
        let files = changed(&files, SECOND, |bytes| *bytes = begun);
        let (mut store, report) = open_with(&files, Options::default());
        assert_eq!(report.keys, 5);
        put(&mut store, "g", "5");
        assert_eq!(files.list().unwrap().len(), 3);
        let (mut store, report) = open_with(&files, Options::default());
        assert_eq!((report.keys, report.segments), (6, 3));
        assert_eq!(get(&mut store, "g").as_deref(), Ok("5"));
    }
    let nothing = MemoryFiles::default();
    replace(&nothing, FIRST, b"");
    put(&mut open(&nothing), "a", "1");
    assert_eq!(open_with(&nothing, Options::default()).1.keys, 1);
}

#[test]
fn a_later_release_s_log_is_not_read() {
    // Written by hand from docs/format.md, with a format of 2.
    let rest = r#""t":1,"format":2,"segment":1,"segments":[],"v":0}"#;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(rest.as_bytes());
    let files = MemoryFiles::default();
    let line = format!("{{\"c\":\"{:08x}\",{rest}\n", hasher.finalize());
    replace(&files, FIRST, line.as_bytes());
    let error = Store::open(files.clone(), Options::default()).err();
    assert!(
        matches!(error, Some(OpenError::Format { format: 2, .. })),
        "{error:?}"
    );
}

#[test]
fn a_line_with_a_member_of_a_later_release_stops_the_opening() {
    let files = written();
    let bytes = bytes_of(&files, FIRST);
    let starts = line_starts(&bytes);
    let before = u32::from_str_radix(
        std::str::from_utf8(&bytes[starts[4] + 6..][..8]).unwrap(),
        16,
    )
    .unwrap();
    let rest = r#""t":1,"v":5,"sealed":7,"put":{"e":3}}"#;
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(rest.as_bytes());
    let line = format!("{{\"c\":\"{:08x}\",{rest}\n", hasher.finalize());
    let files = changed(&files, FIRST, |bytes| {
        bytes.truncate(starts[5]);
        bytes.extend_from_slice(line.as_bytes());
    });
    assert_eq!(damage(&files).line, 6);
}
