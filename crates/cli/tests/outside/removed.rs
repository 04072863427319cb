//! No batch waits while the system takes back what a removed segment has held.

use crate::trace::{Traced, calls};
use std::collections::BTreeMap;
use std::fs;

const VALUE_BYTES: usize = 900_000;
const PUTS: usize = 24;

#[test]
fn a_large_file_is_closed_on_a_thread_once_its_name_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("actor.toml");
    fs::write(&manifest, "[store]\nsegment_bytes_max = 2000000\n").unwrap();
    let arguments = ["--manifest", manifest.to_str().unwrap()];
    let traced = Traced::start(folder.path(), "openat,unlinkat,close", &arguments);
    let mut lines = traced.server.lines();
    for put in 0..PUTS {
        let value = format!("{put}").repeat(VALUE_BYTES / 2);
        let reply = lines.say(&format!(r#"{{"type":"put","key":"k","value":"{value}"}}"#));
        assert!(reply.contains(r#""status":"ok""#), "{reply}");
    }
    assert!(closed_behind(&traced.kill()) > 0);
}

/// How many files were open when their names went, and closed on another thread.
fn closed_behind(trace: &str) -> usize {
    // By descriptor: the thread that has it open, and whether that has removed a file since.
    let mut open = BTreeMap::<String, (&str, bool)>::new();
    let mut count = 0;
    for call in calls(trace).filter(|call| call.has_ended) {
        let (thread, call) = (call.thread, call.text);
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
