//! Conditions, atomic batches, patches and counters.

use crate::common::*;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::{Options, Outcome};
use serde_json::json;

#[test]
fn a_condition_is_compared_with_the_version() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    let absent = r#"{"type":"put","key":"a","value":1,"if_version":0}"#;
    assert_eq!(ask(&mut store, absent)["version"], 1);
    let refused = ask(&mut store, absent);
    assert_eq!(
        (&refused["code"], &refused["version"]),
        (&json!("conflict"), &json!(1))
    );
    let matching = r#"{"type":"put","key":"a","value":2,"if_version":1}"#;
    assert_eq!(ask(&mut store, matching)["version"], 2);
    let late = r#"{"type":"delete","key":"a","if_version":1}"#;
    assert_eq!(ask(&mut store, late)["version"], 2);
    assert_eq!(get(&mut store, "a"), Ok("2".to_owned()));
    let right = r#"{"type":"delete","key":"a","if_version":2}"#;
    assert_eq!(ask(&mut store, right)["deleted"], true);
    let nothing = ask(&mut store, r#"{"type":"delete","key":"a","if_version":2}"#);
    assert_eq!(nothing["code"], "conflict");
    assert_eq!(nothing["version"], 0);
    // What was refused has changed nothing, not even the version.
    assert_eq!(open_with(&files, Options::default()).1.version, 3);
}

#[test]
fn only_one_of_two_in_a_batch_can_meet_a_condition() {
    let mut store = open(&MemoryFiles::default());
    put(&mut store, "head", "0");
    let event = r#"{"type":"put","key":"head","value":1,"if_version":1}"#;
    let (replies, outcome) = say_all(&mut store, &[event, event]);
    assert_eq!(outcome, Outcome::Serving);
    assert_eq!(code_in(&replies[0]), "ok");
    assert_eq!(code_in(&replies[1]), "conflict");
}

