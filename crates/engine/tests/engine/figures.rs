//! The figures that a store tells of itself.

use crate::common::*;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::{Options, Store};
use serde_json::Value;

fn figures<F: Files>(store: &mut Store<F>) -> Value {
    ask(store, r#"{"type":"stats"}"#)
}

#[test]
fn segments_and_their_bytes_are_counted_with_the_one_that_is_open() {
    let files = MemoryFiles::default();
    let options = Options {
        segment_bytes_max: 500,
        ..Options::default()
    };
    let (mut store, _) = open_with(&files, options);
    assert_eq!(figures(&mut store)["segments"], 0);
    for number in 0..30 {
        put(&mut store, &format!("k{number:02}"), "1");
        let mut segments = files.list().unwrap();
        segments.retain(|name| name.starts_with('0'));
        let figures = figures(&mut store);
        assert_eq!(figures["segments"], segments.len());
        let bytes = segments.iter().map(|name| lines_of(&files, name).len());
        assert_eq!(figures["log_bytes"], bytes.sum::<usize>());
    }
    assert!(figures(&mut store)["segments"].as_u64() > Some(3));
}

#[test]
fn bytes_of_compacted_segments_are_counted_no_longer() {
    let files = MemoryFiles::default();
    let options = Options {
        segment_bytes_max: 500,
        ..Options::default()
    };
    let (mut store, _) = open_with(&files, options);
    let mut exact = 0;
    for step in 0..500 {
        put(&mut store, &format!("k{:02}", step % 7), "1");
        let mut segments = files.list().unwrap();
        segments.retain(|name| name.starts_with('0'));
        let bytes = segments.iter().map(|name| lines_of(&files, name).len());
        let bytes: usize = bytes.sum();
        let figures = figures(&mut store);
        // A compacted segment's file stays until a header leaves it out.
        if figures["segments"] == segments.len() {
            assert_eq!(figures["log_bytes"], bytes, "step {step}");
            exact += 1;
        } else {
            assert!(
                figures["log_bytes"].as_u64() < Some(bytes as u64),
                "step {step}"
            );
        }
    }
    assert!(!files.exists("00000001.jsonl").unwrap());
    assert!(exact > 100, "{exact}");
}

#[test]
fn a_batch_that_the_disk_refused_leaves_no_trace_in_them() {
    let told = [true, false].map(|is_refused| {
        let files = FaultyFiles::new();
        put(&mut open(&files), "a", "1");
        let mut store = open(&files);
        if is_refused {
            files.fault.set(Fault::Create);
            let several = r#"{"type":"put_many","entries":{"x":1,"y":2,"z":3}}"#;
            assert_eq!(code_in(&say(&mut store, several)), "storage");
            files.fault.set(Fault::None);
        }
        // In the place where several changes would have shared a line.
        put(&mut store, "b", "1");
        let before = figures(&mut store);
        put(&mut store, "b", "2");
        (before, figures(&mut store))
    });
    assert_eq!(told[0], told[1]);
}
