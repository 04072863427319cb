//! Starting, serving, dying and starting again.

use crate::support::*;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const PUT: &str = r#"{"type":"put","key":"a","value":[1, 2.50]}"#;
const GET: &str = r#"{"type":"get","key":"a"}"#;

#[test]
fn what_was_acknowledged_is_there_after_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for round in 0..5 {
        let server = Server::start(&data);
        assert_eq!(server.ready["keys"], round * 100);
        assert_eq!(server.ready["data"], data.to_str().unwrap());
        let mut client = server.lines();
        for key in 0..100 {
            let event = format!(r#"{{"type":"put","key":"{round}/{key}","value":{key}}}"#);
            assert!(client.say(&event).contains("\"status\":\"ok\""));
        }
        // Some that nobody waits for: whole or not there, never in the way.
        client.send(format!("{PUT}\n").repeat(1).as_bytes());
        server.kill();
        let server = Server::start(&data);
        let mut client = server.lines();
        for round in 0..=round {
            for key in 0..100 {
                let reply = client.say(&format!(r#"{{"type":"get","key":"{round}/{key}"}}"#));
                assert!(reply.contains(&format!("\"value\":{key},")), "{reply}");
            }
        }
        assert!(client.say(r#"{"type":"delete","key":"a"}"#).contains("ok"));
        server.kill();
    }
}

#[test]
fn sigterm_and_ctrl_c_finish_what_is_in_hand_and_exit_with_0() {
    for signal in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let server = Server::start(&data);
        let mut client = server.lines();
        let count = 2000;
        for key in 0..count {
            client.send(format!("{{\"type\":\"put\",\"key\":\"{key}\",\"value\":1}}\n").as_bytes());
        }
        assert!(client.reply().contains("\"version\":1}"));
        let (code, log) = server.end(signal);
        assert_eq!((code, log.as_str()), (Some(0), ""));
        // Every reply that left stands for a change that is there.
        let mut acknowledged = 1;
        while let Ok(reply) =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.reply()))
        {
            assert!(reply.contains("\"ok\""));
            acknowledged += 1;
        }
        let server = Server::start(&data);
        assert!(server.ready["keys"].as_u64().unwrap() >= acknowledged);
    }
}

#[test]
fn the_unix_socket_serves_lines_and_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("kv.sock");
    let server = Server::start_with(
        &folder.path().join("data"),
        &["--unix", socket.to_str().unwrap()],
    );
    let mut client = Lines::over(UnixStream::connect(&socket).unwrap());
    assert!(client.say(PUT).contains("\"version\":1"));
    assert!(server.lines().say(GET).contains("\"value\":[1,2.50],"));
    assert_eq!(server.end("-TERM").0, Some(0));
    assert!(!socket.exists());
}

#[test]
fn flags_override_the_environment_which_overrides_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("actor.toml");
    let settings = "[listen]\nlines = \"127.0.0.1:0\"\nhttp = \"\"\n\
        [[handlers]]\ntype = \"filesystem\"\nconfig = { path = \"from-manifest\" }\n";
    std::fs::write(&manifest, settings).unwrap();
    let manifest = manifest.to_str().unwrap();
    ok(&["put", "--manifest", manifest, "where", "\"manifest\""]);
    assert!(folder.path().join("from-manifest/00000001.jsonl").exists());
    let environment = folder.path().join("from-environment");
    let flag = folder.path().join("from-flag");
    for (arguments, expected) in [
        (vec![], &environment),
        (vec!["--data", flag.to_str().unwrap()], &flag),
    ] {
        let output = std::process::Command::new(BINARY)
            .env("KV_ACTOR_DATA", &environment)
            .env("KV_ACTOR_MANIFEST", manifest)
            .args(["put", "where", "1"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(expected.join("00000001.jsonl").exists());
    }
}

#[test]
fn strays_in_the_data_directory_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("notes.txt"), "mine").unwrap();
    std::fs::create_dir(data.join("lost")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", data.join("link")).unwrap();
    let server = Server::start(&data);
    assert!(server.lines().say(PUT).contains("ok"));
    server.kill();
    assert_eq!(Server::start(&data).ready["keys"], 1);
    assert_eq!(
        std::fs::read_to_string(data.join("notes.txt")).unwrap(),
        "mine"
    );
    assert!(data.join("link").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn a_client_that_stalls_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let mut half = server.lines();
    half.send(&PUT.as_bytes()[..20]);
    let mut deaf = server.lines();
    let value = "x".repeat(60_000);
    assert!(
        deaf.say(&format!(r#"{{"type":"put","key":"a","value":"{value}"}}"#))
            .contains("ok")
    );
    // Far more replies than any socket holds, none of them read.
    deaf.send(format!("{GET}\n").repeat(1000).as_bytes());
    std::thread::sleep(Duration::from_millis(200));
    let mut client = server.lines();
    assert!(
        client
            .say(PUT.replace("\"a\"", "\"b\"").as_str())
            .contains("ok")
    );
    half.send(&PUT.as_bytes()[20..]);
    assert!(half.say("").contains("ok"));
    for _ in 0..1000 {
        assert!(deaf.reply().contains("\"status\":\"ok\""));
    }
}

#[test]
fn damage_stops_the_start_and_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let directory = data.to_str().unwrap();
    for value in ["1", "2", "3"] {
        ok(&["put", "--data", directory, "a", value]);
    }
    let file = data.join("00000002.jsonl");
    let damaged = std::fs::read_to_string(&file)
        .unwrap()
        .replace(":2}", ":9}");
    std::fs::write(&file, damaged).unwrap();
    for arguments in [
        vec!["get", "--data", directory, "a"],
        vec![
            "serve",
            "--data",
            directory,
            "--lines",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
        ],
    ] {
        let message = fails(&arguments, 15);
        assert!(
            message.contains("00000002.jsonl, line 2, byte "),
            "{message}"
        );
    }
}

#[test]
fn an_unfinished_write_is_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let directory = data.to_str().unwrap();
    ok(&["put", "--data", directory, "a", "1"]);
    let file = data.join("00000001.jsonl");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.extend_from_slice(b"{\"c\":\"12");
    std::fs::write(&file, bytes).unwrap();
    let output = run(&["get", "--data", directory, "a"]);
    assert_eq!(text(&output.stdout), "1\n");
    assert!(
        text(&output.stderr).contains("never finished"),
        "{}",
        text(&output.stderr)
    );
}
