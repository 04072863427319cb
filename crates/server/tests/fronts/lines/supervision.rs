//! A guest that fails: its batch's clients are told, and the next are served.

use crate::support::{LineClient, Running, request};
use kv_runtime::GuestLimits;
use serde_json::json;

#[test]
fn a_failed_guest_is_told_to_every_client_of_the_batch_and_started_again() {
    let server = Running::start("guest-trap");
    let mut client = LineClient::connect(server.lines());
    assert_eq!(client.ask(r#"{"n":1}"#)["count"], 1);
    client.send("{\"type\":\"get\",\"key\":\"a\",\"id\":[\"mine\",1]}\n{\"type\":\"trap\"}\n");
    let replies = [client.reply(), client.reply()];
    // Both were in one batch, or the first was answered before.
    if replies[0]["status"] == "error" {
        assert_eq!(replies[0]["code"], "unavailable");
        assert_eq!(replies[0]["id"], json!(["mine", 1]));
    }
    assert_eq!(replies[1]["code"], "unavailable");
    assert!(replies[1]["message"].as_str().unwrap().contains("unknown"));
    // A new instance counts anew.
    assert_eq!(client.ask(r#"{"n":2}"#)["count"], 1);
    let metrics = request(server.http(), "GET", "/metrics", &[], "");
    assert!(
        metrics.text().contains("\nkv_actor_restarts_total 1\n"),
        "{}",
        metrics.text()
    );
}

#[test]
fn a_request_over_http_to_a_guest_that_fails_is_unavailable() {
    let server = Running::start("guest-trap");
    let json = [("content-type", "application/json")];
    let response = request(
        server.http(),
        "POST",
        "/events",
        &json,
        r#"{"type":"trap"}"#,
    );
    response.assert_problem(503, "unavailable");
    assert!(response.header("retry-after").is_some());
    let response = request(server.http(), "POST", "/events", &json, r#"{"n":1}"#);
    assert_eq!(
        (response.status, &response.json()["count"]),
        (200, &json!(1))
    );
    let ndjson = [("content-type", "application/x-ndjson")];
    let events = "{\"id\":3}\n{\"type\":\"trap\"}\n";
    let response = request(server.http(), "POST", "/events", &ndjson, events);
    assert_eq!(response.status, 200);
    let last = response.text().lines().last().unwrap();
    assert!(last.contains("\"unavailable\""), "{last}");
}

#[test]
fn a_guest_that_may_not_be_started_again_is_not_ready() {
    let limits = GuestLimits {
        restarts_max: 0,
        ..GuestLimits::default()
    };
    let server = Running::with_limits("guest-trap", limits);
    assert_eq!(
        request(server.http(), "GET", "/readyz", &[], "").status,
        200
    );
    let mut client = LineClient::connect(server.lines());
    assert_eq!(client.ask(r#"{"type":"trap"}"#)["code"], "unavailable");
    let ready = request(server.http(), "GET", "/readyz", &[], "");
    ready.assert_problem(503, "unavailable");
    assert!(ready.header("retry-after").is_some());
    assert_eq!(request(server.http(), "GET", "/livez", &[], "").status, 200);
    let reply = client.ask(r#"{"type":"get","key":"a","id":1}"#);
    assert_eq!(
        (&reply["code"], &reply["id"]),
        (&json!("unavailable"), &json!(1))
    );
}

#[test]
fn a_server_that_is_down_comes_back_without_being_asked() {
    let limits = GuestLimits {
        restarts_max: 1,
        restarts_window_ms: 2_000,
        ..GuestLimits::default()
    };
    let server = Running::with_limits("guest-trap", limits);
    let mut client = LineClient::connect(server.lines());
    for _ in 0..2 {
        assert_eq!(client.ask(r#"{"type":"trap"}"#)["code"], "unavailable");
    }
    // Whoever sends events only to a server that is ready would wait for ever.
    let ready = || request(server.http(), "GET", "/readyz", &[], "").status == 200;
    assert!(!ready());
    let begun = std::time::Instant::now();
    while !ready() {
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(30),
            "it stays down"
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(client.ask(r#"{"n":1}"#)["count"], 1);
}

#[test]
fn a_guest_that_loops_for_ever_is_stopped() {
    let limits = GuestLimits {
        handle_timeout_ms: 200,
        ..GuestLimits::default()
    };
    let server = Running::with_limits("guest-spin", limits);
    let mut client = LineClient::connect(server.lines());
    assert_eq!(client.ask(r#"{"type":"spin"}"#)["code"], "unavailable");
    assert_eq!(client.ask(r#"{"n":1}"#)["count"], 1);
}
