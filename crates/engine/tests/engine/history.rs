//! The changes behind a version.

use crate::common::*;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::{Options, Store};
use serde_json::{Value, json};

/// Follows `changes` from a version to the end.
fn follow<F: Files>(store: &mut Store<F>, mut since: u64, rest: &str) -> Vec<Value> {
    let mut found = Vec::new();
    loop {
        let reply = ask(
            store,
            &format!(r#"{{"type":"changes","since":{since}{rest}}}"#),
        );
        assert_eq!(reply["status"], "ok", "{reply}");
        found.extend(reply["changes"].as_array().expect("a list").clone());
        let version = reply["version"].as_u64().expect("a version");
        assert!(version >= since);
        since = version;
        if reply["complete"] == true {
            return found;
        }
    }
}

fn versions(changes: &[Value]) -> Vec<u64> {
    let version = |change: &Value| change["version"].as_u64().expect("a version");
    changes.iter().map(version).collect()
}

#[test]
fn every_kind_of_change_is_told_in_order() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    assert_eq!(follow(&mut store, 0, ""), Vec::<Value>::new());
    ask(
        &mut store,
        r#"{"type":"put","key":"a","value":{"x":1},"ttl_ms":5}"#,
    );
    let content = ask(&mut store, r#"{"type":"store_content","content":[1]}"#);
    ask(
        &mut store,
        r#"{"type":"batch","operations":[{"type":"put","key":"b","value":2},{"type":"delete","key":"a"}]}"#,
    );
    ask(&mut store, r#"{"type":"delete","key":"never"}"#);
    ask(
        &mut store,
        r#"{"type":"put","key":"c","value":3,"ttl_ms":5}"#,
    );
    say_at(&mut store, 7, r#"{"type":"stats"}"#);
    let all = json!([
        {"type":"put","version":1,"time_ms":TIME_MS,"key":"a","value":{"x":1},"expires_ms":TIME_MS + 5},
        {"type":"store_content","version":2,"time_ms":TIME_MS,"hash":content["hash"]},
        {"type":"put","version":3,"time_ms":TIME_MS,"key":"b","value":2},
        {"type":"delete","version":3,"time_ms":TIME_MS,"key":"a"},
        {"type":"put","version":4,"time_ms":TIME_MS,"key":"c","value":3,"expires_ms":TIME_MS + 5},
        {"type":"expire","version":5,"time_ms":TIME_MS + 7,"key":"c"},
    ]);
    let all = all.as_array().unwrap();
    for mut store in [store, open(&files)] {
        assert_eq!(&follow(&mut store, 0, ""), all);
        assert_eq!(follow(&mut store, 3, ""), all[4..]);
        assert_eq!(follow(&mut store, 5, ""), all[6..]);
        assert_eq!(follow(&mut store, 0, r#","prefix":"c""#), all[4..]);
        // A version is never told by half.
        assert_eq!(&follow(&mut store, 0, r#","limit":1"#), all);
        let page = ask(&mut store, r#"{"type":"changes","since":2,"limit":1}"#);
        assert_eq!(versions(page["changes"].as_array().unwrap()), [3, 3]);
    }
}

#[test]
fn the_future_is_not_told() {
    let mut store = open(&MemoryFiles::default());
    put(&mut store, "a", "1");
    let reply = ask(&mut store, r#"{"type":"changes","since":2}"#);
    assert_eq!(
        (&reply["code"], &reply["version"]),
        (&json!("invalid_event"), &json!(1))
    );
    // Nor what is not durable yet.
    let (replies, _) = say_all(
        &mut store,
        &[&put_event("b", "2"), r#"{"type":"changes","since":1}"#],
    );
    let told: Value = serde_json::from_str(&replies[1]).unwrap();
    assert_eq!(
        (&told["changes"], &told["version"]),
        (&json!([]), &json!(1))
    );
}

#[test]
fn history_ends_where_compaction_has_come_to() {
    let options = Options {
        segment_bytes_max: 20_000,
        ..Options::default()
    };
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, options);
    put(&mut store, "kept", "1");
    let mut told: Vec<u64> = Vec::new();
    let mut since = 0;
    for number in 0..2000 {
        put(&mut store, &format!("k{}", number % 7), &number.to_string());
        if number % 10 == 0 {
            let changes = follow(&mut store, since, "");
            told.extend(versions(&changes));
            since = *told.last().unwrap();
        }
    }
    told.extend(versions(&follow(&mut store, since, "")));
    // Who keeps up sees each change once: copies are no changes.
    assert_eq!(told, (1..=2001).collect::<Vec<_>>());
    for mut store in [store, open_with(&files, options).0] {
        let reply = ask(&mut store, r#"{"type":"changes","since":0}"#);
        assert_eq!(reply["code"], "compacted");
        let oldest = reply["oldest"].as_u64().unwrap();
        assert!((1000..2000).contains(&oldest), "{oldest}");
        assert_eq!(
            ask(&mut store, r#"{"type":"stats"}"#)["history_since"],
            oldest
        );
        let changes = follow(&mut store, oldest, "");
        assert_eq!(versions(&changes), (oldest + 1..=2001).collect::<Vec<_>>());
        let earlier = format!(r#"{{"type":"changes","since":{}}}"#, oldest - 1);
        assert_eq!(ask(&mut store, &earlier)["code"], "compacted");
        assert_eq!(get(&mut store, "kept"), Ok("1".to_owned()));
    }
}

#[test]
fn any_version_is_found_in_a_long_log() {
    let files = MemoryFiles::default();
    let options = Options {
        segment_bytes_max: 200_000,
        ..Options::default()
    };
    let (mut store, _) = open_with(&files, options);
    let text = quoted(&"x".repeat(900));
    for number in 0..1500 {
        put(&mut store, &number.to_string(), &text);
    }
    for since in [1499, 3, 700, 0, 1500, 701, 699, 1000] {
        for limit in [1, 1000] {
            let rest = format!(r#","limit":{limit},"prefix":"{}""#, since + 1);
            let page = ask(
                &mut store,
                &format!(r#"{{"type":"changes","since":{since},"limit":{limit}}}"#),
            );
            let first = page["changes"][0]["version"].as_u64();
            assert_eq!(first, (since < 1500).then_some(since + 1));
            follow(&mut store, since, &rest);
        }
    }
}

#[test]
fn damage_is_told_not_skipped() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    for number in 0..9 {
        put(&mut store, "a", &number.to_string());
    }
    let mut bytes = bytes_of(&files, "00000001.jsonl");
    let place = lines_of(&files, "00000001.jsonl").len() / 2;
    bytes[place] ^= 1;
    replace(&files, "00000001.jsonl", &bytes);
    let reply = ask(&mut store, r#"{"type":"changes"}"#);
    assert_eq!(reply["code"], "corrupt");
    assert!(
        reply["message"]
            .as_str()
            .unwrap()
            .contains("00000001.jsonl, byte "),
        "{reply}"
    );
}

#[test]
fn a_segment_that_was_cut_short_is_told_too() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    put(&mut store, "a", "1");
    let first = bytes_of(&files, "00000001.jsonl");
    put(&mut store, "b", "2");
    let whole = bytes_of(&files, "00000001.jsonl");
    // At the end of a line, within one, and all of it.
    for bytes in [first.len(), first.len() + 7, 0] {
        replace(&files, "00000001.jsonl", &whole[..bytes]);
        let reply = ask(&mut store, r#"{"type":"changes","since":0}"#);
        assert_eq!(reply["code"], "corrupt", "{bytes}: {reply}");
        let message = reply["message"].as_str().expect("a message");
        assert!(message.contains("00000001.jsonl"), "{message}");
    }
    replace(&files, "00000001.jsonl", &whole);
    assert_eq!(versions(&follow(&mut store, 0, "")), [1, 2]);
}
