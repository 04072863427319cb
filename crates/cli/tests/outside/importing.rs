//! `kv-actor import`.

use crate::support::*;
use serde_json::Value;

fn import(data: &str, input: &str) -> std::process::Output {
    run_with(&["import", "--data", data, "-"], input)
}

#[test]
fn events_and_objects_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    for (input, keys) in [
        (
            "{\"type\":\"put\",\"key\":\"a\",\"value\":1}\n\n{\"type\":\"put\",\"key\":\"b\",\"value\":1.10}",
            2,
        ),
        ("{\"c\": [1,\n 2], \"d\":12345678901234567890}\n", 2),
        ("\n{\n  \"type\": {\"e\": 1},\n  \"f\": \"\\u00e9\"\n}\n", 2),
        ("{\"g\":1}", 1),
        ("{}", 0),
    ] {
        let output = import(data, input);
        assert!(output.status.success(), "{input}: {}", text(&output.stderr));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (summary["events"].as_u64(), summary["refused"].as_u64()),
            (Some(keys), Some(0))
        );
        assert!(text(&output.stderr).contains("/s"), "a rate is shown");
    }
    for (key, value) in [
        ("b", "1.10"),
        ("c", "[1,2]"),
        ("d", "12345678901234567890"),
        ("type", "{\"e\":1}"),
        ("f", "\"\\u00e9\""),
    ] {
        assert_eq!(ok(&["get", "--data", data, key]), format!("{value}\n"));
    }
}

#[test]
fn refused_events_are_counted_shown_and_no_hindrance() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let input = "{\"type\":\"put\",\"key\":\"a\",\"value\":1}\n{\"type\":\"putt\"}\nnonsense\n{\"type\":\"put\",\"key\":\"b\",\"value\":2}\n";
    let output = import(data, input);
    assert_eq!(output.status.code(), Some(11));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (summary["events"].as_u64(), summary["refused"].as_u64()),
        (Some(4), Some(2))
    );
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("event 2: invalid_event") && stderr.contains("event 3: invalid_json"),
        "{stderr}"
    );
    assert_eq!(ok(&["get", "--data", data, "b"]), "2\n");
    for (input, code) in [("[1]", 10), ("{\"a\":", 10), ("", 10), ("nonsense", 10)] {
        let output = import(data, input);
        assert_eq!(output.status.code(), Some(code), "{input}");
    }
    fails(&["import", "--data", data, "/no/such/file"], 1);
}

#[test]
fn many_events_go_to_a_server_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let file = folder.path().join("events.ndjson");
    let events = (0..20_000).fold(String::new(), |events, key| {
        events + &format!("{{\"type\":\"put\",\"key\":\"{key}\",\"value\":\"{key}\"}}\n")
    });
    std::fs::write(&file, events).unwrap();
    ok(&["import", "--url", &server.url(), file.to_str().unwrap()]);
    server.kill();
    assert_eq!(
        Server::start(&folder.path().join("data")).ready["keys"],
        20_000
    );
}
