//! Conditions, counters, lists, changes and the other events, on a directory and
//! on a server alike.

use crate::support::*;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn both(test: fn(&[&str])) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    test(&["--data", data.to_str().unwrap()]);
    let server = Server::start(&folder.path().join("other"));
    test(&["--url", &server.url()]);
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(json).collect()
}

#[test]
fn conditions_counters_and_patches_work() {
    both(|place| {
        let ok = |arguments: &[&str]| json(&ok(&[arguments, place].concat()));
        let fails = |arguments: &[&str], code| fails(&[arguments, place].concat(), code);
        assert_eq!(
            ok(&["put", "a", "{\"n\":1}", "--if-version", "0"])["version"],
            1
        );
        assert!(fails(&["put", "a", "2", "--if-version", "0"], 13).contains("conflict"));
        assert_eq!(ok(&["exists", "a"])["version"], 1);
        assert_eq!(ok(&["exists", "b"])["exists"], false);
        assert_eq!(
            ok(&["patch", "a", "--merge", "{\"m\":[]}", "--if-version", "1"])["version"],
            2
        );
        ok(&[
            "patch",
            "a",
            "--patch",
            "[{\"op\":\"remove\",\"path\":\"/n\"}]",
        ]);
        assert_eq!(ok(&["get", "a"]), json!({"m":[]}));
        let failed = fails(
            &[
                "patch",
                "a",
                "--patch",
                "[{\"op\":\"remove\",\"path\":\"/n\"}]",
            ],
            13,
        );
        assert!(failed.contains("operation 0"), "{failed}");
        assert_eq!(ok(&["increment", "n"])["value"], 1);
        assert_eq!(ok(&["increment", "n", "--by", "-5"])["value"], -4);
        assert!(fails(&["increment", "a"], 13).contains("whole number"));
        fails(&["delete", "a", "--if-version", "1"], 13);
        ok(&["delete", "a", "--if-version", "3"]);
        ok(&["put", "short", "1", "--ttl-ms", "1"]);
        std::thread::sleep(std::time::Duration::from_millis(20));
        fails(&["get", "short"], 12);
        assert!(ok(&["stats"])["keys"].as_u64() == Some(1));
    });
}

#[test]
fn lists_and_changes_are_followed_to_their_end() {
    both(|place| {
        let ok = |arguments: &[&str]| ok(&[arguments, place].concat());
        let fails = |arguments: &[&str], code| fails(&[arguments, place].concat(), code);
        let events = (0..2500).fold(String::new(), |events, key| {
            events + &format!("{{\"type\":\"put\",\"key\":\"k{key:04}\",\"value\":{key}}}\n")
        });
        let imported = run_with(&[&["import", "-"], place].concat(), &events);
        assert!(imported.status.success(), "{}", text(&imported.stderr));
        assert_eq!(rows(&ok(&["list"])).len(), 2500);
        let some = rows(&ok(&[
            "list", "--prefix", "k1", "--start", "k1498", "--values", "--limit", "3",
        ]));
        assert_eq!(some[2], json!({"key":"k1500","value":1500,"version":1501}));
        let last = rows(&ok(&["list", "--reverse", "--end", "k0002"]));
        assert_eq!(last[0]["key"], "k0001");
        assert_eq!(json(&ok(&["delete-prefix", "k1"]))["deleted"], 1000);
        assert_eq!(rows(&ok(&["list"])).len(), 1500);
        let changes = rows(&ok(&["changes"]));
        assert_eq!(changes.len(), 3500);
        let behind = rows(&ok(&["changes", "--since", "2490", "--prefix", "k24"]));
        assert_eq!(behind.len(), 10);
        assert_eq!(behind[0]["key"], "k2490");
        fails(&["changes", "--since", "99999"], 11);
    });
}

#[test]
fn any_event_can_be_sent() {
    both(|place| {
        let batch = r#"{"type":"batch","operations":[{"type":"put","key":"a","value":1},
            {"type":"store_content","content":"Hello"}]}"#;
        let many = r#"{"type":"get_many","keys":["a","b"]}"#;
        let replies = rows(&ok(&[&["send", batch, many], place].concat()));
        assert_eq!(replies[0]["version"], 1);
        assert_eq!(replies[1]["entries"][0]["value"], 1);
        let input = "{\"type\":\"get\",\"key\":\"a\"}\n\n{\"type\":\"get\",\"key\":\"b\"}\n{\"type\":\"stats\"}\n";
        let sent = run_with(&[&["send"], place].concat(), input);
        assert_eq!(sent.status.code(), Some(12));
        let replies = rows(&text(&sent.stdout));
        assert_eq!(replies[0]["value"], 1);
        assert_eq!(replies[1]["code"], "not_found");
        assert_eq!(replies[2]["contents"], 1);
    });
}

#[test]
fn a_watch_goes_on_through_a_kill_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::start(&data);
    let url = server.url();
    ok(&["put", "a/0", "0", "--url", &url]);
    let mut watch = Command::new(BINARY)
        .args(["watch", "--prefix", "a/", "--since", "0", "--url", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || json(&lines.next().unwrap().unwrap());
    assert_eq!(next()["key"], "a/0");
    for round in 1..3 {
        ok(&["put", "b", "0", "--url", &url]);
        let batch = format!(
            r#"{{"type":"batch","operations":[{{"type":"put","key":"a/{round}","value":1}},{{"type":"delete","key":"a/{}"}}]}}"#,
            round - 1
        );
        ok(&["send", &batch, "--url", &url]);
        let told = [next(), next()];
        assert_eq!(
            (&told[0]["type"], &told[1]["type"]),
            (&json!("put"), &json!("delete"))
        );
        assert_eq!(told[0]["version"], told[1]["version"]);
        // What comes while the server is down is told, too, and nothing twice.
        server.kill();
        let place = data.to_str().unwrap();
        ok(&["put", &format!("a/down-{round}"), "1", "--data", place]);
        let address = url.strip_prefix("http://").unwrap();
        server = Server::start_on(address, &data, &[], &[]);
        assert_eq!(next()["key"], format!("a/down-{round}"));
    }
    // Its short-lived values end while nobody sends anything.
    ok(&["put", "a/short", "1", "--ttl-ms", "100", "--url", &url]);
    assert_eq!(next()["type"], "put");
    assert_eq!(next()["type"], "expire");
    watch.kill().unwrap();
    watch.wait().unwrap();
    server.kill();
}
