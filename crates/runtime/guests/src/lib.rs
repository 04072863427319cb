//! What the guest actors of the runtime's tests share: the bindings, and the
//! answer of a well-behaved actor, from which each guest departs in one way.

use std::sync::atomic::{AtomicU64, Ordering};

/// What wit-bindgen makes of the world `bare` of wit/actor.wit.
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "bare",
        pub_export_macro: true,
        default_bindings_module: "kv_test_guests::bindings",
    });
}

pub use bindings::exports::ntwk::actor::actor::{Failure, Guest, Handled};

/// Exports a guest as `ntwk:actor/actor`. Only in wasm: no native linker takes
/// such names, and a native build is there to check the code.
#[macro_export]
macro_rules! export {
    ($guest:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::export!($guest);
    };
}

/// The events that this instance has answered: a new instance begins at 0.
static EVENTS_COUNT: AtomicU64 = AtomicU64::new(0);

/// The report of an actor that has begun: what it was configured with.
#[must_use]
pub fn report(configuration: &str) -> String {
    format!(r#"{{"configuration":{configuration}}}"#)
}

/// The events of a batch, without their line feeds.
pub fn lines(events: &[u8]) -> impl Iterator<Item = &[u8]> {
    events
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// Whether some event of a batch is `{"type":"…"}`, written just so.
#[must_use]
pub fn has_event(events: &[u8], event_type: &str) -> bool {
    let event = format!(r#"{{"type":"{event_type}"}}"#);
    lines(events).any(|line| line == event.as_bytes())
}

/// Answers every event with itself, the time that came with it, and how many
/// this instance has answered. The changes are the events.
#[must_use]
pub fn echo(events: Vec<u8>, time_ms: u64) -> Handled {
    let mut replies = Vec::new();
    for line in lines(&events) {
        let count = EVENTS_COUNT.fetch_add(1, Ordering::Relaxed) + 1;
        replies.extend_from_slice(br#"{"status":"ok","event":"#);
        replies.extend_from_slice(line);
        let rest = format!(",\"time_ms\":{time_ms},\"count\":{count}}}\n");
        replies.extend_from_slice(rest.as_bytes());
    }
    Handled {
        replies,
        changes: events,
        finished: false,
        wake_at_ms: None,
    }
}
