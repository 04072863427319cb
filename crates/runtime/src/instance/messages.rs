//! `ntwk:actor/messages` for a guest. Its deadline does not run while it waits;
//! what it may wait has a limit of its own.

use super::State;
use crate::messages::{Messages, RequestError};
use bindings::ntwk::actor::messages::{self, Host};
use std::time::{Duration, Instant};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Result, UpdateDeadline};

mod bindings {
    //! What wasmtime makes of wit/actor.wit.
    #![allow(missing_docs, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../../wit",
        interfaces: "import ntwk:actor/messages@0.1.0;",
    });
}

/// What a guest says to other actors.
pub(super) struct GuestMessages {
    messages: Messages,
    wait_max: Duration,
    /// How long it may still wait in this batch; nothing outside of one.
    wait_left: Option<Duration>,
    /// How long it has waited since its deadline was set.
    waited: Duration,
}

impl GuestMessages {
    pub(super) fn new(messages: Messages, request_timeout_ms: u64) -> Self {
        Self {
            messages,
            wait_max: Duration::from_millis(request_timeout_ms),
            wait_left: None,
            waited: Duration::ZERO,
        }
    }

    /// A batch begins.
    pub(super) fn open(&mut self) {
        self.wait_left = Some(self.wait_max);
        self.waited = Duration::ZERO;
    }

    /// The batch has ended.
    pub(super) fn close(&mut self) {
        self.wait_left = None;
    }

    /// The guest's time is up, but for the time that it has waited.
    pub(super) fn on_deadline(&mut self) -> UpdateDeadline {
        match std::mem::take(&mut self.waited) {
            Duration::ZERO => UpdateDeadline::Interrupt,
            waited => UpdateDeadline::Continue(super::Ticker::ticks(waited)),
        }
    }
}

impl Host for GuestMessages {
    fn request(
        &mut self,
        actor: String,
        events: Vec<u8>,
    ) -> std::result::Result<Vec<u8>, messages::RequestError> {
        let left = self.wait_left.ok_or(RequestError::NotHandling)?;
        let begun = Instant::now();
        let replies = self.messages.request(&actor, events, left);
        let waited = begun.elapsed();
        self.waited += waited;
        self.wait_left = Some(left.saturating_sub(waited));
        Ok(replies?)
    }

    fn send(
        &mut self,
        actor: String,
        events: Vec<u8>,
    ) -> std::result::Result<(), messages::RequestError> {
        if self.wait_left.is_none() {
            return Err(RequestError::NotHandling.into());
        }
        Ok(self.messages.send(&actor, events)?)
    }
}

impl From<RequestError> for messages::RequestError {
    fn from(error: RequestError) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.to_string(),
        }
    }
}

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    messages::add_to_linker::<State, HasSelf<GuestMessages>>(linker, |state| {
        // Others are told nothing that a crash could still take back.
        if !state.syncs.settle() {
            state.messages.close();
        }
        &mut state.messages
    })
}
