//! The well-behaved actor: answers every event with itself.

use kv_test_guests::{Failure, Guest, Handled, echo, report};

/// The actor.
pub struct Echo;

impl Guest for Echo {
    fn init(configuration: String) -> Result<String, Failure> {
        Ok(report(&configuration))
    }

    fn handle(events: Vec<u8>, time_ms: u64) -> Handled {
        echo(events, time_ms)
    }

    fn stop() {}
}

kv_test_guests::export!(Echo);
