//! Clients that send too much, too little, or never read: each gets a clear
//! answer where there is one to give, and no other client notices.

use crate::support::{LineClient, Running, store};
use kv_protocol::limits::{EVENT_BYTES_MAX, VALUE_BYTES_MAX};
use serde_json::json;
use std::io::{ErrorKind, Write};
use std::time::Duration;

#[test]
fn half_a_line_holds_up_nobody() {
    let server = Running::start("guest-echo");
    let mut stalled = LineClient::connect(server.lines());
    stalled.send("{\"n\":");
    let mut other = LineClient::connect(server.lines());
    for n in 0..10 {
        assert_eq!(other.ask(&format!("{{\"n\":{n}}}"))["event"]["n"], n);
    }
    stalled.send("7}\n");
    assert_eq!(stalled.reply()["event"]["n"], 7);
}

#[test]
fn a_client_that_never_reads_is_read_no_further_and_holds_up_nobody() {
    let server = Running::start("guest-echo");
    let deaf = LineClient::connect(server.lines());
    let event = format!("{{\"text\":\"{}\"}}\n", "x".repeat(10_000));
    deaf.stream()
        .set_write_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let mut written = 0;
    // Far more than the sockets' buffers and the server's take.
    let stalled = (0..100_000).any(|_| match deaf.stream().write(event.as_bytes()) {
        Ok(bytes) => {
            written += bytes;
            bytes < event.len()
        }
        Err(e) => {
            assert!(
                matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "{e}"
            );
            true
        }
    });
    assert!(
        stalled,
        "the server took {written} bytes and nobody read a reply"
    );

    let mut other = LineClient::connect(server.lines());
    for n in 0..10 {
        assert_eq!(other.ask(&format!("{{\"n\":{n}}}"))["event"]["n"], n);
    }

    // Once it listens, it gets every reply.
    let rest = event.len() - written % event.len();
    let mut stream = deaf.stream().try_clone().unwrap();
    stream.set_write_timeout(None).unwrap();
    let sender = std::thread::spawn(move || {
        let start = event.len() - rest;
        if start > 0 {
            stream.write_all(&event.as_bytes()[start..]).unwrap();
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        (written + if start > 0 { rest } else { 0 }) / event.len()
    });
    let replies = deaf.rest();
    assert_eq!(replies.len(), sender.join().unwrap());
    assert!(replies.iter().all(|reply| reply["status"] == "ok"));
}

#[test]
fn a_line_too_long_is_refused_in_its_place() {
    let server = Running::start("guest-echo");
    let mut client = LineClient::connect(server.lines());
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(EVENT_BYTES_MAX));
    client.send(format!("{{\"n\":1}}\n{long}\n{{\"n\":2}}\n"));
    assert_eq!(client.reply()["event"]["n"], 1);
    let refused = client.reply();
    assert_eq!(
        (&refused["status"], &refused["code"]),
        (&json!("error"), &json!("too_large"))
    );
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains(&EVENT_BYTES_MAX.to_string())
    );
    assert_eq!(client.reply()["event"]["n"], 2);
    // Twice over, and with no end.
    client.send(format!("{long}\n{long}{long}"));
    client.end();
    let codes: Vec<_> = client
        .rest()
        .iter()
        .map(|reply| reply["code"].clone())
        .collect();
    assert_eq!(codes, ["too_large", "too_large"]);
}

#[test]
fn the_longest_line_there_may_be_is_an_event() {
    let server = Running::start("guest-echo");
    let mut client = LineClient::connect(server.lines());
    let around = "{\"text\":\"\"}".len();
    let longest = format!(
        "{{\"text\":\"{}\"}}\n",
        "x".repeat(EVENT_BYTES_MAX - around)
    );
    client.send(&longest);
    let reply = client.reply();
    assert_eq!(
        reply["event"]["text"].as_str().unwrap().len(),
        EVENT_BYTES_MAX - around
    );
}

#[test]
fn the_largest_value_is_stored_and_one_byte_more_is_refused() {
    let mut client = LineClient::connect(store().lines());
    let put = |bytes: usize| {
        let text = "v".repeat(bytes - 2);
        format!("{{\"type\":\"put\",\"key\":\"largest\",\"value\":\"{text}\"}}")
    };
    assert_eq!(client.ask(&put(VALUE_BYTES_MAX))["status"], "ok");
    assert_eq!(client.ask(&put(VALUE_BYTES_MAX + 1))["code"], "too_large");
    let reply = client.ask(r#"{"type":"get","key":"largest"}"#);
    assert_eq!(reply["value"].as_str().unwrap().len(), VALUE_BYTES_MAX - 2);
}

#[test]
fn what_is_no_event_is_answered_and_the_next_line_is_served() {
    let mut client = LineClient::connect(store().lines());
    let bad: [(&[u8], &str); 7] = [
        (b"hello", "invalid_json"),
        (b"{\"type\":\"get\",\"key\":\"\xff\"}", "invalid_json"),
        (b"\xff\xfe\x00", "invalid_json"),
        (b"{\"type\":\"get\",\"key\":\"a\"", "invalid_json"),
        (b"{\"type\":\"get\",\"key\":\"a\"} {}", "invalid_json"),
        (b"{\"type\":\"gte\",\"key\":\"a\"}", "invalid_event"),
        (b"{\"type\":\"put\",\"key\":\"a\"}", "invalid_event"),
    ];
    for (line, code) in bad {
        client.send([line, b"\n"].concat());
        let reply = client.reply();
        assert_eq!(reply["code"], code, "{}", String::from_utf8_lossy(line));
        let get = r#"{"type":"get","key":"not there","id":5}"#;
        let reply = client.ask(get);
        assert_eq!(
            (&reply["code"], &reply["id"]),
            (&json!("not_found"), &json!(5))
        );
    }
}

#[test]
fn a_client_that_goes_away_with_replies_due_harms_nobody() {
    let server = Running::start("guest-echo");
    let mut other = LineClient::connect(server.lines());
    for n in 0..50 {
        let mut client = LineClient::connect(server.lines());
        client.send("{\"gone\":true}\n".repeat(1000));
        drop(client);
        assert_eq!(other.ask(&format!("{{\"n\":{n}}}"))["event"]["n"], n);
    }
}
