//! The suite as it is run, at its smallest: every part gives figures, and the
//! report is whole. The figures themselves mean nothing here.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The store's binary, which the tests of the workspace are built with.
fn binary() -> std::path::PathBuf {
    let bench = Path::new(env!("CARGO_BIN_EXE_kv-bench"));
    let binary = bench.with_file_name("kv-actor");
    assert!(
        binary.is_file(),
        "{} is missing: cargo build --package kv-actor",
        binary.display()
    );
    binary
}

#[test]
fn every_part_gives_figures_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // What a run that was killed has left.
    let left = folder.path().join("data/scratch/data");
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("00000001.jsonl"), "left").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kv-bench"))
        .args(["run", "--size", "smoke", "--binary"])
        .arg(binary())
        .arg("--component")
        .arg(root.join("target/component/kv-store.wasm"))
        .arg("--results")
        .arg(folder.path())
        .arg("--data")
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let performance = folder.path().join("performance");
    let results = std::fs::read_to_string(performance.join("results.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    let runs = results["runs"].as_array().unwrap();
    let mut parts = vec![
        "lines",
        "ycsb",
        "component",
        "http",
        "scale",
        "large",
        "latency",
    ];
    if cfg!(feature = "rivals") {
        parts.push("embedded");
    }
    for part in parts {
        let runs = runs.iter().filter(|run| run["part"] == part);
        let figures: Vec<_> = runs
            .map(|run| run["figures"].as_object().unwrap())
            .collect();
        assert!(!figures.is_empty(), "{part}");
        let mut all = figures.into_iter().flatten();
        assert!(all.all(|(_, figure)| figure.as_f64().is_some()), "{part}");
    }

    // What needs Redis, or a million keys, is missing here and there.
    let redis = !said.contains("redis-server is not installed");
    for target in results["targets"].as_array().unwrap() {
        let name = target["name"].as_str().unwrap();
        let measured = !target["reached"].is_null();
        let rival_missing = target["beside_name"] == "redis" && !redis;
        let expected = !rival_missing && !name.contains("1,000,000 keys");
        assert_eq!(measured, expected, "{name}");
    }

    let page = std::fs::read_to_string(folder.path().join("performance.md")).unwrap();
    for plot in ["throughput.svg", "latency.svg", "cost.svg"] {
        let svg = std::fs::read_to_string(performance.join(plot)).unwrap();
        assert!(svg.starts_with("<svg") && page.contains(plot), "{plot}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    let left = std::fs::read_dir(folder.path().join("data"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "the data that was measured is removed");

    let compared = Command::new(env!("CARGO_BIN_EXE_kv-bench"))
        .arg("compare")
        .args([folder.path(), folder.path()])
        .output()
        .unwrap();
    let table = String::from_utf8(compared.stdout).unwrap();
    let of_http = table.lines().filter(|row| row.starts_with("| 6 |"));
    let (number, agree) = of_http.fold((0, 0), |(number, agree), row| {
        (
            number + 1,
            agree + usize::from(row.ends_with("| 0 % | yes |")),
        )
    });
    assert!(number > 1 && agree == number, "{table}");
}
