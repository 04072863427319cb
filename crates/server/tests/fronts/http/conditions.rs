//! Versions as entity tags: who has seen one can ask for no other.

use super::{JSON, ask};
use serde_json::json;

fn put(key: &str, condition: (&str, &str), value: &str) -> crate::support::Response {
    let path = format!("/keys/{key}");
    ask("PUT", &path, &[JSON, condition], value)
}

#[test]
fn a_key_that_must_not_be_there_is_stored_once() {
    let first = put("once", ("if-none-match", "*"), "1");
    assert_eq!(first.status, 200);
    let second = put("once", ("if-none-match", "*"), "2");
    second.assert_problem(412, "conflict");
    // The problem says what is there.
    assert_eq!(second.json()["version"], first.json()["version"]);
    assert_eq!(second.header("etag"), first.header("etag"));
    assert_eq!(ask("GET", "/keys/once", &[], "").text(), "1");
}

#[test]
fn a_write_that_names_a_version_replaces_that_one_only() {
    let old = put("named", ("accept", "*/*"), "1");
    let old = old.header("etag").unwrap();
    let new = put("named", ("if-match", old), "2");
    assert_eq!(new.status, 200);
    put("named", ("if-match", old), "3").assert_problem(412, "conflict");
    let delete = |tag: &str| ask("DELETE", "/keys/named", &[("if-match", tag)], "");
    delete(old).assert_problem(412, "conflict");
    let increment = |tag: &str| ask("POST", "/keys/named/increment", &[("if-match", tag)], "");
    increment(old).assert_problem(412, "conflict");
    let incremented = increment(new.header("etag").unwrap());
    assert_eq!(incremented.json()["value"], 3);
    assert_eq!(delete(incremented.header("etag").unwrap()).status, 204);
    let gone = delete(old);
    gone.assert_problem(412, "conflict");
    assert_eq!(gone.json()["version"], 0);
    assert_eq!(gone.header("etag"), None);
}

#[test]
fn a_condition_that_cannot_be_compared_is_refused() {
    put("plain", ("accept", "*/*"), "1");
    for condition in [
        ("if-match", "*"),
        ("if-match", "7"),
        ("if-match", "W/\"7\""),
        ("if-match", "\"7\", \"8\""),
        ("if-match", "\"0\""),
        ("if-match", "\"seven\""),
        ("if-match", "\"9007199254740992\""),
        ("if-none-match", "\"7\""),
    ] {
        put("plain", condition, "2").assert_problem(422, "invalid_event");
    }
    let both = [JSON, ("if-match", "\"7\""), ("if-none-match", "*")];
    ask("PUT", "/keys/plain", &both, "2").assert_problem(422, "invalid_event");
    let twice = [JSON, ("if-match", "\"7\""), ("if-match", "\"8\"")];
    ask("PUT", "/keys/plain", &twice, "2").assert_problem(422, "invalid_event");
    assert_eq!(ask("GET", "/keys/plain", &[], "").text(), "1");
}

#[test]
fn a_reader_that_has_the_version_is_sent_no_value() {
    let put = put("seen", ("accept", "*/*"), "[1]");
    let tag = put.header("etag").unwrap();
    for known in [
        tag.to_owned(),
        format!("W/{tag}"),
        format!("\"other\", {tag}"),
        format!("\"1\",{tag}"),
        "*".to_owned(),
    ] {
        let get = ask("GET", "/keys/seen", &[("if-none-match", &known)], "");
        assert_eq!((get.status, &get.body[..]), (304, &b""[..]), "{known}");
        assert_eq!(get.header("etag"), Some(tag));
        let head = ask("HEAD", "/keys/seen", &[("if-none-match", &known)], "");
        assert_eq!((head.status, head.header("etag")), (304, Some(tag)));
    }
    for other in ["\"1\"", "\"x\"", tag.trim_matches('"')] {
        let get = ask("GET", "/keys/seen", &[("if-none-match", other)], "");
        assert_eq!((get.status, get.text()), (200, "[1]"), "{other}");
    }
    let absent = ask("GET", "/keys/never", &[("if-none-match", "*")], "");
    absent.assert_problem(404, "not_found");
}

#[test]
fn a_value_with_an_end_says_how_long_it_is_there() {
    assert_eq!(
        ask("PUT", "/keys/brief?ttl_ms=600000", &[JSON], "1").status,
        200
    );
    let get = ask("GET", "/keys/brief", &[], "");
    let left: u64 = get.header("expires-in-ms").unwrap().parse().unwrap();
    assert!((1..=600_000).contains(&left), "{left}");
    assert_eq!(ask("PUT", "/keys/brief", &[JSON], "1").status, 200);
    let get = ask("GET", "/keys/brief", &[], "");
    assert_eq!((get.header("expires-in-ms"), get.json()), (None, json!(1)));
}
