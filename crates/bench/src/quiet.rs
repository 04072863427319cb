//! Whether anything else is busy on the machine, before a run and beside it. A
//! run that was not alone is rejected and repeated, for a limited time.

use crate::failure::Failure;
use std::time::{Duration, Instant};

/// The share of all cores that others may use before and beside a run.
const OTHERS_SHARE_MAX: f64 = 0.05;

/// How long the machine is watched before a run.
const WATCHED: Duration = Duration::from_millis(200);

/// How often a run is made at most.
const ATTEMPTS_MAX: usize = 4;

/// Sees to it that runs are alone.
#[derive(Debug)]
pub(crate) struct Quiet {
    /// For how long quiet may still be waited for, and runs be repeated.
    patience: Duration,
    pub(crate) rejected: usize,
}

/// A run, and the share of the machine that others used beside it.
#[derive(Debug)]
pub(crate) struct Alone<T> {
    pub(crate) result: T,
    pub(crate) others_share: f64,
    pub(crate) quiet: bool,
}

impl Quiet {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            rejected: 0,
        }
    }

    /// Makes a run when the machine is quiet, again if it did not stay so.
    pub(crate) fn run<T>(
        &mut self,
        name: &str,
        mut run: impl FnMut() -> Result<T, Failure>,
    ) -> Result<Alone<T>, Failure> {
        for attempt in 1.. {
            let quiet_before = self.wait();
            let (begun, before) = (Instant::now(), Ticks::now());
            let result = run()?;
            let others_share = Ticks::now().others_share_since(&before);
            let quiet = quiet_before && others_share <= OTHERS_SHARE_MAX;
            if quiet || self.patience.is_zero() || attempt == ATTEMPTS_MAX {
                return Ok(Alone {
                    result,
                    others_share,
                    quiet,
                });
            }
            self.rejected += 1;
            self.patience = self.patience.saturating_sub(begun.elapsed());
            eprintln!(
                "{name}: rejected and repeated, others used {:.0} % of the machine",
                others_share * 100.0
            );
        }
        unreachable!("the last attempt returns")
    }

    /// Waits until the machine is quiet; false where it did not become so.
    fn wait(&mut self) -> bool {
        loop {
            if self.patience.is_zero() {
                return false;
            }
            let before = Ticks::now();
            std::thread::sleep(WATCHED);
            if Ticks::now().others_share_since(&before) <= OTHERS_SHARE_MAX {
                return true;
            }
            self.patience = self.patience.saturating_sub(WATCHED);
        }
    }
}

/// Clock ticks of all cores since the machine was started.
#[derive(Debug)]
struct Ticks {
    all: u64,
    /// Of all processes, and of other machines on the same processor.
    busy: u64,
    /// Of this process and its children: the servers.
    ours: u64,
    /// Of the kernel's own threads, which write what we have written.
    kernel: u64,
}

impl Ticks {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let cores = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = cores
            .split_whitespace()
            .skip(1)
            .filter_map(|number| number.parse().ok())
            .collect();
        let at = |place: usize| ticks.get(place).copied().unwrap_or(0);
        let mut now = Self {
            // proc(5): behind the 8th, guests count twice.
            all: ticks.iter().take(8).sum(),
            // User, nice, system and stolen time; interrupts are whoever's.
            busy: at(0) + at(1) + at(2) + at(7),
            ours: 0,
            kernel: 0,
        };
        let ourselves = u64::from(std::process::id());
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            // A process may end while it is looked at.
            let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else {
                continue;
            };
            let Some((number, rest)) = stat.split_once(' ') else {
                continue;
            };
            // Behind the name, which may hold spaces: the 2nd is the parent, the
            // 12th to 15th are the time of the process and its ended children.
            let rest = rest.rsplit(") ").next().unwrap_or_default();
            let fields: Vec<u64> = rest
                .split(' ')
                .map(|field| field.parse().unwrap_or(0))
                .collect();
            let (Some(parent), Some(times)) = (fields.get(1), fields.get(11..15)) else {
                continue;
            };
            if *parent == ourselves || number.parse() == Ok(ourselves) {
                now.ours += times.iter().sum::<u64>();
            } else if *parent == 2 {
                now.kernel += times.iter().sum::<u64>();
            }
        }
        now
    }

    #[allow(clippy::cast_precision_loss, reason = "a share needs no more digits")]
    fn others_share_since(&self, before: &Self) -> f64 {
        let others = (self.busy - before.busy)
            .saturating_sub(self.ours.saturating_sub(before.ours))
            .saturating_sub(self.kernel.saturating_sub(before.kernel));
        others as f64 / (self.all - before.all).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_beside_others_is_repeated_while_there_is_patience() {
        let share = |others: u64| {
            let before = Ticks {
                all: 0,
                busy: 0,
                ours: 0,
                kernel: 0,
            };
            let after = Ticks {
                all: 1000,
                busy: 500 + others,
                ours: 400,
                kernel: 100,
            };
            after.others_share_since(&before)
        };
        assert!(share(0) < 1e-9 && (share(100) - 0.1).abs() < 1e-9);
        let mut quiet = Quiet::new(Duration::ZERO);
        let mut runs = 0;
        let alone = quiet.run("test", || {
            runs += 1;
            Ok(runs)
        });
        assert_eq!((alone.unwrap().result, quiet.rejected), (1, 0));
    }

    #[test]
    fn this_process_is_not_another() {
        let before = Ticks::now();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(50) {}
        let after = Ticks::now();
        assert!(after.ours > before.ours && after.all > before.all);
    }
}
