//! How actors reach each other: by name, where a manifest allows it, through the
//! mailbox. Who waits for whom is kept, so that actors which would wait for each
//! other for ever are told instead.

use crate::actor::Unavailable;
use crate::mailbox::{Answer, Mailbox, Posted, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most bytes of events in one message.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The actors of a runtime.
#[derive(Clone, Debug, Default)]
pub struct Peers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    mailboxes: BTreeMap<String, Mailbox>,
    /// For each actor that waits, the one it waits for.
    waiting: Mutex<BTreeMap<String, String>>,
}

/// What one actor may say to the others. The default has nobody to talk to.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    name: String,
    requires: BTreeSet<String>,
    peers: Peers,
}

impl Peers {
    /// All actors of the runtime, by their names.
    #[must_use]
    pub fn new(mailboxes: BTreeMap<String, Mailbox>) -> Self {
        Self(Arc::new(Shared {
            mailboxes,
            waiting: Mutex::default(),
        }))
    }

    /// What the actor `name` may say: to those that its manifest requires.
    #[must_use]
    pub fn messages(&self, name: &str, requires: &[String]) -> Messages {
        Messages {
            name: name.to_owned(),
            requires: requires.iter().cloned().collect(),
            peers: self.clone(),
        }
    }

    /// No code panics while it holds this lock.
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        let lock = self.0.waiting.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that `name` waits for `actor`, unless that one waits for it.
    fn begin_wait(&self, name: &str, actor: &str) -> Result<Wait<'_>, RequestError> {
        let mut waiting = self.waiting();
        let mut cycle = vec![name];
        let mut next = Some(actor);
        while let Some(waits) = next {
            cycle.push(waits);
            if waits == name {
                return Err(RequestError::Cycle(cycle.join(" → ")));
            }
            next = waiting.get(waits).map(String::as_str);
        }
        waiting.insert(name.to_owned(), actor.to_owned());
        Ok(Wait {
            peers: self,
            name: name.to_owned(),
        })
    }
}

/// An actor that waits for another one, until this is dropped.
struct Wait<'a> {
    peers: &'a Peers,
    name: String,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.peers.waiting().remove(&self.name);
    }
}

impl Messages {
    /// Hands events, a line each, to an actor, and waits for its replies, at most
    /// so long.
    ///
    /// # Errors
    /// [`RequestError`] says why there are none.
    pub fn request(
        &self,
        actor: &str,
        events: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<u8>, RequestError> {
        let mailbox = self.mailbox(actor, &events)?;
        let _wait = self.peers.begin_wait(&self.name, actor)?;
        let (sender, answered) = sync_channel::<Answer>(1);
        let (Posted::Waiting | Posted::Full | Posted::Closed) =
            mailbox.post(Request::new(events, move |answer| {
                // Who has waited too long is gone.
                sender.send(answer).unwrap_or_default();
            }));
        match answered.recv_timeout(timeout) {
            Ok(Ok(replies)) => Ok(replies),
            Ok(Err(unavailable)) => Err(RequestError::Unavailable(unavailable)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(RequestError::Unavailable(Unavailable::new(format!(
                    "`{actor}` has not answered in the time that is left of `request_timeout_ms`"
                ))))
            }
        }
    }

    /// Leaves events, a line each, for an actor; nobody learns what becomes of
    /// them.
    ///
    /// # Errors
    /// [`RequestError`] says why they can't be left.
    pub fn send(&self, actor: &str, events: Vec<u8>) -> Result<(), RequestError> {
        let unavailable = |reason| {
            RequestError::Unavailable(Unavailable::not_done(format!("`{actor}` {reason}")))
        };
        let mailbox = self.mailbox(actor, &events)?;
        match mailbox.post(Request::new(events, drop)) {
            Posted::Waiting => Ok(()),
            Posted::Full => Err(unavailable("has too many requests waiting")),
            Posted::Closed => Err(unavailable("was stopped")),
        }
    }

    fn mailbox(&self, actor: &str, events: &[u8]) -> Result<&Mailbox, RequestError> {
        if !self.requires.contains(actor) {
            return Err(RequestError::Forbidden(actor.to_owned()));
        }
        let Some(mailbox) = self.peers.0.mailboxes.get(actor) else {
            return Err(RequestError::NotFound(actor.to_owned()));
        };
        if events.len() > MESSAGE_BYTES_MAX {
            return Err(RequestError::TooLarge(events.len()));
        }
        if events.iter().all(|byte| *byte == b'\n') {
            return Err(RequestError::NoEvent);
        }
        Ok(mailbox)
    }
}

/// Why an actor gets no replies from another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// Its manifest doesn't require that one.
    Forbidden(String),
    /// There is none of that name.
    NotFound(String),
    /// That one waits for it: these would wait for each other.
    Cycle(String),
    /// Nobody answered.
    Unavailable(Unavailable),
    /// So many bytes are more than a message may have.
    TooLarge(usize),
    /// There is no event in the message.
    NoEvent,
    /// It is not handling a batch.
    NotHandling,
}

impl RequestError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forbidden(_) | Self::NotHandling => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Cycle(_) => "cycle",
            Self::Unavailable(_) => "unavailable",
            Self::TooLarge(_) => "too_large",
            Self::NoEvent => "invalid_event",
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(actor) => write!(
                formatter,
                "the manifest of this actor doesn't allow it to talk to `{actor}`; name it in `requires`"
            ),
            Self::NotFound(actor) => write!(
                formatter,
                "no actor `{actor}` is running here; give `serve` its manifest, too"
            ),
            Self::Cycle(cycle) => write!(
                formatter,
                "these actors would wait for each other for ever: {cycle}; the event was not carried out; \
                 use `send`, which doesn't wait, or try again where they seldom meet"
            ),
            Self::Unavailable(unavailable) => unavailable.fmt(formatter),
            Self::TooLarge(bytes) => write!(
                formatter,
                "the message has {bytes} bytes, more than {MESSAGE_BYTES_MAX}; send fewer events at once"
            ),
            Self::NoEvent => formatter.write_str("the message has no event; an event is a line"),
            Self::NotHandling => formatter.write_str(
                "an actor talks to others in `handle` only; wait for the first batch, which may be empty",
            ),
        }
    }
}

impl std::error::Error for RequestError {}

#[cfg(test)]
mod tests;
