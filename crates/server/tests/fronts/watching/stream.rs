//! `GET /watch`.

use super::{place, put};
use crate::support::event_stream::EventStream;
use crate::support::running::everywhere;
use crate::support::{LineClient, Running, request};
use kv_runtime::GuestLimits;
use serde_json::json;

#[test]
fn changes_come_as_events_and_an_id_comes_with_the_last_of_its_version() {
    let server = Running::start("kv-store");
    let mut writer = LineClient::connect(server.lines());
    let before = put(&mut writer, "a/0", 0);
    let mut stream = EventStream::open(server.http(), "/watch?prefix=a%2F", None);
    assert_eq!(stream.last_id, Some(before.to_string()));
    put(&mut writer, "b", 0);
    let batch = r#"{"type":"put_many","entries":{"a/1":1,"a/2":2,"b":3}}"#;
    let version = writer.ask(batch)["version"].as_u64().unwrap();
    assert_eq!(place(&stream.change()), ("a/1".into(), version));
    assert_eq!(stream.last_id, Some(before.to_string()));
    assert_eq!(place(&stream.change()), ("a/2".into(), version));
    assert_eq!(stream.last_id, Some(version.to_string()));
}

#[test]
fn who_comes_again_misses_nothing_even_where_the_server_ended_in_between() {
    let data = tempfile::TempDir::new().unwrap();
    let start = || {
        Running::on(
            "kv-store",
            data.path(),
            GuestLimits::default(),
            &everywhere(),
        )
    };
    let server = start();
    let mut writer = LineClient::connect(server.lines());
    let mut expected = Vec::new();
    let mut told: Vec<(String, u64)> = Vec::new();
    let first = EventStream::open(server.http(), "/watch", None);
    let mut last_id = first.last_id.clone();
    // It goes before it was told anything.
    drop(first);
    let mut write = |writer: &mut LineClient, from: usize| {
        for n in from..from + 50 {
            let batch =
                json!({"type": "put_many", "entries": {format!("x{n}"): n, format!("y{n}"): n}});
            let version = writer.ask(&batch.to_string())["version"].as_u64().unwrap();
            expected.extend([(format!("x{n}"), version), (format!("y{n}"), version)]);
        }
    };
    write(&mut writer, 0);
    // Each reads a little and breaks off, some in the middle of a version.
    for count in [1, 2, 33, 10] {
        let mut stream = EventStream::open(server.http(), "/watch?since=0", last_id.as_deref());
        for _ in 0..count {
            told.push(place(&stream.change()));
        }
        last_id.clone_from(&stream.last_id);
        // What is not whole comes again.
        let whole: u64 = last_id.as_ref().unwrap().parse().unwrap();
        told.retain(|(_, version)| *version <= whole);
    }
    server.stop().unwrap();
    let server = start();
    let mut writer = LineClient::connect(server.lines());
    let mut stream = EventStream::open(server.http(), "/watch", last_id.as_deref());
    write(&mut writer, 50);
    while told.len() < expected.len() {
        told.push(place(&stream.change()));
    }
    assert_eq!(told, expected);
}

#[test]
fn a_watch_that_cannot_be_is_a_problem() {
    let server = Running::start("kv-store");
    let mut writer = LineClient::connect(server.lines());
    put(&mut writer, "k", 1);
    let get = |path: &str| request(server.http(), "GET", path, &[], "");
    for path in [
        "/watch?since=2",
        "/watch?since=x",
        "/watch?key=k",
        "/watch?since=9007199254740992",
    ] {
        get(path).assert_problem(422, "invalid_event");
    }
    let header = [("last-event-id", "x")];
    request(server.http(), "GET", "/watch", &header, "").assert_problem(422, "invalid_event");
    let json = [("content-type", "application/json")];
    let posted = request(
        server.http(),
        "POST",
        "/events",
        &json,
        r#"{"type":"watch"}"#,
    );
    assert_eq!(
        (posted.status, &posted.json()["code"]),
        (422, &json!("invalid_event"))
    );
}

#[test]
fn one_with_nothing_to_tell_says_that_it_is_there() {
    let server = Running::start("kv-store");
    let mut stream = EventStream::open(server.http(), "/watch", None);
    let mut writer = LineClient::connect(server.lines());
    std::thread::sleep(std::time::Duration::from_secs(16));
    put(&mut writer, "k", 1);
    stream.change();
    assert_eq!(stream.heartbeats, 1);
}

#[test]
fn a_server_ends_though_somebody_watches() {
    let server = Running::start("kv-store");
    let mut stream = EventStream::open(server.http(), "/watch", None);
    let begun = std::time::Instant::now();
    server.stop().unwrap();
    assert!(stream.next().is_none());
    // It has not waited until requests in progress were given up.
    assert!(begun.elapsed() < std::time::Duration::from_secs(2));
}
