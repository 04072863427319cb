//! Keys page by page, the changes so far, and how the store stands.

use super::{JSON, ask};
use serde_json::{Value, json};
use std::fmt::Write as _;

fn put(key: &str, value: usize) -> u64 {
    let put = ask("PUT", &format!("/keys/{key}"), &[JSON], value.to_string());
    put.json()["version"].as_u64().unwrap()
}

fn names(page: &Value, member: &str) -> Vec<String> {
    let rows = page[member].as_array().unwrap().iter();
    rows.map(|row| row["key"].as_str().unwrap().to_owned())
        .collect()
}

/// A cursor is whatever it is: it goes back percent-encoded.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02X}").unwrap();
        encoded
    })
}

#[test]
fn keys_are_listed_page_by_page() {
    for n in 0..25 {
        put(&format!("listed%2F{n:02}"), n);
    }
    let query = "/keys?prefix=listed/&limit=10&values=true";
    let mut path = query.to_owned();
    let mut keys = Vec::new();
    loop {
        let page = ask("GET", &path, &[], "").json();
        let rows = page["keys"].as_array().unwrap();
        assert!(rows.len() <= 10, "{page}");
        for row in rows {
            assert_eq!(row["value"], keys.len(), "{page}");
            keys.push(row["key"].as_str().unwrap().to_owned());
        }
        if page["complete"] == json!(true) {
            break;
        }
        path = format!(
            "{query}&cursor={}",
            encode(page["cursor"].as_str().unwrap())
        );
    }
    let expected: Vec<_> = (0..25).map(|n| format!("listed/{n:02}")).collect();
    assert_eq!(keys, expected);
    let some = "/keys?start=listed%2F05&end=listed/08&reverse=true";
    let page = ask("GET", some, &[], "").json();
    assert_eq!(
        names(&page, "keys"),
        ["listed/07", "listed/06", "listed/05"]
    );

    let deleted = ask("DELETE", "/keys?prefix=listed%2F1&limit=7", &[], "").json();
    assert_eq!(
        (&deleted["deleted"], &deleted["complete"]),
        (&json!(7), &json!(false))
    );
    let deleted = ask("DELETE", "/keys?prefix=listed%2F1&limit=7", &[], "").json();
    assert_eq!(
        (&deleted["deleted"], &deleted["complete"]),
        (&json!(3), &json!(true))
    );
    let left = ask("GET", "/keys?prefix=listed%2F", &[], "").json();
    assert_eq!(names(&left, "keys").len(), 15);
}

#[test]
fn a_plus_in_a_query_is_a_space_as_forms_have_it() {
    put("with%20space%2Bplus", 1);
    let page = ask("GET", "/keys?prefix=with+space%2B", &[], "").json();
    assert_eq!(names(&page, "keys"), ["with space+plus"]);
}

#[test]
fn a_listing_that_is_none_is_refused() {
    for query in [
        "prefix",
        "limit=0",
        "limit=1001",
        "limit=all",
        "reverse=yes",
        "values",
        "cursor=forged",
        "prefix=a&prefix=b",
        "prefix=%FF",
        "prefixes=a",
        "type=stats",
    ] {
        let response = ask("GET", &format!("/keys?{query}"), &[], "");
        if query == "prefix" {
            // The empty one.
            assert_eq!(response.status, 200);
        } else {
            response.assert_problem(422, "invalid_event");
        }
    }
    // Not everything, by mistake.
    ask("DELETE", "/keys", &[], "").assert_problem(422, "invalid_event");
    ask("DELETE", "/keys?limit=10", &[], "").assert_problem(422, "invalid_event");
}

#[test]
fn changes_are_told_in_order_from_a_version_on() {
    let first = put("changing%2Fa", 1);
    put("changing%2Fb", 2);
    ask("DELETE", "/keys/changing%2Fa", &[], "");
    // A page reads so much of the log at most: other tests write much meanwhile.
    let mut since = first - 1;
    let mut told = Vec::new();
    let mut pages = 0;
    loop {
        let path = format!("/changes?since={since}&prefix=changing%2F&limit=1");
        let page = ask("GET", &path, &[], "").json();
        assert!(page["changes"].as_array().unwrap().len() <= 1, "{page}");
        told.extend(page["changes"].as_array().unwrap().iter().cloned());
        since = page["version"].as_u64().unwrap();
        pages += 1;
        if page["complete"] == json!(true) {
            break;
        }
    }
    let row = |row: &Value| (row["type"].clone(), row["key"].clone());
    let told: Vec<_> = told.iter().map(row).collect();
    let expected = [("put", "a"), ("put", "b"), ("delete", "a")];
    let expected = expected.map(|(kind, key)| (json!(kind), json!(format!("changing/{key}"))));
    assert_eq!(told, expected);
    assert!(pages >= 3);
    let future = ask("GET", "/changes?since=9007199254740991", &[], "");
    future.assert_problem(422, "invalid_event");
    assert!(future.json()["version"].as_u64().unwrap() >= first);
}

#[test]
fn the_stats_say_how_the_store_stands_and_since_when_it_runs() {
    put("counted", 1);
    let stats = ask("GET", "/stats", &[], "").json();
    assert_eq!(stats["status"], "ok");
    for name in ["version", "keys", "segments", "live_bytes", "uptime_ms"] {
        assert!(
            stats[name].as_u64().is_some_and(|figure| figure > 0),
            "{name}: {stats}"
        );
    }
}
