//! Every corpus, and changes of it from a seed, for every target.
//! `FUZZ_INPUT=target/file` replays one input.

use fastrand::Rng;
use kv_fuzzing::{TARGETS, mutation};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// How many changed inputs each target gets.
const CHANGED: u64 = 150_000;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target)
}

fn inputs(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(corpus(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn replay(target: &str) {
    let (name, run) = TARGETS.iter().find(|known| known.0 == target).unwrap();
    if let Ok(input) = std::env::var("FUZZ_INPUT") {
        if Path::new(&input).parent() == Some(Path::new(name)) {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&input);
            run(&fs::read(file).unwrap());
        }
        return;
    }
    let known = inputs(name);
    assert!(known.len() > 2, "{name} has no corpus");
    let mut random = Rng::with_seed(1);
    let changed = (0..CHANGED).map(|_| mutation::change(&mut random, &known));
    for input in known.iter().cloned().chain(changed) {
        let result = catch_unwind(AssertUnwindSafe(|| run(&input)));
        if result.is_err() {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("failing"), &input).unwrap();
            panic!("replay it: FUZZ_INPUT={name}/failing cargo test -p kv-fuzzing {name}");
        }
    }
}

#[test]
fn canonical() {
    replay("canonical");
}

#[test]
fn events() {
    replay("events");
}

#[test]
fn framing() {
    replay("framing");
}

#[test]
fn log() {
    replay("log");
}

#[test]
fn manifest() {
    replay("manifest");
}

#[test]
fn path() {
    replay("path");
}
