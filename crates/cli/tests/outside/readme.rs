//! The README's example, run as it stands.

use crate::support::BINARY;
use std::process::Command;

#[test]
fn the_worked_example_works() {
    let readme = include_str!("../../../../README.md");
    let blocks = readme.split("```sh\n").skip(1);
    let script: String = blocks
        .map(|block| block.split("```").next().unwrap())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(BINARY, folder.path().join("kv-actor")).unwrap();
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let output = Command::new("bash")
        .args([
            "-euo",
            "pipefail",
            "-c",
            &format!("trap 'kill $(jobs -p) || true' EXIT\n{script}"),
        ])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let lines: Vec<_> = stdout.lines().collect();
    let has = |text: &str| assert!(stdout.contains(text), "no {text} in:\n{stdout}\n{stderr}");
    has("\"refused\":0");
    has("\"key\":\"iso/3166-1/ISL\",\"value\":{\"alpha_2\":\"IS\"");
    has("\"Devanagari");
    has("\"Japanese\"");
    // The condition, the counter, the list, the changes; what was restored.
    has("\"ok\"\n41\n\"Iceland\"\n");
    has("\"put\"\n0\n1\n");
    assert!(stderr.contains("conflict"), "{stderr}");
    let records: u64 = lines
        .iter()
        .find_map(|line| line.trim().parse().ok())
        .unwrap();
    assert!(records > 10_000, "{records} records");
    assert!(
        lines.last().unwrap().starts_with("{\"iso/3166-1/ISL\":{"),
        "{stdout}"
    );
}
