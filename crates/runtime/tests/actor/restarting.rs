//! How often a guest is started again, and what then.

use crate::support::{Folder, ask, count};
use kv_runtime::directory::DirectoryError;
use kv_runtime::{Actor, GuestLimits, StartError};
use std::fs;
use std::time::{Duration, Instant};

const TRAP: &str = r#"{"type":"trap"}"#;

#[test]
fn no_more_instances_than_the_limit_allows() {
    let folder = Folder::new();
    let limits = GuestLimits {
        restarts_max: 2,
        ..GuestLimits::default()
    };
    let mut actor = folder.start_with("guest-trap", limits);
    // Every instance that answers says so by a count of 1.
    let mut instances = 0;
    for _ in 0..10 {
        match ask(&mut actor, "{}") {
            Ok(reply) => {
                assert_eq!(reply["count"], 1);
                instances += 1;
                assert!(ask(&mut actor, TRAP).unwrap_err().is_outcome_unknown());
            }
            Err(unavailable) => {
                assert!(!unavailable.is_outcome_unknown(), "{unavailable}");
                let message = unavailable.to_string();
                assert!(
                    message.contains("2 restarts in 60000 ms") && message.contains("unreachable"),
                    "{message}"
                );
            }
        }
    }
    assert_eq!(instances, 3);
    assert_eq!(actor.restarts(), 2);
    assert!(!actor.is_serving());
}

#[test]
fn a_guest_may_have_no_second_chance() {
    let folder = Folder::new();
    let limits = GuestLimits {
        restarts_max: 0,
        ..GuestLimits::default()
    };
    let mut actor = folder.start_with("guest-trap", limits);
    assert!(ask(&mut actor, TRAP).unwrap_err().is_outcome_unknown());
    assert!(!actor.is_serving());
    assert!(!ask(&mut actor, "{}").unwrap_err().is_outcome_unknown());
}

#[test]
fn it_is_tried_again_once_the_window_has_moved_on() {
    let folder = Folder::new();
    let limits = GuestLimits {
        restarts_max: 1,
        restarts_window_ms: 1000,
        ..GuestLimits::default()
    };
    let mut actor = folder.start_with("guest-trap", limits);
    for _ in 0..2 {
        assert!(ask(&mut actor, TRAP).is_err());
    }
    assert!(!actor.is_serving());
    let begun = Instant::now();
    // An empty batch is enough.
    while actor.handle(b"", 0, 1).is_err() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it stays down");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(actor.is_serving());
    assert_eq!(count(&mut actor), 1);
    assert_eq!(actor.restarts(), 2);
}

#[test]
fn a_restart_that_fails_counts_and_says_why() {
    let folder = Folder::new();
    let limits = GuestLimits {
        restarts_max: 3,
        ..GuestLimits::default()
    };
    let mut actor = folder.start_with("guest-trap", limits);
    let away = folder.path().join("away");
    fs::rename(folder.data(), &away).unwrap();
    assert!(ask(&mut actor, TRAP).unwrap_err().is_outcome_unknown());
    assert!(!actor.is_serving());
    assert_eq!(actor.restarts(), 1);
    // Another directory in its place is nobody's: no instance may begin on it.
    fs::create_dir(folder.data()).unwrap();
    let unavailable = ask(&mut actor, "{}").unwrap_err();
    assert!(!unavailable.is_outcome_unknown());
    assert!(
        unavailable.to_string().contains("no longer the directory"),
        "{unavailable}"
    );
    assert_eq!(actor.restarts(), 2);
    fs::remove_dir(folder.data()).unwrap();
    fs::rename(&away, folder.data()).unwrap();
    assert_eq!(count(&mut actor), 1);
    assert_eq!(actor.restarts(), 3);
}

#[test]
fn the_directory_stays_locked_while_its_guest_is_replaced_or_down() {
    let folder = Folder::new();
    let limits = GuestLimits {
        restarts_max: 1,
        ..GuestLimits::default()
    };
    let mut actor = folder.start_with("guest-trap", limits);
    for serving in [true, true, false] {
        assert_eq!(actor.is_serving(), serving);
        let second = Actor::start(folder.settings("guest-echo")).unwrap_err();
        assert!(
            matches!(&second, StartError::Directory(DirectoryError::Owned(path)) if *path == folder.data()),
            "{second}"
        );
        assert!(ask(&mut actor, TRAP).is_err());
    }
    drop(actor);
    assert_eq!(count(&mut folder.start("guest-echo")), 1);
}
