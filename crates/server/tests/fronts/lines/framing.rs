//! Lines in, lines out: in order, however they come.

use crate::support::{LineClient, Running, numbered, store};
use serde_json::json;

#[test]
fn every_line_is_answered_in_order() {
    let server = Running::start("guest-echo");
    let mut client = LineClient::connect(server.lines());
    for n in 0..100 {
        assert_eq!(client.ask(&format!("{{\"n\":{n}}}"))["event"]["n"], n);
    }
}

#[test]
fn a_line_may_come_in_pieces() {
    let server = Running::start("guest-echo");
    let mut client = LineClient::connect(server.lines());
    for byte in b"{\"n\":1}\n{\"n\":2}\n" {
        client.send([*byte]);
    }
    assert_eq!(client.reply()["event"]["n"], 1);
    assert_eq!(client.reply()["event"]["n"], 2);
}

#[test]
fn blank_lines_get_no_reply_and_carriage_returns_do_no_harm() {
    let server = Running::start("guest-echo");
    let mut client = LineClient::connect(server.lines());
    client.send("\n\r\n  \t \n{\"n\":1}\r\n\n\n{\"n\":2}\n\r\n");
    client.end();
    let replies = client.rest();
    assert_eq!(replies.len(), 2);
    assert_eq!(
        (&replies[0]["event"]["n"], &replies[1]["event"]["n"]),
        (&json!(1), &json!(2))
    );
}

#[test]
fn ten_thousand_events_can_be_sent_before_a_reply_is_read() {
    let server = Running::start("guest-echo");
    let mut client = LineClient::connect(server.lines());
    client.send(numbered(10_000));
    for n in 0..10_000 {
        assert_eq!(client.reply()["event"]["n"], n);
    }
}

#[test]
fn a_client_that_has_said_all_gets_every_reply_and_then_the_end() {
    let server = Running::start("guest-echo");
    for count in [0, 1, 2, 10_000] {
        let mut client = LineClient::connect(server.lines());
        client.send("{\"n\":0}\n".repeat(count));
        client.end();
        assert_eq!(client.rest().len(), count);
    }
}

#[test]
fn a_last_line_needs_no_line_feed() {
    let server = Running::start("guest-echo");
    let mut client = LineClient::connect(server.lines());
    client.send("{\"n\":1}\n{\"n\":2}");
    client.end();
    let replies = client.rest();
    assert_eq!(replies.len(), 2);
    assert_eq!(replies[1]["event"]["n"], 2);
}

#[test]
fn an_event_that_is_cut_off_is_answered_as_no_json() {
    let mut client = LineClient::connect(store().lines());
    client.send("{\"type\":\"put\",\"key\":\"cut off\",\"val");
    client.end();
    let replies = client.rest();
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0]["code"], "invalid_json");
}

#[test]
fn many_clients_are_served_at_once_each_its_own_replies() {
    let server = Running::start("guest-echo");
    let mut clients: Vec<_> = (0..400)
        .map(|_| LineClient::connect(server.lines()))
        .collect();
    for round in 0..3 {
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(format!("{{\"n\":{n},\"round\":{round}}}\n"));
        }
        for (n, client) in clients.iter_mut().enumerate() {
            let event = &client.reply()["event"];
            assert_eq!((&event["n"], &event["round"]), (&json!(n), &json!(round)));
        }
    }
}

#[test]
fn events_that_the_actor_leaves_are_handed_in_again_in_order() {
    let server = Running::start("guest-partial");
    let mut clients: Vec<_> = (0..3)
        .map(|_| LineClient::connect(server.lines()))
        .collect();
    for client in &mut clients {
        client.send(numbered(50));
    }
    for client in &mut clients {
        for n in 0..50 {
            assert_eq!(client.reply()["event"]["n"], n);
        }
    }
}

#[test]
fn what_clients_write_together_is_read_by_all() {
    let lines = store().lines();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            std::thread::spawn(move || {
                let mut client = LineClient::connect(lines);
                for n in 0..50 {
                    let key = format!("together/{writer}/{n}");
                    let put = json!({"type": "put", "key": key, "value": [writer, n]});
                    assert_eq!(client.ask(&put.to_string())["status"], "ok");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let mut client = LineClient::connect(lines);
    for writer in 0..8 {
        for n in 0..50 {
            let key = format!("together/{writer}/{n}");
            let reply = client.ask(&json!({"type": "get", "key": key}).to_string());
            assert_eq!(reply["value"], json!([writer, n]));
        }
    }
}
