//! How much is measured, and for how long.

use clap::ValueEnum;
use std::time::Duration;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Size {
    /// Everything, some ten minutes
    Full,
    /// Fewer keys and shorter runs, two minutes
    Quick,
    /// Each part once, for its own test: the figures mean nothing
    Smoke,
}

/// The numbers behind a size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How often each figure is measured.
    pub(crate) runs: usize,
    /// How long a run takes, and what comes before it.
    pub(crate) run_time: Duration,
    pub(crate) warm_up: Duration,
    /// For how long quiet is waited for, and runs are repeated, all in all.
    pub(crate) patience: Duration,
    /// Keys of 200-byte values.
    pub(crate) keys: u64,
    /// Records of 1 KB.
    pub(crate) records: u64,
    /// Keys in the engines in process.
    pub(crate) embedded_keys: u64,
    /// The numbers of keys over which cost is watched; the last but one is that
    /// of the opening.
    pub(crate) scale: &'static [u64],
    /// The sizes of large values, each with how many are put.
    pub(crate) large: &'static [(usize, usize)],
}

impl Size {
    pub(crate) fn plan(self) -> Plan {
        const MIB: usize = 1024 * 1024;
        match self {
            Self::Full => Plan {
                runs: 3,
                run_time: Duration::from_millis(1_500),
                warm_up: Duration::from_millis(300),
                patience: Duration::from_mins(3),
                keys: 1_000_000,
                records: 1_000_000,
                embedded_keys: 1_000_000,
                scale: &[1_000, 100_000, 1_000_000, 10_000_000],
                large: &[(MIB, 64), (16 * MIB, 8)],
            },
            Self::Quick => Plan {
                runs: 2,
                run_time: Duration::from_millis(250),
                warm_up: Duration::from_millis(50),
                patience: Duration::from_secs(30),
                keys: 100_000,
                records: 50_000,
                embedded_keys: 100_000,
                scale: &[1_000, 100_000, 1_000_000],
                large: &[(MIB, 16), (16 * MIB, 3)],
            },
            Self::Smoke => Plan {
                runs: 1,
                run_time: Duration::from_millis(20),
                warm_up: Duration::from_millis(5),
                patience: Duration::ZERO,
                keys: 1_000,
                records: 1_000,
                embedded_keys: 1_000,
                scale: &[1_000],
                large: &[(MIB, 1)],
            },
        }
    }
}
