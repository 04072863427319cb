//! `POST /events`: one event as JSON, many as NDJSON.

use super::{JSON, ask};
use crate::support::store;
use crate::support::{Running, http_client, numbered, request};
use kv_protocol::limits::{EVENT_BYTES_MAX, NESTING_DEPTH_MAX};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write;

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

#[test]
fn one_event_has_one_reply_and_the_status_of_its_code() {
    let put = ask(
        "POST",
        "/events",
        &[JSON],
        "{\n\"type\":\"put\",\r\n\"key\":\"one\",\"value\":1.10,\"id\":7}\n",
    );
    assert_eq!(
        (put.status, put.header("content-type")),
        (200, Some("application/json"))
    );
    assert!(
        put.text()
            .starts_with(r#"{"status":"ok","id":7,"key":"one","version":"#)
    );
    let get = ask("POST", "/events", &[JSON], r#"{"type":"get","key":"one"}"#);
    assert!(get.text().contains(r#""value":1.10,"#), "{}", get.text());
    for (event, status, code) in [
        (r#"{"type":"get","key":"none"}"#, 404, "not_found"),
        (r#"{"type":"gte","key":"none"}"#, 422, "invalid_event"),
        (
            r#"{"type":"get","key":"none","kye":1}"#,
            422,
            "invalid_event",
        ),
        (r#"{"type":"get"}"#, 422, "invalid_event"),
        (r#"{"type":"get","key":"\ud800"}"#, 400, "invalid_json"),
    ] {
        let response = ask("POST", "/events", &[JSON], event);
        assert_eq!(response.status, status, "{event}");
        assert_eq!(response.json()["code"], code, "{event}");
    }
}

#[test]
fn a_value_may_nest_as_deep_as_over_the_line_front() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let event = |depth| {
        format!(
            r#"{{"type":"put","key":"nested","value":{}}}"#,
            nested(depth)
        )
    };
    for (depth, status) in [(NESTING_DEPTH_MAX, 200), (NESTING_DEPTH_MAX + 1, 413)] {
        assert_eq!(ask("POST", "/events", &[JSON], event(depth)).status, status);
        let line = ask("POST", "/events", &[NDJSON], event(depth)).json();
        assert_eq!(line["status"] == "ok", status == 200, "{line}");
        assert_eq!(
            ask("PUT", "/keys/nested", &[JSON], nested(depth)).status,
            status
        );
    }
    let deep = nested(5_000_000);
    ask("PUT", "/keys/nested", &[JSON], deep).assert_problem(413, "too_large");
}

#[test]
fn many_events_have_a_reply_line_each() {
    let mut events = String::from("\r\n\n");
    for n in 0..10_000 {
        writeln!(events, r#"{{"type":"put","key":"many/{n}","value":{n}}}"#).unwrap();
    }
    events.push_str("no json\n{\"type\":\"get\",\"key\":\"many/9999\",\"id\":\"last\"}");
    let response = ask("POST", "/events", &[NDJSON], &events);
    assert_eq!(
        (response.status, response.header("content-type")),
        (200, Some("application/x-ndjson"))
    );
    let replies: Vec<Value> = response
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(replies.len(), 10_002);
    for (n, reply) in replies[..10_000].iter().enumerate() {
        assert_eq!(reply["key"], format!("many/{n}"));
    }
    assert_eq!(replies[10_000]["code"], "invalid_json");
    assert_eq!(
        (&replies[10_001]["value"], &replies[10_001]["id"]),
        (&json!(9999), &json!("last"))
    );
}

#[test]
fn no_events_have_no_replies() {
    for body in ["", "\n", "\r\n \n"] {
        let response = ask("POST", "/events", &[NDJSON], body);
        assert_eq!((response.status, response.text()), (200, ""));
    }
}

#[test]
fn a_line_too_long_is_refused_in_its_place() {
    let long = "x".repeat(EVENT_BYTES_MAX + 1);
    let get = r#"{"type":"get","key":"none"}"#;
    let response = ask(
        "POST",
        "/events",
        &[NDJSON],
        format!("{get}\n{long}\n{get}\n"),
    );
    let codes = response.text().lines().map(|line| {
        serde_json::from_str::<Value>(line).unwrap()["code"]
            .as_str()
            .unwrap()
            .to_owned()
    });
    assert_eq!(
        codes.collect::<Vec<_>>(),
        ["not_found", "too_large", "not_found"]
    );
}

#[test]
fn events_that_the_actor_leaves_are_handed_in_again_in_order() {
    let server = Running::start("guest-partial");
    let response = request(server.http(), "POST", "/events", &[NDJSON], numbered(50));
    let replies = response
        .text()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    for (n, reply) in replies.enumerate() {
        assert_eq!(
            (&reply["event"]["n"], &reply["count"]),
            (&json!(n), &json!(n + 1))
        );
    }
    assert_eq!(response.text().lines().count(), 50);
}

/// Most HTTP clients send the whole body before they read the response.
#[test]
fn a_client_that_reads_only_when_all_is_sent_is_not_left_hanging() {
    let value = "v".repeat(1000);
    let put = json!({"type": "put", "key": "large reply", "value": value});
    assert_eq!(ask("POST", "/events", &[JSON], put.to_string()).status, 200);
    // Replies of a hundred times what the sockets' buffers hold.
    let get = format!(
        "{{\"type\":\"get\",\"key\":\"large reply\"{}}}\n",
        " ".repeat(100)
    );
    let response = ask("POST", "/events", &[NDJSON], get.repeat(100_000));
    assert_eq!(response.text().lines().count(), 100_000);
    assert!(response.text().lines().all(|line| line.contains(&value)));
}

#[test]
fn a_body_that_breaks_off_carries_out_no_cut_off_event() {
    let mut stream = http_client::connect(store().http());
    let event = r#"{"type":"put","key":"broken off","value":1}"#;
    let length = (event.len() + 10).to_string();
    let headers = [NDJSON, ("content-length", &length)];
    let head = http_client::head(store().http(), "POST", "/events", &headers);
    stream
        .write_all(format!("{head}{event}").as_bytes())
        .unwrap();
    drop(stream);
    // Another request after it: had the event been carried out, this would see it.
    ask("GET", "/keys/broken%20off", &[], "").assert_problem(404, "not_found");
}
