//! How long a batch waits for clients who were answered together, and come back one
//! by one.

use std::time::{Duration, Instant};

/// Behind each that comes, so long another one is waited for: a sync takes several
/// times as long.
const QUIET_MAX: Duration = Duration::from_micros(50);

/// And so long in all. Else clients that come at an even pace would make each batch as
/// large as the one before, and wait for it many times as long as for its sync.
const GATHERING_MAX: Duration = Duration::from_micros(500);

/// A batch that waits for more.
pub(super) struct Gathering {
    begun: Instant,
    latest_came: Instant,
}

impl Gathering {
    pub(super) fn begin(now: Instant) -> Self {
        Self {
            begun: now,
            latest_came: now,
        }
    }

    /// Whether it waits on; `has_come` says that somebody just has.
    pub(super) fn goes_on(&mut self, has_come: bool, now: Instant) -> bool {
        if has_come {
            self.latest_came = now;
        }
        now < self.begun + GATHERING_MAX && now < self.latest_came + QUIET_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long it waits, in steps of 10 us, if somebody comes as often as this.
    fn waited(come_every_us: u64) -> u64 {
        let begun = Instant::now();
        let mut gathering = Gathering::begin(begun);
        let mut times = (10..).step_by(10);
        let ended = times.find(|time_us| {
            let now = begun + Duration::from_micros(*time_us);
            !gathering.goes_on(time_us % come_every_us == 0, now)
        });
        ended.unwrap()
    }

    #[test]
    fn it_ends_once_nobody_comes_for_a_while() {
        assert_eq!([waited(1_000_000), waited(60)], [50, 50]);
    }

    #[test]
    fn it_ends_though_somebody_comes_again_and_again() {
        assert_eq!([waited(10), waited(40)], [500, 500]);
    }
}
