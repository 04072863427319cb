//! Appends every event to the file `log` and syncs it, once a batch, as a store
//! does; then echoes, and ends after `{"type":"finish"}`. It believes what it is told: without an error, it is durable.

use bindings::exports::ntwk::actor::actor::{Failure, Guest, Handled};
use bindings::wasi::filesystem::preopens::get_directories;
use bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};
use std::cell::RefCell;

/// What wit-bindgen makes of the world `store` of wit/actor.wit.
#[allow(unsafe_code, clippy::pedantic, reason = "generated")]
mod bindings {
    #[cfg(target_arch = "wasm32")]
    use super::Append;

    wit_bindgen::generate!({
        path: "../../../wit",
        world: "store",
        generate_all,
    });

    #[cfg(target_arch = "wasm32")]
    export!(Append with_types_in self);
}

/// The actor.
pub struct Append;

impl Guest for Append {
    fn init(configuration: String) -> Result<String, Failure> {
        Ok(kv_test_guests::report(&configuration))
    }

    fn handle(events: Vec<u8>, time_ms: u64) -> Handled {
        let is_last = kv_test_guests::has_event(&events, "finish");
        let finished = append(&events).is_err() || is_last;
        let echoed = kv_test_guests::echo(events, time_ms);
        Handled {
            replies: echoed.replies,
            changes: echoed.changes,
            finished,
            wake_at_ms: None,
        }
    }

    fn stop() {}
}

thread_local! {
    /// The file, once it is open. An instance has one thread.
    static LOG: RefCell<Option<Descriptor>> = const { RefCell::new(None) };
}

fn open() -> Result<Descriptor, ErrorCode> {
    let mut directories = get_directories();
    let (directory, _) = directories.pop().ok_or(ErrorCode::NoEntry)?;
    directory.open_at(
        PathFlags::empty(),
        "log",
        OpenFlags::CREATE,
        DescriptorFlags::READ | DescriptorFlags::WRITE,
    )
}

/// Does not care whether the write succeeds: a pipe takes none at an offset. What
/// counts is the sync.
fn append(events: &[u8]) -> Result<(), ErrorCode> {
    LOG.with_borrow_mut(|open_log| {
        let log = match open_log {
            Some(log) => log,
            None => open_log.insert(open()?),
        };
        log.write(events, log.stat()?.size).ok();
        log.sync_data()
    })
}
