//! The five events against a store, and what is on disk behind them.

use crate::common::*;
use kv_engine::files::File;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::files::{Access, Files};
use kv_engine::{Options, Outcome, Store};

#[test]
fn replies_are_the_published_ones_to_the_byte() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    for (event, reply) in [
        (
            r#"{"type":"put","key":"a","value":{"n": 1.10}}"#,
            r#"{"status":"ok","key":"a","version":1}"#,
        ),
        (
            r#"{"type":"get","key":"a","id":[7]}"#,
            r#"{"status":"ok","id":[7],"key":"a","value":{"n":1.10},"version":1}"#,
        ),
        (
            r#"{"type":"put","key":"a","value":2}"#,
            r#"{"status":"ok","key":"a","version":2}"#,
        ),
        (
            r#"{"type":"delete","key":"a"}"#,
            r#"{"status":"ok","key":"a","deleted":true,"version":3}"#,
        ),
        (
            r#"{"type":"delete","key":"a"}"#,
            r#"{"status":"ok","key":"a","deleted":false}"#,
        ),
        (
            r#"{"type":"get","key":"a","id":"x"}"#,
            r#"{"status":"error","id":"x","code":"not_found","message":"nothing is stored under the key `a`"}"#,
        ),
    ] {
        assert_eq!(say(&mut store, event), reply);
    }
    // printf %s '{"a":"é","b":1}' | sha1sum
    let hash = "d99d7bf631d4688b619da8ab22798e7a07572c4a";
    for (event, reply) in [
        (
            r#"{"type":"store_content","content":{"b":1.0,"a":"\u00e9"}}"#.to_owned(),
            format!(r#"{{"status":"ok","hash":"{hash}","created":true}}"#),
        ),
        (
            r#"{"type":"store_content","content":{"a":"é", "b":1}}"#.to_owned(),
            format!(r#"{{"status":"ok","hash":"{hash}","created":false}}"#),
        ),
        (
            format!(r#"{{"type":"get_content","hash":"{hash}"}}"#),
            format!(r#"{{"status":"ok","hash":"{hash}","content":{{"a":"é","b":1}}}}"#),
        ),
    ] {
        assert_eq!(say(&mut store, &event), reply);
    }
}

#[test]
fn values_come_back_as_they_were_sent_also_after_reopening_and_without_a_cache() {
    let values = [
        "null",
        "12345678901234567890",
        "1e400",
        "1.10",
        "-0",
        r#"{"b":1,"a":2,"b":3}"#,
        r#""\u00e9\ud83d\ude00\n""#,
        r#""é😀 שלום""#,
        "[[],{},[[]],\"\"]",
    ];
    let keys = ["", "../x", "\0", "😀", "a\"b\\c\n", "\u{7f}\u{2028}"];
    let files = MemoryFiles::default();
    for cache_bytes_max in [1_000_000, 0] {
        let options = Options {
            cache_bytes_max,
            segment_bytes_max: 700,
            ..Options::default()
        };
        let (mut store, _) = open_with(&files, options);
        for key in keys {
            for value in values {
                put(&mut store, key, value);
                assert_eq!(get(&mut store, key).as_deref(), Ok(value));
            }
        }
        let long = "k".repeat(65_536);
        put(&mut store, &long, "1");
        let (mut store, report) = open_with(&files, options);
        assert_eq!(report.keys, keys.len() + 1);
        for key in keys {
            assert_eq!(
                get(&mut store, key).as_deref(),
                Ok(values[values.len() - 1])
            );
        }
        assert_eq!(get(&mut store, &long).as_deref(), Ok("1"));
    }
    let newest = files.list().unwrap().into_iter().max().unwrap();
    assert!(*newest > *"00000010.jsonl", "segments roll over: {newest}");
}

#[test]
fn a_batch_is_answered_in_order_and_sees_itself() {
    for cache_bytes_max in [1_000_000, 0] {
        let files = MemoryFiles::default();
        let options = Options {
            cache_bytes_max,
            ..Options::default()
        };
        let (mut store, _) = open_with(&files, options);
        let (replies, outcome) = say_all(
            &mut store,
            &[
                &get_event("a"),
                &put_event("a", "1"),
                &get_event("a"),
                "not json",
                &put_event("a", "2"),
                &get_event("a"),
                r#"{"type":"delete","key":"a"}"#,
                &get_event("a"),
            ],
        );
        assert_eq!(outcome, Outcome::Serving);
        let codes: Vec<_> = replies.iter().map(|reply| code_in(reply)).collect();
        assert_eq!(
            codes,
            [
                "not_found",
                "ok",
                "ok",
                "invalid_json",
                "ok",
                "ok",
                "ok",
                "not_found"
            ]
        );
        assert_eq!(value_in(&replies[2]).as_deref(), Ok("1"));
        assert_eq!(value_in(&replies[5]).as_deref(), Ok("2"));
        let changes = String::from_utf8(store.changes().to_vec()).unwrap();
        let versions: Vec<_> = changes
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["v"].clone())
            .collect();
        assert_eq!(versions, [1, 2, 3]);
    }
}

/// However many events are read ahead, and whether their keys are looked up ahead as
/// well, each event sees what those before it have done.
#[test]
fn a_long_batch_is_answered_in_order_and_sees_itself() {
    // From 20,000 keys on, keys are looked up ahead.
    for keys in [0, 20_000] {
        let mut store = open(&MemoryFiles::default());
        let events: Vec<_> = (0..keys)
            .map(|key| put_event(&format!("{key}"), "0"))
            .collect();
        for events in events.chunks(1000) {
            let events: Vec<_> = events.iter().map(String::as_str).collect();
            let (_, outcome) = say_all(&mut store, &events);
            assert_eq!(outcome, Outcome::Serving);
        }
        let mut version = keys;
        assert_eq!(ask(&mut store, r#"{"type":"stats"}"#)["keys"], keys);
        for count in [3, 4, 63, 64, 65, 200] {
            version = answer_in_order(&mut store, version, count);
        }
    }
}

/// Says so many events at once; the version of the last change.
fn answer_in_order(store: &mut Store<MemoryFiles>, mut version: usize, count: usize) -> usize {
    let (mut events, mut expected) = (Vec::new(), Vec::new());
    for number in 0..count {
        let key = format!("k{}", number % 7);
        match number % 3 {
            0 => {
                version += 1;
                events.push(put_event(&key, &number.to_string()));
                expected.push(format!(
                    r#"{{"status":"ok","key":"{key}","version":{version}}}"#
                ));
            }
            1 => {
                let before = format!("k{}", (number - 1) % 7);
                events.push(get_event(&before));
                let value = number - 1;
                expected.push(format!(
                    r#"{{"status":"ok","key":"{before}","value":{value},"version":{version}}}"#
                ));
            }
            _ => {
                events.push("not JSON".to_owned());
                expected.push(String::new());
            }
        }
    }
    let events: Vec<_> = events.iter().map(String::as_str).collect();
    let (replies, _) = say_all(store, &events);
    assert_eq!(replies.len(), count);
    for (reply, expected) in replies.iter().zip(&expected) {
        if expected.is_empty() {
            assert_eq!(code_in(reply), "invalid_json");
        } else {
            assert_eq!(reply, expected);
        }
    }
    version
}

#[test]
fn changes_are_handed_over_once_and_the_log_goes_on() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    let mut taken = Vec::new();
    // The first batch begins with a header, which is no change.
    for value in ["1", "2", "3"] {
        say(&mut store, &put_event("a", value));
        let told = store.changes().to_vec();
        assert_eq!(store.take_changes(), told);
        assert!(store.changes().is_empty());
        assert!(store.take_changes().is_empty());
        taken.extend(told);
        assert_eq!(
            value_in(&say(&mut store, &get_event("a"))).as_deref(),
            Ok(value)
        );
    }
    let log = lines_of(&files, "00000001.jsonl");
    let header = log.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    assert_eq!(taken, &log[header..]);
    drop(store);
    let reply = say(&mut open(&files), &get_event("a"));
    assert_eq!(value_in(&reply).as_deref(), Ok("3"));
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    say(&mut store, &get_event("a"));
    say(&mut store, r#"{"type":"delete","key":"a"}"#);
    assert!(files.list().unwrap().is_empty());
    say(&mut store, r#"{"type":"store_content","content":[1]}"#);
    let before = bytes_of(&files, "00000001.jsonl");
    say(&mut store, r#"{"type":"store_content","content":[1.0]}"#);
    say(&mut store, &get_event("a"));
    assert_eq!(bytes_of(&files, "00000001.jsonl"), before);
    assert!(store.changes().is_empty());
}

#[test]
fn the_same_events_give_the_same_bytes() {
    let run = || {
        let files = MemoryFiles::default();
        let mut store = open(&files);
        for round in 0..50 {
            let key = format!("key {}", round % 7);
            let events = [put_event(&key, "[1]"), put_event("x", "{}")];
            let (_, outcome) = say_all(&mut store, &[&events[0], &events[1]]);
            assert_eq!(outcome, Outcome::Serving);
        }
        bytes_of(&files, "00000001.jsonl")
    };
    assert_eq!(run(), run());
}

#[test]
fn damaged_values_are_found_never_served_and_content_is_stored_again() {
    let files = MemoryFiles::default();
    let options = Options {
        cache_bytes_max: 0,
        ..Options::default()
    };
    let (mut store, _) = open_with(&files, options);
    put(&mut store, "a", "\"aaaa\"");
    let stored = say(&mut store, r#"{"type":"store_content","content":"cccc"}"#);
    let get_content = format!(r#"{{"type":"get_content","hash":"{}"}}"#, &stored[23..63]);
    let mut bytes = bytes_of(&files, "00000001.jsonl");
    for byte in &mut bytes {
        *byte = match *byte {
            b'a' => b'b',
            b'c' => b'd',
            other => other,
        };
    }
    let mut file = files.open("00000001.jsonl", Access::ReadWrite).unwrap();
    file.write_at(0, &bytes).unwrap();
    assert_eq!(get(&mut store, "a"), Err("corrupt".to_owned()));
    assert_eq!(code_in(&say(&mut store, &get_content)), "corrupt");
    assert_eq!(
        say(&mut store, r#"{"type":"store_content","content":"cccc"}"#),
        stored
    );
    assert!(say(&mut store, &get_content).contains(r#""content":"cccc""#));
    put(&mut store, "a", "1");
    assert_eq!(get(&mut store, "a").as_deref(), Ok("1"));
    file.set_length(20).unwrap();
    assert_eq!(code_in(&say(&mut store, &get_content)), "corrupt");
}

#[test]
fn an_event_without_a_line_feed_at_the_batch_s_end_is_one() {
    let mut store = open(&MemoryFiles::default());
    let mut replies = Vec::new();
    let outcome = store.handle(b"{}\n{}", TIME_MS, &mut replies);
    assert_eq!(outcome, Outcome::Serving);
    assert_eq!(
        String::from_utf8(replies.clone()).unwrap().lines().count(),
        2
    );
    assert_eq!(store.handle(b"", TIME_MS, &mut replies), Outcome::Serving);
}

#[test]
fn a_store_opens_where_strays_lie() {
    let files = MemoryFiles::default();
    for stray in [
        "notes.txt",
        "1.jsonl",
        "00000002.jsonl.bak",
        "checkpoint-1.jsonl",
    ] {
        replace(&files, stray, b"left alone");
    }
    let mut store = open(&files);
    put(&mut store, "a", "1");
    drop(store);
    let (_, report) = Store::open(files.clone(), Options::default()).unwrap();
    assert_eq!((report.keys, report.segments), (1, 1));
    assert_eq!(bytes_of(&files, "notes.txt"), b"left alone");
}

#[test]
fn a_batch_of_large_replies_ends_early_and_carries_out_nothing_behind() {
    let mut store = open(&MemoryFiles::default());
    put(&mut store, "a", &format!("\"{}\"", "x".repeat(3 << 20)));
    let batch = format!("{0}\n{0}\n{0}\n{1}\n", get_event("a"), put_event("b", "1"));
    let mut replies = Vec::new();
    let outcome = store.handle(batch.as_bytes(), TIME_MS, &mut replies);
    assert_eq!(outcome, Outcome::Serving);
    assert_eq!(String::from_utf8(replies).unwrap().lines().count(), 2);
    assert!(store.changes().is_empty());
    assert_eq!(get(&mut store, "b"), Err("not_found".to_owned()));
}

#[test]
fn the_figures_count_what_the_batch_has_done_so_far() {
    let mut store = open(&MemoryFiles::default());
    for version in 1..=3 {
        let (replies, _) = say_all(&mut store, &[&put_event("a", "1"), r#"{"type":"stats"}"#]);
        let told: serde_json::Value = serde_json::from_str(&replies[1]).unwrap();
        assert_eq!(told["version"], version);
        assert_eq!(told["keys"], 1);
    }
    assert_eq!(ask(&mut store, r#"{"type":"stats"}"#)["version"], 3);
}
