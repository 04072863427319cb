//! The figures of the store itself, from its reply to `stats`.

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use serde::Deserialize;

/// What is known of the store at one moment.
#[derive(Debug, Deserialize)]
pub(crate) struct StoreFigures {
    version: i64,
    keys: i64,
    contents: i64,
    expiring_keys: i64,
    segments: i64,
    live_bytes: i64,
    dead_bytes: i64,
    cache_bytes: i64,
    cache_hits: u64,
    cache_misses: u64,
}

impl StoreFigures {
    /// The figures as Prometheus has them.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("kv");
        for (name, help, figure) in [
            ("version", "The version of the last change", self.version),
            ("keys", "Keys that have a value", self.keys),
            ("contents", "Content objects", self.contents),
            (
                "expiring_keys",
                "Keys whose time is limited",
                self.expiring_keys,
            ),
            ("segments", "Segments of the log", self.segments),
        ] {
            registry.register(name, help, ConstGauge::new(figure));
        }
        for (name, help, figure) in [
            ("live", "What counts of the log", self.live_bytes),
            (
                "dead",
                "What compaction may reclaim of the log",
                self.dead_bytes,
            ),
            ("cache", "Values in the cache", self.cache_bytes),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(figure));
        }
        for (name, help, figure) in [
            (
                "cache_hits",
                "Reads that the cache answered",
                self.cache_hits,
            ),
            (
                "cache_misses",
                "Reads that the disk answered",
                self.cache_misses,
            ),
        ] {
            registry.register(name, help, ConstCounter::new(figure));
        }
        registry
    }
}
