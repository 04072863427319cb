//! Talks to other actors as its events say: `request` and `send` hand an event
//! on; `gets` reads a key many times in one request; `changed` is kept, in memory,
//! and `seen` tells what was; `spin` works for long, and `trap` fails.

use bindings::exports::ntwk::actor::actor::{Failure, Guest, Handled};
use bindings::ntwk::actor::messages::{self, RequestError};
use kv_test_guests::{lines, report};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::hint::black_box;

/// What wit-bindgen makes of the world `application` of wit/actor.wit.
#[allow(unsafe_code, clippy::pedantic, reason = "generated")]
mod bindings {
    #[cfg(target_arch = "wasm32")]
    use super::Relay;

    wit_bindgen::generate!({
        path: "../../../wit",
        world: "application",
        generate_all,
    });

    #[cfg(target_arch = "wasm32")]
    export!(Relay with_types_in self);
}

/// The actor.
pub struct Relay;

thread_local! {
    static SEEN: RefCell<Vec<Value>> = const { RefCell::new(Vec::new()) };
}

impl Guest for Relay {
    fn init(configuration: String) -> Result<String, Failure> {
        if configuration.contains("talk in init") {
            let refused = messages::request("store", b"{}\n").unwrap_err();
            return Err(Failure {
                code: refused.code,
                message: refused.message,
            });
        }
        Ok(report(&configuration))
    }

    fn handle(events: Vec<u8>, _time_ms: u64) -> Handled {
        let mut replies = Vec::new();
        for line in lines(&events) {
            let reply = serde_json::from_slice(line).map_or(Value::Null, |event| answer(&event));
            replies.extend_from_slice(reply.to_string().as_bytes());
            replies.push(b'\n');
        }
        Handled {
            replies,
            changes: Vec::new(),
            finished: false,
            wake_at_ms: None,
        }
    }

    fn stop() {}
}

fn answer(event: &Value) -> Value {
    let actor = event["actor"].as_str().unwrap_or_default();
    let handed_on = format!("{}\n", event["event"]).into_bytes();
    match event["type"].as_str() {
        Some("request") => match messages::request(actor, &handed_on) {
            Ok(replies) => {
                let replies = lines(&replies)
                    .map(|line| serde_json::from_slice::<Value>(line).unwrap_or(Value::Null));
                json!({"status": "ok", "replies": replies.collect::<Vec<_>>()})
            }
            Err(refused) => error(&refused),
        },
        Some("gets") => {
            let get = json!({"type": "get", "key": event["key"]});
            let times = usize::try_from(event["times"].as_u64().unwrap_or(1)).unwrap_or(1);
            match messages::request(actor, format!("{get}\n").repeat(times).as_bytes()) {
                Ok(replies) => json!({"status": "ok", "replies": lines(&replies).count()}),
                Err(refused) => error(&refused),
            }
        }
        Some("send") => match messages::send(actor, &handed_on) {
            Ok(()) => json!({"status": "ok"}),
            Err(refused) => error(&refused),
        },
        Some("subscribed") => SEEN.with_borrow_mut(|seen| {
            let since = seen.last().map(|change| change["version"].clone());
            json!({"status": "ok", "since": since})
        }),
        Some("changed") => SEEN.with_borrow_mut(|seen| {
            seen.push(event["change"].clone());
            json!({"status": "ok"})
        }),
        Some("seen") => SEEN.with_borrow(|seen| json!({"status": "ok", "seen": seen})),
        Some("spin") => {
            for round in 0..event["rounds"].as_u64().unwrap_or(u64::MAX) {
                black_box(round);
            }
            json!({"status": "ok"})
        }
        Some("trap") => panic!("as was asked for"),
        _ => json!({"status": "ok", "event": event}),
    }
}

fn error(refused: &RequestError) -> Value {
    json!({"status": "error", "code": refused.code, "message": refused.message})
}
