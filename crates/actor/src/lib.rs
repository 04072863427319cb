//! The store as an actor: `ntwk:actor/actor` over the engine, its files those
//! of the one preopened directory.

mod bindings;
mod files;

use bindings::exports::ntwk::actor::actor::{Failure, Guest, Handled};
use files::WasiFiles;
use kv_engine::{Options, Outcome, Store};
use std::cell::RefCell;

thread_local! {
    /// The store, from `init` on. An instance has one thread.
    static STORE: RefCell<Option<Store<WasiFiles>>> = const { RefCell::new(None) };
}

/// The room for replies that is made before there is one.
const REPLIES_ROOM_BYTES_MAX: usize = 64 * 1024;

/// The exports; `bindings` hands them to the runtime.
pub(crate) struct Actor;

impl Guest for Actor {
    fn init(configuration: String) -> Result<String, Failure> {
        let options = Options::from_json(&configuration)
            .map_err(|refusal| failure(refusal.code.name(), refusal.message))?;
        let files = WasiFiles::preopened(None).map_err(|e| failure("storage", e.to_string()))?;
        let (store, report) =
            Store::open(files, options).map_err(|e| failure(e.code().name(), e.to_string()))?;
        STORE.set(Some(store));
        serde_json::to_string(&report).map_err(|e| failure("unavailable", e.to_string()))
    }

    fn handle(events: Vec<u8>, time_ms: u64) -> Handled {
        STORE.with_borrow_mut(|store| {
            // Room for short replies; longer ones let it grow.
            let mut replies = Vec::with_capacity(events.len().min(REPLIES_ROOM_BYTES_MAX));
            let Some(store) = store else {
                // Without a store there is nothing true to say about an event.
                return Handled {
                    replies,
                    changes: Vec::new(),
                    finished: true,
                    wake_at_ms: None,
                };
            };
            let outcome = store.handle(&events, time_ms, &mut replies);
            Handled {
                replies,
                changes: store.take_changes(),
                finished: outcome == Outcome::Finished,
                wake_at_ms: store.wake_at_ms(),
            }
        })
    }

    fn stop() {
        STORE.with_borrow_mut(|store| {
            if let Some(store) = store {
                store.stop();
            }
        });
    }
}

fn failure(code: &str, message: String) -> Failure {
    Failure {
        code: code.to_owned(),
        message,
    }
}
