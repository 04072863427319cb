//! Values that have their time.

use crate::common::*;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::{Options, Outcome};
use serde_json::json;

fn put_for(key: &str, ttl_ms: u64) -> String {
    format!(r#"{{"type":"put","key":"{key}","value":1,"ttl_ms":{ttl_ms}}}"#)
}

fn exists<F: kv_engine::files::Files>(
    store: &mut kv_engine::Store<F>,
    after_ms: u64,
    key: &str,
) -> bool {
    let event = format!(r#"{{"type":"exists","key":"{key}"}}"#);
    say_at(store, after_ms, &event)["exists"] == true
}

#[test]
fn a_value_is_served_until_its_time_and_never_after() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    ask(&mut store, &put_for("a", 1000));
    assert_eq!(store.wake_at_ms(), Some(TIME_MS + 1000));
    let reply = say_at(&mut store, 400, &get_event("a"));
    assert_eq!(reply["expires_in_ms"], 600);
    assert!(exists(&mut store, 999, "a"));
    let reopened = open(&files);
    assert_eq!(reopened.wake_at_ms(), Some(TIME_MS + 1000));
    assert!(!exists(&mut store, 1000, "a"));
    assert_eq!(
        say_at(&mut store, 1001, &get_event("a"))["code"],
        "not_found"
    );
    // Its end was a change: a clock that is set back brings nothing back.
    assert_eq!(ask(&mut store, &get_event("a"))["code"], "not_found");
    assert_eq!(store.wake_at_ms(), None);
    assert_eq!(ask(&mut open(&files), &get_event("a"))["code"], "not_found");
    assert_eq!(open_with(&files, Options::default()).1.version, 2);
}

#[test]
fn an_empty_batch_ends_what_is_due() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    for number in 0..1500 {
        ask(
            &mut store,
            &put_for(&format!("k{number:04}"), 10 + number % 3),
        );
    }
    let mut replies = Vec::new();
    assert_eq!(
        store.handle(b"", TIME_MS + 20, &mut replies),
        Outcome::Serving
    );
    assert!(replies.is_empty());
    assert_eq!(
        String::from_utf8_lossy(store.changes()).lines().count(),
        1000
    );
    assert!(
        store
            .wake_at_ms()
            .is_some_and(|time_ms| time_ms <= TIME_MS + 20)
    );
    // What is due and not ended yet is not shown either.
    let listed = say_at(&mut store, 20, r#"{"type":"list"}"#);
    assert_eq!(listed["keys"], json!([]));
    assert_eq!(
        store.handle(b"", TIME_MS + 20, &mut replies),
        Outcome::Serving
    );
    assert_eq!(store.wake_at_ms(), None);
    assert_eq!(ask(&mut store, r#"{"type":"stats"}"#)["keys"], 0);
    assert_eq!(open_with(&files, Options::default()).1.keys, 0);
}

#[test]
fn a_later_write_decides_on_the_time() {
    let mut store = open(&MemoryFiles::default());
    ask(&mut store, &put_for("a", 100));
    // Counters and patches keep it, unless they give another.
    ask(&mut store, r#"{"type":"increment","key":"a"}"#);
    assert_eq!(ask(&mut store, &get_event("a"))["expires_in_ms"], 100);
    ask(
        &mut store,
        r#"{"type":"patch","key":"a","merge":{},"ttl_ms":300}"#,
    );
    assert_eq!(ask(&mut store, &get_event("a"))["expires_in_ms"], 300);
    put(&mut store, "a", "1");
    assert_eq!(ask(&mut store, &get_event("a")).get("expires_in_ms"), None);
    assert!(exists(&mut store, 1000, "a"));
}

#[test]
fn what_has_expired_counts_as_absent() {
    let mut store = open(&MemoryFiles::default());
    ask(&mut store, &put_for("a", 10));
    let create = r#"{"type":"put","key":"a","value":2,"if_version":0}"#;
    assert_eq!(say_at(&mut store, 9, create)["code"], "conflict");
    assert_eq!(say_at(&mut store, 10, create)["version"], 3);
    ask(&mut store, &put_for("n", 10));
    let increment = say_at(&mut store, 10, r#"{"type":"increment","key":"n"}"#);
    assert_eq!(increment["value"], 1);
}

#[test]
fn a_full_disk_serves_nothing_that_has_expired() {
    let files = FaultyFiles::new();
    let mut store = open(&files);
    ask(&mut store, &put_for("a", 10));
    put(&mut store, "b", "1");
    files.fault.set(Fault::Write);
    let (replies, outcome) = say_all_at(&mut store, 10, &[&get_event("a"), &get_event("b")]);
    assert_eq!(outcome, Outcome::Serving);
    assert_eq!(code_in(&replies[0]), "not_found");
    assert_eq!(value_in(&replies[1]), Ok("1".to_owned()));
    files.fault.set(Fault::None);
    assert!(!exists(&mut store, 10, "a"));
}

#[test]
fn times_survive_checkpoints_and_compaction() {
    let options = Options {
        segment_bytes_max: 2000,
        checkpoint_interval_bytes: 3000,
        ..Options::default()
    };
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, options);
    for number in 0..20 {
        ask(&mut store, &put_for(&format!("t{number}"), 1000 + number));
    }
    ask(
        &mut store,
        r#"{"type":"put_many","entries":{"m1":1,"m2":2},"ttl_ms":2000}"#,
    );
    for number in 0..600 {
        put(&mut store, "x", &number.to_string());
    }
    let (mut store, report) = open_with(&files, options);
    assert!(report.replayed_bytes < 8000, "{report:?}");
    assert_eq!(
        say_at(&mut store, 999, r#"{"type":"stats"}"#)["expiring_keys"],
        22
    );
    assert!(exists(&mut store, 1018, "t19"));
    assert!(!exists(&mut store, 1018, "t18"));
    assert!(exists(&mut store, 1999, "m2"));
    assert!(!exists(&mut store, 2000, "m2"));
    assert_eq!(say_at(&mut store, 2000, r#"{"type":"stats"}"#)["keys"], 1);
}
