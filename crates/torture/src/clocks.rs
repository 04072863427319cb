//! A clock that is set back ten years and forward a hundred. Time is an argument
//! of the engine, so no clock needs to be touched: order, versions and replies
//! must not depend on it.

use crate::failure::{Failure, ensure};
use fastrand::Rng;
use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Outcome, Store};
use std::fmt::Write;
use std::path::Path;

const NOW_MS: u64 = 1_763_890_000_000;
const YEAR_MS: u64 = 31_556_952_000;

/// Does the same twice, once with a steady clock and once with one that jumps,
/// opening the store again now and then.
///
/// # Errors
/// Where a reply differs.
pub fn run(folder: &Path, batches: u32, seed: u64) -> Result<(), Failure> {
    let steady = replies(&folder.join("steady"), batches, seed, |_| NOW_MS)?;
    let jumping = replies(&folder.join("jumping"), batches, seed, |rng| {
        let times = [
            NOW_MS,
            NOW_MS - 10 * YEAR_MS,
            NOW_MS + 100 * YEAR_MS,
            0,
            u64::MAX,
        ];
        times[rng.usize(0..times.len())]
    })?;
    ensure(steady == jumping, || {
        "the replies depend on the clock".to_owned()
    })?;
    Ok(std::fs::remove_dir_all(folder)?)
}

fn replies(
    folder: &Path,
    batches: u32,
    seed: u64,
    mut time_ms: impl FnMut(&mut Rng) -> u64,
) -> Result<Vec<u8>, Failure> {
    const KEYS: u32 = 50;
    std::fs::create_dir_all(folder)?;
    let options = Options {
        cache_bytes_max: 0,
        segment_bytes_max: 4096,
        checkpoint_interval_bytes: 4096,
        ..Options::default()
    };
    let open = || {
        Store::open(NativeFiles::new(folder), options)
            .map(|(store, _)| store)
            .map_err(|e| Failure::new(e.to_string()))
    };
    let (mut rng, mut clock) = (Rng::with_seed(seed), Rng::with_seed(seed));
    let mut store = open()?;
    let mut replies = Vec::new();
    for batch in 0..batches {
        let mut events = String::new();
        for number in 0..rng.u32(1..10) {
            let key = rng.u32(0..KEYS);
            let event = match rng.u32(0..5) {
                0 => format!("{{\"type\":\"delete\",\"key\":\"{key}\"}}\n"),
                1 => format!("{{\"type\":\"get\",\"key\":\"{key}\"}}\n"),
                _ => {
                    format!("{{\"type\":\"put\",\"key\":\"{key}\",\"value\":[{batch},{number}]}}\n")
                }
            };
            events.push_str(&event);
        }
        let outcome = store.handle(events.as_bytes(), time_ms(&mut clock), &mut replies);
        ensure(outcome == Outcome::Serving, || {
            "the store has ended".to_owned()
        })?;
        if rng.u32(0..10) == 0 {
            drop(store);
            store = open()?;
        }
    }
    // Everything once more, as it is found by an opening.
    drop(store);
    let mut questions = String::new();
    for key in 0..KEYS {
        writeln!(questions, "{{\"type\":\"get\",\"key\":\"{key}\"}}").unwrap_or_default();
    }
    let outcome = open()?.handle(questions.as_bytes(), 0, &mut replies);
    ensure(outcome == Outcome::Serving, || {
        "the store has ended".to_owned()
    })?;
    Ok(replies)
}
