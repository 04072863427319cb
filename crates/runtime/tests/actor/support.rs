//! What these tests share: guests, a folder to run them in, events.

use kv_runtime::{Actor, ActorSettings, GuestLimits, Handled, Messages, StartError, Unavailable};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with a place for data in it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// How to run a guest on this folder's data.
    pub(crate) fn settings(&self, guest: &str) -> ActorSettings {
        ActorSettings {
            name: guest.to_owned(),
            component: component(guest),
            data: self.data(),
            configuration: "{}".to_owned(),
            limits: GuestLimits::default(),
            messages: Messages::default(),
            compiled: None,
        }
    }

    pub(crate) fn start(&self, guest: &str) -> Actor {
        Actor::start(self.settings(guest)).unwrap()
    }

    pub(crate) fn start_with(&self, guest: &str, limits: GuestLimits) -> Actor {
        Actor::start(ActorSettings {
            limits,
            ..self.settings(guest)
        })
        .unwrap()
    }

    /// Why other bytes can't be run in a guest's place.
    pub(crate) fn refuses(&self, component: &[u8]) -> StartError {
        Actor::start(ActorSettings {
            component: component.to_vec(),
            ..self.settings("guest-echo")
        })
        .unwrap_err()
    }
}

/// A guest's bytes.
pub(crate) fn component(guest: &str) -> Vec<u8> {
    let path = format!(
        "{}/../../target/component/{guest}.wasm",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}: run `make component`"))
}

/// Hands over events, each a line.
pub(crate) fn hand(actor: &mut Actor, events: &[&str]) -> Result<Handled, Unavailable> {
    let lines = events.iter().map(|event| format!("{event}\n"));
    actor.handle(lines.collect::<String>().as_bytes(), events.len(), 7)
}

/// The reply to one event.
pub(crate) fn ask(actor: &mut Actor, event: &str) -> Result<Value, Unavailable> {
    let handled = hand(actor, &[event])?;
    assert_eq!(handled.answered, 1);
    Ok(serde_json::from_slice(&handled.replies).unwrap())
}

/// How many events this instance has answered: 1 for a new one.
pub(crate) fn count(actor: &mut Actor) -> u64 {
    ask(actor, "{}").unwrap()["count"].as_u64().unwrap()
}
