//! The program as a user runs it, and its directory in our own runtime.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const EMBED: &str = env!("CARGO_BIN_EXE_embed");

/// The store's binary, which the tests of the workspace are built with.
fn kv_actor() -> PathBuf {
    let binary = Path::new(EMBED).with_file_name("kv-actor");
    assert!(
        binary.is_file(),
        "{} is missing: cargo build --package kv-actor",
        binary.display()
    );
    binary
}

fn embed(data: &Path, events: &[u8]) -> Output {
    let component = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/component/kv-store.wasm"
    );
    let mut process = Command::new(EMBED)
        .arg(component)
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let sent = process.stdin.take().unwrap().write_all(events);
    let output = process.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said} (is there {component}?)");
    sent.unwrap();
    output
}

fn kv(data: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(kv_actor());
    let output = command
        .args(arguments)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_five_events_and_faulty_ones_are_answered_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let output = embed(
        &folder.path().join("data"),
        br#"{"type":"put","key":"a","value":{"n":1.10}}

{"type":"get","key":"a"}
{"type":"delete","key":"a"}
{"type":"get","key":"a","id":7}
{"type":"store_content","content":"Hello"}
{"type":"get_content","hash":"ba9277fc4c6190fb875ad8f9cee848dba699937f"}
{"type":
{"type":"put","key":"b"}"#,
    );
    let replies = String::from_utf8(output.stdout).unwrap();
    let replies: Vec<_> = replies.lines().collect();
    assert_eq!(
        replies[..3],
        [
            r#"{"status":"ok","key":"a","version":1}"#,
            r#"{"status":"ok","key":"a","value":{"n":1.10},"version":1}"#,
            r#"{"status":"ok","key":"a","deleted":true,"version":2}"#,
        ]
    );
    assert!(replies[3].starts_with(r#"{"status":"error","id":7,"code":"not_found""#));
    assert_eq!(
        replies[4..6],
        [
            r#"{"status":"ok","hash":"ba9277fc4c6190fb875ad8f9cee848dba699937f","created":true}"#,
            r#"{"status":"ok","hash":"ba9277fc4c6190fb875ad8f9cee848dba699937f","content":"Hello"}"#,
        ]
    );
    assert!(
        replies[6].contains(r#""code":"invalid_json""#),
        "{replies:?}"
    );
    assert!(
        replies[7].contains(r#""code":"invalid_event""#),
        "{replies:?}"
    );
    assert_eq!(replies.len(), 8);
}

#[test]
fn our_runtime_and_it_open_each_others_directories() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    embed(
        data,
        b"{\"type\":\"put\",\"key\":\"a\",\"value\":[1.10,\"\xc3\xa9\"]}\n",
    );
    assert_eq!(kv(data, &["get", "a"]), "[1.10,\"é\"]\n");

    kv(data, &["put", "b", "2"]);
    let output = embed(data, b"{\"type\":\"get\",\"key\":\"b\"}\n");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "{\"status\":\"ok\",\"key\":\"b\",\"value\":2,\"version\":2}\n"
    );
}

/// More replies than one batch may come to: the rest is handed in again.
#[test]
fn a_batch_that_is_answered_in_part_is_answered_whole() {
    let folder = tempfile::tempdir().unwrap();
    let value = "x".repeat(1 << 20);
    let mut events = format!("{{\"type\":\"put\",\"key\":\"a\",\"value\":\"{value}\"}}\n");
    for id in 0..20 {
        let get = format!("{{\"type\":\"get\",\"key\":\"a\",\"id\":{id}}}\n");
        events.push_str(&get);
    }
    let output = embed(folder.path(), events.as_bytes());
    let replies = String::from_utf8(output.stdout).unwrap();
    let replies: Vec<_> = replies.lines().collect();
    assert_eq!(replies.len(), 21);
    for (id, reply) in replies[1..].iter().enumerate() {
        assert!(reply.contains(&format!(r#""id":{id},"#)) && reply.len() > value.len());
    }
}
