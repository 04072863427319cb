//! Several actors in one runtime: who reaches whom, and what becomes of those who
//! wait.

use crate::support::{Lines, Server, run, text};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const COMPONENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/component");

/// A manifest of an actor that does what it is told to, with what else it says.
fn relay(folder: &Path, name: &str, rest: &str) -> PathBuf {
    let component = format!("component_path = \"{COMPONENTS}/guest-relay.wasm\"\n{rest}");
    manifest(folder, name, &component)
}

fn manifest(folder: &Path, name: &str, rest: &str) -> PathBuf {
    let path = folder.join(format!("{name}.toml"));
    let text = format!(
        "name = \"{name}\"\n{rest}\n\
         [listen]\nlines = \"127.0.0.1:0\"\nhttp = \"\"\n\
         [[handlers]]\ntype = \"filesystem\"\nconfig = {{ path = \"{name}\" }}\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn say(client: &mut Lines<TcpStream>, event: &Value) -> Value {
    serde_json::from_str(&client.say(&event.to_string())).unwrap()
}

fn request(actor: &str, event: &Value) -> Value {
    json!({"type": "request", "actor": actor, "event": event})
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn an_actor_reaches_whom_its_manifest_requires_and_nobody_else() {
    let folder = folder();
    let app = relay(folder.path(), "app", "requires = [\"store\", \"gone\"]");
    let store = manifest(folder.path(), "store", "");
    let other = relay(folder.path(), "other", "");
    let server = Server::of_manifests(&[app, store, other]);
    let mut client = server.lines_of("app");
    let put = json!({"type": "put", "key": "a", "value": 1});
    let reply = say(&mut client, &request("store", &put));
    assert_eq!(
        reply,
        json!({"status": "ok", "replies": [{"status": "ok", "key": "a", "version": 1}]})
    );
    // The store has it, and says so over its own front.
    let got = say(
        &mut server.lines_of("store"),
        &json!({"type": "get", "key": "a"}),
    );
    assert_eq!(got["value"], 1);
    // An error of the store is an answer like any other.
    let reply = say(&mut client, &request("store", &json!({"type": "unheard"})));
    assert_eq!(reply["replies"][0]["code"], "invalid_event");
    for (actor, code) in [
        ("other", "forbidden"),
        ("gone", "not_found"),
        ("app", "forbidden"),
    ] {
        let reply = say(&mut client, &request(actor, &put));
        assert_eq!(reply["code"], code, "{reply}");
        let sent = json!({"type": "send", "actor": actor, "event": put});
        assert_eq!(say(&mut client, &sent)["code"], code);
    }
    assert_eq!(
        say(&mut server.lines_of("other"), &request("store", &put))["code"],
        "forbidden"
    );
}

#[test]
fn what_is_sent_arrives_though_nobody_waits() {
    let folder = folder();
    let app = relay(folder.path(), "app", "requires = [\"store\"]");
    let store = manifest(folder.path(), "store", "");
    let server = Server::of_manifests(&[app, store]);
    let mut client = server.lines_of("app");
    let put = json!({"type": "put", "key": "a", "value": 1});
    let sent = say(
        &mut client,
        &json!({"type": "send", "actor": "store", "event": put}),
    );
    assert_eq!(sent, json!({"status": "ok"}));
    // In order: what was sent before is done before.
    let got = say(
        &mut client,
        &request("store", &json!({"type": "get", "key": "a"})),
    );
    assert_eq!(got["replies"][0]["value"], 1);
}

#[test]
fn a_cycle_of_requests_is_found() {
    let folder = folder();
    let names = ["a", "b", "c"];
    let requires = "requires = [\"a\", \"b\", \"c\"]";
    let manifests = names.map(|name| relay(folder.path(), name, requires));
    let server = Server::of_manifests(&manifests);
    let mut client = server.lines_of("a");
    let round = request("b", &request("c", &request("a", &json!({"type": "echo"}))));
    let reply = say(&mut client, &round);
    let innermost = &reply["replies"][0]["replies"][0];
    assert_eq!(innermost["code"], "cycle", "{reply}");
    let message = innermost["message"].as_str().unwrap();
    assert!(message.contains("c → a → b → c"), "{message}");
    assert_eq!(say(&mut client, &request("a", &json!({})))["code"], "cycle");
    // Nothing is left of it.
    let reply = say(
        &mut client,
        &request("b", &request("c", &json!({"type": "echo"}))),
    );
    assert_eq!(reply["replies"][0]["replies"][0]["status"], "ok", "{reply}");
}

#[test]
fn one_that_fails_or_is_down_is_unavailable_and_harms_nobody_else() {
    let folder = folder();
    let limits = "[[handlers]]\ntype = \"runtime\"\n\
                  config = { restarts_max = 1, restarts_window_ms = 600000 }\n";
    let app = relay(folder.path(), "app", "requires = [\"frail\", \"store\"]");
    let frail = relay(folder.path(), "frail", limits);
    let store = manifest(folder.path(), "store", "");
    let server = Server::of_manifests(&[app, frail, store]);
    let mut client = server.lines_of("app");
    for _ in 0..3 {
        let reply = say(&mut client, &request("frail", &json!({"type": "trap"})));
        assert_eq!(reply["code"], "unavailable", "{reply}");
    }
    // It has used up its restarts: it is down, and that is no hang either.
    let reply = say(&mut client, &request("frail", &json!({"type": "echo"})));
    assert_eq!(reply["code"], "unavailable", "{reply}");
    let stats = say(&mut client, &request("store", &json!({"type": "stats"})));
    assert_eq!(stats["replies"][0]["status"], "ok");
}

#[test]
fn one_that_is_waited_for_blocks_no_other_and_its_waiter_does_not_run_out_of_time() {
    let folder = folder();
    let quick = "[[handlers]]\ntype = \"runtime\"\n\
                 config = { handle_timeout_ms = 300, request_timeout_ms = 60000 }\n";
    let slow = "[[handlers]]\ntype = \"runtime\"\nconfig = { handle_timeout_ms = 1500 }\n";
    let requires = |name: &str| format!("requires = [\"{name}\", \"store\"]\n{quick}");
    let app = relay(folder.path(), "app", &requires("slow"));
    let other = relay(folder.path(), "other", &requires("slow"));
    let slow = relay(folder.path(), "slow", slow);
    let store = manifest(folder.path(), "store", "");
    let server = Server::of_manifests(&[app, other, slow, store]);
    let (mut waiting, mut busy) = (server.lines_of("app"), server.lines_of("other"));
    // Until its own time is up, which is longer than the app's.
    let spin = request("slow", &json!({"type": "spin"}));
    waiting.send(format!("{spin}\n").as_bytes());
    let mut rounds = 0;
    while !waiting.has_reply() {
        let stats = say(&mut busy, &request("store", &json!({"type": "stats"})));
        assert_eq!(stats["replies"][0]["status"], "ok");
        rounds += 1;
    }
    assert!(rounds > 1, "the other one was blocked");
    let reply: Value = serde_json::from_str(&waiting.reply()).unwrap();
    assert_eq!(reply["code"], "unavailable", "{reply}");
    let message = reply["message"].as_str().unwrap();
    assert!(message.contains("1500 ms"), "{message}");
    // Its own work still has its own time.
    let own = say(&mut waiting, &json!({"type": "spin"}));
    assert_eq!(own["code"], "unavailable");
    assert!(own["message"].as_str().unwrap().contains("300 ms"), "{own}");
}

#[test]
fn a_wait_has_an_end() {
    let folder = folder();
    let limits = "requires = [\"slow\"]\n[[handlers]]\ntype = \"runtime\"\n\
                  config = { request_timeout_ms = 200 }\n";
    let app = relay(folder.path(), "app", limits);
    let slow = "[[handlers]]\ntype = \"runtime\"\nconfig = { handle_timeout_ms = 2000 }\n";
    let slow = relay(folder.path(), "slow", slow);
    let server = Server::of_manifests(&[app, slow]);
    let mut client = server.lines_of("app");
    let reply = say(&mut client, &request("slow", &json!({"type": "spin"})));
    assert_eq!(reply["code"], "unavailable");
    let message = reply["message"].as_str().unwrap();
    assert!(message.contains("request_timeout_ms"), "{message}");
}

#[test]
fn changes_are_delivered_in_order_and_again_after_a_restart() {
    let folder = folder();
    let rest = "requires = [\"store\"]\n[[subscribe]]\nactor = \"store\"\nprefix = \"a/\"\n";
    let app = relay(folder.path(), "app", rest);
    let store = manifest(folder.path(), "store", "");
    let server = Server::of_manifests(&[app, store]);
    let (mut app, mut store) = (server.lines_of("app"), server.lines_of("store"));
    let seen_until = |app: &mut Lines<TcpStream>, version: u64| {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let seen = say(app, &json!({"type": "seen"}))["seen"].take();
            let seen = seen.as_array().unwrap().clone();
            if seen
                .last()
                .is_some_and(|change| change["version"] == version)
            {
                return seen;
            }
            assert!(Instant::now() < deadline, "seen so far: {seen:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    // A subscription begins a moment after its actors.
    let begun = (1..1000).find(|number| {
        say(
            &mut store,
            &json!({"type": "put", "key": "a/0", "value": number}),
        );
        std::thread::sleep(Duration::from_millis(20));
        say(&mut app, &json!({"type": "seen"}))["seen"] != json!([])
    });
    let begun: u64 = begun.unwrap();
    for number in 1..=50 {
        let key = format!("{}/{number}", if number % 2 == 0 { "a" } else { "b" });
        say(
            &mut store,
            &json!({"type": "put", "key": key, "value": number}),
        );
    }
    say(&mut store, &json!({"type": "delete", "key": "a/2"}));
    let seen = seen_until(&mut app, begun + 51);
    let keys: Vec<_> = seen
        .iter()
        .filter_map(|change| change["key"].as_str())
        .collect();
    let expected: Vec<_> = (1..=25).map(|half| format!("a/{}", half * 2)).collect();
    assert!(keys.ends_with(&["a/48", "a/50", "a/2"]), "{keys:?}");
    assert!(
        expected.iter().all(|key| keys.contains(&key.as_str())),
        "{keys:?}"
    );
    let versions: Vec<_> = seen
        .iter()
        .map(|change| change["version"].as_u64())
        .collect();
    assert!(versions.is_sorted(), "{versions:?}");
    assert_eq!(seen.last().unwrap()["type"], "delete");
    // It forgets all, and says so: from now on it is told what comes.
    assert_eq!(
        say(&mut app, &json!({"type": "trap"}))["code"],
        "unavailable"
    );
    let deadline = Instant::now() + Duration::from_mins(1);
    while say(&mut app, &json!({"type": "seen"}))["seen"] == json!([]) {
        say(
            &mut store,
            &json!({"type": "put", "key": "a/new", "value": 1}),
        );
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn what_fits_no_several_actors_is_refused() {
    let folder = folder();
    let store = manifest(folder.path(), "store", "");
    let twin = folder.path().join("twin.toml");
    std::fs::copy(&store, &twin).unwrap();
    let lost = manifest(folder.path(), "lost", "[[subscribe]]\nactor = \"nobody\"\n");
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let refused = |arguments: &[&str], says: &str| {
        let output = run(&[&["serve"], arguments].concat());
        let errors = text(&output.stderr);
        assert!(
            !output.status.success() && errors.contains(says),
            "{errors}"
        );
    };
    let (store, twin, lost) = (path(&store), path(&twin), path(&lost));
    refused(
        &["--manifest", &store, "--manifest", &twin],
        "the name `store`",
    );
    refused(
        &[
            "--manifest",
            &store,
            "--manifest",
            &lost,
            "--lines",
            "127.0.0.1:0",
        ],
        "`--lines`",
    );
    refused(
        &["--manifest", &store, "--manifest", &lost],
        "there is no such actor",
    );
}
