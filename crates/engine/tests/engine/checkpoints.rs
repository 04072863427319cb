//! Checkpoints: opening reads less, and finds the same.

use crate::common::*;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::{Options, Store};
use std::collections::BTreeMap;

fn options() -> Options {
    Options {
        segment_bytes_max: 64 * 1024,
        checkpoint_interval_bytes: 16 * 1024,
        ..Options::default()
    }
}

fn checkpoints(files: &MemoryFiles) -> Vec<String> {
    checkpoints_in(&files.list().unwrap())
}

fn checkpoints_in(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.retain(|name| name.starts_with("checkpoint-"));
    names.sort();
    names
}

/// Everything that can be asked.
fn state(store: &mut Store<MemoryFiles>) -> Vec<String> {
    let keys = (0..KEYS).map(|number| get_event(&key(number)));
    let mut replies: Vec<_> = keys.map(|event| say(store, &event)).collect();
    replies.push(say(store, CONTENT));
    replies
}

const KEYS: usize = 60;
const CONTENT: &str = r#"{"type":"store_content","content":["stored",1]}"#;

fn key(number: usize) -> String {
    format!("key \"{number}\" \u{1F511}")
}

/// A log with a checkpoint, and changes behind it: overwritten and deleted keys.
fn written() -> MemoryFiles {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, options());
    say(&mut store, CONTENT);
    for step in 0..490 {
        put(
            &mut store,
            &key(step * 7 % KEYS),
            &quoted(&"v".repeat(step % 90)),
        );
        if step % 9 == 0 {
            say(
                &mut store,
                &format!(
                    r#"{{"type":"delete","key":{}}}"#,
                    quoted(&key(step * 11 % KEYS))
                ),
            );
        }
    }
    files
}

fn without_checkpoints(files: &MemoryFiles) -> MemoryFiles {
    let copy = copy(files);
    for name in checkpoints(&copy) {
        copy.remove(&name).unwrap();
    }
    copy
}

#[test]
fn opening_reads_only_what_lies_behind_the_checkpoint() {
    let files = written();
    assert_eq!(checkpoints(&files).len(), 1, "{:?}", checkpoints(&files));
    let (mut with, report) = open_with(&files, options());
    let (mut without, report_without) = open_with(&without_checkpoints(&files), options());
    assert!(
        report.replayed_bytes < report_without.replayed_bytes / 2,
        "{report:?}"
    );
    assert_eq!(
        (
            report.keys,
            report.contents,
            report.version,
            report.segments
        ),
        (
            report_without.keys,
            report_without.contents,
            report_without.version,
            report_without.segments
        )
    );
    assert_eq!(state(&mut with), state(&mut without));
}

#[test]
fn a_checkpoint_that_is_cut_or_damaged_anywhere_changes_nothing() {
    let files = written();
    let expected = state(&mut open_with(&without_checkpoints(&files), options()).0);
    let name = &checkpoints(&files)[0];
    let whole = bytes_of(&files, name);
    for place in (0..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (place % 8);
        for bytes in [&changed[..], &whole[..place]] {
            let files = copy(&files);
            replace(&files, name, bytes);
            let (mut store, _) = open_with(&files, options());
            assert_eq!(state(&mut store), expected, "byte {place}");
        }
    }
}

#[test]
fn one_that_was_never_finished_is_passed_over_for_an_older_one() {
    let files = written();
    let newer = "checkpoint-9000000000000000.jsonl";
    replace(&files, newer, b"{\"c\":\"0000");
    replace(&files, "checkpoint-1.jsonl", b"a stray");
    let (mut store, report) = open_with(&files, options());
    assert!(report.replayed_bytes < 40_000, "{report:?}");
    assert_eq!(
        state(&mut store),
        state(&mut open_with(&without_checkpoints(&files), options()).0)
    );
}

#[test]
fn one_of_another_log_is_passed_over() {
    let files = written();
    let other = MemoryFiles::default();
    let (mut store, _) = open_with(&other, options());
    for step in 0..420 {
        put(
            &mut store,
            &key(step % KEYS),
            &quoted(&"w".repeat(step % 90)),
        );
    }
    for name in checkpoints(&files) {
        files.remove(&name).unwrap();
    }
    for name in checkpoints(&other) {
        replace(&files, &name, &bytes_of(&other, &name));
    }
    let (mut store, report) = open_with(&files, options());
    let (mut expected, report_without) = open_with(&without_checkpoints(&files), options());
    assert_eq!(report, report_without);
    assert_eq!(state(&mut store), state(&mut expected));
}

