//! Echoes, until `{"type":"spin"}` makes it loop for ever.

use kv_test_guests::{Failure, Guest, Handled, echo, has_event, report};

/// The actor.
pub struct Spin;

impl Guest for Spin {
    fn init(configuration: String) -> Result<String, Failure> {
        Ok(report(&configuration))
    }

    fn handle(events: Vec<u8>, time_ms: u64) -> Handled {
        if has_event(&events, "spin") {
            loop {
                std::hint::spin_loop();
            }
        }
        echo(events, time_ms)
    }

    fn stop() {}
}

kv_test_guests::export!(Spin);
