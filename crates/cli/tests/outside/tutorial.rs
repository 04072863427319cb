//! docs/tutorial.md, run as it stands; and the application that it explains, with
//! many writers and no chance to tidy up.

use crate::examples::is_as;
use crate::support::{BINARY, Lines, Server, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const DOCUMENT: &str = include_str!("../../../../docs/tutorial.md");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    let blocks = DOCUMENT.split("```").skip(1).step_by(2);
    blocks.filter_map(move |block| block.strip_prefix(&format!("{language}\n")))
}

#[test]
fn the_code_of_the_tutorial_is_that_of_the_example() {
    let source = [
        include_str!("../../../../examples/chat-state/src/lib.rs"),
        include_str!("../../../../examples/chat-state/src/store.rs"),
    ]
    .concat();
    assert_eq!(blocks("rust").count(), 2);
    for block in blocks("rust") {
        assert!(
            source.contains(block),
            "the example is not as the tutorial has it:\n{block}"
        );
    }
}

#[test]
fn the_tutorial_works() {
    let (mut script, mut expected) = (String::new(), Vec::new());
    for line in blocks("sh").flat_map(str::lines) {
        match line.strip_prefix("# ") {
            Some(printed) => expected.push(printed),
            None => script.extend([line, "\n"]),
        }
    }
    assert!(expected.len() > 10, "{expected:?}");
    let folder = tempfile::tempdir().unwrap();
    let example = folder.path().join("examples/chat-state");
    std::fs::create_dir_all(&example).unwrap();
    for name in ["actor.toml", "store.toml"] {
        let source = Path::new(ROOT).join("examples/chat-state").join(name);
        std::fs::copy(source, example.join(name)).unwrap();
    }
    let link = |to: &Path, name: &str| {
        std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
    };
    link(
        &Path::new(ROOT).canonicalize().unwrap().join("target"),
        "target",
    );
    link(Path::new(BINARY), "kv-actor");
    let path = std::env::var("PATH").unwrap();
    // An application that never gets ready must not be waited for for ever.
    let output = Command::new("timeout")
        .args(["300", "bash", "-euo", "pipefail", "-c"])
        .arg(format!("trap 'kill $(jobs -p) || true' EXIT\n{script}"))
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .output()
        .unwrap();
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{printed}\n{errors}");
    let printed: Vec<_> = printed.lines().collect();
    let same = printed.len() == expected.len()
        && printed
            .iter()
            .zip(&expected)
            .all(|(line, pattern)| is_as(line, pattern));
    assert!(same, "{printed:#?}\nis not\n{expected:#?}");
}

/// The example's manifests, on ports of their own.
fn manifests(folder: &Path) -> [PathBuf; 2] {
    ["actor.toml", "store.toml"].map(|name| {
        let source = Path::new(ROOT).join("examples/chat-state").join(name);
        let component = format!("{ROOT}/target/component/");
        let manifest = std::fs::read_to_string(source)
            .unwrap()
            .replace("../../target/component/", &component)
            .replace(":7071", ":0")
            .replace(":7081", ":0");
        let path = folder.join(name);
        std::fs::write(&path, manifest).unwrap();
        path
    })
}

fn say(client: &mut Lines<TcpStream>, event: &Value) -> Value {
    serde_json::from_str(&client.say(&event.to_string())).unwrap()
}

/// Every text of a conversation, newest first, and how many pages that took.
fn history(client: &mut Lines<TcpStream>, conversation: &str) -> (Vec<String>, usize) {
    let (mut texts, mut pages, mut at) = (Vec::new(), 0, Value::Null);
    loop {
        let page = json!({"type": "history", "conversation": conversation, "at": at, "limit": 25});
        let page = say(client, &page);
        for message in page["messages"].as_array().unwrap() {
            texts.push(message["text"].as_str().unwrap().to_owned());
        }
        pages += 1;
        at = page["next"].clone();
        if at.is_null() {
            return (texts, pages);
        }
    }
}

#[test]
fn no_acknowledged_message_is_lost_between_writers_and_kills() {
    const WRITERS: usize = 4;
    const KILLS: usize = 3;
    let folder = tempfile::tempdir().unwrap();
    let manifests = manifests(folder.path());
    let mut acknowledged = BTreeSet::new();
    let mut sent = BTreeSet::new();
    for round in 0..KILLS {
        let server = Server::of_manifests(&manifests);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let client = server.lines_of("chat-state");
                std::thread::spawn(move || write(client, &format!("{round}/{writer}")))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(700));
        server.kill();
        for writer in writers {
            let (texts, last) = writer.join().unwrap();
            assert!(!texts.is_empty());
            sent.extend(texts.iter().cloned().chain([last]));
            acknowledged.extend(texts);
        }
    }
    let server = Server::of_manifests(&manifests);
    let (texts, pages) = history(&mut server.lines_of("chat-state"), "race");
    assert!(pages > 1);
    let found: BTreeSet<_> = texts.iter().cloned().collect();
    assert_eq!(found.len(), texts.len(), "a message is there twice");
    assert!(
        found.is_superset(&acknowledged),
        "{:?}",
        &acknowledged - &found
    );
    assert!(found.is_subset(&sent), "{:?}", &found - &sent);
}

/// Appends until the server is gone; the acknowledged texts, and the one that was
/// not.
fn write(mut client: Lines<TcpStream>, name: &str) -> (Vec<String>, String) {
    let mut texts = Vec::new();
    loop {
        let text = format!("{name}/{}", texts.len());
        let event = json!({"type": "append", "conversation": "race", "author": name, "text": text});
        let Some(reply) = client.try_say(&event.to_string()) else {
            return (texts, text);
        };
        let reply: Value = serde_json::from_str(&reply).unwrap();
        assert_eq!(reply["status"], "ok", "{reply}");
        texts.push(text);
    }
}
