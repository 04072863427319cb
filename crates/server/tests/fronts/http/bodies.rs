//! Bodies that are not what they should be.

use super::{JSON, ask};
use crate::support::{Response, http_client, store};
use kv_protocol::limits::{EVENT_BYTES_MAX, VALUE_BYTES_MAX};
use std::io::Write;

const RESOURCES: [(&str, &str); 3] = [
    ("PUT", "/keys/bodies"),
    ("POST", "/content"),
    ("POST", "/events"),
];

#[test]
fn what_is_not_json_is_refused() {
    let bad: [&[u8]; 8] = [
        b"",
        b" \n",
        b"{",
        b"[1,2",
        b"1 2",
        b"'a'",
        b"\"\xff\"",
        b"\xef\xbb\xbf1",
    ];
    for (method, path) in RESOURCES {
        for body in bad {
            ask(method, path, &[JSON], body).assert_problem(400, "invalid_json");
        }
    }
}

#[test]
fn what_is_not_declared_to_be_json_is_refused() {
    for (method, path) in RESOURCES {
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "",
        ] {
            let response = ask(method, path, &[("content-type", kind)], "1");
            response.assert_problem(415, "invalid_event");
        }
        ask(method, path, &[], "1").assert_problem(415, "invalid_event");
    }
    let kind = ("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(ask("PUT", "/keys/bodies", &[kind], "1").status, 200);
}

#[test]
fn a_body_declared_too_large_is_refused_before_it_is_sent() {
    for (method, path) in RESOURCES {
        let mut stream = http_client::connect(store().http());
        let length = (EVENT_BYTES_MAX + 1).to_string();
        let headers = [
            JSON,
            ("content-length", &length),
            ("expect", "100-continue"),
        ];
        let head = http_client::head(store().http(), method, path, &headers);
        stream.write_all(head.as_bytes()).unwrap();
        // Not a byte of the body.
        Response::read(stream).assert_problem(413, "too_large");
    }
}

#[test]
fn a_body_that_turns_out_too_large_is_refused_before_it_ends() {
    let mut stream = http_client::connect(store().http());
    let headers = [JSON, ("transfer-encoding", "chunked")];
    let head = http_client::head(store().http(), "PUT", "/keys/bodies", &headers);
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [b"100000\r\n", &vec![b'1'; 0x10_0000][..], b"\r\n"].concat();
    for _ in 0..=EVENT_BYTES_MAX / 0x10_0000 {
        stream.write_all(&chunk).unwrap();
    }
    // Its end never comes.
    Response::read(stream).assert_problem(413, "too_large");
}

#[test]
fn a_client_that_sends_too_large_a_body_anyway_still_reads_why() {
    let body = vec![b'1'; EVENT_BYTES_MAX + 1];
    ask("PUT", "/keys/bodies", &[JSON], body).assert_problem(413, "too_large");
}

#[test]
fn the_largest_value_is_stored_and_one_byte_more_is_refused() {
    let value = |bytes: usize| format!("\"{}\"", "v".repeat(bytes - 2));
    let largest = value(VALUE_BYTES_MAX);
    assert_eq!(
        ask("PUT", "/keys/largest%20body", &[JSON], &largest).status,
        200
    );
    assert_eq!(
        ask("GET", "/keys/largest%20body", &[], "").body,
        largest.as_bytes()
    );
    let larger = value(VALUE_BYTES_MAX + 1);
    ask("PUT", "/keys/largest%20body", &[JSON], larger).assert_problem(413, "too_large");
}

#[test]
fn a_body_that_breaks_off_stores_nothing() {
    let mut stream = http_client::connect(store().http());
    let headers = [JSON, ("content-length", "3")];
    let head = http_client::head(store().http(), "PUT", "/keys/bodies%20cut", &headers);
    stream.write_all(format!("{head}12").as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    drop(stream);
    ask("GET", "/keys/bodies%20cut", &[], "").assert_problem(404, "not_found");
}
