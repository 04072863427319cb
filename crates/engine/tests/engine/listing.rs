//! Keys in order, page by page.

use crate::common::*;
use kv_engine::Store;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use serde_json::{Value, json};

fn keys_of(reply: &Value) -> Vec<String> {
    let keys = reply["keys"].as_array().expect("a list");
    let key = |row: &Value| row["key"].as_str().expect("a key").to_owned();
    keys.iter().map(key).collect()
}

/// Follows the cursors of a listing; `between` is done between pages.
fn list_all<F: Files>(
    store: &mut Store<F>,
    query: &str,
    mut between: impl FnMut(&mut Store<F>),
) -> Vec<String> {
    let mut cursor = String::new();
    let mut found = Vec::new();
    loop {
        let reply = ask(store, &format!(r#"{{"type":"list"{query}{cursor}}}"#));
        found.extend(keys_of(&reply));
        if reply["complete"] == true {
            assert_eq!(reply.get("cursor"), None);
            return found;
        }
        cursor = format!(r#","cursor":{}"#, reply["cursor"]);
        between(store);
    }
}

fn filled(keys: &[&str]) -> Store<MemoryFiles> {
    let mut store = open(&MemoryFiles::default());
    for key in keys {
        put(&mut store, key, &quoted(key));
    }
    store
}

#[test]
fn keys_are_listed_in_the_order_of_their_bytes() {
    let mut store = filled(&["b", "a/2", "", "a", "é", "a/10", "\u{10ffff}", "B"]);
    let all = ["", "B", "a", "a/10", "a/2", "b", "é", "\u{10ffff}"];
    for limit in 1..10 {
        let query = format!(r#","limit":{limit}"#);
        assert_eq!(list_all(&mut store, &query, |_| {}), all);
        let reverse = format!(r#","limit":{limit},"reverse":true"#);
        let mut found = list_all(&mut store, &reverse, |_| {});
        found.reverse();
        assert_eq!(found, all);
    }
    for (query, expected) in [
        (r#","prefix":"a/""#, &["a/10", "a/2"][..]),
        (r#","prefix":"a""#, &["a", "a/10", "a/2"]),
        (r#","start":"a/","end":"b""#, &["a/10", "a/2"]),
        (
            r#","start":"a/2","reverse":true,"limit":3"#,
            &["\u{10ffff}", "é", "b", "a/2"],
        ),
        (r#","prefix":"a","start":"a/2""#, &["a/2"]),
        (
            r#","prefix":"a","end":"a/2","reverse":true"#,
            &["a/10", "a"],
        ),
        (r#","prefix":"\udbff\udfff""#, &["\u{10ffff}"]),
        (r#","prefix":"zzz""#, &[]),
        (r#","start":"b","end":"a""#, &[]),
        (r#","prefix":"b","end":"a""#, &[]),
    ] {
        assert_eq!(list_all(&mut store, query, |_| {}), expected, "{query}");
    }
}

#[test]
fn values_and_versions_come_along() {
    let mut store = filled(&["a", "b"]);
    let reply = ask(&mut store, r#"{"type":"list","values":true,"limit":1}"#);
    assert_eq!(reply["keys"], json!([{"key":"a","value":"a","version":1}]));
    assert_eq!(reply["complete"], false);
    let reply = ask(&mut store, r#"{"type":"list"}"#);
    assert_eq!(reply["keys"][1], json!({"key":"b","version":2}));
}

#[test]
fn a_page_of_large_values_ends_early() {
    let mut store = open(&MemoryFiles::default());
    let long = quoted(&"x".repeat(400_000));
    for number in 0..8 {
        put(&mut store, &number.to_string(), &long);
    }
    let reply = ask(&mut store, r#"{"type":"list","values":true}"#);
    assert_eq!(keys_of(&reply), ["0", "1", "2"]);
    assert_eq!(
        list_all(&mut store, r#","values":true"#, |_| {}),
        ["0", "1", "2", "3", "4", "5", "6", "7"]
    );
}

#[test]
fn what_stays_is_listed_once_while_others_write() {
    let stays: Vec<String> = (0..100).map(|number| format!("k{number:03}")).collect();
    let stays: Vec<&str> = stays.iter().map(String::as_str).collect();
    for reverse in [false, true] {
        let mut store = filled(&stays);
        let mut round = 0;
        let query = format!(r#","limit":7,"reverse":{reverse}"#);
        let mut found = list_all(&mut store, &query, |store| {
            round += 1;
            for number in [3, 50, 97] {
                put(store, &format!("k{number:03}"), &round.to_string());
                put(store, &format!("k{number:03}-{round}"), "0");
                ask(
                    store,
                    &format!(r#"{{"type":"delete","key":"k{number:03}-{}"}}"#, round - 1),
                );
            }
        });
        found.retain(|key| key.len() == 4);
        found.sort();
        assert_eq!(found, stays);
    }
}

#[test]
fn a_cursor_belongs_to_its_query() {
    let mut store = filled(&["a", "b", "c"]);
    let cursor = ask(&mut store, r#"{"type":"list","limit":1}"#)["cursor"].clone();
    for bad in [
        format!(r#"{{"type":"list","reverse":true,"cursor":{cursor}}}"#),
        format!(r#"{{"type":"list","prefix":"a","cursor":{cursor}}}"#),
        format!(r#"{{"type":"list","end":"","cursor":{cursor}}}"#),
        r#"{"type":"list","cursor":""}"#.to_owned(),
        r#"{"type":"list","cursor":"00000000b"}"#.to_owned(),
        r#"{"type":"list","cursor":"é"}"#.to_owned(),
        r#"{"type":"list","cursor":"0000000é"}"#.to_owned(),
        format!(r#"{{"type":"backup","cursor":{cursor}}}"#),
    ] {
        assert_eq!(ask(&mut store, &bad)["code"], "invalid_event", "{bad}");
    }
    // Another number of keys, or their values, may be asked for.
    let event = format!(r#"{{"type":"list","limit":2,"values":true,"cursor":{cursor}}}"#);
    assert_eq!(keys_of(&ask(&mut store, &event)), ["b", "c"]);
}

#[test]
fn a_prefix_is_deleted_in_steps() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    for number in 0..25 {
        put(&mut store, &format!("a/{number}"), "1");
    }
    put(&mut store, "b", "1");
    let step = r#"{"type":"delete_prefix","prefix":"a/","limit":10}"#;
    let replies: Vec<_> = (0..4).map(|_| ask(&mut store, step)).collect();
    let shown: Vec<_> = replies
        .iter()
        .map(|reply| (&reply["deleted"], &reply["complete"], reply.get("version")))
        .map(|(deleted, complete, version)| {
            (
                deleted.as_u64(),
                complete.as_bool(),
                version.and_then(Value::as_u64),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Some(10), Some(false), Some(27)),
            (Some(10), Some(false), Some(28)),
            (Some(5), Some(true), Some(29)),
            (Some(0), Some(true), None),
        ]
    );
    for mut store in [store, open(&files)] {
        assert_eq!(list_all(&mut store, "", |_| {}), ["b"]);
    }
    let missing = ask(&mut open(&files), r#"{"type":"delete_prefix"}"#);
    assert_eq!(missing["code"], "invalid_event");
}
