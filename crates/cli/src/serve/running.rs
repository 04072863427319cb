//! Actors on threads of their own, and their end in order.

use super::start;
use crate::failure::Failure;
use kv_runtime::{Manifest, Messages};
use kv_server::{Server, Shutdown};
use std::io;
use std::sync::mpsc::Sender;
use std::thread::{Builder, JoinHandle};

/// An actor that is being served.
pub(super) struct Running {
    name: String,
    requires: Vec<String>,
    shutdown: Shutdown,
    thread: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Starts an actor, says so, and serves it until it is asked to end; says on
    /// `end` when it has.
    pub(super) fn start(
        manifest: Manifest,
        server: Server,
        messages: Messages,
        end: Sender<()>,
    ) -> Result<Self, Failure> {
        let (name, requires) = (manifest.name.clone(), manifest.requires.clone());
        let actor = start::start(manifest, server.addresses(), messages)?;
        let shutdown = server.shutdown();
        let thread = Builder::new()
            .name(name.clone())
            .spawn(move || {
                let _ended = Ended(end);
                server.run(actor)
            })
            .map_err(|e| Failure::new(format!("a thread can't be started: {e}")))?;
        Ok(Self {
            name,
            requires,
            shutdown,
            thread,
        })
    }

    fn end(self) -> Result<(), Failure> {
        let failed = |e: &dyn std::fmt::Display| {
            Failure::new(format!("the server of `{}` has failed: {e}", self.name))
        };
        self.shutdown.ask().map_err(|e| failed(&e))?;
        match self.thread.join() {
            Ok(served) => served.map_err(|e| failed(&e)),
            Err(_) => Err(failed(&"it has panicked")),
        }
    }
}

/// Says that a thread has ended, by a panic too.
struct Ended(Sender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        // Who doesn't listen any more is ending everything.
        self.0.send(()).unwrap_or_default();
    }
}

/// Ends every actor, each before those that it requires: what it has begun it can
/// finish.
pub(super) fn end_all(mut running: Vec<Running>) -> Result<(), Failure> {
    let mut ended = Ok(());
    while !running.is_empty() {
        let is_required = |name: &String| running.iter().any(|other| other.requires.contains(name));
        // Where all are required, they require each other.
        let next = running.iter().position(|one| !is_required(&one.name));
        ended = ended.and(running.remove(next.unwrap_or(0)).end());
    }
    ended
}
