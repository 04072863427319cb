//! Room in the newest segment: line feeds that the next batches are written over.

use crate::common::*;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::log::repair::repair;
use kv_engine::log::verify::verify;
use kv_engine::{OpenError, Options, Outcome, Store};

const FIRST: &str = "00000001.jsonl";
const SECOND: &str = "00000002.jsonl";
const ROOM_BYTES: usize = 256 * 1024;
/// The largest batch that makes room.
const BATCH_BYTES_MAX: usize = 64 * 1024;
const SECTOR_BYTES: usize = 512;

/// A value that makes a line of about so many bytes.
fn long(bytes: usize) -> String {
    quoted(&"x".repeat(bytes))
}

/// A store that has made room, and was not stopped.
fn written() -> (MemoryFiles, Store<MemoryFiles>) {
    written_with(Options::default())
}

fn written_with(options: Options) -> (MemoryFiles, Store<MemoryFiles>) {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, options);
    put(&mut store, "a", "1");
    put(&mut store, "b", "2");
    (files, store)
}

fn room_bytes<F: Files>(files: &F, name: &str) -> usize {
    bytes_of(files, name).len() - lines_of(files, name).len()
}

#[test]
fn the_second_batch_of_a_segment_makes_room_and_the_next_ones_use_it_up() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    // A store with one change is as small as it can be.
    put(&mut store, "a", "1");
    assert_eq!(room_bytes(&files, FIRST), 0);
    put(&mut store, "a", "2");
    assert_eq!(room_bytes(&files, FIRST), ROOM_BYTES);
    let length = bytes_of(&files, FIRST).len();
    let mut made = 0;
    while made < 3 {
        let before = bytes_of(&files, FIRST).len();
        put(&mut store, "a", &long(1000));
        let lines = lines_of(&files, FIRST).len();
        let after = bytes_of(&files, FIRST).len();
        // It grows only where the room has come to its end.
        if after != before {
            assert!(lines > before);
            assert_eq!(after, lines + ROOM_BYTES);
            made += 1;
        }
    }
    assert!(bytes_of(&files, FIRST).len() > length + 2 * ROOM_BYTES);
}

#[test]
fn a_large_batch_makes_no_room() {
    for (more, room) in [(0, ROOM_BYTES), (1, 0)] {
        let files = MemoryFiles::default();
        let mut store = open(&files);
        put(&mut store, "a", "1");
        // One more line of what this one takes, but for its value, is exactly so long.
        let before = lines_of(&files, FIRST).len();
        put(&mut store, "a", &long(10));
        let line_bytes = lines_of(&files, FIRST).len() - before;
        put(&mut store, "a", &long(ROOM_BYTES));
        assert_eq!(room_bytes(&files, FIRST), 0);
        let before = lines_of(&files, FIRST).len();
        put(
            &mut store,
            "a",
            &long(10 + BATCH_BYTES_MAX - line_bytes + more),
        );
        let batch_bytes = lines_of(&files, FIRST).len() - before;
        assert_eq!(batch_bytes, BATCH_BYTES_MAX + more);
        assert_eq!(room_bytes(&files, FIRST), room);
    }
}

#[test]
fn no_room_is_made_behind_the_end_of_a_segment() {
    let files = MemoryFiles::default();
    let options = Options {
        segment_bytes_max: 4000,
        ..Options::default()
    };
    let (mut store, _) = open_with(&files, options);
    while !files.exists(SECOND).unwrap() {
        put(&mut store, "a", &long(200));
        assert!(bytes_of(&files, FIRST).len() <= 4400);
    }
    // What was left of the first one's is given back.
    put(&mut store, "a", "1");
    assert_eq!(room_bytes(&files, FIRST), 0);
    assert!(room_bytes(&files, SECOND) > 0);
}

#[test]
fn a_store_that_stops_gives_it_back_and_goes_on() {
    let (files, mut store) = written();
    store.stop();
    assert_eq!(room_bytes(&files, FIRST), 0);
    put(&mut store, "c", "3");
    assert_eq!(room_bytes(&files, FIRST), ROOM_BYTES);
    store.stop();
    let (mut store, report) = open_with(&files, Options::default());
    assert_eq!((report.keys, report.torn.len()), (3, 0));
    assert_eq!(get(&mut store, "c").as_deref(), Ok("3"));
}

