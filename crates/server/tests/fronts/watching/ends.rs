//! Watchers that are too slow, come too late, or go.

use super::put;
use crate::support::event_stream::EventStream;
use crate::support::running::everywhere;
use crate::support::{LineClient, Running, request};
use kv_runtime::GuestLimits;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Puts so much that no socket buffer holds it all.
fn flood(server: &Running) -> u64 {
    let mut writer = LineClient::connect(server.lines());
    let value = "x".repeat(1_000_000);
    (0..60)
        .map(|n| put(&mut writer, &format!("k{}", n % 3), value.clone()))
        .last()
        .unwrap()
}

#[test]
fn a_slow_client_is_cut_off_and_can_resume() {
    let server = Running::start("kv-store");
    let mut slow = LineClient::connect(server.lines());
    slow.ask(r#"{"type":"watch","id":"slow"}"#);
    // It takes nothing, and holds up nobody.
    let last = flood(&server);
    let mut seen = 0;
    let refused = loop {
        let line = slow.reply();
        if line["status"] == "error" {
            break line;
        }
        assert_eq!(
            (&line["status"], &line["version"]),
            (&json!("change"), &json!(seen + 1))
        );
        seen += 1;
    };
    assert_eq!(
        (&refused["code"], &refused["id"]),
        (&json!("unavailable"), &json!("slow"))
    );
    assert_eq!(refused["version"], seen);
    assert!(seen < last, "{seen}");
    // The connection is still good, and the watch goes on from there.
    assert_eq!(
        slow.ask(&format!("{{\"type\":\"watch\",\"since\":{seen}}}"))["status"],
        "ok"
    );
    for version in seen + 1..=last {
        assert_eq!(slow.reply()["version"], version);
    }
}

#[test]
fn a_slow_request_is_cut_off_and_can_resume() {
    let server = Running::start("kv-store");
    let mut slow = EventStream::open(server.http(), "/watch", None);
    let last = flood(&server);
    let mut seen = 0;
    let refused = loop {
        match slow.next().unwrap() {
            (name, refused) if name == "error" => break refused,
            (_, change) => {
                assert_eq!(change["version"], seen + 1);
                seen += 1;
            }
        }
    };
    assert_eq!(
        (&refused["code"], &refused["version"]),
        (&json!("unavailable"), &json!(seen))
    );
    assert!(slow.next().is_none() && seen < last, "{seen}");
    let mut again = EventStream::open(server.http(), "/watch", slow.last_id.as_deref());
    for version in seen + 1..=last {
        assert_eq!(again.change()["version"], version);
    }
}

/// Nobody must be cut off for the length of the past.
#[test]
fn a_slow_reader_of_history_is_waited_for() {
    let server = Running::start("kv-store");
    let last = flood(&server);
    let mut client = LineClient::connect(server.lines());
    client.ask(r#"{"type":"watch","since":0}"#);
    let mut stream = EventStream::open(server.http(), "/watch?since=0", None);
    std::thread::sleep(Duration::from_millis(500));
    for version in 1..=last {
        assert_eq!(client.reply()["version"], version);
        assert_eq!(stream.change()["version"], version);
    }
}

#[test]
fn history_that_is_compacted_says_where_to_begin() {
    let data = tempfile::TempDir::new().unwrap();
    let configuration = r#"{"segment_bytes_max":65536}"#;
    let limits = GuestLimits::default();
    let server = Running::configured(
        "kv-store",
        data.path(),
        limits,
        &everywhere(),
        configuration,
    );
    let mut writer = LineClient::connect(server.lines());
    let value = "x".repeat(10_000);
    let oldest = loop {
        for n in 0..50 {
            put(&mut writer, &format!("k{}", n % 3), value.clone());
        }
        let stats = writer.ask(r#"{"type":"stats"}"#);
        if let Some(oldest) = stats["history_since"].as_u64().filter(|oldest| *oldest > 0) {
            break oldest;
        }
    };
    let check = |refused: &Value| {
        assert_eq!(refused["code"], "compacted", "{refused}");
        assert!(refused["oldest"].as_u64().unwrap() >= oldest, "{refused}");
    };
    check(&writer.ask(r#"{"type":"watch","since":0}"#));
    let response = request(server.http(), "GET", "/watch?since=0", &[], "");
    response.assert_problem(410, "compacted");
    check(&response.json());
    let response = request(server.http(), "GET", "/changes?since=0", &[], "");
    response.assert_problem(410, "compacted");
    let oldest = response.json()["oldest"].as_u64().unwrap();
    let watch = format!("{{\"type\":\"watch\",\"since\":{oldest}}}");
    assert_eq!(writer.ask(&watch)["version"], oldest);
}

#[test]
fn a_hundred_idle_watchers_are_served_and_counted_and_forgotten() {
    let server = Running::start("kv-store");
    let mut writer = LineClient::connect(server.lines());
    let mut clients: Vec<_> = (0..50)
        .map(|n| {
            let mut client = LineClient::connect(server.lines());
            client.ask(&format!("{{\"type\":\"watch\",\"prefix\":\"{n}/\"}}"));
            client
        })
        .collect();
    let mut streams: Vec<_> = (50..100)
        .map(|n| EventStream::open(server.http(), &format!("/watch?prefix={n}/"), None))
        .collect();
    let watchers = || {
        let metrics = request(server.http(), "GET", "/metrics", &[], "");
        let text = metrics.text().to_owned();
        let line = text.lines().find(|line| line.starts_with("kv_watchers "));
        line.unwrap()["kv_watchers ".len()..]
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(watchers(), 100);
    for n in 0..100 {
        put(&mut writer, &format!("{n}/k"), n);
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.reply()["value"], n);
    }
    for (n, stream) in streams.iter_mut().enumerate() {
        assert_eq!(stream.change()["value"], n + 50);
    }
    drop((clients, streams));
    let begun = Instant::now();
    while watchers() > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{} are left",
            watchers()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a guest has written before it failed is told by the log.
#[test]
fn a_guest_that_fails_leaves_no_gap() {
    let limits = GuestLimits {
        memory_bytes_max: 96 << 20,
        restarts_max: 100,
        ..GuestLimits::default()
    };
    let server = Running::with_limits("kv-store", limits);
    let address = server.lines();
    let mut writer = LineClient::connect(address);
    let mut watcher = LineClient::connect(address);
    watcher.ask(r#"{"type":"watch"}"#);
    let mut stream = EventStream::open(server.http(), "/watch", None);
    // Each reads up to the end, and resumes where it was too slow.
    let by_lines = std::thread::spawn(move || {
        let mut seen = 0;
        loop {
            let line = watcher.reply();
            if line["status"] == "error" {
                assert_eq!(
                    (&line["code"], &line["version"]),
                    (&json!("unavailable"), &json!(seen))
                );
                watcher.ask(&format!("{{\"type\":\"watch\",\"since\":{seen}}}"));
                continue;
            }
            seen += 1;
            assert_eq!(line["version"], seen, "{}", line["key"]);
            if line["key"] == "end" {
                return seen;
            }
        }
    });
    let http = server.http();
    let by_stream = std::thread::spawn(move || {
        let mut seen = 0;
        loop {
            match stream.next() {
                Some((name, change)) if name == "change" => {
                    seen += 1;
                    assert_eq!(change["version"], seen, "{}", change["key"]);
                    if change["key"] == "end" {
                        return seen;
                    }
                }
                _ => stream = EventStream::open(http, "/watch", stream.last_id.as_deref()),
            }
        }
    });
    let value = "x".repeat(16_000_000);
    let failures = (0..12)
        .filter(|n| {
            let event = json!({"type": "put", "key": format!("k{n}"), "value": value});
            writer.ask(&event.to_string())["code"] == "unavailable"
        })
        .count();
    assert!(failures > 0);
    let last = put(&mut writer, "end", 1);
    assert_eq!(
        (by_lines.join().unwrap(), by_stream.join().unwrap()),
        (last, last)
    );
}