#[test]
fn existence_and_versions_are_asked_without_the_value() {
    let mut store = open(&MemoryFiles::default());
    put(&mut store, "a", "1");
    let exists = |key| format!(r#"{{"type":"exists","key":"{key}"}}"#);
    let there = ask(&mut store, &exists("a"));
    assert_eq!(
        (&there["exists"], &there["version"]),
        (&json!(true), &json!(1))
    );
    let absent = ask(&mut store, &exists("b"));
    assert_eq!(
        (&absent["exists"], &absent["version"]),
        (&json!(false), &json!(0))
    );
    let known = ask(&mut store, r#"{"type":"get","key":"a","if_none_match":1}"#);
    assert_eq!(known["not_modified"], true);
    assert_eq!(known.get("value"), None);
    let newer = ask(&mut store, r#"{"type":"get","key":"a","if_none_match":7}"#);
    assert_eq!(newer["value"], 1);
}

#[test]
fn a_batch_happens_whole_under_one_version() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    put(&mut store, "gone", "0");
    let batch = r#"{"type":"batch","operations":[
        {"type":"put","key":"a","value":1},{"type":"delete","key":"gone"},{"type":"delete","key":"never"},
        {"type":"store_content","content":{"b":1.0}},{"type":"store_content","content":{"b":1}},
        {"type":"increment","key":"n","by":2},{"type":"increment","key":"n"},
        {"type":"patch","key":"a","merge":{"x":1}},{"type":"put","key":"z","value":0,"if_version":0}]}"#
        .replace('\n', "");
    let reply = ask(&mut store, &batch);
    assert_eq!(reply["version"], 2, "{reply}");
    let hash = &reply["results"][3]["hash"];
    assert_eq!(
        reply["results"],
        json!([
            {"key":"a"}, {"key":"gone","deleted":true}, {"key":"never","deleted":false},
            {"hash":hash,"created":true}, {"hash":hash,"created":false},
            {"key":"n","value":2}, {"key":"n","value":3}, {"key":"a"}, {"key":"z"}
        ])
    );
    for mut store in [store, open(&files)] {
        assert_eq!(get(&mut store, "a"), Ok(r#"{"x":1}"#.to_owned()));
        assert_eq!(get(&mut store, "n"), Ok("3".to_owned()));
        assert_eq!(get(&mut store, "gone"), Err("not_found".to_owned()));
        let content = format!(r#"{{"type":"get_content","hash":{hash}}}"#);
        assert_eq!(ask(&mut store, &content)["content"], json!({"b":1}));
        assert_eq!(
            ask(&mut store, r#"{"type":"exists","key":"z"}"#)["version"],
            2
        );
    }
}

#[test]
fn a_batch_that_is_refused_has_changed_nothing() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    put(&mut store, "a", "1");
    let length = bytes_of(&files, "00000001.jsonl").len();
    for (last, code) in [
        (
            r#"{"type":"put","key":"a","value":3,"if_version":9}"#,
            "conflict",
        ),
        (
            r#"{"type":"increment","key":"b","by":9223372036854775807}"#,
            "conflict",
        ),
        (r#"{"type":"patch","key":"c","patch":[]}"#, "not_found"),
        (
            r#"{"type":"patch","key":"a","patch":[{"op":"remove","path":"/x"}]}"#,
            "conflict",
        ),
        (
            r#"{"type":"store_content","content":{"a":1,"a":2}}"#,
            "invalid_event",
        ),
        (
            r#"{"type":"put","key":"d","value":1,"ttl_ms":9007199254740991}"#,
            "invalid_event",
        ),
    ] {
        let batch = format!(
            r#"{{"type":"batch","operations":[{{"type":"put","key":"a","value":2}},{{"type":"put","key":"b","value":7}},{last}]}}"#
        );
        let reply = ask(&mut store, &batch);
        assert_eq!(
            (&reply["code"], &reply["operation"]),
            (&json!(code), &json!(2)),
            "{reply}"
        );
        assert_eq!(get(&mut store, "a"), Ok("1".to_owned()));
        assert_eq!(get(&mut store, "b"), Err("not_found".to_owned()));
    }
    assert_eq!(bytes_of(&files, "00000001.jsonl").len(), length);
}

#[test]
fn conditions_in_a_batch_look_at_what_was_there_before_it() {
    let mut store = open(&MemoryFiles::default());
    put(&mut store, "a", "1");
    let move_it = r#"{"type":"batch","operations":[{"type":"put","key":"b","value":1,"if_version":0},
        {"type":"delete","key":"a","if_version":1},{"type":"put","key":"b","value":2,"if_version":0}]}"#
        .replace('\n', "");
    assert_eq!(ask(&mut store, &move_it)["version"], 2);
    assert_eq!(get(&mut store, "b"), Ok("2".to_owned()));
    assert_eq!(ask(&mut store, &move_it)["code"], "conflict");
}

#[test]
fn many_keys_are_read_and_written_at_once() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    let put_many = r#"{"type":"put_many","entries":{"a":1,"b":[2],"":null}}"#;
    assert_eq!(
        ask(&mut store, put_many),
        json!({"status":"ok","stored":3,"version":1})
    );
    let get_many = r#"{"type":"get_many","keys":["b","x","","b"]}"#;
    let entries = json!([
        {"key":"b","value":[2],"version":1}, {"key":"x","version":0},
        {"key":"","value":null,"version":1}, {"key":"b","value":[2],"version":1}
    ]);
    assert_eq!(ask(&mut store, get_many)["entries"], entries);
    assert_eq!(ask(&mut open(&files), get_many)["entries"], entries);
    let delete_many = r#"{"type":"delete_many","keys":["a","x","a"]}"#;
    assert_eq!(
        ask(&mut store, delete_many),
        json!({"status":"ok","deleted":1,"version":2})
    );
    let nothing = json!({"status":"ok","deleted":0});
    assert_eq!(ask(&mut store, delete_many), nothing);
    assert_eq!(
        ask(&mut store, r#"{"type":"get_many","keys":[]}"#)["entries"],
        json!([])
    );
}

#[test]
fn too_much_at_once_is_refused() {
    let mut store = open(&MemoryFiles::default());
    let long = quoted(&"x".repeat(6 << 20));
    put(&mut store, "long", &long);
    let keys = r#""long","long","long""#;
    let reply = ask(
        &mut store,
        &format!(r#"{{"type":"get_many","keys":[{keys}]}}"#),
    );
    assert_eq!(reply["code"], "too_large");
    // A patch's result may be much longer than the patch.
    put(
        &mut store,
        "m",
        &format!(r#"{{"x":{}}}"#, quoted(&"x".repeat(3 << 20))),
    );
    let patches = [r#"{"type":"patch","key":"m","merge":{"y":1}}"#; 8].join(",");
    let reply = ask(
        &mut store,
        &format!(r#"{{"type":"batch","operations":[{patches}]}}"#),
    );
    assert_eq!(
        (&reply["code"], &reply["operation"]),
        (&json!("too_large"), &json!(5))
    );
}

#[test]
fn values_that_share_a_line_and_a_version_are_told_apart() {
    // So little cache that slots are taken again all the time.
    let options = Options {
        cache_bytes_max: 2400,
        ..Options::default()
    };
    let files = MemoryFiles::default();
    let (mut store, _) = open_with(&files, options);
    let entries: Vec<_> = (0..50)
        .map(|number| format!(r#""k{number}":{number}"#))
        .collect();
    let event = format!(
        r#"{{"type":"put_many","entries":{{{}}}}}"#,
        entries.join(",")
    );
    assert_eq!(ask(&mut store, &event)["stored"], 50);
    for mut store in [store, open_with(&files, options).0] {
        for step in [1, 7, 3, 11] {
            for number in (0..50).map(|place| place * step % 50) {
                assert_eq!(
                    get(&mut store, &format!("k{number}")),
                    Ok(number.to_string())
                );
            }
        }
    }
}

#[test]
fn a_refused_batch_comes_back_as_it_was() {
    let files = FaultyFiles::new();
    let mut store = open(&files);
    put(&mut store, "a", "1");
    let two = r#"{"type":"put_many","entries":{"b":1,"c":2}}"#;
    ask(&mut store, two);
    files.fault.set(Fault::Write);
    let batch = r#"{"type":"batch","operations":[{"type":"put","key":"b","value":9},{"type":"delete","key":"c"},{"type":"put","key":"d","value":1,"ttl_ms":5}]}"#;
    assert_eq!(ask(&mut store, batch)["code"], "storage");
    files.fault.set(Fault::None);
    assert_eq!(get(&mut store, "b"), Ok("1".to_owned()));
    assert_eq!(get(&mut store, "c"), Ok("2".to_owned()));
    assert_eq!(get(&mut store, "d"), Err("not_found".to_owned()));
    assert_eq!(store.wake_at_ms(), None);
    assert_eq!(ask(&mut store, batch)["version"], 3);
}
