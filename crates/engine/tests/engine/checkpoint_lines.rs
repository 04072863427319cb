//! A checkpoint's lines: as long as they are to be, of everything that it holds.

use crate::common::*;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::log::record::{PREFIX_BYTES, checksum_of};
use kv_engine::{Options, Store};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

const LINE_BYTES: usize = 8 * 1024;

/// Enough of everything for several lines each.
fn filled(store: &mut Store<MemoryFiles>) {
    for number in 0..700 {
        let padding = "x".repeat(1500);
        for event in [
            format!(r#"{{"type":"put","key":"k{number}","value":"{padding}"}}"#),
            format!(r#"{{"type":"put","key":"t{number}","value":1,"ttl_ms":900000}}"#),
            format!(r#"{{"type":"store_content","content":[{number}]}}"#),
            format!(r#"{{"type":"put_many","entries":{{"a{number}":1,"b{number}":2}}}}"#),
        ] {
            ask(store, &event);
        }
    }
}

#[test]
fn a_line_takes_no_further_entry_once_it_is_full() {
    let files = MemoryFiles::default();
    let mut store = open(&files);
    filled(&mut store);
    store.stop();
    let names = files.list().unwrap();
    let name = names.iter().find(|name| name.starts_with("checkpoint-"));
    let text = String::from_utf8(bytes_of(&files, name.expect("it is written"))).unwrap();
    let mut lengths: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines() {
        let told: Value = serde_json::from_str(line).unwrap();
        for kind in ["keys", "contents", "expiries", "shared"] {
            if let Some(rows) = told[kind].as_array() {
                lengths.entry(kind).or_default().push(line.len());
                *counts.entry(kind).or_default() += rows.len();
            }
        }
    }
    for (kind, mut lengths) in lengths {
        let last = lengths.pop().unwrap();
        // What stands around the entries, and one entry, have fewer than 150.
        let full = LINE_BYTES..LINE_BYTES + 150;
        assert!(lengths.iter().all(|length| full.contains(length)), "{kind}");
        assert!(last < full.end, "{kind}");
    }
    let expected = [
        ("contents", 700),
        ("expiries", 700),
        ("keys", 2800),
        ("shared", 700),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
    let (mut store, report) = open_with(&files, Options::default());
    assert_eq!((report.keys, report.contents), (2800, 700));
    assert_eq!(report.replayed_bytes, 0);
    assert_eq!(get(&mut store, "b699").as_deref(), Ok("2"));
}

/// The lines, each with the checksum that it is to have behind the others.
fn summed(lines: &[String]) -> String {
    let mut checksum = 0;
    let mut text = String::new();
    for line in lines {
        let rest = &line[PREFIX_BYTES..];
        checksum = checksum_of(checksum, rest.as_bytes());
        writeln!(text, "{{\"c\":\"{checksum:08x}\",{rest}").unwrap();
    }
    text
}

/// Whether an opening takes its index from a checkpoint with these lines.
fn is_taken(files: &MemoryFiles, name: &str, lines: &[String], keys: &[&str]) -> bool {
    replace(files, name, summed(lines).as_bytes());
    let (mut store, report) = open_with(files, Options::default());
    // The log tells the same.
    for key in keys {
        assert_eq!(get(&mut store, key), Ok(quoted(key)));
    }
    assert_eq!(report.keys, keys.len());
    report.replayed_bytes == 0
}

#[test]
fn rows_that_are_out_of_order_make_no_checkpoint() {
    // Lines with an escape are read by another reader than plain ones.
    for last in ["d", "d\n"] {
        let keys = ["a", "b", "c", last];
        let files = MemoryFiles::default();
        let mut store = open(&files);
        // A shorter log gets no checkpoint when the store stops.
        put(&mut store, "a", &quoted(&"x".repeat(1 << 20)));
        for key in keys {
            put(&mut store, key, &quoted(key));
            let content = quoted(key);
            ask(
                &mut store,
                &format!(r#"{{"type":"store_content","content":{content}}}"#),
            );
        }
        store.stop();
        let names = files.list().unwrap();
        let name = names.iter().find(|name| name.starts_with("checkpoint-"));
        let name = name.expect("it is written");
        let text = String::from_utf8(bytes_of(&files, name)).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(summed(&lines), text);
        assert!(is_taken(&files, name, &lines, &keys));
        for kind in ["\"keys\":", "\"contents\":"] {
            let place = lines.iter().position(|line| line.contains(kind)).unwrap();
            let (head, rows) = lines[place].split_once("[[").unwrap();
            let rows: Vec<&str> = rows.strip_suffix("]]}").unwrap().split("],[").collect();
            let with = |order: [usize; 4]| {
                let mut lines = lines.clone();
                let rows = order.map(|row| rows[row]).join("],[");
                lines[place] = format!("{head}[[{rows}]]}}");
                lines
            };
            assert!(is_taken(&files, name, &with([0, 1, 2, 3]), &keys));
            // Numbers as JSON has none.
            let version = rows[1].split(',').nth(1).unwrap();
            for wrong in ["", "01", "-1", "1.0", "1e0", &format!("0{version}")] {
                let mut lines = lines.clone();
                let row = rows[1].replacen(&format!(",{version},"), &format!(",{wrong},"), 1);
                lines[place] = lines[place].replace(rows[1], &row);
                assert!(!is_taken(&files, name, &lines, &keys), "{kind} {row}");
            }
            for order in [[1, 0, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2], [0, 0, 2, 3]] {
                let is_taken = is_taken(&files, name, &with(order), &keys);
                assert!(!is_taken, "{kind} {order:?}");
            }
        }
    }
}
