//! Gives no reply at all; one too many for a batch with `{"type":"more"}`.

use kv_test_guests::{Failure, Guest, Handled, echo, has_event, report};

/// The actor.
pub struct Miscount;

impl Guest for Miscount {
    fn init(configuration: String) -> Result<String, Failure> {
        Ok(report(&configuration))
    }

    fn handle(events: Vec<u8>, time_ms: u64) -> Handled {
        let more = has_event(&events, "more");
        let mut handled = echo(events, time_ms);
        if more {
            handled.replies.extend_from_slice(b"{}\n");
        } else {
            handled.replies.clear();
        }
        handled
    }

    fn stop() {}
}

kv_test_guests::export!(Miscount);
