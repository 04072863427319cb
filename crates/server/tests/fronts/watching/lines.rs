//! `watch` and `unwatch` over the line front.

use super::{place, put};
use crate::support::{LineClient, Running};
use serde_json::json;

#[test]
fn a_watcher_is_told_what_changes_under_its_prefix_and_nothing_else() {
    let server = Running::start("kv-store");
    let (mut writer, mut watcher) = (
        LineClient::connect(server.lines()),
        LineClient::connect(server.lines()),
    );
    let before = put(&mut writer, "a/0", 0);
    let begun = watcher.ask(r#"{"type":"watch","prefix":"a/","id":[1]}"#);
    assert_eq!(begun, json!({"status": "ok", "id": [1], "version": before}));
    put(&mut writer, "b", 1);
    let version = put(&mut writer, "a/1", "x");
    writer.ask(r#"{"type":"store_content","content":1}"#);
    let told = watcher.reply();
    let time_ms = &told["time_ms"];
    assert!(time_ms.as_u64().unwrap() > 1_600_000_000_000, "{told}");
    assert_eq!(
        told,
        json!({
            "status": "change", "id": [1], "type": "put", "version": version,
            "time_ms": time_ms, "key": "a/1", "value": "x"
        })
    );
    // History says the same.
    let history = writer.ask(&format!(
        "{{\"type\":\"changes\",\"since\":{}}}",
        version - 1
    ));
    let mut row = told.clone();
    row.as_object_mut().unwrap().remove("status");
    row.as_object_mut().unwrap().remove("id");
    assert_eq!(history["changes"][0], row);

    let batch = r#"{"type":"batch","operations":[{"type":"put","key":"a/2","value":2},{"type":"put","key":"c","value":3},{"type":"delete","key":"a/1"}]}"#;
    let reply = writer.ask(batch);
    let version = reply["version"].as_u64().unwrap();
    let told = [watcher.reply(), watcher.reply()];
    assert_eq!(
        told.each_ref().map(place),
        [("a/2".into(), version), ("a/1".into(), version)]
    );
    assert_eq!(told[1]["type"], "delete");

    // The connection is used as before meanwhile.
    assert_eq!(
        watcher.ask(r#"{"type":"get","key":"c","id":2}"#)["value"],
        3
    );
    assert_eq!(
        watcher.ask(r#"{"type":"unwatch","id":3}"#),
        json!({"status": "ok", "id": 3})
    );
    put(&mut writer, "a/3", 3);
    assert_eq!(watcher.ask(r#"{"type":"get","key":"a/3"}"#)["value"], 3);
    assert_eq!(
        watcher.ask(r#"{"type":"unwatch"}"#),
        json!({"status": "ok"})
    );
}

#[test]
fn a_watch_keeps_its_place_among_the_events_of_its_client() {
    let server = Running::start("kv-store");
    let mut client = LineClient::connect(server.lines());
    // The type may be written with escapes, too.
    client.send(
        "{\"type\":\"put\",\"key\":\"k\",\"value\":1}\n\
         {\"type\":\"w\\u0061tch\",\"id\":\"w\"}\n\
         {\"type\":\"put\",\"key\":\"k\",\"value\":2}\n\
         {\"type\":\"watch\",\"id\":\"again\"}\n\
         {\"type\":\"get\",\"key\":\"k\"}\n",
    );
    let put = client.reply();
    let version = put["version"].as_u64().unwrap();
    assert_eq!(
        client.reply(),
        json!({"status": "ok", "id": "w", "version": version})
    );
    let (mut replies, mut changes) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let line = client.reply();
        let lines = if line["status"] == "change" {
            &mut changes
        } else {
            &mut replies
        };
        lines.push(line);
    }
    assert_eq!(replies[0]["version"], version + 1);
    assert_eq!(
        (&replies[1]["code"], &replies[1]["id"]),
        (&json!("invalid_event"), &json!("again"))
    );
    assert_eq!(replies[2]["value"], 2);
    // What came before it is not told, what came after it is.
    assert_eq!(
        changes.iter().map(place).collect::<Vec<_>>(),
        [("k".into(), version + 1)]
    );
    assert_eq!(changes[0]["id"], "w");
}

#[test]
fn history_runs_into_the_present_without_a_gap_and_without_a_change_twice() {
    const BEFORE: u64 = 5_000;
    const AFTER: u64 = 3_000;
    let server = Running::start("kv-store");
    let mut writer = LineClient::connect(server.lines());
    let event = |n: u64| format!("{{\"type\":\"put\",\"key\":\"k{n}\",\"value\":{n}}}\n");
    writer.send((0..BEFORE).map(event).collect::<String>());
    for _ in 0..BEFORE {
        assert_eq!(writer.reply()["status"], "ok");
    }
    let mut watchers: Vec<_> = (0..5)
        .map(|n| {
            let mut watcher = LineClient::connect(server.lines());
            watcher.send(format!("{{\"type\":\"watch\",\"since\":{}}}\n", n * 1000));
            watcher
        })
        .collect();
    // Meanwhile more is written.
    let address = server.lines();
    let writing = std::thread::spawn(move || {
        let mut writer = LineClient::connect(address);
        for n in BEFORE..BEFORE + AFTER {
            writer.send(event(n));
            if n % 100 == 0 {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        for _ in 0..AFTER {
            assert_eq!(writer.reply()["status"], "ok");
        }
    });
    for (n, watcher) in watchers.iter_mut().enumerate() {
        let since = n as u64 * 1000;
        assert_eq!(watcher.reply(), json!({"status": "ok", "version": since}));
        for version in since + 1..=BEFORE + AFTER {
            let told = watcher.reply();
            assert_eq!(
                place(&told),
                (format!("k{}", version - 1), version),
                "{told}"
            );
        }
    }
    writing.join().unwrap();
}

#[test]
fn a_value_that_expires_is_told_though_nobody_asks_for_anything() {
    let server = Running::start("kv-store");
    let mut client = LineClient::connect(server.lines());
    let mut watcher = LineClient::connect(server.lines());
    watcher.ask(r#"{"type":"watch","prefix":"brief"}"#);
    client.ask(r#"{"type":"put","key":"brief/1","value":1,"ttl_ms":300}"#);
    client.ask(r#"{"type":"put","key":"long","value":1,"ttl_ms":3600000}"#);
    assert_eq!(watcher.reply()["type"], "put");
    let told = watcher.reply();
    assert_eq!(
        (&told["type"], &told["key"]),
        (&json!("expire"), &json!("brief/1"))
    );
    // Whoever waits for the next one is not busy, and is still served.
    assert_eq!(
        client.ask(r#"{"type":"get","key":"brief/1"}"#)["code"],
        "not_found"
    );
}

#[test]
fn a_value_that_expires_while_nobody_serves_it_is_told_after_the_start() {
    let data = tempfile::TempDir::new().unwrap();
    let start = || {
        let options = crate::support::running::everywhere();
        Running::on(
            "kv-store",
            data.path(),
            kv_runtime::GuestLimits::default(),
            &options,
        )
    };
    let server = start();
    let mut client = LineClient::connect(server.lines());
    let reply = client.ask(r#"{"type":"put","key":"k","value":1,"ttl_ms":200}"#);
    let version = reply["version"].as_u64().unwrap();
    server.stop().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let server = start();
    let mut watcher = LineClient::connect(server.lines());
    watcher.ask(&format!("{{\"type\":\"watch\",\"since\":{version}}}"));
    assert_eq!(place(&watcher.reply()), ("k".into(), version + 1));
}

#[test]
fn a_watch_that_cannot_be_is_refused() {
    let server = Running::start("kv-store");
    let mut client = LineClient::connect(server.lines());
    let version = put(&mut client, "k", 1);
    for event in [
        format!("{{\"type\":\"watch\",\"since\":{}}}", version + 1),
        r#"{"type":"watch","since":-1}"#.to_owned(),
        r#"{"type":"watch","since":9007199254740992}"#.to_owned(),
        r#"{"type":"watch","prefix":7}"#.to_owned(),
        r#"{"type":"watch","key":"k"}"#.to_owned(),
        r#"{"type":"unwatch","prefix":""}"#.to_owned(),
    ] {
        let event = event.replacen('{', "{\"id\":5,", 1);
        let reply = client.ask(&event);
        assert_eq!(
            (&reply["code"], &reply["id"]),
            (&json!("invalid_event"), &json!(5)),
            "{event}"
        );
    }
    // None of these has begun one.
    put(&mut client, "k", 2);
    assert_eq!(client.ask(r#"{"type":"get","key":"k"}"#)["value"], 2);
}