#[test]
fn one_that_knows_more_than_the_log_is_passed_over() {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, options());
    let mut early = MemoryFiles::default();
    for step in 0..420 {
        if step == 50 {
            early = copy(&files);
        }
        put(&mut store, &key(step % KEYS), &quoted(&"v".repeat(90)));
    }
    let name = &checkpoints(&files)[0];
    replace(&early, name, &bytes_of(&files, name));
    let (mut store, report) = open_with(&early, options());
    let (mut expected, report_without) = open_with(&without_checkpoints(&early), options());
    assert_eq!(report, report_without);
    assert_eq!(state(&mut store), state(&mut expected));
}

#[test]
fn damage_behind_the_checkpoint_stops_the_opening_all_the_same() {
    let files = written();
    let (mut store, _) = open_with(&files, options());
    // Behind it, in a segment of its own with another batch behind.
    put(&mut store, "a", "\"needle\"");
    put(&mut store, "b", "1");
    let mut names = files.list().unwrap();
    names.sort();
    let name = names
        .into_iter()
        .rfind(|name| !name.starts_with("checkpoint-"))
        .unwrap();
    let mut bytes = bytes_of(&files, &name);
    let place = String::from_utf8_lossy(&bytes).find("needle").unwrap();
    bytes[place] ^= 1;
    replace(&files, &name, &bytes);
    let error = Store::open(files.clone(), options()).err().unwrap();
    assert!(
        error.to_string().contains(&format!("{name}, line 2,")),
        "{error}"
    );
    // In front of it, damage is found when the value is read.
    let files = written();
    let names = files.list().unwrap();
    let holds = |name: &&String| {
        !name.starts_with("checkpoint-")
            && String::from_utf8_lossy(&bytes_of(&files, name)).contains("stored")
    };
    let name = names.iter().find(holds).unwrap();
    let mut bytes = bytes_of(&files, name);
    let place = String::from_utf8_lossy(&bytes).find("stored").unwrap();
    bytes[place] ^= 1;
    replace(&files, name, &bytes);
    let (mut store, _) = open_with(&files, options());
    let hash = {
        let clean = written();
        let reply = say(&mut open_with(&clean, options()).0, CONTENT);
        let start = reply.find("\"hash\":\"").unwrap() + 8;
        reply[start..start + 40].to_owned()
    };
    let reply = say(
        &mut store,
        &format!(r#"{{"type":"get_content","hash":"{hash}"}}"#),
    );
    assert_eq!(code_in(&reply), "corrupt");
    // A segment that is missing or too short is found at once, once another
    // seals it.
    put(&mut store, "a", "1");
    files.remove(name).unwrap();
    assert!(Store::open(files.clone(), options()).is_err());
}

#[test]
fn a_store_that_is_stopped_opens_from_its_checkpoint_alone() {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, Options::default());
    let value = quoted(&"v".repeat(1000));
    for step in 0..2000 {
        put(&mut store, &format!("k{step}"), &value);
    }
    store.stop();
    let (mut store, report) = open_with(&files, Options::default());
    assert_eq!((report.keys, report.replayed_bytes), (2000, 0));
    assert_eq!(get(&mut store, "k1999").as_ref(), Ok(&value));
    // Nothing new, nothing written.
    let before = files.list().unwrap();
    store.stop();
    assert_eq!(files.list().unwrap(), before);
    // Nor is a checkpoint for half a mebibyte, which is read in no time.
    for half in 1..=2 {
        let (mut store, _) = open_with(&files, Options::default());
        for step in 0..520 {
            put(&mut store, &format!("k{step}"), &value);
        }
        store.stop();
        let is_new = checkpoints(&files) != checkpoints_in(&before);
        assert_eq!(is_new, half == 2);
    }
}

