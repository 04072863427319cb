//! What a call of an actor costs, whatever its guest does in it: prints
//! nanoseconds for an empty batch, and for batches of one event and of many, on
//! the guest that echoes. After `make component`:
//! `cargo run --release --package kv-runtime --example call_cost`

use kv_runtime::{Actor, ActorSettings, GuestLimits, Messages};
use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

/// Rounds are interleaved, and the median of each kind is printed.
const ROUNDS: usize = 9;

const EVENT: &[u8] =
    b"{\"type\":\"get\",\"key\":\"a key of twenty bytes\",\"id\":1,\"padding\":\"0123456789\"}\n";

fn main() -> Result<(), Box<dyn Error>> {
    let component =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/component/guest-echo.wasm");
    let folder = tempfile::tempdir()?;
    let started = Instant::now();
    let mut actor = Actor::start(ActorSettings {
        name: "call_cost".to_owned(),
        component: std::fs::read(component)?,
        data: folder.path().join("data"),
        configuration: "{}".to_owned(),
        limits: GuestLimits::default(),
        messages: Messages::default(),
        compiled: None,
    })?;
    println!("start: {} ms", started.elapsed().as_millis());

    let kinds = [(0, 1_000_000_u32), (1, 300_000), (64, 20_000), (4096, 300)];
    let mut costs = kinds.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((events_count, calls), costs) in kinds.iter().zip(&mut costs) {
            let events = EVENT.repeat(*events_count);
            let begun = Instant::now();
            for _ in 0..*calls {
                black_box(actor.handle(black_box(&events), *events_count, 1)?);
            }
            costs.push(begun.elapsed() / *calls);
        }
    }
    for ((events_count, _), costs) in kinds.iter().zip(&mut costs) {
        costs.sort_unstable();
        let (least, most) = (costs[0], costs[ROUNDS - 1]);
        let median = costs[ROUNDS / 2];
        println!("{events_count} events: {median:?} a call ({least:?} to {most:?})");
    }
    Ok(())
}
