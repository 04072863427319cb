//! Gives one reply too few; one too many for a batch with `{"type":"more"}`.

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
            let end = handled.replies.len().saturating_sub(1);
            let last = handled.replies[..end].iter().rposition(|b| *b == b'\n');
            handled
                .replies
                .truncate(last.map_or(0, |before| before + 1));
        }
        handled
    }
}

kv_test_guests::export!(Miscount);
