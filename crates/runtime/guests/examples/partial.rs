//! Echoes, but answers only the first event of each batch: the runtime has to
//! hand in the others again.

use kv_test_guests::{Failure, Guest, Handled, echo, report};

/// The actor.
pub struct Partial;

impl Guest for Partial {
    fn init(configuration: String) -> Result<String, Failure> {
        Ok(report(&configuration))
    }

    fn handle(mut events: Vec<u8>, time_ms: u64) -> Handled {
        let first = events.iter().position(|byte| *byte == b'\n');
        events.truncate(first.map_or(events.len(), |end| end + 1));
        echo(events, time_ms)
    }

    fn stop() {}
}

kv_test_guests::export!(Partial);
