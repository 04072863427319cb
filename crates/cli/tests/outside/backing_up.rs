//! Backups and exports, and the way back.

use crate::support::*;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::thread;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

fn fill(place: &[&str], keys: std::ops::Range<u32>) {
    let events = keys.fold(String::new(), |events, key| {
        events
            + &format!(
                "{{\"type\":\"put\",\"key\":\"k{key}\",\"value\":\"{}\"}}\n{{\"type\":\"store_content\",\"content\":{key}}}\n",
                "v".repeat(900)
            )
    });
    let imported = run_with(&[&["import", "-"], place].concat(), &events);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
}

/// Every key with its value and version, and the store's figures.
fn state(data: &str) -> (String, Value, Value, Value) {
    let statistics = json(&ok(&["stats", "--data", data]));
    let figure = |name: &str| statistics[name].clone();
    (
        ok(&["list", "--values", "--data", data]),
        figure("version"),
        figure("contents"),
        figure("keys"),
    )
}

#[test]
fn a_backup_of_a_running_server_is_restored_with_those_that_follow() {
    let folder = tempfile::tempdir().unwrap();
    let data = path(folder.path(), "data");
    let server = Server::start(Path::new(&data));
    let url = server.url();
    let place = ["--url", &*url];
    fill(&place, 0..3000);
    let base = path(folder.path(), "base.jsonl");
    // Others write meanwhile.
    let report = thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for key in 0..60 {
                ok(&["put", &format!("k{}", key * 7), "\"new\"", "--url", &url]);
            }
        });
        let report = json(&ok(&[&["backup", &base], &place[..]].concat()));
        writing.join().unwrap();
        report
    });
    assert!(report["version"].as_u64().unwrap() >= 6000, "{report}");
    let lines = fs::read_to_string(&base).unwrap().lines().count();
    assert_eq!(report["lines"], lines);
    ok(&[&["delete", "k5"], &place[..]].concat());
    let since = report["version"].to_string();
    let later = path(folder.path(), "later.jsonl");
    let report = json(&ok(
        &[&["backup", &later, "--since", &since], &place[..]].concat()
    ));
    server.kill();

    let copy = path(folder.path(), "copy");
    let restored = json(&ok(&["restore", &base, &later, "--data", &copy]));
    assert_eq!(restored["version"], report["version"]);
    assert_eq!(state(&copy), state(&data));
    ok(&["verify", "--data", &copy]);

    // What is not empty is left alone, and so is a file that is there.
    let error = fails(&["restore", &base, "--data", &copy], 16);
    assert!(error.contains("not empty"), "{error}");
    fails(&["backup", &base, "--data", &copy], 16);
    // In the wrong order, or not from the beginning.
    let other = path(folder.path(), "other");
    let error = fails(&["restore", &later, "--data", &other], 15);
    assert!(error.contains("later.jsonl, line 1"), "{error}");
    fails(&["restore", &base, &base, "--data", &other], 15);
}

#[test]
fn a_backup_that_was_cut_or_changed_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = path(folder.path(), "data");
    fill(&["--data", &data], 0..50);
    let backup = path(folder.path(), "backup.jsonl");
    ok(&["backup", &backup, "--data", &data]);
    let whole = fs::read(&backup).unwrap();
    let copy = path(folder.path(), "copy");
    for (content, line) in [
        (whole[..whole.len() - 1].to_vec(), "line 102"),
        (whole[..whole.len() / 2].to_vec(), "line "),
        (
            String::from_utf8(whole.clone())
                .unwrap()
                .replacen("k7\"", "k8\"", 1)
                .into_bytes(),
            "line ",
        ),
        (Vec::new(), "line 1"),
    ] {
        fs::write(&backup, content).unwrap();
        let error = fails(&["restore", &backup, "--data", &copy], 15);
        assert!(
            error.contains(line) && error.contains("nothing was restored"),
            "{error}"
        );
        assert_eq!(fs::read_dir(&copy).unwrap().count(), 0);
    }
    fs::write(&backup, &whole).unwrap();
    // What a restore that was killed has left is in nobody's way.
    fs::create_dir(path(folder.path(), "copy.restoring")).unwrap();
    fs::write(folder.path().join("copy.restoring/00000001.jsonl"), "half").unwrap();
    ok(&["restore", &backup, "--data", &copy]);
    assert_eq!(state(&copy), state(&data));
}

#[test]
fn an_export_is_files_that_people_read_and_import_takes_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = path(folder.path(), "data");
    let long = "x".repeat(65_536);
    let keys = ["", ".", "..", "../x", "a b", "A", "a", "🔑", "%41", &long];
    for key in keys {
        ok(&["put", "--data", &data, "--", key, "{\"of\": [1.10]}"]);
    }
    let files = path(folder.path(), "files");
    let exported = json(&ok(&["export", "--files", &files, "--data", &data]));
    assert_eq!(exported["keys"], keys.len());
    let readable = fs::read_to_string(Path::new(&files).join("a%20b.json")).unwrap();
    assert_eq!(readable, "{\"of\":[1.10]}\n");
    let error = fails(&["export", "--files", &files, "--data", &data], 16);
    assert!(error.contains("not empty"), "{error}");

    let server = Server::start(&folder.path().join("other"));
    let imported = json(&ok(&["import", &files, "--url", &server.url()]));
    assert_eq!(imported["events"], keys.len());
    let list = |place: &[&str]| {
        let text = ok(&[&["list", "--values"], place].concat());
        let rows: Vec<Value> = text.lines().map(json).collect();
        rows.into_iter()
            .map(|row| (row["key"].clone(), row["value"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&["--url", &server.url()]), list(&["--data", &data]));
    fs::write(Path::new(&files).join("stray.txt"), "1").unwrap();
    let error = fails(&["import", &files, "--url", &server.url()], 11);
    assert!(error.contains("stray.txt"), "{error}");
}
