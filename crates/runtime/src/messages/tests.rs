use super::*;
use crate::mailbox::Inbox;
use std::thread;

const LONG: Duration = Duration::from_mins(1);

/// The actors of these names, and where their requests arrive.
fn actors(names: &[&str]) -> (Peers, Vec<Inbox>) {
    let (mut mailboxes, mut inboxes) = (BTreeMap::new(), Vec::new());
    for name in names {
        let (mailbox, inbox) = Mailbox::new(1, 1000, || {});
        mailboxes.insert((*name).to_owned(), mailbox);
        inboxes.push(inbox);
    }
    (Peers::new(mailboxes), inboxes)
}

fn requires(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Waits for a request and answers it with its own events.
fn answer_next(inbox: &Inbox) {
    let request = loop {
        match inbox.take() {
            Some(request) => break request,
            None => thread::yield_now(),
        }
    };
    let events = request.events.clone();
    request.answer(Ok(events));
}

#[test]
fn only_what_is_required_and_there_is_reached() {
    let (peers, inboxes) = actors(&["app", "store", "other"]);
    let messages = peers.messages("app", &requires(&["store", "gone"]));
    let code = |actor: &str| messages.send(actor, b"{}\n".to_vec()).unwrap_err().code();
    assert_eq!(code("other"), "forbidden");
    assert_eq!(code("app"), "forbidden");
    assert_eq!(code("nobody"), "forbidden");
    assert_eq!(code("gone"), "not_found");
    assert_eq!(
        Messages::default().send("store", b"{}\n".to_vec()),
        Err(RequestError::Forbidden("store".to_owned()))
    );
    messages.send("store", b"{}\n".to_vec()).unwrap();
    assert_eq!(inboxes[1].take().unwrap().events, b"{}\n");
    assert!(inboxes.iter().all(|inbox| inbox.take().is_none()));
}

#[test]
fn a_request_waits_for_its_replies() {
    let (peers, inboxes) = actors(&["app", "store"]);
    let messages = peers.messages("app", &requires(&["store"]));
    thread::scope(|scope| {
        scope.spawn(|| answer_next(&inboxes[1]));
        let replies = messages.request("store", b"{\"a\":1}\n".to_vec(), LONG);
        assert_eq!(replies.unwrap(), b"{\"a\":1}\n");
    });
}

#[test]
fn one_that_is_full_stopped_or_silent_is_unavailable() {
    let (peers, mut inboxes) = actors(&["app", "store"]);
    let messages = peers.messages("app", &requires(&["store"]));
    let error = |timeout| {
        let error = messages.request("store", b"{}\n".to_vec(), timeout);
        match error.unwrap_err() {
            RequestError::Unavailable(unavailable) => unavailable,
            other => panic!("{other}"),
        }
    };
    assert!(error(Duration::ZERO).is_outcome_unknown());
    // The first still waits there, and there is room for one.
    assert!(!error(LONG).is_outcome_unknown());
    assert!(messages.send("store", b"{}\n".to_vec()).is_err());
    inboxes.pop();
    assert!(!error(LONG).is_outcome_unknown());
}

#[test]
fn what_is_no_message_is_refused() {
    let (peers, _inboxes) = actors(&["app", "store"]);
    let messages = peers.messages("app", &requires(&["store"]));
    let code = |events| messages.request("store", events, LONG).unwrap_err().code();
    assert_eq!(code(Vec::new()), "invalid_event");
    assert_eq!(code(b"\n\n".to_vec()), "invalid_event");
    assert_eq!(code(vec![b'1'; MESSAGE_BYTES_MAX + 1]), "too_large");
}

#[test]
fn a_cycle_is_found_however_long_and_ends_with_the_wait() {
    let (peers, inboxes) = actors(&["a", "b", "c"]);
    let all = requires(&["a", "b", "c"]);
    let [a, b, c] = ["a", "b", "c"].map(|name| peers.messages(name, &all));
    let event = || b"{}\n".to_vec();
    assert_eq!(
        a.request("a", event(), LONG),
        Err(RequestError::Cycle("a → a".to_owned()))
    );
    thread::scope(|scope| {
        let waits_for = |name: &str| peers.waiting().contains_key(name);
        scope.spawn(|| a.request("b", event(), LONG).unwrap());
        while !waits_for("a") {
            thread::yield_now();
        }
        scope.spawn(|| b.request("c", event(), LONG).unwrap());
        while !waits_for("b") {
            thread::yield_now();
        }
        assert_eq!(
            c.request("a", event(), LONG),
            Err(RequestError::Cycle("c → a → b → c".to_owned()))
        );
        // Without a wait there is no cycle.
        c.send("a", event()).unwrap();
        answer_next(&inboxes[0]);
        answer_next(&inboxes[2]);
        answer_next(&inboxes[1]);
    });
    thread::scope(|scope| {
        scope.spawn(|| answer_next(&inboxes[0]));
        c.request("a", event(), LONG).unwrap();
    });
}

#[test]
fn every_code_is_one_of_the_table() {
    let (text, unavailable) = (String::new(), Unavailable::new(""));
    for error in [
        RequestError::Forbidden(text.clone()),
        RequestError::NotFound(text.clone()),
        RequestError::Cycle(text),
        RequestError::Unavailable(unavailable),
        RequestError::TooLarge(0),
        RequestError::NoEvent,
        RequestError::NotHandling,
    ] {
        let code = error.code();
        assert!(kv_protocol::Code::from_name(code).is_some(), "{code}");
    }
}
