//! Backups, taken page by page while the store goes on.

use crate::common::*;
use kv_engine::files::memory::{MemoryFile, MemoryFiles};
use kv_engine::files::{File, Files};
use kv_engine::log::restore::{RestoreError, restore};
use kv_engine::{Options, Store};
use proptest::prelude::*;
use serde_json::{Value, json};

fn options() -> Options {
    Options {
        segment_bytes_max: 4000,
        checkpoint_interval_bytes: 5000,
        ..Options::default()
    }
}

/// A whole backup; `between` is done between its pages.
fn back_up<F: Files>(
    store: &mut Store<F>,
    since: u64,
    mut between: impl FnMut(&mut Store<F>),
) -> Result<(String, u64), Value> {
    let mut text = String::new();
    let mut cursor = String::new();
    loop {
        let reply = say(
            store,
            &format!(r#"{{"type":"backup","since":{since}{cursor}}}"#),
        );
        let told: Value = serde_json::from_str(&reply).unwrap();
        if told["status"] != "ok" {
            return Err(told);
        }
        let raw: Page<'_> = serde_json::from_str(&reply).unwrap();
        for line in raw.lines {
            text.push_str(line.get());
            text.push('\n');
        }
        if told["complete"] == true {
            return Ok((text, told["version"].as_u64().unwrap()));
        }
        cursor = format!(r#","cursor":{}"#, told["cursor"]);
        between(store);
    }
}

#[derive(serde::Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    lines: Vec<&'a serde_json::value::RawValue>,
}

/// A file that holds a backup.
fn file(bytes: &[u8]) -> MemoryFile {
    let mut file = MemoryFiles::default().create("backup").unwrap();
    file.write_at(0, bytes).unwrap();
    file
}

fn restored(backups: &[&str]) -> Result<Store<MemoryFiles>, RestoreError> {
    let backups: Vec<_> = backups
        .iter()
        .map(|text| ("b", file(text.as_bytes())))
        .collect();
    let to = MemoryFiles::default();
    restore(&backups, &to, TIME_MS, 3000, |_, _| {})?;
    Ok(open_with(&to, options()).0)
}

/// Everything that a store can be asked about.
fn state<F: Files>(store: &mut Store<F>) -> Vec<Value> {
    let mut state = Vec::new();
    let mut cursor = String::new();
    loop {
        let event = format!(r#"{{"type":"list","values":true{cursor}}}"#);
        let page = ask(store, &event);
        for row in page["keys"].as_array().unwrap() {
            let get = format!(r#"{{"type":"get","key":{}}}"#, row["key"]);
            state.push(ask(store, &get));
        }
        if page["complete"] == true {
            break;
        }
        cursor = format!(r#","cursor":{}"#, page["cursor"]);
    }
    let statistics = ask(store, r#"{"type":"stats"}"#);
    state.push(json!([
        statistics["keys"],
        statistics["contents"],
        statistics["version"]
    ]));
    for number in 0..40 {
        let (hash, _) = kv_engine::content::address(&format!("[{number}]")).unwrap();
        let hash = kv_protocol::event::format_hash(&hash);
        state.push(ask(
            store,
            &format!(r#"{{"type":"get_content","hash":"{hash}"}}"#),
        ));
    }
    state
}

#[test]
fn an_empty_store_is_backed_up_too() {
    let mut store = open(&MemoryFiles::default());
    let (text, version) = back_up(&mut store, 0, |_| {}).unwrap();
    assert_eq!((text.lines().count(), version), (2, 0));
    let mut copy = restored(&[&text]).unwrap();
    assert_eq!(state(&mut copy), state(&mut store));
    assert_eq!(ask(&mut copy, &put_event("a", "1"))["version"], 1);
}

#[test]
fn what_is_not_durable_is_no_part_of_it() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    ask(
        &mut store,
        r#"{"type":"put_many","entries":{"a":1,"b":2,"gone":3}}"#,
    );
    ask(&mut store, r#"{"type":"delete","key":"gone"}"#);
    let mut expected = open(&files);
    let (replies, _) = say_all(
        &mut store,
        &[
            &put_event("a", "9"),
            r#"{"type":"delete","key":"b"}"#,
            r#"{"type":"backup"}"#,
        ],
    );
    let page: Page<'_> = serde_json::from_str(&replies[2]).unwrap();
    let mut text = String::new();
    for line in page.lines {
        text.push_str(line.get());
        text.push('\n');
    }
    assert_eq!(
        state(&mut restored(&[&text]).unwrap()),
        state(&mut expected)
    );
}

#[test]
fn incremental_ones_go_on_where_the_one_before_ends() {
    let mut store = open(&MemoryFiles::default());
    put(&mut store, "a", "1");
    put(&mut store, "b", "1");
    let (base, version) = back_up(&mut store, 0, |_| {}).unwrap();
    ask(
        &mut store,
        r#"{"type":"batch","operations":[{"type":"delete","key":"a"},{"type":"put","key":"c","value":1,"ttl_ms":50}]}"#,
    );
    let (first, version) = back_up(&mut store, version, |_| {}).unwrap();
    put(&mut store, "b", "2");
    let (second, version) = back_up(&mut store, version, |_| {}).unwrap();
    assert_eq!(version, 4);
    let expected = state(&mut store);
    let mut copy = restored(&[&base, &first, &second]).unwrap();
    assert_eq!(state(&mut copy), expected);
    assert_eq!(copy.wake_at_ms(), Some(TIME_MS + 50));
    for wrong in [
        &[&*first][..],
        &[&base, &second],
        &[&base, &base],
        &[&base, &first, &first],
    ] {
        assert!(matches!(restored(wrong), Err(RestoreError::Damage(_))));
    }
    let future = back_up(&mut store, 5, |_| {}).unwrap_err();
    assert_eq!(future["code"], "invalid_event");
}

#[test]
fn a_backup_that_is_cut_or_changed_anywhere_is_refused() {
    let mut store = open(&MemoryFiles::default());
    put(&mut store, "a", "1");
    ask(&mut store, r#"{"type":"store_content","content":[1]}"#);
    ask(&mut store, r#"{"type":"put_many","entries":{"b":1,"c":2}}"#);
    let (text, _) = back_up(&mut store, 0, |_| {}).unwrap();
    assert!(restored(&[&text]).is_ok());
    let bytes = text.as_bytes();
    let try_bytes = |bytes: &[u8], what: &str| {
        let to = MemoryFiles::default();
        let result = restore(&[("b", file(bytes))], &to, TIME_MS, 1 << 20, |_, _| {});
        assert!(result.is_err(), "{what}");
        assert!(to.list().unwrap().is_empty(), "{what}");
    };
    for place in 0..bytes.len() {
        try_bytes(&bytes[..place], &format!("cut at {place}"));
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[place] ^= 1 << bit;
            try_bytes(&changed, &format!("byte {place}, bit {bit}"));
        }
    }
    let lines: Vec<&str> = text.lines().collect();
    for place in 0..lines.len() {
        let mut without = lines.clone();
        let line = without.remove(place);
        try_bytes((without.join("\n") + "\n").as_bytes(), "a line left out");
        let mut twice = lines.clone();
        twice.insert(place, line);
        try_bytes((twice.join("\n") + "\n").as_bytes(), "a line twice");
    }
    try_bytes((text.clone() + "x").as_bytes(), "something behind the end");
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u16),
    PutFor(u8, u16),
    Delete(u8),
    Content(u8),
    Batch(u8, u8, u8),
    Increment(u8),
}

fn event(step: &Step) -> String {
    match step {
        Step::Put(key, bytes) => {
            put_event(&format!("k{key}"), &quoted(&"v".repeat((*bytes).into())))
        }
        Step::PutFor(key, ttl) => format!(
            r#"{{"type":"put","key":"t{key}","value":1,"ttl_ms":{}}}"#,
            ttl + 1
        ),
        Step::Delete(key) => format!(r#"{{"type":"delete","key":"k{key}"}}"#),
        Step::Content(number) => format!(r#"{{"type":"store_content","content":[{number}]}}"#),
        Step::Batch(a, b, c) => format!(
            r#"{{"type":"batch","operations":[{{"type":"put","key":"k{a}","value":{c}}},{{"type":"delete","key":"k{b}"}},{{"type":"store_content","content":[{}]}},{{"type":"increment","key":"n{a}"}}]}}"#,
            c % 40
        ),
        Step::Increment(key) => format!(r#"{{"type":"increment","key":"n{key}"}}"#),
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..30_u8, 0..3000_u16).prop_map(|(key, bytes)| Step::Put(key, bytes)),
        (0..9_u8, 0..9_u16).prop_map(|(key, ttl)| Step::PutFor(key, ttl)),
        (0..30_u8).prop_map(Step::Delete),
        (0..40_u8).prop_map(Step::Content),
        (0..30_u8, 0..30_u8, 0..90_u8).prop_map(|(a, b, c)| Step::Batch(a, b, c)),
        (0..9_u8).prop_map(Step::Increment),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_backup_shows_one_moment_while_writes_go_on(
        before in prop::collection::vec(step(), 0..300),
        between in prop::collection::vec(step(), 0..300),
        after in prop::collection::vec(step(), 0..60),
        padding in 0..1200_u32,
        segment_bytes_max in prop_oneof![Just(3000_u64), Just(100_000), Just(4_000_000)],
    ) {
        let files = MemoryFiles::default();
        let options = Options { segment_bytes_max, ..options() };
        let (mut store, _) = open_with(&files, options);
        for step in &before {
            say(&mut store, &event(step));
        }
        // Enough for several pages.
        for number in 0..padding {
            put(&mut store, &format!("p{number}"), &quoted(&"p".repeat(3000)));
        }
        let mut steps = between.iter();
        let backup = back_up(&mut store, 0, |store| {
            for step in steps.by_ref().take(40) {
                say(store, &event(step));
            }
        });
        match backup {
            Ok((text, version)) => {
                let expected = state(&mut store);
                let mut copy = restored(&[&text]).unwrap();
                prop_assert_eq!(state(&mut copy), expected);
                for step in &after {
                    say(&mut store, &event(step));
                }
                match back_up(&mut store, version, |_| {}) {
                    Ok((increment, _)) => {
                        let mut copy = restored(&[&text, &increment]).unwrap();
                        prop_assert_eq!(state(&mut copy), state(&mut store));
                    }
                    Err(told) => prop_assert_eq!(&told["code"], "compacted"),
                }
            }
            Err(told) => prop_assert_eq!(&told["code"], "compacted"),
        }
    }
}
