//! A server that is asked to end finishes what it has begun.

use crate::support::running::everywhere;
use crate::support::{LineClient, Running, request};
use kv_runtime::GuestLimits;
use serde_json::json;
use std::io::Write;
use tempfile::TempDir;

#[test]
fn idle_clients_do_not_hold_it_up_and_see_the_end() {
    let server = Running::start("guest-echo");
    let mut asked = LineClient::connect(server.lines());
    assert_eq!(asked.ask(r#"{"n":1}"#)["event"]["n"], 1);
    let mut half = LineClient::connect(server.lines());
    half.send("{\"n\":");
    server.stop().unwrap();
    assert!(asked.rest().is_empty());
}

#[test]
fn every_acknowledged_put_outlives_it() {
    let data = TempDir::new().unwrap();
    let start = || {
        Running::on(
            "kv-store",
            data.path(),
            GuestLimits::default(),
            &everywhere(),
        )
    };
    let server = start();
    let mut client = LineClient::connect(server.lines());
    let mut puts = client.stream().try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let mut n = 0;
        // Until the server closes the connection.
        while writeln!(
            puts,
            "{}",
            json!({"type": "put", "key": format!("k{n}"), "value": n})
        )
        .is_ok()
        {
            n += 1;
        }
    });
    for _ in 0..100 {
        assert_eq!(client.reply()["status"], "ok");
    }
    server.shutdown().ask().unwrap();
    // Reading on: each reply is whole, and says that the put is durable.
    let mut acknowledged = 100;
    while let Some(reply) = client.next_reply() {
        assert_eq!(reply["status"], "ok");
        acknowledged += 1;
    }
    writer.join().unwrap();
    server.ended().unwrap();

    let server = start();
    let mut client = LineClient::connect(server.lines());
    for n in 0..acknowledged {
        let get = json!({"type": "get", "key": format!("k{n}")});
        assert_eq!(client.ask(&get.to_string())["value"], n);
    }
}

#[test]
fn a_client_that_never_reads_does_not_hold_it_up_for_ever() {
    let server = Running::start("guest-echo");
    let deaf = LineClient::connect(server.lines());
    let event = format!("{{\"text\":\"{}\"}}\n", "x".repeat(100_000));
    deaf.stream()
        .set_write_timeout(Some(std::time::Duration::from_secs(1)))
        .unwrap();
    while deaf.stream().write_all(event.as_bytes()).is_ok() {}
    server.stop().unwrap();
}

#[test]
fn http_clients_that_wait_do_not_hold_it_up_for_ever() {
    let server = Running::start("guest-echo");
    let mut half = std::net::TcpStream::connect(server.http()).unwrap();
    half.write_all(b"POST /events HTTP/1.1\r\nhost: localhost\r\n")
        .unwrap();
    let address = server.http();
    assert_eq!(request(address, "GET", "/livez", &[], "").status, 200);
    server.stop().unwrap();
    assert!(std::net::TcpStream::connect(address).is_err());
}
