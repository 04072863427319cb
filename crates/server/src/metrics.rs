//! Figures for Prometheus. No key, and nothing else that a client chooses, is
//! ever a label.

use kv_runtime::Actor;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::StoreFigures;

pub(crate) mod store;

/// The figures of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    events: Counter,
    unavailable: Counter,
    restarts: Counter,
    batch_events: Histogram,
    handle_seconds: Histogram,
    sync_seconds: Histogram,
    pub(crate) connections: Gauge,
    pub(crate) watchers: Gauge,
    serving: AtomicBool,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let events = Counter::default();
        let unavailable = Counter::default();
        let restarts = Counter::default();
        let batch_events = Histogram::new(exponential_buckets(1.0, 2.0, 13));
        let handle_seconds = Histogram::new(exponential_buckets(0.000_01, 2.0, 20));
        let sync_seconds = Histogram::new(exponential_buckets(0.000_01, 2.0, 20));
        let connections = Gauge::default();
        let watchers = Gauge::default();
        let mut registry = Registry::with_prefix("kv");
        registry.register("events", "Events answered by the actor", events.clone());
        registry.register(
            "events_unavailable",
            "Events that nobody answered",
            unavailable.clone(),
        );
        registry.register(
            "actor_restarts",
            "Times the guest was started again",
            restarts.clone(),
        );
        registry.register("batch_events", "Events in a batch", batch_events.clone());
        registry.register_with_unit(
            "handle",
            "Time of one call of the actor, with the syncs that it waited for",
            Unit::Seconds,
            handle_seconds.clone(),
        );
        registry.register_with_unit(
            "sync",
            "Time that the disk took to make a file or the directory durable",
            Unit::Seconds,
            sync_seconds.clone(),
        );
        registry.register(
            "line_connections",
            "Clients of the line front",
            connections.clone(),
        );
        registry.register(
            "watchers",
            "Clients and requests that are told changes",
            watchers.clone(),
        );
        Self {
            registry,
            events,
            unavailable,
            restarts,
            batch_events,
            handle_seconds,
            sync_seconds,
            connections,
            watchers,
            serving: AtomicBool::new(true),
        }
    }

    /// Counts a batch of `events_count`, of which `answered` were.
    pub(crate) fn batch(&self, elapsed: Duration, events_count: usize, answered: usize) {
        // An empty one only wakes the actor.
        if events_count == 0 {
            return;
        }
        self.handle_seconds.observe(elapsed.as_secs_f64());
        #[allow(clippy::cast_precision_loss, reason = "a batch has few events")]
        self.batch_events.observe(events_count as f64);
        self.events.inc_by(answered as u64);
        if answered == 0 {
            self.unavailable.inc_by(events_count as u64);
        }
    }

    /// Notes how long each sync of a batch took.
    pub(crate) fn syncs(&self, times: &[Duration]) {
        for time in times {
            self.sync_seconds.observe(time.as_secs_f64());
        }
    }

    /// Notes how the actor is.
    pub(crate) fn actor(&self, actor: &Actor) {
        let restarts = actor.restarts().saturating_sub(self.restarts.get());
        self.restarts.inc_by(restarts);
        self.serving.store(actor.is_serving(), Ordering::Relaxed);
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Relaxed)
    }

    /// The text that Prometheus reads; with the store's figures, where it has told
    /// them.
    pub(crate) fn text(&self, store: Option<&StoreFigures>) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        if let Some(store) = store {
            encode_registry(&mut text, &store.registry())?;
        }
        encode_eof(&mut text)?;
        Ok(text)
    }
}
