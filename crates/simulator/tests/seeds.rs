//! The seeds of every test run, and that a run is a function of its seed.

use kv_simulator::history::History;
use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_kv-simulator");

#[test]
fn two_thousand_histories_and_every_point_of_two_hundred() {
    let output = Command::new(BINARY)
        .args([
            "--histories",
            "2000",
            "--every-point",
            "200",
            "--variants",
            "3",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    println!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_same_seed_does_the_same() {
    let trace = |seed| {
        let mut history = History::new(seed);
        history.run(60).unwrap();
        (history.trace(), history.operations, history.crashes)
    };
    let traces: Vec<_> = (0..40).map(trace).collect();
    assert_eq!(traces, (0..40).map(trace).collect::<Vec<_>>());
    let mut distinct = traces.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), traces.len());
}
