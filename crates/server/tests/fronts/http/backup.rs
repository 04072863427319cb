//! A backup over HTTP.

use super::JSON;
use crate::support::http_client::{connect, head};
use crate::support::{Running, request};
use kv_runtime::GuestLimits;
use serde_json::Value;
use std::io::{Read, Write};

fn put(server: &Running, key: &str, value: &str) -> u64 {
    let put = request(
        server.http(),
        "PUT",
        &format!("/keys/{key}"),
        &[JSON],
        value,
    );
    put.json()["version"].as_u64().unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    assert!(text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn all_pages_come_as_one_stream_of_whole_lines() {
    let server = Running::start("kv-store");
    let get = |path: &str| request(server.http(), "GET", path, &[], "");
    let value = format!("\"{}\"", "x".repeat(700_000));
    for n in 0..6 {
        put(&server, &format!("k{n}"), &value);
    }
    let version = put(&server, "k0", "0");
    let backup = get("/backup");
    assert_eq!(backup.status, 200);
    assert_eq!(backup.header("content-type"), Some("application/x-ndjson"));
    // More than a page, and each key once.
    assert!(backup.body.len() > 3_000_000);
    let all = lines(backup.text());
    assert_eq!(all.len(), 1 + 6 + 1);
    let last = all.last().unwrap();
    assert_eq!(
        (&last["backup_lines"], &last["v"]),
        (&7.into(), &version.into())
    );

    let later = put(&server, "k1", "1");
    let behind = lines(get(&format!("/backup?since={version}")).text());
    assert_eq!(behind.len(), 3);
    assert_eq!(
        (&behind[1]["put"]["k1"], &behind[1]["v"]),
        (&1.into(), &later.into())
    );
    get(&format!("/backup?since={}", later + 1)).assert_problem(422, "invalid_event");
    get("/backup?cursor=x").assert_problem(422, "invalid_event");
}

/// Who reads on to the end must see that there was none.
#[test]
fn one_that_fails_in_the_middle_is_cut_off() {
    let limits = GuestLimits {
        restarts_max: 0,
        ..GuestLimits::default()
    };
    let data = tempfile::TempDir::new().unwrap();
    let options = crate::support::running::everywhere();
    let server = Running::on("kv-store", data.path(), limits, &options);
    let value = format!("\"{}\"", "x".repeat(900_000));
    for n in 0..40 {
        put(&server, &format!("k{n}"), &value);
    }
    let mut stream = connect(server.http());
    let request = head(server.http(), "GET", "/backup", &[]);
    stream.write_all(request.as_bytes()).unwrap();
    // The first pages are on their way, and the rest must come from the log.
    let mut begun = vec![0; 100_000];
    stream.read_exact(&mut begun).unwrap();
    for file in std::fs::read_dir(data.path()).unwrap() {
        let path = file.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            let log = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            log.set_len(1_000_000).unwrap();
        }
    }
    let mut rest = Vec::new();
    // A reset would do as well.
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() > 1_000_000, "{}", rest.len());
    assert!(
        !rest.ends_with(b"0\r\n\r\n"),
        "it has ended as if it were whole"
    );
    assert!(!rest.windows(14).any(|part| part == b"\"backup_lines\""));
}
