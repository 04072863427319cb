//! Batches that are handed in while the one before is synced.

use crate::support::{Folder, count, hand};
use kv_runtime::{Actor, Durability, Handled, Unavailable};
use std::fs;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

fn hand_ahead(actor: &mut Actor, event: &str) -> Result<Handled, Unavailable> {
    actor.handle_ahead(format!("{event}\n").as_bytes(), 1, 7)
}

/// A folder where the file that the guest appends to can't be synced: it is a pipe.
fn folder_with_pipe() -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.data()).unwrap();
    let made = Command::new("mkfifo")
        .arg(folder.data().join("log"))
        .status();
    assert!(made.unwrap().success());
    folder
}

#[test]
fn batches_become_durable_in_order_and_say_so() {
    let folder = Folder::new();
    let mut actor = folder.start("guest-append");
    let (sender, woken) = channel();
    actor.set_wake(move || sender.send(()).unwrap());
    let mut tickets = vec![actor.ticket()];
    let mut written = String::new();
    for number in 0..100 {
        let handled = hand_ahead(&mut actor, &number.to_string()).unwrap();
        assert_eq!(handled.answered, 1);
        tickets.push(actor.ticket());
        written.push_str(&number.to_string());
        written.push('\n');
        // The guest has waited for the sync before its own write.
        let before = tickets[tickets.len() - 2];
        assert_eq!(actor.durability(before), Durability::Durable);
        assert_eq!(
            fs::read_to_string(folder.data().join("log")).unwrap(),
            written
        );
    }
    assert!(tickets.is_sorted_by(|one, other| one < other));
    for _ in 0..100 {
        woken.recv_timeout(Duration::from_mins(1)).unwrap();
    }
    assert_eq!(actor.durability(tickets[100]), Durability::Durable);
    assert_eq!(actor.take_sync_times().len(), 64, "no more are kept");
    assert_eq!(actor.restarts(), 0);
}

#[test]
fn a_batch_whose_sync_fails_is_lost_and_ends_its_guest() {
    let folder = folder_with_pipe();
    let mut actor = folder.start("guest-append");
    let before = actor.ticket();
    hand_ahead(&mut actor, "1").unwrap();
    let lost = actor.ticket();
    actor.settle();
    assert_eq!(actor.durability(before), Durability::Durable);
    assert_eq!(actor.restarts(), 0);
    assert_eq!(actor.durability(lost), Durability::Lost);
    assert_eq!(actor.durability(lost), Durability::Lost);
    assert_eq!((actor.restarts(), actor.is_serving()), (1, true));
    let ticket = actor.ticket();
    assert_eq!(actor.durability(ticket), Durability::Durable);
}

#[test]
fn behind_a_sync_that_failed_nothing_is_written() {
    let folder = folder_with_pipe();
    let mut actor = folder.start("guest-append");
    hand_ahead(&mut actor, "1").unwrap();
    let lost = actor.ticket();
    // Its write waits for the sync before it.
    let unavailable = hand_ahead(&mut actor, "2").unwrap_err();
    assert!(unavailable.is_outcome_unknown());
    assert!(
        unavailable.to_string().contains("can't sync"),
        "{unavailable}"
    );
    assert_eq!(actor.restarts(), 1);
    assert_eq!(actor.durability(lost), Durability::Lost);
}

#[test]
fn a_batch_that_must_be_durable_waits_for_the_one_before() {
    let folder = folder_with_pipe();
    let mut actor = folder.start("guest-append");
    hand_ahead(&mut actor, "1").unwrap();
    assert!(hand(&mut actor, &["{}"]).unwrap_err().is_outcome_unknown());
    // At once, the guest is told itself, and says that it can't go on.
    assert!(hand(&mut actor, &["{}"]).is_ok());
    assert_eq!(actor.restarts(), 2);
}

#[test]
fn what_is_under_way_is_synced_before_the_directory_is_given_up() {
    let folder = Folder::new();
    let mut actor = folder.start("guest-append");
    hand_ahead(&mut actor, "1").unwrap();
    drop(actor);
    let mut actor = folder.start("guest-append");
    assert_eq!(count(&mut actor), 1);
    assert_eq!(
        fs::read_to_string(folder.data().join("log")).unwrap(),
        "1\n{}\n"
    );
}

#[test]
fn a_guest_that_ends_with_a_sync_under_way_has_told_nothing_that_is_lost() {
    let folder = folder_with_pipe();
    let mut actor = folder.start("guest-append");
    let failed = hand_ahead(&mut actor, r#"{"type":"finish"}"#);
    assert!(failed.unwrap_err().is_outcome_unknown());
    assert_eq!(actor.restarts(), 1);
    // Where the sync succeeds, its answer counts.
    let folder = Folder::new();
    let mut actor = folder.start("guest-append");
    hand_ahead(&mut actor, r#"{"type":"finish"}"#).unwrap();
    let ticket = actor.ticket();
    assert_eq!(actor.durability(ticket), Durability::Durable);
    assert_eq!(actor.restarts(), 1);
}

#[test]
fn what_a_guest_does_behind_its_sync_is_measured() {
    let folder = Folder::new();
    let mut actor = folder.start("guest-append");
    assert_eq!(actor.behind_sync(), Duration::ZERO);
    // It echoes behind its sync.
    hand(&mut actor, &["1"]).unwrap();
    assert!(actor.behind_sync() > Duration::ZERO);
    hand_ahead(&mut actor, "2").unwrap();
    assert!(actor.behind_sync() > Duration::ZERO);
    // This one doesn't sync.
    let folder = Folder::new();
    let mut actor = folder.start("guest-echo");
    hand(&mut actor, &["1"]).unwrap();
    assert_eq!(actor.behind_sync(), Duration::ZERO);
}
