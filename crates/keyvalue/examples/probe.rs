//! An application that uses `wasi:keyvalue@0.2.0-draft2` as its commands say.

#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "a native build is there to check the code")
)]

use bindings::wasi::keyvalue0_2_0_draft2::atomics::{Cas, CasError, increment, swap};
use bindings::wasi::keyvalue0_2_0_draft2::batch::{delete_many, get_many, set_many};
use bindings::wasi::keyvalue0_2_0_draft2::store::{Bucket, Error, open};
use commands::{Command, answers};
use serde_json::{Value, json};
use std::cell::RefCell;

mod commands;

/// What wit-bindgen makes of the world `probe`.
#[allow(unsafe_code, clippy::pedantic, reason = "generated")]
mod bindings {
    #[cfg(target_arch = "wasm32")]
    use super::Probe;

    wit_bindgen::generate!({
        path: ["../../wit", "wit"],
        world: "ntwk:keyvalue/probe",
        generate_all,
    });

    #[cfg(target_arch = "wasm32")]
    export!(Probe);
}

/// The application.
pub struct Probe;

thread_local! {
    /// The handles of compare-and-swap, by number.
    static SEEN: RefCell<Vec<Option<Cas>>> = const { RefCell::new(Vec::new()) };
}

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
        "gets" => {
            for _ in 0..command.times {
                get_many(&bucket, &command.keys).map_err(refused)?;
            }
            Value::Null
        }
        "set" => json!(bucket.set(key, &command.value).map_err(refused)?),
        "delete" => json!(bucket.delete(key).map_err(refused)?),
        "exists" => json!(bucket.exists(key).map_err(refused)?),
        "list" => {
            let page = bucket.list_keys(command.text()).map_err(refused)?;
            json!({"keys": page.keys, "cursor": page.cursor})
        }
        "increment" => json!(increment(&bucket, key, command.delta).map_err(refused)?),
        "get_many" => json!(get_many(&bucket, &command.keys).map_err(refused)?),
        "set_many" => {
            let pairs = command
                .keys
                .iter()
                .map(|key| (key.clone(), command.value.clone()));
            json!(set_many(&bucket, &pairs.collect::<Vec<_>>()).map_err(refused)?)
        }
        "delete_many" => json!(delete_many(&bucket, &command.keys).map_err(refused)?),
        "see" => {
            let cas = Cas::new(&bucket, key).map_err(refused)?;
            let value = cas.current().map_err(refused)?;
            json!({"handle": keep(cas), "value": value})
        }
        "swap" => swapped(&bucket, command)?,
        _ => return Err(json!("no such command")),
    })
}

fn swapped(_bucket: &Bucket, command: &Command) -> Result<Value, Value> {
    let handle = SEEN.with_borrow_mut(|seen| seen.get_mut(command.handle).and_then(Option::take));
    match swap(
        handle.ok_or_else(|| json!("no such handle"))?,
        &command.value,
    ) {
        Ok(()) => Ok(Value::Null),
        Err(CasError::StoreError(error)) => Err(refused(error)),
        Err(CasError::CasFailed(cas)) => {
            let value = cas.current().map_err(refused)?;
            Ok(json!({"handle": keep(cas), "value": value}))
        }
    }
}

fn keep(cas: Cas) -> usize {
    SEEN.with_borrow_mut(|seen| {
        seen.push(Some(cas));
        seen.len() - 1
    })
}

fn refused(error: Error) -> Value {
    match error {
        Error::Other(message) => json!(message),
        Error::NoSuchStore => json!("no such store"),
        Error::AccessDenied => json!("access denied"),
    }
}
