//! What a guest may use, and how often it may fail.

use std::ops::RangeInclusive;

/// What a guest may use, and how often it may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestLimits {
    /// The guest's linear memory, at most; of all its memories together.
    pub memory_bytes_max: u64,
    /// How long one batch may take, disk included.
    pub handle_timeout_ms: u64,
    /// How long opening the data directory may take.
    pub open_timeout_ms: u64,
    /// How long it waits for another actor's replies; `handle_timeout_ms` doesn't
    /// run meanwhile.
    pub request_timeout_ms: u64,
    /// How often the guest is started again in `restarts_window_ms`, at most.
    pub restarts_max: u32,
    /// See `restarts_max`.
    pub restarts_window_ms: u64,
}

impl GuestLimits {
    /// From one page to the most that a 32-bit guest can address.
    pub const MEMORY_BYTES_RANGE: RangeInclusive<u64> = 64 << 10..=4 << 30;
}

impl Default for GuestLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 2 << 30,
            handle_timeout_ms: 30_000,
            open_timeout_ms: 600_000,
            request_timeout_ms: 60_000,
            restarts_max: 5,
            restarts_window_ms: 60_000,
        }
    }
}
