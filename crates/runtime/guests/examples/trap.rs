//! Echoes, until `{"type":"trap"}` makes it trap.

use kv_test_guests::{Failure, Guest, Handled, echo, has_event, report};

/// The actor.
pub struct Trap;

impl Guest for Trap {
    fn init(configuration: String) -> Result<String, Failure> {
        Ok(report(&configuration))
    }

    fn handle(events: Vec<u8>, time_ms: u64) -> Handled {
        if has_event(&events, "trap") {
            // In wasm: the instruction `unreachable`.
            std::process::abort();
        }
        echo(events, time_ms)
    }

    fn stop() {}
}

kv_test_guests::export!(Trap);
