//! The checker, on histories that are right and on histories that are not.

use super::*;

fn put(called: u64, returned: u64, value: u64, version: u64) -> Operation {
    let version = Some(version);
    Operation {
        called,
        returned: Some(returned),
        action: Action::Put { value, version },
    }
}

fn lost_put(called: u64, value: u64) -> Operation {
    Operation {
        called,
        returned: None,
        action: Action::Put {
            value,
            version: None,
        },
    }
}

fn get(called: u64, returned: u64, found: Option<(u64, u64)>) -> Operation {
    Operation {
        called,
        returned: Some(returned),
        action: Action::Get { found },
    }
}

fn delete(called: u64, returned: u64, deleted: bool, version: Option<u64>) -> Operation {
    Operation {
        called,
        returned: Some(returned),
        action: Action::Delete {
            deleted: Some(deleted),
            version,
        },
    }
}

#[track_caller]
fn right(history: &[Operation]) {
    assert_eq!(check(history), Verdict::Linearizable);
}

#[track_caller]
fn wrong(history: &[Operation]) {
    assert_eq!(check(history), Verdict::Violation);
}

#[test]
fn one_after_another() {
    right(&[]);
    right(&[
        get(0, 1, None),
        put(2, 3, 10, 1),
        get(4, 5, Some((10, 1))),
        delete(6, 7, true, Some(2)),
        get(8, 9, None),
        delete(10, 11, false, None),
    ]);
}

#[test]
fn concurrent_operations_take_effect_in_either_order() {
    for seen in [(10, 1), (20, 2)] {
        right(&[put(0, 9, 10, 1), put(0, 9, 20, 2), get(1, 8, Some(seen))]);
    }
    // The versions say which came last.
    right(&[
        put(0, 9, 10, 2),
        put(0, 9, 20, 1),
        get(10, 11, Some((10, 2))),
    ]);
    wrong(&[
        put(0, 9, 10, 2),
        put(0, 9, 20, 1),
        get(10, 11, Some((20, 1))),
    ]);
}

#[test]
fn a_stale_read_is_found() {
    wrong(&[put(0, 1, 10, 1), put(2, 3, 20, 2), get(4, 5, Some((10, 1)))]);
    wrong(&[put(0, 1, 10, 1), get(2, 3, None)]);
    // Two reads, one after the other, must not go back in time.
    wrong(&[
        put(0, 1, 10, 1),
        put(2, 9, 20, 2),
        get(3, 4, Some((20, 2))),
        get(5, 6, Some((10, 1))),
    ]);
}

#[test]
fn a_lost_update_is_found() {
    wrong(&[
        put(0, 1, 10, 1),
        put(2, 3, 20, 2),
        delete(4, 5, true, Some(3)),
        get(6, 7, Some((20, 2))),
    ]);
    wrong(&[put(0, 1, 10, 1), delete(2, 3, false, None)]);
    wrong(&[put(0, 1, 10, 1), put(2, 3, 20, 2), get(4, 5, None)]);
}

#[test]
fn a_value_that_was_never_written_is_found() {
    wrong(&[get(0, 1, Some((10, 1)))]);
    wrong(&[put(0, 1, 10, 1), get(2, 3, Some((11, 1)))]);
    // The right value under another version is as wrong.
    wrong(&[put(0, 1, 10, 1), get(2, 3, Some((10, 2)))]);
    // It can't be read before it is written.
    wrong(&[get(0, 1, Some((10, 1))), put(2, 3, 10, 1)]);
}

#[test]
fn versions_that_fall_are_found() {
    wrong(&[put(0, 1, 10, 5), put(2, 3, 20, 4)]);
    wrong(&[put(0, 1, 10, 5), delete(2, 3, true, Some(5))]);
}

#[test]
fn what_was_never_answered_happened_late_or_never() {
    right(&[lost_put(0, 10), get(1, 2, None)]);
    right(&[lost_put(0, 10), get(1, 2, None), get(3, 4, Some((10, 1)))]);
    right(&[
        lost_put(0, 10),
        put(1, 2, 20, 1),
        get(3, 4, Some((20, 1))),
        get(5, 6, Some((10, 2))),
    ]);
    // It happens once.
    wrong(&[
        lost_put(0, 10),
        put(1, 2, 20, 3),
        get(3, 4, Some((10, 4))),
        put(5, 6, 30, 5),
        get(7, 8, Some((10, 4))),
    ]);
    wrong(&[get(0, 1, Some((10, 1))), lost_put(2, 10)]);
}

#[test]
fn a_long_right_history_stays_right_and_is_wrong_once_bent() {
    // Five clients take turns; each operation overlaps the next four.
    let mut history = Vec::new();
    for number in 0..2000u64 {
        let (called, returned) = (number * 10, number * 10 + 45);
        history.push(if number % 3 == 0 {
            put(called, returned, number, number + 1)
        } else {
            let last = number - number % 3;
            get(called, returned, Some((last, last + 1)))
        });
    }
    right(&history);
    let stale = get(19_000, 19_001, Some((3, 4)));
    history.push(stale);
    wrong(&history);
}

fn put_if(called: u64, value: u64, expected: u64, answer: Option<Conditional>) -> Operation {
    Operation {
        called,
        returned: answer.map(|_| called + 1),
        action: Action::PutIf {
            value,
            expected,
            answer,
        },
    }
}

#[test]
fn a_conditional_put_is_done_where_its_version_is() {
    use Conditional::{Conflict, Done};
    right(&[
        put_if(0, 10, 0, Some(Done(1))),
        put_if(2, 20, 1, Some(Done(2))),
        put_if(4, 30, 1, Some(Conflict(2))),
        put_if(6, 40, 0, Some(Conflict(2))),
        delete(8, 9, true, Some(3)),
        put_if(10, 50, 2, Some(Conflict(0))),
        get(12, 13, None),
    ]);
    // Two that both saw version 1 can't both be done: an update would be lost.
    wrong(&[
        put(0, 1, 10, 1),
        put_if(2, 20, 1, Some(Done(2))),
        put_if(2, 30, 1, Some(Done(3))),
    ]);
    wrong(&[put(0, 1, 10, 1), put_if(2, 20, 0, Some(Done(2)))]);
    wrong(&[put_if(0, 10, 1, Some(Done(2)))]);
    // A refusal must tell the truth.
    wrong(&[put(0, 1, 10, 1), put_if(2, 20, 1, Some(Conflict(1)))]);
    wrong(&[put(0, 1, 10, 1), put_if(2, 20, 2, Some(Conflict(0)))]);
    wrong(&[put_if(0, 10, 3, Some(Conflict(2)))]);
}

#[test]
fn a_conditional_put_without_an_answer_may_be_done_where_its_version_is() {
    right(&[put_if(0, 10, 0, None), get(2, 3, Some((10, 1)))]);
    right(&[put_if(0, 10, 0, None), get(2, 3, None)]);
    wrong(&[
        put(0, 1, 10, 1),
        put_if(2, 20, 0, None),
        get(4, 5, Some((20, 2))),
    ]);
    // What was not answered gets its version from whoever sees it.
    right(&[
        lost_put(0, 10),
        put_if(2, 20, 1, Some(Conditional::Done(2))),
        get(4, 5, Some((20, 2))),
    ]);
}
