//! Counts when a guest was started again, so that one which always fails does
//! not keep the machine busy.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When a guest was started again.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    total: u64,
    recent: VecDeque<Instant>,
}

impl Restarts {
    /// Whether one more is allowed now; if so, it is counted.
    pub(super) fn allow(&mut self, now: Instant, max: u32, window: Duration) -> bool {
        while self
            .recent
            .front()
            .is_some_and(|then| now.duration_since(*then) >= window)
        {
            self.recent.pop_front();
        }
        if self.recent.len() >= max as usize {
            return false;
        }
        self.recent.push_back(now);
        self.total += 1;
        true
    }

    /// How many there were in all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_counted_in_a_window_that_moves_on() {
        let mut restarts = Restarts::default();
        let (start, window) = (Instant::now(), Duration::from_secs(10));
        let mut at = |seconds| restarts.allow(start + Duration::from_secs(seconds), 2, window);
        assert!(at(0) && at(5) && !at(6) && !at(9));
        assert!(at(10) && !at(14) && at(15));
        assert_eq!(restarts.total(), 4);
        assert!(!Restarts::default().allow(start, 0, window));
    }
}