#[test]
fn room_that_a_killed_store_has_left_is_nothing_unfinished_and_is_cut_off() {
    let (files, store) = written();
    drop(store);
    let (mut store, report) = open_with(&files, Options::default());
    assert_eq!((report.keys, report.torn.len()), (2, 0));
    let found = verify(&files, secrets(), |_, _| ()).unwrap();
    assert_eq!((found.lines, found.torn_bytes), (3, 0));
    assert!(found.damage.is_empty());
    assert_eq!(room_bytes(&files, FIRST), ROOM_BYTES);
    put(&mut store, "c", "3");
    assert_eq!(room_bytes(&files, FIRST), 0);
    let (mut store, report) = open_with(&files, Options::default());
    assert_eq!(report.keys, 3);
    assert_eq!(get(&mut store, "b").as_deref(), Ok("2"));
}

/// A store whose newest line ends so many bytes into a sector, with little room.
fn written_to(into_sector: usize) -> (MemoryFiles, Store<MemoryFiles>) {
    let (files, mut store) = written_with(Options {
        segment_bytes_max: 8000,
        ..Options::default()
    });
    let start = lines_of(&files, FIRST).len();
    put(&mut store, "c", &long(300));
    let end = lines_of(&files, FIRST).len();
    let more = (into_sector + 2 * SECTOR_BYTES - (2 * end - start) % SECTOR_BYTES) % SECTOR_BYTES;
    put(&mut store, "c", &long(300 + more));
    assert_eq!(lines_of(&files, FIRST).len() % SECTOR_BYTES, into_sector);
    (files, store)
}

#[test]
fn a_batch_in_room_may_reach_the_disk_in_any_sectors() {
    for into_sector in [0, 1, 250, 511] {
        let (files, mut store) = written_to(into_sector);
        let before = bytes_of(&files, FIRST);
        let durable = lines_of(&files, FIRST).len();
        let value = get(&mut store, "c");
        let batch = [300, 301, 302, 303].map(|bytes| put_event("d", &long(bytes)));
        let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
        assert_eq!(say_all(&mut store, &batch).1, Outcome::Serving);
        let after = bytes_of(&files, FIRST);
        assert_eq!(before.len(), after.len());
        let sectors = durable / SECTOR_BYTES..lines_of(&files, FIRST).len().div_ceil(SECTOR_BYTES);
        for arrived in 0..1 << sectors.len() {
            let mut bytes = before.clone();
            for (number, sector) in sectors.clone().enumerate() {
                if arrived >> number & 1 == 1 {
                    let place = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
                    bytes[place.clone()].copy_from_slice(&after[place]);
                }
            }
            let context = format!("{into_sector} bytes into a sector, arrived: {arrived:b}");
            let files = copy(&files);
            replace(&files, FIRST, &bytes);
            let (mut store, report) = open_with(&files, Options::default());
            assert!((4..=8).contains(&report.version), "{context}: {report:?}");
            assert_eq!(get(&mut store, "c"), value, "{context}");
            // It is said where anything but room is left out.
            put(&mut store, "e", "1");
            let counted = bytes_of(&files, FIRST).len();
            let is_room = bytes[counted..].iter().all(|byte| *byte == b'\n');
            assert_eq!(report.torn.is_empty(), is_room, "{context}");
            if bytes == after {
                assert_eq!(report.version, 8);
            }
            let (_, report) = open_with(&files, Options::default());
            assert!(report.torn.is_empty(), "{context}");
        }
    }
}

#[test]
fn a_line_that_was_changed_is_damage_though_room_is_behind_it() {
    let (files, _) = written_to(250);
    let bytes = bytes_of(&files, FIRST);
    let lines_bytes = lines_of(&files, FIRST).len();
    for place in 0..lines_bytes + 2 * SECTOR_BYTES {
        for bit in 0..8 {
            let files = copy(&files);
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            replace(&files, FIRST, &changed);
            let context = format!("byte {place}, bit {bit}");
            match Store::open(files.clone(), Options::default()) {
                Err(OpenError::Damage(damage)) => {
                    assert_eq!(damage.file, FIRST, "{context}");
                    // In room, it is only where the next line would have begun.
                    let end = lines_bytes.next_multiple_of(SECTOR_BYTES);
                    assert!(place < end, "{context}: {damage}");
                }
                Err(e) => panic!("{context}: {e}"),
                Ok((_, report)) if place >= lines_bytes => {
                    assert_eq!((report.version, report.torn.len()), (4, 1), "{context}");
                }
                // What can't be told: a last line that looks torn.
                Ok((_, report)) => {
                    assert_eq!((report.version, report.torn.len()), (3, 1), "{context}");
                    let looks_torn = place == lines_bytes - 1
                        || changed[place] == 0
                        || changed[place] == b'\n' && place % SECTOR_BYTES == 0;
                    assert!(looks_torn, "{context}");
                }
            }
        }
    }
}

