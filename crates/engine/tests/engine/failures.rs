//! A disk that refuses while the store runs, and a second owner.

use crate::common::*;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::{OpenError, Options, Outcome, Store};

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    for fault in [Fault::Create, Fault::Write] {
        let files = FaultyFiles::new();
        let mut store = open(&files);
        for round in 0..3 {
            let kept = format!("{round}");
            put(&mut store, "a", &kept);
            let content = format!(r#"{{"type":"store_content","content":"{round}"}}"#);
            // So that both ways of writing are met: into the segment, and anew.
            if fault == Fault::Create {
                store = open(&files);
            }
            files.fault.set(fault);
            for _ in 0..2 {
                let (replies, outcome) = say_all(
                    &mut store,
                    &[
                        &put_event("a", "9"),
                        &put_event("b", "9"),
                        &get_event("a"),
                        &get_event("b"),
                        &content,
                        r#"{"type":"delete","key":"a"}"#,
                        r#"{"type":"delete","key":"b"}"#,
                        "{}",
                    ],
                );
                assert_eq!(outcome, Outcome::Serving);
                let codes: Vec<_> = replies.iter().map(|reply| code_in(reply)).collect();
                assert_eq!(
                    codes,
                    [
                        "storage",
                        "storage",
                        "ok",
                        "not_found",
                        "storage",
                        "storage",
                        "ok",
                        "invalid_event"
                    ]
                );
                assert_eq!(value_in(&replies[2]).as_deref(), Ok(&*kept));
                assert!(store.changes().is_empty());
            }
            files.fault.set(Fault::None);
            assert_eq!(get(&mut store, "a").as_deref(), Ok(&*kept));
        }
        put(&mut store, "c", "1");
        assert_eq!(get(&mut open(&files), "a").as_deref(), Ok("2"));
        assert_eq!(open_with(&files, Options::default()).1.keys, 2);
    }
}

#[test]
fn a_failed_sync_is_final_and_nothing_of_the_batch_comes_back() {
    for fault in [Fault::Sync, Fault::SyncDirectory] {
        let files = FaultyFiles::new();
        put(&mut open(&files), "a", "1");
        let mut store = open(&files);
        if fault == Fault::Sync {
            put(&mut store, "a", "2");
        }
        let before = get(&mut store, "a").unwrap();
        files.fault.set(fault);
        let (replies, outcome) = say_all(&mut store, &[&put_event("a", "9"), &get_event("a")]);
        assert_eq!(outcome, Outcome::Finished);
        assert!(replies.iter().all(|reply| code_in(reply) == "storage"));
        files.fault.set(Fault::None);
        // Not even a read is answered: the instance is done.
        let (replies, outcome) = say_all(&mut store, &[&get_event("a")]);
        assert_eq!(
            (code_in(&replies[0]).as_str(), outcome),
            ("storage", Outcome::Finished)
        );
        let mut store = open(&files);
        assert_eq!(get(&mut store, "a"), Ok(before));
        put(&mut store, "a", "3");
        assert_eq!(get(&mut open(&files), "a").as_deref(), Ok("3"));
    }
}

#[test]
fn an_unreadable_value_is_an_error_and_the_store_goes_on() {
    let files = FaultyFiles::new();
    let options = Options {
        cache_bytes_max: 0,
        ..Options::default()
    };
    let (mut store, _) = open_with(&files, options);
    put(&mut store, "a", "1");
    put(&mut store, "b", "1");
    files.fault.set(Fault::Read);
    assert_eq!(get(&mut store, "a"), Err("storage".to_owned()));
    files.fault.set(Fault::None);
    assert_eq!(get(&mut store, "a").as_deref(), Ok("1"));
}

#[test]
fn an_owner_that_was_replaced_acknowledges_nothing() {
    let files = MemoryFiles::default();
    let mut first = open(&files);
    put(&mut first, "a", "1");
    let mut second = open(&files);
    // Opening alone takes nothing over.
    put(&mut first, "a", "2");
    let mut third = open(&files);
    put(&mut third, "a", "3");
    for (store, event) in [
        (&mut first, put_event("a", "lost")),
        (&mut second, put_event("a", "lost")),
    ] {
        let (replies, outcome) = say_all(store, &[&event.replace("lost", "9"), &get_event("a")]);
        assert_eq!(outcome, Outcome::Finished);
        assert!(replies.iter().all(|reply| code_in(reply) == "unavailable"));
    }
    put(&mut third, "b", "3");
    let mut last = open(&files);
    assert_eq!(get(&mut last, "a").as_deref(), Ok("3"));
    assert_eq!(get(&mut last, "b").as_deref(), Ok("3"));
}

