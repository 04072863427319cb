//! The ledger, told the truth and lies.

use super::*;

fn put(key: &str, value: &str) -> Event {
    Event::Put {
        key: key.to_owned(),
        value: value.to_owned(),
        if_version: None,
    }
}

fn get(key: &str) -> Event {
    Event::Get {
        key: key.to_owned(),
    }
}

fn got(value: &str, version: u64) -> Reply {
    Reply::Got {
        value: value.to_owned(),
        version,
    }
}

/// `a` is acknowledged to hold 1; what came of `a` = 2, then `b` = 3, is unknown.
fn half_known() -> Ledger {
    let mut ledger = Ledger::default();
    let done = Reply::Put { version: 7 };
    ledger.enter(&put("a", "1"), Some(&done)).unwrap();
    ledger.enter(&put("a", "2"), None).unwrap();
    ledger.enter(&put("b", "3"), None).unwrap();
    ledger
}

/// What the audit says of these answers for `a` and `b`.
fn audit(a: Reply, b: Reply) -> Result<(), Failure> {
    let mut ledger = half_known();
    let questions = ledger.questions();
    assert_eq!(questions, [get("a"), get("b")]);
    ledger.audit(&questions, &[a, b])
}

#[test]
fn what_was_not_acknowledged_is_done_in_order_or_not_at_all() {
    audit(got("1", 7), Reply::NotFound).unwrap();
    audit(got("2", 8), Reply::NotFound).unwrap();
    audit(got("2", 8), got("3", 9)).unwrap();
    // The second, without the first.
    audit(got("1", 7), got("3", 8)).unwrap_err();
}

#[test]
fn what_was_acknowledged_is_missed() {
    audit(Reply::NotFound, Reply::NotFound).unwrap_err();
    audit(Reply::NotFound, got("3", 9)).unwrap_err();
}

#[test]
fn wrong_values_and_versions_are_found() {
    audit(got("4", 8), Reply::NotFound).unwrap_err();
    audit(got("1", 8), Reply::NotFound).unwrap_err();
    audit(got("2", 7), Reply::NotFound).unwrap_err();
    audit(got("1", 7), got("2", 8)).unwrap_err();
    let refused = Reply::Refused {
        code: "corrupt".to_owned(),
        message: String::new(),
    };
    audit(refused, Reply::NotFound).unwrap_err();
}

#[test]
fn what_comes_back_from_the_dead_is_found() {
    let mut ledger = half_known();
    let delete = Event::Delete {
        key: "a".to_owned(),
    };
    let deleted = |deleted, version| Reply::Deleted {
        deleted,
        version: Some(version),
    };
    // It held 1 or 2: there was something to delete.
    ledger
        .clone()
        .enter(&delete, Some(&deleted(false, 9)))
        .unwrap_err();
    ledger.enter(&delete, Some(&deleted(true, 9))).unwrap();
    ledger
        .clone()
        .enter(&get("a"), Some(&got("2", 8)))
        .unwrap_err();
    ledger.enter(&get("a"), Some(&Reply::NotFound)).unwrap();
    // A version that was given before.
    let done = Reply::Put { version: 9 };
    ledger.enter(&put("c", "5"), Some(&done)).unwrap_err();
}

#[test]
fn content_stays_and_is_made_once() {
    let (content, mut ledger) = ("[1]".to_owned(), Ledger::default());
    let store = Event::StoreContent {
        content: content.clone(),
    };
    let fetch = Event::GetContent {
        content: content.clone(),
    };
    let created = Reply::Stored { created: true };
    ledger.enter(&fetch, Some(&Reply::NotFound)).unwrap();
    ledger.enter(&store, Some(&created)).unwrap();
    ledger.clone().enter(&store, Some(&created)).unwrap_err();
    ledger
        .clone()
        .enter(&fetch, Some(&Reply::NotFound))
        .unwrap_err();
    let other = Reply::Content {
        content: "[2]".to_owned(),
    };
    ledger.clone().enter(&fetch, Some(&other)).unwrap_err();
    ledger
        .enter(&fetch, Some(&Reply::Content { content }))
        .unwrap();
}
