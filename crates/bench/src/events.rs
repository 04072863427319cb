//! Batches of events as the runtime hands them to the actor, made before they
//! are timed.

use crate::failure::Failure;
use crate::protocol::{Protocol, Wire};
use crate::random::Random;
use crate::requests::Operation;
use crate::values::Values;
use kv_engine::files::Files;
use kv_engine::{Outcome, Store};
use memchr::memchr_iter;

/// Any time will do for a batch: it is only written down.
pub(crate) const TIME_MS: u64 = 1_700_000_000_000;

/// Events with such values.
pub(crate) fn lines(values: Values) -> Wire {
    Wire::new(Protocol::Lines, values)
}

/// Events of one operation, a line each.
pub(crate) fn batch(
    wire: &Wire,
    operation: Operation,
    numbers: impl IntoIterator<Item = u64>,
) -> Vec<u8> {
    let mut events = Vec::new();
    for number in numbers {
        wire.write(&mut events, operation, number);
    }
    events
}

/// So many batches of random keys.
pub(crate) fn batches(
    operation: Operation,
    keys: u64,
    events_each: usize,
    count: usize,
    random: &mut Random,
) -> Vec<Vec<u8>> {
    let wire = lines(Values::small());
    (0..count)
        .map(|_| {
            batch(
                &wire,
                operation,
                (0..events_each).map(|_| random.below(keys)),
            )
        })
        .collect()
}

/// Hands a batch to an engine, and checks that all of it was answered, none of it
/// by an error.
pub(crate) fn handle<F: Files>(
    store: &mut Store<F>,
    events: &[u8],
    count: usize,
    replies: &mut Vec<u8>,
) -> Result<(), Failure> {
    replies.clear();
    match store.handle(events, TIME_MS, replies) {
        Outcome::Serving => check(replies, count),
        Outcome::Finished => Err(Failure::new("the engine can't go on")),
    }
}

/// Checks that so many events were all answered, none by an error.
pub(crate) fn check(replies: &[u8], events: usize) -> Result<(), Failure> {
    let mut begin = 0;
    let mut count = 0;
    for end in memchr_iter(b'\n', replies) {
        let reply = &replies[begin..end];
        if !reply.starts_with(b"{\"status\":\"ok\"") {
            let reply = String::from_utf8_lossy(reply);
            return Err(Failure::new(format!("the store has answered {reply}")));
        }
        (begin, count) = (end + 1, count + 1);
    }
    if count == events {
        return Ok(());
    }
    Err(Failure::new(format!("{count} replies to {events} events")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_answered_rightly_is_noticed() {
        let ok = b"{\"status\":\"ok\",\"key\":\"a\"}\n";
        assert!(check(&ok.repeat(3), 3).is_ok());
        assert!(check(&ok.repeat(2), 3).is_err());
        assert!(check(b"{\"status\":\"error\"}\n", 1).is_err());
    }

    #[test]
    fn batches_are_of_the_stated_length_and_differ() {
        let made = batches(Operation::Get, 1000, 16, 4, &mut Random::new(1));
        assert_eq!(made.len(), 4);
        assert!(
            made.iter()
                .all(|batch| memchr_iter(b'\n', batch).count() == 16)
        );
        assert_ne!(made[0], made[1]);
    }
}
