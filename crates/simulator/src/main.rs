//! `kv-simulator`: runs seeds, and replays one that has failed.

use clap::Parser;
use kv_simulator::Failure;
use kv_simulator::history::History;
use kv_simulator::points::every_point;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The steps of a random history.
const STEPS: u64 = 60;

/// How many histories there are between two lines of figures.
const TOLD_EVERY: u64 = 1000;

/// Simulates crashes and faults against the storage engine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Replay one seed, telling each step
    #[arg(long)]
    seed: Option<u64>,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many random histories to run
    #[arg(long, default_value_t = 0)]
    histories: u64,
    /// How many short histories to end at every call
    #[arg(long, default_value_t = 0)]
    every_point: u64,
    /// How many states of the disk to try at each of these calls
    #[arg(long, default_value_t = 3)]
    variants: u64,
    /// Stop after so many minutes
    #[arg(long)]
    minutes: Option<u64>,
}

/// What has been done, by all threads.
#[derive(Debug, Default)]
struct Done {
    histories: AtomicU64,
    every_point_histories: AtomicU64,
    points: AtomicU64,
    variants: AtomicU64,
    distinct: AtomicU64,
    operations: AtomicU64,
    crashes: AtomicU64,
    failed: AtomicBool,
}

impl Done {
    fn figures(&self) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        format!(
            "{{\"histories\":{},\"every_point_histories\":{},\"points\":{},\"variants\":{},\"distinct\":{},\"operations\":{},\"crashes\":{}}}",
            count(&self.histories),
            count(&self.every_point_histories),
            count(&self.points),
            count(&self.variants),
            count(&self.distinct),
            count(&self.operations),
            count(&self.crashes),
        )
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = Done::default();
    if let Some(seed) = arguments.seed {
        history(seed, true, &done);
        points(seed, arguments.variants, &done);
    } else {
        run(&arguments, &done);
    }
    println!("{}", done.figures());
    if done.failed.load(Ordering::Relaxed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Shares the seeds between the processors; stops at the first failure.
fn run(arguments: &Arguments, done: &Done) {
    let end = arguments
        .minutes
        .map(|minutes| Instant::now() + Duration::from_mins(minutes));
    let next = AtomicU64::new(0);
    let jobs = arguments.histories + arguments.every_point;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    // A long run that is broken off has told how far it came.
                    if job > 0 && job.is_multiple_of(TOLD_EVERY) {
                        eprintln!("{}", done.figures());
                    }
                    let is_late = end.is_some_and(|end| Instant::now() > end);
                    if job >= jobs || is_late || done.failed.load(Ordering::Relaxed) {
                        return;
                    }
                    // By turns, so that a run that is stopped early has both.
                    let pairs = arguments.histories.min(arguments.every_point);
                    let (number, is_history) = if job < 2 * pairs {
                        (job / 2, job.is_multiple_of(2))
                    } else {
                        (job - pairs, arguments.histories > arguments.every_point)
                    };
                    if is_history {
                        history(arguments.from + number, false, done);
                    } else {
                        points(arguments.from + number, arguments.variants, done);
                    }
                }
            });
        }
    });
}

fn history(seed: u64, told: bool, done: &Done) {
    check(seed, done, || {
        let mut history = History::new(seed);
        history.told = told;
        let outcome = history.run(STEPS);
        if told {
            eprintln!("trace {:016x}", history.trace());
        }
        outcome.map(|()| (history.operations, history.crashes))
    })
    .inspect(|(operations, crashes)| {
        done.histories.fetch_add(1, Ordering::Relaxed);
        done.operations.fetch_add(*operations, Ordering::Relaxed);
        done.crashes.fetch_add(*crashes, Ordering::Relaxed);
    });
}

fn points(seed: u64, variants: u64, done: &Done) {
    check(seed, done, || every_point(seed, variants)).inspect(|tried| {
        done.every_point_histories.fetch_add(1, Ordering::Relaxed);
        done.points.fetch_add(tried.points, Ordering::Relaxed);
        done.variants.fetch_add(tried.variants, Ordering::Relaxed);
        done.distinct.fetch_add(tried.distinct, Ordering::Relaxed);
        done.operations
            .fetch_add(tried.operations, Ordering::Relaxed);
    });
}

/// Runs something that must neither fail nor panic; else says how to repeat it.
fn check<T>(
    seed: u64,
    done: &Done,
    run: impl FnOnce() -> Result<T, Failure> + std::panic::UnwindSafe,
) -> Option<T> {
    let failure = match catch_unwind(run) {
        Ok(Ok(value)) => return Some(value),
        Ok(Err(Failure(what))) => what,
        Err(_) => "the engine panicked".to_owned(),
    };
    done.failed.store(true, Ordering::Relaxed);
    eprintln!("seed {seed}: {failure}\nreplay it with: make sim SEED={seed}");
    None
}
