//! No reply leaves before its change is synced, as the system sees it: every write,
//! sync and reply of a server that many clients write to at once.

use crate::support::{BINARY, Server};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const CLIENTS: usize = 48;
const PUTS: usize = 40;

/// So many at once: what comes together is worth two syncs.
const DEPTH: usize = 4;

/// How long strace may take to write down what it has seen.
const PATIENCE: Duration = Duration::from_mins(1);

/// What one thread has begun and not ended, and the versions that a sync covers.
#[derive(Default)]
struct Calls {
    syncing: BTreeMap<String, Vec<u64>>,
    unfinished: BTreeMap<String, String>,
}

#[test]
fn no_reply_leaves_before_its_sync() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut command = Command::new("strace");
    command
        // The server itself is our child, and so what is killed.
        .args(["--daemonize", "--follow-forks", "--string-limit=1000000"])
        .arg("--trace=pwrite64,fdatasync,fsync,sendto,write,writev")
        .arg("--output")
        .arg(&trace)
        .args([BINARY, "serve", "--lines", "127.0.0.1:0", "--http"])
        .args(["127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"));
    let server = Server::spawn(&mut command, 1);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let mut lines = server.lines();
            scope.spawn(move || {
                for first in (0..PUTS).step_by(DEPTH) {
                    let event = |put| {
                        format!(r#"{{"type":"put","key":"{client}/{put}","value":1}}"#) + "\n"
                    };
                    let events: String = (first..first + DEPTH).map(event).collect();
                    lines.send(events.as_bytes());
                    for _ in 0..DEPTH {
                        let reply = lines.reply();
                        assert!(reply.contains(r#""status":"ok""#), "{reply}");
                    }
                }
            });
        }
    });
    server.kill();
    check(&whole(&trace));
}

/// A trace, once the end of what was traced is in it.
pub(crate) fn whole(trace: &Path) -> String {
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(trace).unwrap();
        if text.ends_with("+++ killed by SIGKILL +++\n") {
            return text;
        }
        assert!(begun.elapsed() < PATIENCE, "strace has not seen the end");
        thread::sleep(Duration::from_millis(10));
    }
}

fn check(trace: &str) {
    let mut calls = Calls::default();
    let (mut written, mut durable) = (Vec::new(), BTreeSet::new());
    let (mut writers, mut syncers) = (BTreeSet::new(), BTreeSet::new());
    let mut replied = 0;
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        // A reply may be seen from when its call begins, a sync from when it has ended.
        let begun = call.trim_end_matches(" <unfinished ...>");
        let is_resumed = call.starts_with("<... ");
        let whole = if is_resumed {
            let begun = calls.unfinished.remove(thread).unwrap_or_default();
            format!("{begun}{}", call.split_once("resumed>").unwrap().1)
        } else {
            begun.to_owned()
        };
        let has_ended = begun.len() == call.len();
        if !has_ended {
            calls.unfinished.insert(thread.to_owned(), begun.to_owned());
        }
        let succeeded = has_ended && !whole.contains(" = -1 ");
        if whole.starts_with("pwrite64(") {
            if succeeded {
                written.extend(numbers(&whole, r#"\"v\":"#));
                writers.insert(thread.to_owned());
            }
        } else if whole.starts_with("fdatasync(") || whole.starts_with("fsync(") {
            if !is_resumed {
                calls.syncing.insert(thread.to_owned(), written.clone());
            }
            if has_ended {
                let covered = calls.syncing.remove(thread).unwrap();
                assert!(succeeded, "{whole}");
                durable.extend(covered);
                syncers.insert(thread.to_owned());
            }
        } else if !is_resumed {
            for version in numbers(&whole, r#"\"version\":"#) {
                assert!(
                    durable.contains(&version),
                    "{version} is not synced: {line}"
                );
                replied += 1;
            }
        }
    }
    assert_eq!(replied, CLIENTS * PUTS);
    // Else this would have shown nothing of what is synced while others are read.
    assert!(
        !syncers.is_subset(&writers),
        "all syncs were of {writers:?}"
    );
}

/// The numbers behind each place of a text.
fn numbers(text: &str, before: &str) -> Vec<u64> {
    let behind = text.split(before).skip(1);
    let digits = behind.map(|text| text.split(|c: char| !c.is_ascii_digit()).next());
    digits.filter_map(|digits| digits?.parse().ok()).collect()
}
