//! Echoes, until `{"type":"allocate"}` makes it take memory until it gets no
//! more, and then trap.

use kv_test_guests::{Failure, Guest, Handled, echo, has_event, report};

const BLOCK_BYTES: usize = 1024 * 1024;

/// The actor.
pub struct Allocate;

impl Guest for Allocate {
    fn init(configuration: String) -> Result<String, Failure> {
        Ok(report(&configuration))
    }

    fn handle(events: Vec<u8>, time_ms: u64) -> Handled {
        if has_event(&events, "allocate") {
            take_all_memory();
        }
        echo(events, time_ms)
    }

    fn stop() {}
}

fn take_all_memory() -> ! {
    let mut taken = Vec::new();
    loop {
        let mut block = Vec::new();
        if block.try_reserve_exact(BLOCK_BYTES).is_err() {
            std::process::abort();
        }
        // Written to, or the system would never have to provide it.
        block.resize(BLOCK_BYTES, 1_u8);
        taken.push(std::hint::black_box(block));
    }
}

kv_test_guests::export!(Allocate);
