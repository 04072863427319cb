//! The threads that an actor keeps busy: one, for its deadlines, which sleeps
//! while no call is made, wakes for the next, and ends with the actor. None is
//! there for files. Alone in its process, so that every thread is known.
#![cfg(target_os = "linux")]

use kv_runtime::{Actor, ActorSettings, GuestLimits, Messages};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TICKER: &str = "epoch";

/// What threads are called that wasmtime-wasi starts where it is left to itself.
const FILES: &str = "tokio-rt-worker";

#[test]
fn one_thread_that_sleeps_while_no_call_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let start = |guest: &str, handle_timeout_ms| {
        let path = format!(
            "{}/../../target/component/{guest}.wasm",
            env!("CARGO_MANIFEST_DIR")
        );
        let component =
            fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}: run `make component`"));
        Actor::start(ActorSettings {
            name: guest.to_owned(),
            component,
            data: folder.path().join("data"),
            configuration: "{}".to_owned(),
            messages: Messages::default(),
            compiled: None,
            limits: GuestLimits {
                handle_timeout_ms,
                ..GuestLimits::default()
            },
        })
        .unwrap()
    };
    let count = |name: &str| {
        let threads = threads().into_iter();
        threads.filter(|thread| thread.0 == name).count()
    };

    // Files are read and written on the calling thread.
    let mut actor = start("guest-escape", 30_000);
    actor.handle(b"{}\n", 1, 1).unwrap();
    assert!(eventually(|| count(TICKER) == 1));
    assert_eq!(count(FILES), 0);
    drop(actor);
    assert!(eventually(|| count(TICKER) == 0));

    let mut actor = start("guest-spin", 500);
    assert!(eventually(|| count(TICKER) == 1));
    let ticker = threads().into_iter().find(|(name, _)| name == TICKER);
    let switches = ticker.unwrap().1.join("status");
    let asleep = || {
        let earlier = context_switches(&switches);
        std::thread::sleep(Duration::from_millis(300));
        context_switches(&switches) == earlier
    };
    assert!(eventually(asleep), "it never sleeps");
    // A deadline is kept all the same.
    assert!(actor.handle(b"{\"type\":\"spin\"}\n", 1, 1).is_err());
    assert!(actor.handle(b"{}\n", 1, 1).is_ok());
    drop(actor);
    assert!(eventually(|| count(TICKER) == 0));
}

/// Whether something becomes true before a long while has passed.
fn eventually(is_true: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !is_true() {
        if begun.elapsed() > Duration::from_mins(1) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// This process's threads: their names and where to read about them.
fn threads() -> Vec<(String, PathBuf)> {
    let mut threads = Vec::new();
    for entry in fs::read_dir("/proc/self/task").unwrap() {
        let path = entry.unwrap().path();
        // One that ends meanwhile has no name.
        if let Ok(name) = fs::read_to_string(path.join("comm")) {
            threads.push((name.trim().to_owned(), path));
        }
    }
    threads
}

/// How often a thread has gone to sleep.
fn context_switches(status: &Path) -> u64 {
    let status = fs::read_to_string(status).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("voluntary_ctxt_switches:"));
    let count = line.unwrap().split_whitespace().last();
    count.unwrap().parse().unwrap()
}