/// A checkpoint that is half written when the store stops is not the one it leaves:
/// all log that was written meanwhile would have to be read behind it.
#[test]
fn a_store_that_is_stopped_while_it_writes_a_checkpoint_writes_another() {
    let options = Options {
        checkpoint_interval_bytes: 2 * 1024 * 1024,
        ..Options::default()
    };
    for puts in [1980, 1990, 2000] {
        let files = MemoryFiles::default();
        let (mut store, _) = open_with(&files, options);
        for step in 0..puts {
            put(&mut store, &format!("k{step}"), &quoted(&"v".repeat(1000)));
        }
        let begun = checkpoints(&files);
        store.stop();
        assert_eq!((begun.len(), checkpoints(&files).len()), (1, 1));
        assert_ne!(begun, checkpoints(&files), "{puts}");
        let (_, report) = open_with(&files, options);
        assert_eq!((report.keys, report.replayed_bytes), (puts, 0));
    }
}

#[test]
fn who_only_reads_writes_no_checkpoint() {
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, Options::default());
    let value = quoted(&"v".repeat(1000));
    for step in 0..2000 {
        put(&mut store, &format!("k{step}"), &value);
    }
    // It is killed; another one reads, and a third one writes.
    drop(store);
    let (mut store, _) = open_with(&files, Options::default());
    assert_eq!(get(&mut store, "k7").as_ref(), Ok(&value));
    store.stop();
    assert_eq!(checkpoints(&files), Vec::<String>::new());
    let (mut store, _) = open_with(&files, Options::default());
    put(&mut store, "k7", "1");
    store.stop();
    assert_eq!(checkpoints(&files).len(), 1);
}

#[test]
fn a_checkpoint_that_the_disk_refuses_stops_nothing() {
    let files = FaultyFiles::new();
    let (mut store, _) = open_with(&files, options());
    for step in 0..2000 {
        let event = put_event(&key(step % KEYS), &quoted(&"v".repeat(90)));
        say(&mut store, &event);
    }
    files.fault.set(Fault::Create);
    store.stop();
    files.fault.set(Fault::None);
    let (mut store, report) = open_with(&files, options());
    assert_eq!(report.keys, KEYS);
    assert!(get(&mut store, &key(1)).is_ok());
}

#[test]
fn one_that_was_begun_and_left_is_begun_anew() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    // A shorter log gets no checkpoint when the store stops.
    put(&mut store, "a", &quoted(&"x".repeat(1 << 20)));
    let name = format!("checkpoint-{:016}.jsonl", 1);
    replace(&files, &name, b"{\"c\":\"");
    store.stop();
    assert_eq!(checkpoints(&files), [name]);
    let (mut store, report) = open_with(&files, Options::default());
    assert_eq!((report.keys, report.replayed_bytes), (1, 0));
    assert!(get(&mut store, "a").is_ok());
}

#[test]
fn a_long_checkpoint_is_synced_once_a_mebibyte() {
    const MIB: usize = 1 << 20;
    let files = FaultyFiles::new();
    let options = Options {
        checkpoint_interval_bytes: 2 << 20,
        ..Options::default()
    };
    let (mut store, _) = open_with(&files, options);
    let mut slice = 0;
    for batch in 0..300 {
        let number = batch % 80;
        let entries: Vec<_> = (0..1000)
            .map(|key| format!("\"{number:02}{key:03}\":\"twenty characters more\""))
            .collect();
        let event = format!(
            r#"{{"type":"put_many","entries":{{{}}}}}"#,
            entries.join(",")
        );
        slice = slice.max(event.len());
        ask(&mut store, &event);
    }
    let written = files.written.take();
    let pieces = written
        .iter()
        .filter(|(name, _)| name.starts_with("checkpoint-"));
    let mut unsynced: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (name, bytes) in pieces {
        let pieces = unsynced.entry(name).or_insert_with(|| vec![0]);
        match bytes {
            0 => pieces.push(0),
            _ => *pieces.last_mut().unwrap() += bytes,
        }
    }
    let mut full = 0;
    for (name, pieces) in unsynced {
        // Behind the last sync nothing is written. The last piece is what was left.
        let (_, pieces) = pieces.split_last().unwrap();
        let Some((last, pieces)) = pieces.split_last() else {
            continue;
        };
        let is_full = |bytes: &usize| (MIB..MIB + 2 * slice).contains(bytes);
        assert!(pieces.iter().all(is_full), "{name}: {pieces:?}");
        assert!(*last < MIB + 2 * slice, "{name}: {last}");
        full += pieces.len();
    }
    assert!(full >= 3, "{full}");
}
