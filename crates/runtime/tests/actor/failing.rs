//! Guests that fail, each in its own way: the callers are told, and the next
//! call finds a new instance.

use crate::support::{Folder, ask, count, hand};
use kv_runtime::{Actor, GuestLimits};

/// Makes a guest fail by an event; its caller is told why and that the outcome is
/// unknown, and the next one is answered by a new instance.
fn fails(actor: &mut Actor, event: &str, reason: &str) {
    let restarts = actor.restarts();
    let unavailable = hand(actor, &["{}", event, "{}"]).unwrap_err();
    assert!(unavailable.is_outcome_unknown());
    assert!(unavailable.to_string().contains(reason), "{unavailable}");
    assert!(actor.is_serving());
    assert_eq!(actor.restarts(), restarts + 1);
}

#[test]
fn a_guest_that_traps_is_started_again() {
    let folder = Folder::new();
    let mut actor = folder.start("guest-trap");
    assert_eq!((count(&mut actor), count(&mut actor)), (1, 2));
    for _ in 0..2 {
        fails(&mut actor, r#"{"type":"trap"}"#, "unreachable");
        assert_eq!((count(&mut actor), count(&mut actor)), (1, 2));
    }
}

#[test]
fn a_guest_that_loops_for_ever_is_stopped() {
    let folder = Folder::new();
    let limits = GuestLimits {
        handle_timeout_ms: 500,
        ..GuestLimits::default()
    };
    let mut actor = folder.start_with("guest-spin", limits);
    for _ in 0..2 {
        assert_eq!(count(&mut actor), 1);
        fails(&mut actor, r#"{"type":"spin"}"#, "longer than 500 ms");
    }
    assert_eq!(count(&mut actor), 1);
}

#[test]
fn a_deadline_is_each_call_s_own() {
    let folder = Folder::new();
    let limits = GuestLimits {
        handle_timeout_ms: 1000,
        ..GuestLimits::default()
    };
    let mut actor = folder.start_with("guest-spin", limits);
    let begun = std::time::Instant::now();
    let mut calls = 0;
    while begun.elapsed().as_millis() < 2500 {
        calls += 1;
        assert_eq!(count(&mut actor), calls);
    }
}

#[test]
fn a_guest_that_takes_too_much_memory_is_stopped() {
    let folder = Folder::new();
    let limits = GuestLimits {
        memory_bytes_max: 16 << 20,
        ..GuestLimits::default()
    };
    let mut actor = folder.start_with("guest-allocate", limits);
    for _ in 0..2 {
        assert_eq!(count(&mut actor), 1);
        fails(
            &mut actor,
            r#"{"type":"allocate"}"#,
            "more than 16777216 bytes of memory",
        );
    }
    assert_eq!(count(&mut actor), 1);
}

#[test]
fn what_a_guest_hands_over_at_once_is_limited() {
    let folder = Folder::new();
    let mut actor = folder.start("guest-echo");
    // Both its replies and its changes hold the event.
    let large = format!("\"{}\"", "x".repeat(70 << 20));
    let unavailable = ask(&mut actor, &large).unwrap_err();
    assert!(unavailable.is_outcome_unknown());
    assert!(
        unavailable.to_string().contains("too much data"),
        "{unavailable}"
    );
    assert_eq!(count(&mut actor), 1);
}

#[test]
fn wrong_replies_are_handed_to_nobody() {
    let folder = Folder::new();
    let mut actor = folder.start("guest-miscount");
    fails(&mut actor, r#"{"type":"fewer"}"#, "0 replies to 3 events");
    fails(&mut actor, r#"{"type":"more"}"#, "4 replies to 3 events");
    let folder = Folder::new();
    let mut actor = folder.start("guest-garbage");
    fails(&mut actor, r#"{"type":"bytes"}"#, "not UTF-8");
    fails(&mut actor, r#"{"type":"unended"}"#, "no end");
}

#[test]
fn a_guest_that_has_finished_is_replaced_and_its_replies_are_true() {
    let folder = Folder::new();
    let mut actor = folder.start("guest-finish");
    assert_eq!(count(&mut actor), 1);
    let handled = hand(&mut actor, &["{}", r#"{"type":"finish"}"#]).unwrap();
    assert_eq!(handled.answered, 2);
    assert_eq!(handled.changes, b"{}\n{\"type\":\"finish\"}\n");
    assert_eq!(actor.restarts(), 1);
    assert_eq!(count(&mut actor), 1);
}
