//! No batch waits while the system takes back what a removed segment has held.

use crate::support::{BINARY, Server};
use crate::syncs::whole;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

const VALUE_BYTES: usize = 900_000;
const PUTS: usize = 24;

#[test]
fn a_large_file_is_closed_on_a_thread_once_its_name_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, manifest) = (
        folder.path().join("trace"),
        folder.path().join("actor.toml"),
    );
    fs::write(&manifest, "[store]\nsegment_bytes_max = 2000000\n").unwrap();
    let mut command = Command::new("strace");
    command
        .args(["--daemonize", "--follow-forks"])
        .arg("--trace=openat,unlinkat,close")
        .arg("--output")
        .arg(&trace)
        .args([BINARY, "serve", "--lines", "127.0.0.1:0", "--http"])
        .args(["127.0.0.1:0", "--manifest"])
        .arg(&manifest)
        .arg("--data")
        .arg(folder.path().join("data"));
    let server = Server::spawn(&mut command, 1);
    let mut lines = server.lines();
    for put in 0..PUTS {
        let value = format!("{put}").repeat(VALUE_BYTES / 2);
        let reply = lines.say(&format!(r#"{{"type":"put","key":"k","value":"{value}"}}"#));
        assert!(reply.contains(r#""status":"ok""#), "{reply}");
    }
    server.kill();
    assert!(closed_behind(&whole(&trace)) > 0);
}

/// How many files were open when their names went, and closed on another thread.
fn closed_behind(trace: &str) -> usize {
    let mut unfinished = BTreeMap::new();
    // By descriptor: the thread that has it open, and whether that has removed a file since.
    let mut open = BTreeMap::<String, (&str, bool)>::new();
    let mut count = 0;
    for (thread, call) in trace.lines().filter_map(|line| line.split_once(' ')) {
        let call = call.trim_start();
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, begun);
            continue;
        }
        let call = match call.split_once(" resumed>") {
            Some((_, end)) => format!("{}{end}", unfinished.remove(thread).unwrap_or_default()),
            None => call.to_owned(),
        };
        if call.starts_with("openat(") && call.contains("O_PATH") && call.contains(".jsonl") {
            let descriptor = call.rsplit_once(" = ").unwrap().1;
            open.insert(descriptor.to_owned(), (thread, false));
        } else if call.starts_with("unlinkat(") {
            let mine = open.values_mut().filter(|(opener, _)| *opener == thread);
            mine.for_each(|(_, removed)| *removed = true);
        // A smaller one is closed at once, and then removed.
        } else if let Some(descriptor) = call.strip_prefix("close(")
            && let Some((opener, true)) = open.remove(descriptor.split(')').next().unwrap())
        {
            assert_ne!(opener, thread, "{call}");
            count += 1;
        }
    }
    count
}
