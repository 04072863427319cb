//! An actor that behaves.

use crate::support::{Folder, ask, count, hand};
use kv_runtime::{Actor, ActorSettings, Batch};
use serde_json::json;

#[test]
fn every_event_gets_its_reply_and_the_batch_its_changes() {
    let folder = Folder::new();
    let mut actor = Actor::start(ActorSettings {
        configuration: r#"{"a":[1,"ü"]}"#.to_owned(),
        ..folder.settings("guest-echo")
    })
    .unwrap();
    assert_eq!(actor.report(), r#"{"configuration":{"a":[1,"ü"]}}"#);
    assert!(actor.is_serving());
    let handled = actor.handle(b"1\n\"\xc3\xbc\"\n", 2, u64::MAX).unwrap();
    assert_eq!(
        String::from_utf8(handled.replies).unwrap(),
        "{\"status\":\"ok\",\"event\":1,\"time_ms\":18446744073709551615,\"count\":1}\n\
         {\"status\":\"ok\",\"event\":\"ü\",\"time_ms\":18446744073709551615,\"count\":2}\n"
    );
    assert_eq!(handled.answered, 2);
    assert_eq!(handled.changes, b"1\n\"\xc3\xbc\"\n");
    assert_eq!(actor.restarts(), 0);
}

#[test]
fn a_batch_of_none_is_fine() {
    let folder = Folder::new();
    let mut actor = folder.start("guest-echo");
    let handled = hand(&mut actor, &[]).unwrap();
    assert_eq!((handled.answered, handled.replies.len()), (0, 0));
    assert_eq!(count(&mut actor), 1);
}

#[test]
fn a_large_event_and_many_small_ones_cross_whole() {
    let folder = Folder::new();
    let mut actor = folder.start("guest-echo");
    let large = format!("\"{}\"", "x".repeat(17 << 20));
    let reply = ask(&mut actor, &large).unwrap();
    assert_eq!(reply["event"].as_str().unwrap().len(), 17 << 20);
    let many = vec!["{}"; 10_000];
    assert_eq!(hand(&mut actor, &many).unwrap().answered, 10_000);
}

#[test]
fn what_is_left_of_a_batch_is_handed_in_again_in_order() {
    let folder = Folder::new();
    let mut actor = folder.start("guest-partial");
    let mut batch = Batch::new(10, 1000);
    for origin in ["a", "b", "c"] {
        batch.push(origin, format!("\"{origin}\"").as_bytes());
    }
    let mut replies = Vec::new();
    for left in [2, 1, 0] {
        let handled = actor.handle(batch.events(), batch.len(), 1).unwrap();
        assert_eq!(handled.answered, 1);
        batch.answer(&handled.replies, |origin, line| {
            let reply: serde_json::Value = serde_json::from_slice(line).unwrap();
            assert_eq!(reply["event"], json!(origin));
            replies.push(reply["count"].clone());
        });
        assert_eq!(batch.len(), left);
    }
    assert_eq!(replies, [1, 2, 3]);
}
