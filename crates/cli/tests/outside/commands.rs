//! The commands that are one event each, on a directory and on a server.

use crate::support::*;

#[test]
fn the_five_work_on_a_directory_and_on_a_server_alike() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let directory = data.to_str().unwrap();
    five(&["--data", directory]);

    let server = Server::start(&folder.path().join("other"));
    five(&["--url", &server.url()]);
}

fn five(place: &[&str]) {
    let ok = |arguments: &[&str]| ok(&[arguments, place].concat());
    let fails = |arguments: &[&str], code| fails(&[arguments, place].concat(), code);
    let reply = ok(&["put", "a", "{\"n\": 1.10}"]);
    assert_eq!(reply, "{\"status\":\"ok\",\"key\":\"a\",\"version\":1}\n");
    assert_eq!(ok(&["get", "a"]), "{\"n\":1.10}\n");
    assert!(ok(&["put", "../x", "-5"]).contains("\"version\":2"));
    assert_eq!(ok(&["get", "../x"]), "-5\n");
    ok(&["put", "nothing", "null"]);
    assert_eq!(ok(&["get", "nothing"]), "null\n");
    assert!(ok(&["delete", "a"]).contains("\"deleted\":true"));
    assert!(ok(&["delete", "a"]).contains("\"deleted\":false"));
    assert!(fails(&["get", "a"], 12).contains("`a`"));
    let stored = ok(&["store", "\"Hello\""]);
    let hash = "ba9277fc4c6190fb875ad8f9cee848dba699937f";
    assert_eq!(
        stored,
        format!("{{\"status\":\"ok\",\"hash\":\"{hash}\",\"created\":true}}\n")
    );
    assert!(ok(&["store", " \"\\u0048ello\" "]).contains("\"created\":false"));
    assert_eq!(ok(&["fetch", hash]), "\"Hello\"\n");
    ok(&["store", "null"]);
    let null = "2be88ca4242c76e8253ac62474851065032d6833";
    assert_eq!(ok(&["fetch", null]), "null\n");
    assert!(fails(&["fetch", &hash.replace('b', "c")], 12).contains("not_found"));
    assert!(fails(&["fetch", "xyz"], 11).contains("40"));
    assert!(fails(&["put", "a", "hello"], 10).contains("quotes"));
    assert!(fails(&["put", &"k".repeat(65_537), "1"], 14).contains("65536"));
    assert!(fails(&["put", "a", "\"\\ud800\""], 10).contains("surrogate"));
    let deep = "[".repeat(129) + &"]".repeat(129);
    assert!(fails(&["put", "a", &deep], 14).contains("128"));
}

#[test]
fn a_value_may_come_from_standard_input_and_be_the_largest_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let put = |text: &str| run_with(&["put", "--data", data, "k", "-"], text);
    assert!(put("\n[1,\n 2]\n").status.success());
    assert_eq!(ok(&["get", "--data", data, "k"]), "[1,2]\n");
    let largest = format!("\"{}\"", "x".repeat(16 * 1024 * 1024 - 2));
    assert!(put(&largest).status.success());
    assert_eq!(ok(&["get", "--data", data, "k"]), format!("{largest}\n"));
    let larger = format!(
        "{}\"",
        largest.replacen('"', "\"x", 1).trim_end_matches('"')
    );
    let refused = put(&larger);
    assert_eq!(refused.status.code(), Some(14), "{}", text(&refused.stderr));
}

#[test]
fn a_directory_that_a_server_has_open_is_refused_and_wrong_usage_is_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let data = data.to_str().unwrap();
    let message = fails(&["get", "--data", data, "a"], 16);
    assert!(
        message.contains("another running process") && message.contains("--url"),
        "{message}"
    );
    drop(server);
    fails(&["get", "--data", data, "a"], 12);
    fails(&["get", "--dta", data, "a"], 2);
    fails(&["frobnicate"], 2);
    let message = fails(&["get", "--url", "http://127.0.0.1:1", "a"], 17);
    assert!(message.contains("running"), "{message}");
}

#[test]
fn a_directory_at_rest_ends_with_its_last_line_and_a_killed_servers_with_room() {
    let folder = tempfile::tempdir().unwrap();
    let puts = |client: &mut dyn FnMut(&str)| {
        client(r#"{"type":"put","key":"a","value":1}"#);
        client(r#"{"type":"put","key":"a","value":2}"#);
    };
    let has_room = |data: &std::path::Path| {
        let log = std::fs::read_to_string(data.join("00000001.jsonl")).unwrap();
        log.ends_with("\n\n")
    };
    let room_is_left_by = |name: &str, signal: &str| {
        let data = folder.path().join(name);
        let server = Server::start(&data);
        let mut lines = server.lines();
        puts(&mut |event| drop(lines.say(event)));
        assert!(has_room(&data));
        server.end(signal);
        has_room(&data)
    };
    assert!(!room_is_left_by("stopped", "-TERM"));
    assert!(room_is_left_by("killed", "-KILL"));
    // That is nothing unfinished, and is gone with the next write.
    let killed = folder.path().join("killed");
    let directory = killed.to_str().unwrap();
    let output = run(&["get", "a", "--data", directory]);
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        ("2\n".to_owned(), String::new())
    );
    ok(&["put", "b", "3", "--data", directory]);
    assert!(!has_room(&killed));

    let data = folder.path().join("sent");
    let mut events = String::new();
    puts(&mut |event| events.extend([event, "\n"]));
    let sent = run_with(&["send", "--data", data.to_str().unwrap()], &events);
    assert!(sent.status.success());
    assert!(!has_room(&data));
}
