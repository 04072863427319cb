//! The actor as the reactor uses it: with its figures, and with what must be
//! known of it between batches.

use crate::metrics::Metrics;
use kv_runtime::{Actor, Handled, Unavailable};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a guest that is down is tried again, or one that can't do what it
/// wants to be woken for, unless an event comes first.
const WAKE_AGAIN: Duration = Duration::from_secs(1);

/// The longest sleep until a wake: the clock may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_mins(1);

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

    /// Hands it a batch.
    pub(crate) fn call(&mut self, events: &[u8], count: usize) -> Called {
        let (begun, time_ms) = (Instant::now(), now_ms());
        let handled = self.actor.handle(events, count, time_ms);
        let answered = handled.as_ref().map_or(0, |handled| handled.answered);
        self.metrics.batch(begun.elapsed(), count, answered);
        self.metrics.syncs(self.actor.syncs());
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

    /// Hands it an empty batch, if it wants one now, or is down: who sends events
    /// only to a server that says it is ready would wait for ever.
    pub(crate) fn wake(&mut self) -> Option<Called> {
        if self.next_wake()? > Duration::ZERO {
            return None;
        }
        let was_serving = self.actor.is_serving();
        let called = self.call(b"", 0);
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
        Some(called)
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
