//! The actor as the reactor uses it: with its figures, and with what must be
//! known of it between batches.

use crate::metrics::Metrics;
use kv_runtime::{Actor, Durability, Handled, Ticket, Unavailable};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a guest that is down is tried again, or one that can't do what it
/// wants to be woken for, unless an event comes first.
const WAKE_AGAIN: Duration = Duration::from_secs(1);

/// The longest sleep until a wake: the clock may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_mins(1);

/// Two threads that wait for each other are woken in less.
const GOES_ON_MIN: Duration = Duration::from_micros(100);

pub(crate) struct Guest {
    actor: Actor,
    metrics: Arc<Metrics>,
    /// When it wants a batch, though it be empty.
    wake_at_ms: Option<u64>,
    /// It is not woken before.
    wake_not_before: Instant,
    /// How often it was started again, as far as is known here.
    restarts: u64,
}

/// What a batch came to, and when.
pub(crate) struct Called {
    pub(crate) handled: Result<Handled, Unavailable>,
    pub(crate) time_ms: u64,
    /// Whether all is known that was changed.
    pub(crate) is_certain: bool,
}

impl Called {
    /// Whether each of so many events has its answer.
    pub(crate) fn is_answered(&self, events: usize) -> bool {
        let handled = self.handled.as_ref();
        handled.map_or(true, |handled| handled.answered == events)
    }
}

impl Guest {
    pub(crate) fn new(actor: Actor, metrics: Arc<Metrics>) -> Self {
        Self {
            actor,
            metrics,
            // A new guest has not said yet when it wants to be woken.
            wake_at_ms: Some(0),
            wake_not_before: Instant::now(),
            restarts: 0,
        }
    }

    /// Hands it a batch. If it may go ahead, what the replies say is durable only
    /// once [`Self::durability`] says so.
    pub(crate) fn call(&mut self, events: &[u8], count: usize, is_ahead: bool) -> Called {
        let (begun, time_ms) = (Instant::now(), now_ms());
        let handled = if is_ahead {
            self.actor.handle_ahead(events, count, time_ms)
        } else {
            self.actor.handle(events, count, time_ms)
        };
        let answered = handled.as_ref().map_or(0, |handled| handled.answered);
        self.metrics.batch(begun.elapsed(), count, answered);
        self.metrics.syncs(&self.actor.take_sync_times());
        self.metrics.actor(&self.actor);
        let restarts = self.actor.restarts();
        let before = std::mem::replace(&mut self.restarts, restarts);
        let is_certain = handled.is_ok() && restarts == before;
        self.wake_at_ms = match &handled {
            Ok(handled) if is_certain => handled.wake_at_ms,
            _ => Some(0),
        };
        Called {
            handled,
            time_ms,
            is_certain,
        }
    }

    /// Whether it has worked on behind the latest batch's sync, as a store does
    /// while it compacts, for longer than it takes to wake the thread that syncs.
    pub(crate) fn goes_on(&self) -> bool {
        self.actor.behind_sync() >= GOES_ON_MIN
    }

    /// The moment behind the latest batch.
    pub(crate) fn ticket(&self) -> Ticket {
        self.actor.ticket()
    }

    /// Whether everything is durable that was handled before a moment.
    pub(crate) fn durability(&mut self, ticket: Ticket) -> Durability {
        self.actor.durability(ticket)
    }

    /// Waits until nothing is under way to the disk.
    pub(crate) fn settle(&self) {
        self.actor.settle();
    }

    /// Whether it wants a batch now, though it be empty, or is down: who sends
    /// events only to a server that says it is ready would wait for ever.
    pub(crate) fn is_due(&self) -> bool {
        self.next_wake().is_some_and(|wait| wait.is_zero())
    }

    /// Hands it an empty batch.
    pub(crate) fn wake(&mut self) -> Called {
        let was_serving = self.actor.is_serving();
        let called = self.call(b"", 0, false);
        match &called.handled {
            Ok(_) if was_serving => {}
            Ok(_) => tracing::info!("the actor is up again"),
            Err(unavailable) => tracing::debug!(%unavailable, "the actor is down"),
        }
        let is_helped = matches!(&called.handled, Ok(handled) if !handled.changes.is_empty());
        let is_still_due = self.wake_at_ms.is_some_and(|due| due <= called.time_ms);
        if is_still_due && !is_helped {
            self.wake_not_before = Instant::now() + WAKE_AGAIN;
        }
        called
    }

    /// How long until it is to be woken.
    pub(crate) fn next_wake(&self) -> Option<Duration> {
        let wanted = Duration::from_millis(self.wake_at_ms?.saturating_sub(now_ms()));
        let allowed = self
            .wake_not_before
            .saturating_duration_since(Instant::now());
        Some(wanted.max(allowed).min(SLEEP_MAX))
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.actor.is_serving()
    }

    pub(crate) fn stop(self) {
        self.actor.stop();
    }
}

/// Milliseconds since the Unix epoch; 0 for a clock that is set before it.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        })
}
