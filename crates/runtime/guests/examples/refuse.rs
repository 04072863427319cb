//! Never begins: its `init` returns a failure. Configured with `{"trap":true}`
//! it traps instead, with `{"spin":true}` it loops for ever.

use kv_test_guests::{Failure, Guest, Handled, echo};

/// The actor.
pub struct Refuse;

impl Guest for Refuse {
    fn init(configuration: String) -> Result<String, Failure> {
        match configuration.as_str() {
            r#"{"trap":true}"# => std::process::abort(),
            r#"{"spin":true}"# => loop {
                std::hint::spin_loop();
            },
            _ => Err(Failure {
                code: "refused".to_owned(),
                message: "this actor never begins".to_owned(),
            }),
        }
    }

    fn handle(events: Vec<u8>, time_ms: u64) -> Handled {
        echo(events, time_ms)
    }

    fn stop() {}
}

kv_test_guests::export!(Refuse);
