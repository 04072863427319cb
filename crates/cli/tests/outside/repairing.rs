//! `verify` and `repair` on a directory that was damaged.

use crate::support::*;
use std::fs;
use std::path::Path;

/// A directory of keys, one of which was changed on disk behind our back.
fn damaged(folder: &Path) -> String {
    let data = folder.join("data");
    let events = (0..500).fold(String::new(), |events, key| {
        events + &format!("{{\"type\":\"put\",\"key\":\"k{key}\",\"value\":\"value {key}\"}}\n")
    });
    let place = data.to_str().unwrap();
    let imported = run_with(&["import", "--data", place, "-"], &events);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    ok(&["put", "--data", place, "k1", "1"]);
    let segment = data.join("00000001.jsonl");
    let content = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, content.replace("value 77\"", "VALUE 77\"")).unwrap();
    place.to_owned()
}

#[test]
fn damage_is_told_and_set_aside_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data = damaged(folder.path());
    let error = fails(&["get", "--data", &data, "k77"], 15);
    assert!(error.contains("kv-actor repair"), "{error}");
    let verified = run(&["verify", "--data", &data]);
    assert_eq!(verified.status.code(), Some(15));
    let report: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(report["damage"][0]["keys"][0], "k77");
    assert_eq!(report["damage"][0]["line"], 79);

    // Nobody agrees; nothing changes.
    let refused = run(&["repair", "--data", &data]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("--yes"));
    assert!(!Path::new(&data).join("lost").exists());

    let report: serde_json::Value =
        serde_json::from_str(&ok(&["repair", "--data", &data, "--yes"])).unwrap();
    assert_eq!(report["keys"][0]["key"], "k77");
    assert_eq!(report["keys"][0]["now"], serde_json::Value::Null);
    assert_eq!(report["versions_lost"], 1);
    let aside: Vec<_> = fs::read_dir(Path::new(&data).join("lost"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(aside.len(), 1);
    assert!(aside[0].contains("VALUE 77"));

    ok(&["verify", "--data", &data]);
    assert_eq!(ok(&["get", "--data", &data, "k76"]), "\"value 76\"\n");
    assert_eq!(ok(&["get", "--data", &data, "k1"]), "1\n");
    fails(&["get", "--data", &data, "k77"], 12);
    let again: serde_json::Value =
        serde_json::from_str(&ok(&["repair", "--data", &data, "--yes"])).unwrap();
    assert_eq!(again["damage"], serde_json::json!([]));
}

#[test]
fn a_directory_that_a_server_has_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let data = folder.path().join("data");
    for command in ["verify", "repair"] {
        fails(&[command, "--data", data.to_str().unwrap()], 16);
    }
    fails(&["verify", "--data", "/nonexistent"], 16);
    server.kill();
}
