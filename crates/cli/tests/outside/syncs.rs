//! No reply leaves before its change is synced, as the system sees it: every write,
//! sync and reply of a server that many clients write to at once.

use crate::trace::{Traced, calls};
use std::collections::{BTreeMap, BTreeSet};
use std::thread;

const CLIENTS: usize = 48;
const PUTS: usize = 40;

/// So many at once: what comes together is worth two syncs.
const DEPTH: usize = 4;

#[test]
fn no_reply_leaves_before_its_sync() {
    let folder = tempfile::tempdir().unwrap();
    let traced = "pwrite64,fdatasync,fsync,sendto,write,writev";
    let traced = Traced::start(folder.path(), traced, &[]);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let mut lines = traced.server.lines();
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
    check(&traced.kill());
}

fn check(trace: &str) {
    // By thread: the versions that its sync covers.
    let mut syncing = BTreeMap::<_, Vec<u64>>::new();
    let (mut written, mut durable) = (Vec::new(), BTreeSet::new());
    let (mut writers, mut syncers) = (BTreeSet::new(), BTreeSet::new());
    let mut replied = 0;
    for call in calls(trace) {
        // A reply may be seen from when its call begins, a sync from when it has ended.
        let (thread, whole) = (call.thread, call.text);
        let succeeded = call.has_ended && !whole.contains(" = -1 ");
        if whole.starts_with("pwrite64(") {
            if succeeded {
                written.extend(numbers(&whole, r#"\"v\":"#));
                writers.insert(thread);
            }
        } else if whole.starts_with("fdatasync(") || whole.starts_with("fsync(") {
            if !call.is_resumed {
                syncing.insert(thread, written.clone());
            }
            if call.has_ended {
                let covered = syncing.remove(thread).unwrap();
                assert!(succeeded, "{whole}");
                durable.extend(covered);
                syncers.insert(thread);
            }
        } else if !call.is_resumed {
            for version in numbers(&whole, r#"\"version\":"#) {
                assert!(
                    durable.contains(&version),
                    "{version} is not synced: {whole}"
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
