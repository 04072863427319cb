//! The store in Theater, as its users meet it.

use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Outcome, Store};
use kv_theater_host::{Actor, Theater};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const COMPONENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../target/component");

/// A folder with the manifest, as compat/theater/manifest.toml has it.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let manifest = include_str!("../../manifest.toml")
        .replace("target/component", COMPONENTS)
        .replace("\"data\"", &format!("\"{}\"", data.display()));
    let path = folder.path().join("manifest.toml");
    std::fs::write(&path, manifest).unwrap();
    (folder, path)
}

fn ask(actor: &Actor<'_>, event: &Value) -> Value {
    let reply = actor.request(event.to_string().into_bytes()).unwrap();
    serde_json::from_slice(&reply).unwrap()
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn the_five_events_are_answered_and_survive_the_actors_end() {
    let (_folder, manifest) = folder();
    let theater = Theater::start().unwrap();
    let actor = theater.spawn(&manifest).unwrap();
    let put = json!({"type": "put", "key": "a", "value": {"n": 1}});
    assert_eq!(
        ask(&actor, &put),
        json!({"status": "ok", "key": "a", "version": 1})
    );
    ask(&actor, &json!({"type": "put", "key": "gone", "value": 1}));
    let deleted = ask(&actor, &json!({"type": "delete", "key": "gone"}));
    assert_eq!(deleted["deleted"], true);
    let stored = ask(
        &actor,
        &json!({"type": "store_content", "content": "Hello"}),
    );
    assert_eq!(stored["hash"], "ba9277fc4c6190fb875ad8f9cee848dba699937f");
    actor.stop().unwrap();

    let actor = theater.spawn(&manifest).unwrap();
    let got = ask(&actor, &json!({"type": "get", "key": "a", "id": 7}));
    assert_eq!(
        got,
        json!({"status": "ok", "id": 7, "key": "a", "value": {"n": 1}, "version": 1})
    );
    let gone = ask(&actor, &json!({"type": "get", "key": "gone"}));
    assert_eq!(gone["code"], "not_found");
    let content = ask(
        &actor,
        &json!({"type": "get_content", "hash": stored["hash"]}),
    );
    assert_eq!(content["content"], "Hello");
    actor.stop().unwrap();
}

#[test]
fn no_message_ends_it() {
    let (_folder, manifest) = folder();
    let theater = Theater::start().unwrap();
    let actor = theater.spawn(&manifest).unwrap();
    let deep = format!(
        "{{\"type\":\"put\",\"key\":\"k\",\"value\":{}",
        "[".repeat(100_000)
    );
    let long = format!(
        "{{\"type\":\"put\",\"key\":\"{}\",\"value\":1}}",
        "k".repeat(70_000)
    );
    let messages: [(&[u8], &str); 7] = [
        (b"{", "invalid_json"),
        (b"\xff\xfe{}", "invalid_json"),
        (
            b"{\"type\":\"put\",\"key\":\"\xc3\x28\",\"value\":1}",
            "invalid_json",
        ),
        (
            b"{\"type\":\"put\",\"key\":\"\\ud800\",\"value\":1}",
            "invalid_json",
        ),
        (b"{\"type\":\"unheard\"}", "invalid_event"),
        (deep.as_bytes(), "invalid_json"),
        (long.as_bytes(), "too_large"),
    ];
    for (message, code) in messages {
        let reply = actor.request(message.to_vec()).unwrap();
        let reply: Value = serde_json::from_slice(&reply).unwrap();
        assert_eq!(reply["code"], code, "{reply}");
    }
    assert_eq!(actor.request(Vec::new()).unwrap(), b"");
    for key in [
        "",
        "../x",
        "/etc/passwd",
        "a\u{0}b",
        "00000001.jsonl",
        "\u{1f600}",
    ] {
        let put = json!({"type": "put", "key": key, "value": key});
        assert_eq!(ask(&actor, &put)["status"], "ok", "{key:?}");
        assert_eq!(
            ask(&actor, &json!({"type": "get", "key": key}))["value"],
            key
        );
    }
}

#[test]
fn several_events_in_one_message_cost_one_file() {
    let (folder, manifest) = folder();
    let theater = Theater::start().unwrap();
    let actor = theater.spawn(&manifest).unwrap();
    ask(&actor, &json!({"type": "put", "key": "first", "value": 1}));
    let data = folder.path().join("data");
    let before = count(&data);
    let puts: Vec<_> = (0..1000)
        .map(|number| {
            json!({"type": "put", "key": number.to_string(), "value": number}).to_string()
        })
        .collect();
    let replies = actor.request(puts.join("\n").into_bytes()).unwrap();
    assert_eq!(String::from_utf8(replies).unwrap().lines().count(), 1000);
    assert_eq!(count(&data), before + 1);
    // What is there is the log, in pieces.
    let mut names: Vec<_> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let log: String = names
        .iter()
        .map(|name| std::fs::read_to_string(name).unwrap())
        .collect();
    assert_eq!(
        log.lines().filter(|line| line.contains("\"put\":")).count(),
        1001
    );
}

#[test]
fn the_data_moves_to_our_own_runtime_as_the_readme_says() {
    let (folder, manifest) = folder();
    let theater = Theater::start().unwrap();
    let actor = theater.spawn(&manifest).unwrap();
    for number in 0..20 {
        ask(
            &actor,
            &json!({"type": "put", "key": format!("k{number}"), "value": number}),
        );
    }
    actor.stop().unwrap();
    let readme = include_str!("../../README.md");
    let (_, command) = readme.split_once("    for log in ").unwrap();
    let script = format!("mkdir moved && mv data theater\nfor log in {command}");
    let moved = Command::new("sh")
        .args(["-euc", &script])
        .current_dir(folder.path())
        .status();
    assert!(moved.unwrap().success());
    let files = NativeFiles::new(folder.path().join("moved"));
    let (mut store, report) = Store::open(files, Options::default()).unwrap();
    assert_eq!((report.keys, report.torn.len()), (20, 0));
    let mut replies = Vec::new();
    let outcome = store.handle(b"{\"type\":\"get\",\"key\":\"k7\"}\n", 1, &mut replies);
    assert_eq!(outcome, Outcome::Serving);
    assert!(String::from_utf8(replies).unwrap().contains("\"value\":7"));
}

#[test]
fn a_write_that_a_kill_cut_short_is_left_out_and_damage_is_told() {
    let (folder, manifest) = folder();
    let theater = Theater::start().unwrap();
    let actor = theater.spawn(&manifest).unwrap();
    for number in 0..5 {
        ask(
            &actor,
            &json!({"type": "put", "key": format!("k{number}"), "value": number}),
        );
    }
    actor.stop().unwrap();
    let data = folder.path().join("data");
    let mut pieces: Vec<_> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains(".jsonl."))
        .collect();
    pieces.sort();
    let cut = |path: &Path| {
        let text = std::fs::read(path).unwrap();
        std::fs::write(path, &text[..text.len() / 2]).unwrap();
    };
    cut(pieces.last().unwrap());
    let actor = theater.spawn(&manifest).unwrap();
    assert_eq!(
        ask(&actor, &json!({"type": "get", "key": "k3"}))["value"],
        3
    );
    assert_eq!(
        ask(&actor, &json!({"type": "get", "key": "k4"}))["code"],
        "not_found"
    );
    assert_eq!(
        ask(&actor, &json!({"type": "put", "key": "k5", "value": 5}))["status"],
        "ok"
    );
    actor.stop().unwrap();
    // In the middle it is damage: nothing is served, and the actor goes on.
    cut(&pieces[pieces.len() / 2]);
    let actor = theater.spawn(&manifest).unwrap();
    let refused = ask(&actor, &json!({"type": "get", "key": "k0"}));
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("00000001.jsonl."), "{refused}");
    assert_eq!(ask(&actor, &json!({"type": "get", "key": "k0"})), refused);
}
