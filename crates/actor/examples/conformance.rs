//! Runs the conformance suite of the engine's files on the actor's, inside a
//! component: `init` with `{"suite":"conforms"}` or `{"suite":"stays_inside"}`.
//! An assertion that fails traps; what it said goes into a file `failure`.

use bindings::exports::ntwk::actor::actor::{Failure, Guest, Handled};
use files::WasiFiles;
use kv_engine::files::{File as _, Files as _};

#[path = "../src/bindings.rs"]
mod bindings;
#[path = "../../engine/tests/engine/common/conformance.rs"]
mod conformance;
#[path = "../src/files.rs"]
mod files;

/// The suite as an actor.
pub struct Actor;

impl Guest for Actor {
    fn init(configuration: String) -> Result<String, Failure> {
        let failure = |message: String| Failure {
            code: "storage".to_owned(),
            message,
        };
        let files = WasiFiles::preopened(None).map_err(|e| failure(e.to_string()))?;
        std::panic::set_hook(Box::new(|panic| {
            if let Ok(files) = WasiFiles::preopened(None)
                && let Ok(mut file) = files.create("failure")
            {
                // The trap that follows tells it all the same.
                drop(file.write_at(0, panic.to_string().as_bytes()));
            }
        }));
        match configuration.as_str() {
            r#"{"suite":"conforms"}"# => conformance::conforms(&files),
            r#"{"suite":"stays_inside"}"# => conformance::stays_inside(&files),
            other => return Err(failure(format!("{other} names no suite"))),
        }
        Ok(configuration)
    }

    fn handle(_events: Vec<u8>, _time_ms: u64) -> Handled {
        Handled {
            replies: Vec::new(),
            changes: Vec::new(),
            finished: true,
            wake_at_ms: None,
        }
    }

    fn stop() {}
}
