//! Answers every event with a line that is not UTF-8; for a batch with
//! `{"type":"unended"}`, echoes without the last line feed.

use kv_test_guests::{Failure, Guest, Handled, echo, has_event, lines, report};

/// The actor.
pub struct Garbage;

impl Guest for Garbage {
    fn init(configuration: String) -> Result<String, Failure> {
        Ok(report(&configuration))
    }

    fn handle(events: Vec<u8>, time_ms: u64) -> Handled {
        if has_event(&events, "unended") {
            let mut handled = echo(events, time_ms);
            handled.replies.pop();
            return handled;
        }
        Handled {
            replies: b"\xff\xfe\n".repeat(lines(&events).count()),
            changes: Vec::new(),
            finished: false,
            wake_at_ms: None,
        }
    }

    fn stop() {}
}

kv_test_guests::export!(Garbage);
