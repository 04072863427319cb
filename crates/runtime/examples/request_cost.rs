//! What a `get` costs an actor that asks the store in batches, beside the same
//! batch handed to the store by the runtime itself. After `make component`:
//! `cargo run --release --package kv-runtime --example request_cost`

use kv_runtime::{Actor, ActorSettings, GuestLimits, Mailbox, Messages, Peers};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Rounds are interleaved, and medians are printed.
const ROUNDS: usize = 9;

const CALLS: u32 = 500;

const EVENTS: usize = 64;

const TIME_MS: u64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut store = start("kv-store", folder.path(), Messages::default())?;
    let value = "v".repeat(198);
    let put =
        format!("{{\"type\":\"put\",\"key\":\"a key of twenty bytes\",\"value\":\"{value}\"}}\n");
    store.handle(put.as_bytes(), 1, TIME_MS)?;
    let gets = "{\"type\":\"get\",\"key\":\"a key of twenty bytes\"}\n".repeat(EVENTS);
    let ask = format!(
        "{{\"type\":\"gets\",\"actor\":\"store\",\"key\":\"a key of twenty bytes\",\"times\":{EVENTS}}}\n"
    );

    let (wake, woken) = channel();
    let (mailbox, inbox) = Mailbox::new(16, 1 << 20, move || {
        // The store has ended where nobody listens.
        wake.send(()).unwrap_or_default();
    });
    let peers = Peers::new(BTreeMap::from([("store".to_owned(), mailbox)]));
    let messages = peers.messages("app", &["store".to_owned()]);
    let mut app = start("guest-relay", folder.path(), messages)?;

    let (mut own, mut asked) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..CALLS {
            store.handle(gets.as_bytes(), EVENTS, TIME_MS)?;
        }
        own.push(begun.elapsed());
        // The store on its own thread, as where it is served.
        let (begun, ended) = std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let begun = Instant::now();
                for _ in 0..CALLS {
                    let handled = app.handle(ask.as_bytes(), 1, TIME_MS);
                    let replies = handled.map(|handled| handled.replies);
                    let expected = format!("{{\"status\":\"ok\",\"replies\":{EVENTS}}}\n");
                    assert_eq!(replies, Ok(expected.into_bytes()));
                }
                (begun, Instant::now())
            });
            for _ in 0..CALLS {
                woken.recv().unwrap_or_default();
                while let Some(request) = inbox.take() {
                    let handled = store.handle(&request.events, EVENTS, TIME_MS);
                    request.answer(handled.map(|handled| handled.replies));
                }
            }
            asking.join().expect("the replies are as expected")
        });
        asked.push(ended - begun);
    }
    let (own, asked) = (each(own), each(asked));
    println!("a get in batches of {EVENTS}: {own:?} of the store's own time,");
    println!(
        "{asked:?} for an actor that asks: {:?} beyond",
        asked.saturating_sub(own)
    );
    Ok(())
}

fn start(component: &str, folder: &Path, messages: Messages) -> Result<Actor, Box<dyn Error>> {
    let path = format!(
        "{}/../../target/component/{component}.wasm",
        env!("CARGO_MANIFEST_DIR")
    );
    Ok(Actor::start(ActorSettings {
        name: component.to_owned(),
        component: std::fs::read(path)?,
        data: folder.join(component),
        configuration: "{}".to_owned(),
        limits: GuestLimits::default(),
        messages,
        compiled: None,
    })?)
}

/// The median, for one event.
fn each(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[ROUNDS / 2] / CALLS / u32::try_from(EVENTS).unwrap_or(1)
}
