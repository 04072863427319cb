//! `/content`: content by its hash.

use super::{JSON, ask};
use serde_json::json;

#[test]
fn content_is_created_once_and_read_by_its_hash() {
    let first = ask(
        "POST",
        "/content",
        &[JSON],
        "{\"b\": 1.0,\n\"a\": \"created once\"}",
    );
    assert_eq!(first.status, 201, "{}", first.text());
    let reply = first.json();
    assert_eq!(
        (&reply["status"], &reply["created"]),
        (&json!("ok"), &json!(true))
    );
    let hash = reply["hash"].as_str().unwrap();
    let location = format!("/content/{hash}");
    assert_eq!(first.header("location"), Some(&location[..]));

    let again = ask("POST", "/content", &[JSON], r#"{"a":"created once","b":1}"#);
    assert_eq!(
        (again.status, again.header("location")),
        (200, Some(&location[..]))
    );
    assert_eq!(again.json()["created"], false);

    let get = ask("GET", &location, &[], "");
    assert_eq!(
        (get.status, get.text()),
        (200, r#"{"a":"created once","b":1}"#)
    );
    assert_eq!(get.header("etag"), Some(&format!("\"{hash}\"")[..]));
    assert_eq!(
        get.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    assert_eq!(get.header("content-type"), Some("application/json"));
    let head = ask("HEAD", &location, &[], "");
    assert_eq!((head.status, &head.body[..]), (200, &b""[..]));
    assert_eq!(head.header("etag"), get.header("etag"));
    assert_eq!(head.header("content-length"), get.header("content-length"));
}

#[test]
fn who_has_it_already_is_not_sent_it_again() {
    let stored = ask("POST", "/content", &[JSON], r#""not sent again""#).json();
    let hash = stored["hash"].as_str().unwrap();
    let path = format!("/content/{hash}");
    let with = |tag: &str| ask("GET", &path, &[("if-none-match", tag)], "");
    for known in [
        format!("\"{hash}\""),
        format!("W/\"{hash}\""),
        format!("\"other\", \"{hash}\""),
        "*".to_owned(),
    ] {
        let response = with(&known);
        assert_eq!(
            (response.status, &response.body[..]),
            (304, &b""[..]),
            "{known}"
        );
        assert_eq!(response.header("etag"), Some(&format!("\"{hash}\"")[..]));
    }
    for unknown in ["\"other\"", hash] {
        assert_eq!(with(unknown).status, 200, "{unknown}");
    }
}

#[test]
fn what_is_no_hash_or_not_there_is_refused() {
    let unknown = format!("/content/{}", "0".repeat(40));
    ask("GET", &unknown, &[], "").assert_problem(404, "not_found");
    ask("GET", &unknown, &[("if-none-match", "*")], "").assert_problem(404, "not_found");
    for bad in ["123", "zz", "%00", "%FF", "..%2Fx"] {
        ask("GET", &format!("/content/{bad}"), &[], "").assert_problem(422, "invalid_event");
    }
}

#[test]
fn content_with_doubled_names_is_refused() {
    let refused = ask("POST", "/content", &[JSON], r#"{"a":1,"a":2}"#);
    assert_eq!(
        refused.header("content-type"),
        Some("application/problem+json")
    );
    assert!((400..500).contains(&refused.status), "{}", refused.text());
}
