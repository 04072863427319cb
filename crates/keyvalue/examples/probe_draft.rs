//! An application that uses `wasi:keyvalue@0.2.0-draft` as its commands say.

#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "a native build is there to check the code")
)]

use bindings::wasi::keyvalue0_2_0_draft::atomics::increment;
use bindings::wasi::keyvalue0_2_0_draft::batch::{delete_many, get_many, set_many};
use bindings::wasi::keyvalue0_2_0_draft::store::{Error, open};
use commands::{Command, answers};
use serde_json::{Value, json};

mod commands;

/// What wit-bindgen makes of the world `probe-draft`.
#[allow(unsafe_code, clippy::pedantic, reason = "generated")]
mod bindings {
    #[cfg(target_arch = "wasm32")]
    use super::Probe;

    wit_bindgen::generate!({
        path: ["../../wit", "wit"],
        world: "ntwk:keyvalue/probe-draft",
        generate_all,
    });

    #[cfg(target_arch = "wasm32")]
    export!(Probe);
}

/// The application.
pub struct Probe;

impl bindings::Guest for Probe {
    fn run(commands: String) -> String {
        answers(&commands, answer)
    }
}

fn answer(command: &Command) -> Result<Value, Value> {
    let bucket = open(&command.bucket).map_err(refused)?;
    let key = command.key.as_str();
    Ok(match command.run.as_str() {
        "get" => json!(bucket.get(key).map_err(refused)?),
        "set" => json!(bucket.set(key, &command.value).map_err(refused)?),
        "delete" => json!(bucket.delete(key).map_err(refused)?),
        "exists" => json!(bucket.exists(key).map_err(refused)?),
        "list" => {
            let page = bucket.list_keys(command.cursor.as_u64()).map_err(refused)?;
            json!({"keys": page.keys, "cursor": page.cursor})
        }
        "increment" => {
            let delta = command.delta.cast_unsigned();
            json!(increment(&bucket, key, delta).map_err(refused)?)
        }
        "get_many" => json!(get_many(&bucket, &command.keys).map_err(refused)?),
        "set_many" => {
            let pairs = command
                .keys
                .iter()
                .map(|key| (key.clone(), command.value.clone()));
            json!(set_many(&bucket, &pairs.collect::<Vec<_>>()).map_err(refused)?)
        }
        "delete_many" => json!(delete_many(&bucket, &command.keys).map_err(refused)?),
        _ => return Err(json!("no such command")),
    })
}

fn refused(error: Error) -> Value {
    match error {
        Error::Other(message) => json!(message),
        Error::NoSuchStore => json!("no such store"),
        Error::AccessDenied => json!("access denied"),
    }
}