#[test]
fn a_replaced_owner_serves_no_stale_read() {
    let files = MemoryFiles::default();
    let mut first = open(&files);
    put(&mut first, "a", "1");
    put(&mut open(&files), "a", "2");
    let (replies, outcome) = say_all(&mut first, &[&get_event("a")]);
    assert_eq!(
        (code_in(&replies[0]).as_str(), outcome),
        ("unavailable", Outcome::Finished)
    );
}

#[test]
fn a_segment_removed_under_the_owner_stops_it() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    put(&mut store, "a", "1");
    files.remove("00000001.jsonl").unwrap();
    let (replies, outcome) = say_all(&mut store, &[&put_event("a", "2")]);
    assert_eq!(
        (code_in(&replies[0]).as_str(), outcome),
        ("storage", Outcome::Finished)
    );
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the test lays out a real directory"
)]
fn a_directory_that_can_t_be_used_says_why() {
    use kv_engine::files::native::NativeFiles;
    let directory = tempfile::tempdir().unwrap();
    let missing = NativeFiles::new(directory.path().join("missing"));
    let error = Store::open(missing, Options::default())
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("data directory"), "{error}");
    std::fs::create_dir(directory.path().join("00000001.jsonl")).unwrap();
    let error = Store::open(NativeFiles::new(directory.path()), Options::default())
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("00000001.jsonl"), "{error}");
}

#[test]
fn a_claim_on_a_log_that_has_grown_since_it_was_read_is_refused() {
    let files = MemoryFiles::default();
    let mut first = open(&files);
    put(&mut first, "a", "1");
    let mut second = open(&files);
    // The first is still the owner, and its put is acknowledged.
    put(&mut first, "a", "2");
    let (replies, outcome) = say_all(&mut second, &[&put_event("b", "1")]);
    assert_eq!(
        (code_in(&replies[0]).as_str(), outcome),
        ("unavailable", Outcome::Finished)
    );
    assert_eq!(get(&mut open(&files), "a").as_deref(), Ok("2"));
}

#[test]
fn what_was_refused_is_not_there_when_the_store_is_opened_again() {
    // Half of the write arrives: whole lines of it. Once in a new segment, once
    // behind what another has.
    for begun in [false, true] {
        let files = FaultyFiles::new();
        let mut store = open(&files);
        if begun {
            put(&mut store, "a", "1");
        }
        files.fault.set(Fault::Write);
        let events: Vec<_> = (0..20).map(|n| put_event(&format!("k{n}"), "2")).collect();
        let events: Vec<_> = events.iter().map(String::as_str).collect();
        let (replies, _) = say_all(&mut store, &events);
        assert!(replies.iter().all(|reply| code_in(reply) == "storage"));
        files.fault.set(Fault::None);
        let (_, report) = open_with(&files, Options::default());
        assert_eq!(report.keys, usize::from(begun));
    }
}

#[test]
fn a_segment_that_was_cut_under_the_owner_takes_nothing_more() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    put(&mut store, "a", "1");
    let bytes = bytes_of(&files, "00000001.jsonl");
    put(&mut store, "b", "2");
    replace(&files, "00000001.jsonl", &bytes);
    let (replies, outcome) = say_all(&mut store, &[&put_event("c", "3")]);
    assert_eq!(
        (code_in(&replies[0]).as_str(), outcome),
        ("storage", Outcome::Finished)
    );
    assert_eq!(get(&mut open(&files), "a").as_deref(), Ok("1"));
}

#[test]
fn segments_that_can_t_be_removed_are_removed_later() {
    let files = FaultyFiles::new();
    let options = Options {
        segment_bytes_max: 2000,
        ..Options::default()
    };
    let (mut store, _) = open_with(&files, options);
    let overwrite = |store: &mut Store<FaultyFiles>| {
        for step in 0..300 {
            put(store, &format!("k{}", step % 10), &quoted(&"x".repeat(100)));
        }
    };
    files.fault.set(Fault::Remove);
    overwrite(&mut store);
    // None goes before the oldest, which stays.
    let held: Vec<_> = (1..=9).map(|n| format!("0000000{n}.jsonl")).collect();
    let is_there = |name: &String| files.exists(name).unwrap();
    assert!(held.iter().all(is_there));
    // What somebody else has removed is as good as removed.
    files.files.remove(&held[3]).unwrap();
    files.fault.set(Fault::None);
    overwrite(&mut store);
    assert!(!held.iter().any(is_there));
    assert_eq!(open_with(&files, options).1.keys, 10);
}

