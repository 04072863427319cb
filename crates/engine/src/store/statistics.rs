//! How the store stands.

use super::Store;
use crate::files::Files;
use kv_protocol::reply;

impl<F: Files> Store<F> {
    /// Tells the figures of the store.
    pub(super) fn tell_statistics(&mut self, id: Option<&str>, replies: &mut Vec<u8>) {
        let live_bytes = self.index.live_bytes();
        let log_bytes = self.writer.log_bytes();
        let cached = self.cache.statistics();
        // Where the oldest segment can't be read, nothing is known of history.
        let oldest = self.oldest_version().ok();
        reply::members(replies, id, |members| {
            for (name, value) in [
                ("version", self.writer.version()),
                ("keys", self.index.keys_count() as u64),
                ("contents", self.index.contents_count() as u64),
                ("expiring_keys", self.index.expiries_count() as u64),
                ("segments", self.writer.segments_count() as u64),
                ("log_bytes", log_bytes),
                ("live_bytes", live_bytes),
                ("dead_bytes", log_bytes.saturating_sub(live_bytes)),
                ("cache_bytes", cached.bytes as u64),
                ("cache_hits", cached.hits),
                ("cache_misses", cached.misses),
            ] {
                members.number(name, value);
            }
            if let Some(oldest) = oldest {
                members.number("history_since", oldest);
            }
            if let Some(damage) = self.damage() {
                members.string("damage", &damage.to_string());
            }
        });
    }
}
