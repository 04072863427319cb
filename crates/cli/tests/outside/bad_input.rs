//! Faulty events, each over a socket to the built-in component: a clear error
//! with its code, in its place, nothing lost, everybody else served.

use crate::support::*;

const KEY_BYTES_MAX: usize = 64 * 1024;
const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;
const EVENT_BYTES_MAX: usize = 17 * 1024 * 1024;

/// Faulty lines, the code of each, and a word of its message.
fn faulty() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let put = |key: &str, value: &str| {
        format!("{{\"type\":\"put\",\"key\":\"{key}\",\"value\":{value}}}")
    };
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let text: Vec<(String, &str, &str)> = vec![
        ("nonsense".into(), "invalid_json", "no JSON"),
        ("{\"type\":\"get\",\"key\":".into(), "invalid_json", "EOF"),
        (
            "{\"type\":\"get\",\"key\":\"a\"} x".into(),
            "invalid_json",
            "trailing",
        ),
        (
            "{\"type\":\"get\",\"key\":\"a\"}{}".into(),
            "invalid_json",
            "trailing",
        ),
        ("[]".into(), "invalid_event", "object"),
        (
            "{\"type\":\"frobnicate\",\"key\":\"a\"}".into(),
            "invalid_event",
            "`frobnicate`",
        ),
        ("{\"key\":\"a\"}".into(), "invalid_event", "`type`"),
        (
            "{\"type\":\"put\",\"key\":\"a\"}".into(),
            "invalid_event",
            "`value`",
        ),
        (
            "{\"type\":\"get\",\"key\":\"a\",\"key\":\"b\"}".into(),
            "invalid_event",
            "`key`",
        ),
        (
            "{\"type\":\"put\",\"key\":\"a\",\"value\":1,\"vaule\":2}".into(),
            "invalid_event",
            "`vaule`",
        ),
        (
            put(&"k".repeat(KEY_BYTES_MAX + 1), "1"),
            "too_large",
            "65536",
        ),
        (
            put(&"\\u0001".repeat(KEY_BYTES_MAX + 1), "1"),
            "too_large",
            "65536",
        ),
        (
            put("a", &"1".repeat(VALUE_BYTES_MAX + 1)),
            "too_large",
            "16777216",
        ),
        ("x".repeat(EVENT_BYTES_MAX + 1), "too_large", "17825792"),
        (put("a", &deep(129)), "too_large", "128"),
        (put("a", &deep(5_000_000)), "too_large", "128"),
        ("[".repeat(5_000_000), "invalid_event", "object"),
        (
            "{\"type\":\"get_content\",\"hash\":\"abc\"}".into(),
            "invalid_event",
            "40",
        ),
        (
            format!(
                "{{\"type\":\"get_content\",\"hash\":\"{}\"}}",
                "g".repeat(40)
            ),
            "invalid_event",
            "40",
        ),
        (
            "{\"type\":\"store_content\",\"content\":{\"a\":1,\"a\":2}}".into(),
            "invalid_event",
            "`a`",
        ),
        (
            "{\"type\":\"store_content\",\"content\":1e9999999999999999}".into(),
            "invalid_event",
            "exponent",
        ),
        (put("a", "\"\\ud800\""), "invalid_json", "surrogate"),
        (put("\\udc00", "1"), "invalid_json", "surrogate"),
    ];
    let mut lines: Vec<_> = text
        .into_iter()
        .map(|(line, code, word)| (line.into_bytes(), code, word))
        .collect();
    lines.push((
        b"{\"type\":\"get\",\"key\":\"\xff\"}".to_vec(),
        "invalid_json",
        "byte 21",
    ));
    lines
}

#[test]
fn each_gets_its_code_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let mut other = server.lines();
    let mut client = server.lines();
    for (number, (line, code, word)) in faulty().into_iter().enumerate() {
        let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        // Between two that are right, all three sent at once.
        let before = format!("{{\"type\":\"put\",\"key\":\"{number}\",\"value\":{number}}}\n");
        let behind = format!("\n{{\"type\":\"get\",\"key\":\"{number}\"}}\n");
        client.send(&[before.as_bytes(), &line, behind.as_bytes()].concat());
        assert!(
            client.reply().contains("\"status\":\"ok\""),
            "before {shown}"
        );
        let reply = client.reply();
        let start = format!("{{\"status\":\"error\",\"code\":\"{code}\",\"message\":\"");
        assert!(
            reply.starts_with(&start) && reply.contains(word),
            "{shown}: {reply}"
        );
        assert!(reply.len() < 500, "{shown}: {reply}");
        assert!(
            client.reply().contains(&format!("\"value\":{number},")),
            "behind {shown}"
        );
        assert!(
            other
                .say("{\"type\":\"get\",\"key\":\"0\"}")
                .contains("\"value\":0,")
        );
    }
    let keys = faulty().len();
    server.kill();
    assert_eq!(Server::start(&data).ready["keys"], keys);
}

#[test]
fn the_limits_themselves_are_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let mut client = server.lines();
    let key = "k".repeat(KEY_BYTES_MAX);
    let value = format!("\"{}\"", "v".repeat(VALUE_BYTES_MAX - 2));
    let reply = client.say(&format!(
        "{{\"type\":\"put\",\"key\":\"{key}\",\"value\":{value}}}"
    ));
    assert!(
        reply.ends_with("\"version\":1}"),
        "{}",
        &reply[..200.min(reply.len())]
    );
    let reply = client.say(&format!("{{\"type\":\"get\",\"key\":\"{key}\"}}"));
    assert!(reply.contains(&value));
    let reply = client.say(&format!(
        "{{\"type\":\"store_content\",\"content\":{value}}}"
    ));
    assert!(reply.contains("\"created\":true"));
    let deep = "[".repeat(128) + &"]".repeat(128);
    let reply = client.say(&format!(
        "{{\"type\":\"store_content\",\"content\":{deep}}}"
    ));
    assert!(reply.contains("\"created\":true"), "{reply}");
}

#[test]
fn the_id_comes_back_with_every_error_that_can_tell_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let mut client = server.lines();
    for event in [
        "{\"id\":[7,\"x\"],\"type\":\"get\",\"key\":\"missing\"}",
        "{\"id\":[7,\"x\"],\"type\":\"oops\"}",
        "{\"oops\":1,\"id\":[7,\"x\"]}",
    ] {
        let reply = client.say(event);
        assert!(
            reply.starts_with("{\"status\":\"error\",\"id\":[7,\"x\"],"),
            "{reply}"
        );
    }
}
