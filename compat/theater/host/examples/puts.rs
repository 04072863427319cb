//! What puts cost in Theater, beside an actor that writes a file for each, which
//! is the least that one can do there. `make theater-puts`.

use kv_theater_host::{Actor, Theater};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

const PUTS: u32 = 10_000;

/// Puts in a message.
const BATCHES: [u32; 2] = [1, 100];

fn main() -> Result<(), Box<dyn Error>> {
    for batch in BATCHES {
        let store = run("theater-store", batch, |key, value| {
            format!("{{\"type\":\"put\",\"key\":\"{key}\",\"value\":\"{value}\"}}\n")
        })?;
        let file_a_put = run("theater-file-a-put", batch, |key, value| {
            format!("{key} {value}\n")
        })?;
        let each = |time: Duration, puts: u32| (time / puts).as_micros();
        let total: [Duration; 2] = [&store, &file_a_put].map(|times| times.iter().sum());
        let tenth = store.len() / 10;
        println!(
            "{PUTS} puts, {batch} a message: {} µs each; the first tenth {}, the last {}; \
             a file a put: {} µs; {:.2} times as fast",
            each(total[0], PUTS),
            each(store[..tenth].iter().sum(), PUTS / 10),
            each(store[store.len() - tenth..].iter().sum(), PUTS / 10),
            each(total[1], PUTS),
            total[1].as_secs_f64() / total[0].as_secs_f64(),
        );
    }
    Ok(())
}

/// How long each message took.
fn run(
    component: &str,
    batch: u32,
    line: impl Fn(u32, &str) -> String,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data)?;
    let manifest = include_str!("../../manifest.toml")
        .replace("theater-store", component)
        .replace(
            "target/component",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../../target/component"),
        )
        .replace("\"data\"", &format!("\"{}\"", data.display()));
    let path = folder.path().join("manifest.toml");
    std::fs::write(&path, manifest)?;
    let theater = Theater::start()?;
    let actor = theater.spawn(&path)?;
    let value = "v".repeat(200);
    let mut times = Vec::new();
    for first in (0..PUTS / batch).map(|message| message * batch) {
        let message: String = (first..first + batch)
            .map(|key| line(key, &value))
            .collect();
        times.push(timed(&actor, message)?);
    }
    check(&data, usize::try_from(PUTS / batch)?)?;
    actor.stop()?;
    Ok(times)
}

fn timed(actor: &Actor<'_>, message: String) -> Result<Duration, Box<dyn Error>> {
    let begun = Instant::now();
    let reply = actor.request(message.into_bytes())?;
    let took = begun.elapsed();
    if String::from_utf8_lossy(&reply).contains("\"error\"") {
        return Err(String::from_utf8_lossy(&reply).into());
    }
    Ok(took)
}

/// Nobody is fast who has not written.
fn check(data: &Path, files: usize) -> Result<(), Box<dyn Error>> {
    match std::fs::read_dir(data)?.count() {
        count if count >= files => Ok(()),
        count => Err(format!("{count} files, and {files} were to be written").into()),
    }
}