#[test]
fn what_an_earlier_owner_may_have_added_must_be_seen_before_anything_is_acknowledged() {
    let written = || {
        let files = FaultyFiles::new();
        put(&mut open(&files), "a", "1");
        files
    };
    let refused = |store: &mut Store<FaultyFiles>| {
        let (replies, outcome) = say_all(store, &[&put_event("a", "2")]);
        assert_eq!(outcome, Outcome::Finished);
        code_in(&replies[0])
    };
    // It can't be looked at.
    let files = written();
    let mut store = open(&files);
    files.fault.set(Fault::Open);
    assert_eq!(refused(&mut store), "storage");
    // It is gone: another owner has compacted it.
    let files = written();
    replace(&files, "00000002.jsonl", b"");
    let mut store = open(&files);
    files.remove("00000001.jsonl").unwrap();
    assert_eq!(refused(&mut store), "unavailable");
}

#[test]
fn an_owner_that_compacts_with_each_put_keeps_nobody_out() {
    let options = Options {
        segment_bytes_max: 1,
        checkpoint_interval_bytes: 1000,
        ..Options::default()
    };
    let files = FaultyFiles::new();
    let (mut owner, _) = open_with(&files.files, options);
    for step in 0..200 {
        put(&mut owner, &format!("k{}", step % 20), "1");
    }
    let oldest = files.list().unwrap().into_iter().min().unwrap();
    // Reading a checkpoint takes as long as three puts.
    let mut step = 0;
    let owner_goes_on = move || {
        for _ in 0..3 {
            step += 1;
            put(&mut owner, &format!("k{}", step % 20), "2");
        }
    };
    files.meanwhile.0.replace(Some(Box::new(owner_goes_on)));
    let (_, report) = open_with(&files, options);
    assert!(
        !files.exists(&oldest).unwrap(),
        "the oldest segment has gone"
    );
    assert_eq!((report.keys, report.version), (20, 200));
}

#[test]
fn a_log_that_is_compacted_while_it_is_read_is_read_again() {
    let options = Options {
        segment_bytes_max: 2000,
        ..Options::default()
    };
    let files = FaultyFiles::new();
    let (mut store, _) = open_with(&files, options);
    put(&mut store, "a", "1");
    let names = files.list().unwrap();
    for step in 0..300 {
        put(&mut store, "b", &step.to_string());
    }
    assert!(!files.exists(&names[0]).unwrap());
    files.stale.replace(Some(names));
    let (_, report) = open_with(&files, options);
    assert_eq!((report.keys, report.version), (2, 301));
}

#[test]
fn what_only_one_reading_finds_is_no_damage() {
    let files = FaultyFiles::new();
    let (mut store, _) = open_with(&files, Options::default());
    put(&mut store, "a", "1");
    let name = files.list().unwrap().remove(0);
    let mut bytes = bytes_of(&files, &name);
    bytes[30] ^= 1;
    files.stale_bytes.replace(Some(bytes.clone()));
    let (_, report) = open_with(&files, Options::default());
    assert_eq!((report.keys, report.version), (1, 1));
    assert!(files.stale_bytes.borrow().is_none());
    replace(&files, &name, &bytes);
    let refused = Store::open(files, Options::default()).map(|(_, report)| report);
    assert!(matches!(refused, Err(OpenError::Damage(_))), "{refused:?}");
}

#[test]
fn an_instance_that_is_done_writes_no_checkpoint() {
    let files = FaultyFiles::new();
    let mut store = open(&files);
    let is_checkpoint = |name: &String| name.starts_with("checkpoint-");
    // Too little to be worth one.
    put(&mut store, "a", "1");
    store.stop();
    assert!(!files.list().unwrap().iter().any(is_checkpoint));
    for step in 0..1200 {
        put(&mut store, &format!("k{step}"), &quoted(&"x".repeat(1000)));
    }
    files.fault.set(Fault::Sync);
    let (_, outcome) = say_all(&mut store, &[&put_event("a", "2")]);
    assert_eq!(outcome, Outcome::Finished);
    files.fault.set(Fault::None);
    store.stop();
    assert!(!files.list().unwrap().iter().any(is_checkpoint));
    let mut store = open(&files);
    put(&mut store, "a", "3");
    store.stop();
    assert!(files.list().unwrap().iter().any(is_checkpoint));
}
