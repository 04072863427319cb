//! Event lines into a store: each gets one reply, and what is answered is there
//! after opening again.

use kv_engine::files::memory::MemoryFiles;
use kv_engine::{Options, Outcome, Store};
use serde_json::Value;
use std::hash::{BuildHasherDefault, DefaultHasher};

const TIME_MS: u64 = 1_763_890_000_000;

/// Handles the lines in `data`, a batch each three.
pub fn run(data: &[u8]) {
    let options = Options {
        cache_bytes_max: 4000,
        segment_bytes_max: 2000,
        checkpoint_interval_bytes: 3000,
        ..Options::default()
    };
    let files = MemoryFiles::default();
    let Ok((mut store, _)) = Store::open(files.clone(), options) else {
        panic!("an empty directory can't be opened");
    };
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let mut version = 0;
    for (number, lines) in lines.chunks(3).enumerate() {
        let mut batch = lines.join(&b'\n');
        batch.push(b'\n');
        let mut replies = Vec::new();
        let time_ms = TIME_MS + 10 * number as u64;
        let outcome = store.handle(&batch, time_ms, &mut replies);
        assert_eq!(outcome, Outcome::Serving);
        let replies = String::from_utf8(replies).expect("replies are UTF-8");
        let count = replies.lines().count();
        assert!(count <= lines.len() && count > 0, "{count} replies");
        for reply in replies.lines() {
            let reply: Value = serde_json::from_str(reply).expect("a reply is JSON");
            let status = &reply["status"];
            assert!(status == "ok" || status == "error", "{reply}");
            assert_eq!(status == "error", reply["code"].is_string(), "{reply}");
            version = version.max(reply["version"].as_u64().unwrap_or_default());
        }
    }
    let Ok((_, report)) = Store::open(files.clone(), options) else {
        panic!("it can't be opened again");
    };
    assert!(report.version >= version.min(report.version));
    assert!(report.torn.is_empty(), "{report:?}");
    let verified = kv_engine::log::verify::verify(
        &files,
        <[BuildHasherDefault<DefaultHasher>; 2]>::default(),
        |_, _| {},
    )
    .expect("it can be read");
    assert_eq!(verified.damage, [], "what was written is damaged");
    assert_eq!(
        (verified.keys, verified.version),
        (report.keys, report.version)
    );
}
