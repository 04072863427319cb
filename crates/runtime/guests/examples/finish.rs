//! Echoes, and is finished with the batch that has `{"type":"finish"}`.

use kv_test_guests::{Failure, Guest, Handled, echo, has_event, report};

/// The actor.
pub struct Finish;

impl Guest for Finish {
    fn init(configuration: String) -> Result<String, Failure> {
        Ok(report(&configuration))
    }

    fn handle(events: Vec<u8>, time_ms: u64) -> Handled {
        let finished = has_event(&events, "finish");
        Handled {
            finished,
            ..echo(events, time_ms)
        }
    }

    fn stop() {}
}

kv_test_guests::export!(Finish);