#[test]
fn a_repair_makes_no_damage_of_room() {
    let (files, mut store) = written_to(250);
    put(&mut store, "last", "1");
    let lines = lines_of(&files, FIRST);
    for place in [lines.len() / 2, lines.len() - 5, lines.len() + 1] {
        let files = copy(&files);
        let mut changed = bytes_of(&files, FIRST);
        changed[place] ^= 4;
        replace(&files, FIRST, &changed);
        let found = verify(&files, secrets(), |_, _| ()).unwrap();
        assert!((1..=3).contains(&found.damage.len()), "{found:?}");
        let lost = MemoryFiles::default();
        let report = repair(&files, &lost, TIME_MS).unwrap();
        assert_eq!(report.damage, found.damage);
        let set_aside: usize = lost
            .list()
            .unwrap()
            .iter()
            .map(|n| bytes_of(&lost, n).len())
            .sum();
        assert!(set_aside < 1000, "{set_aside}");
        let (mut store, opened) = open_with(&files, Options::default());
        assert!(opened.torn.is_empty());
        assert_eq!(get(&mut store, "a").as_deref(), Ok("1"));
        assert!(opened.keys >= 3, "{opened:?}");
    }
}

#[test]
fn a_full_disk_takes_what_it_has_space_for() {
    let files = FaultyFiles::new();
    let mut store = open(&files);
    put(&mut store, "a", "1");
    // The batch is written, and half of its room.
    files.fault.set(Fault::WriteAfter(1));
    assert_eq!(code_in(&put(&mut store, "a", "2")), "ok");
    assert_eq!(room_bytes(&files, FIRST), ROOM_BYTES / 2);
    files.fault.set(Fault::None);
    let before = bytes_of(&files, FIRST).len();
    put(&mut store, "a", "3");
    assert_eq!(bytes_of(&files, FIRST).len(), before);
    let (mut store, report) = open_with(&files, Options::default());
    assert_eq!((report.version, report.torn.len()), (3, 0));
    assert_eq!(get(&mut store, "a").as_deref(), Ok("3"));
}

#[test]
fn a_batch_that_fails_in_room_leaves_nothing_of_itself() {
    for fault in [Fault::Write, Fault::Sync] {
        let files = FaultyFiles::new();
        let mut store = open(&files);
        put(&mut store, "a", "1");
        put(&mut store, "a", "2");
        let lines = lines_of(&files, FIRST);
        files.fault.set(fault);
        let (replies, _) = say_all(&mut store, &[&put_event("a", "3")]);
        assert_eq!(code_in(&replies[0]), "storage");
        assert!(bytes_of(&files, FIRST) == lines, "{fault:?}");
        files.fault.set(Fault::None);
        let (mut store, report) = open_with(&files, Options::default());
        assert_eq!((report.version, report.torn.len()), (2, 0));
        assert_eq!(get(&mut store, "a").as_deref(), Ok("2"));
    }
}

#[test]
fn what_an_owner_writes_into_room_behind_a_reading_is_never_left_out() {
    let (files, mut first) = written();
    let mut second = open(&files);
    // The file is as long as it was.
    let length = bytes_of(&files, FIRST).len();
    put(&mut first, "a", "3");
    assert_eq!(bytes_of(&files, FIRST).len(), length);
    let (replies, outcome) = say_all(&mut second, &[&put_event("a", "4")]);
    assert_eq!(outcome, Outcome::Finished);
    assert_eq!(code_in(&replies[0]), "unavailable");
    assert_eq!(get(&mut open(&files), "a").as_deref(), Ok("3"));
}

#[test]
fn an_owner_that_writes_while_it_is_read_does_no_damage() {
    let files = FaultyFiles::new();
    let mut store = open(&files);
    put(&mut store, "a", "1");
    put(&mut store, "b", "2");
    let before = bytes_of(&files, FIRST);
    for key in ["c", "d", "e"] {
        put(&mut store, key, "3");
    }
    // The beginning is read as it was before, the rest as it is now.
    let seen = lines_of(&files, FIRST).len() - 100;
    files.stale_bytes.replace(Some(before[..seen].to_vec()));
    let (mut store, report) = open_with(&files, Options::default());
    assert!(files.stale_bytes.borrow().is_none());
    assert_eq!((report.keys, report.torn.len()), (5, 0));
    assert_eq!(get(&mut store, "e").as_deref(), Ok("3"));
}
