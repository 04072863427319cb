//! The engine in process beside fjall, redb and `SQLite`: figure 4.

use super::component::each;
use super::{Part, latency_figures};
use crate::failure::Failure;
use crate::load::{latencies, record};
use crate::random::Random;
use crate::results::{Bound, Figures, Point, Target};
use crate::session::Session;
use crate::values::{KEY_BYTES, key, scattered};
use group::Group;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

mod bare;
mod fjall;
mod group;
mod ours;
mod redb;
mod sqlite;

pub(super) const METHOD: &str = "In this process, without a front. In batches: one thread commits 64 \
    puts at a time as one durable unit (a batch of the store's, fjall's write batch, one \
    transaction of redb and SQLite). 64 threads: each puts one key, waits until it is durable, and \
    goes on; all engines behind the same group commit, in which the first writer that finds the \
    engine free commits for all that wait; fjall also without it, by its own \
    (an insert and `persist` in each thread). Durable is `fdatasync` or more before the return: \
    fjall `SyncAll`, redb `Immediate`, SQLite WAL with `synchronous=FULL`; every put changes its \
    value. Each has 512 MiB of \
    cache. Gets: one thread, uniform keys; in batches, 64 in one call, or in one read transaction. \
    The bare log and map is no store, but says what the disk and memory alone allow: as many bytes \
    as the store's log takes are appended, over room as the store does, and synced, and a hash map \
    holds every value.";

const OURS: &str = "engine";
const BARE: &str = "bare log and map";
const FJALL: &str = "fjall";
const FJALL_ALONE: &str = "fjall, its own commits";
const REDB: &str = "redb";
const SQLITE: &str = "sqlite";

const WRITERS: usize = 64;
const BATCH: usize = 64;

/// The cache of each.
const CACHE_BYTES: usize = 512 * 1024 * 1024;

const PUT_BATCHES: &str = "durable put, batches of 64";
const PUT_THREADS: &str = "durable put, 64 threads";
const GET: &str = "get, one thread";
const GET_BATCHES: &str = "get, one thread, batches of 64";

/// An engine in this process, used from many threads.
trait Engine: Sync {
    fn name(&self) -> &'static str;

    /// Puts these keys as one unit that is durable when this returns. The values
    /// bear the revision.
    fn put(&self, numbers: &[u64], revision: u64) -> Result<(), Failure>;

    /// Puts one key, durably, in the engine's own way of doing so from many
    /// threads at once; nothing where it has none.
    fn put_alone(&self, _number: u64, _revision: u64) -> Option<Result<(), Failure>> {
        None
    }

    /// Gets these keys, and checks what it gets.
    fn get(&self, numbers: &[u64]) -> Result<(), Failure>;
}

/// Writes a revision into the end of a value. A put must change something: where
/// it would not, `SQLite` writes nothing, and syncs nothing.
fn revise(value: &mut [u8], revision: u64) {
    const DIGITS: usize = 16;
    let end = value.len() - 1;
    value[end - DIGITS..end].copy_from_slice(&key(revision)[KEY_BYTES - DIGITS..]);
}

/// Whether a value is there and is of its key. The key that begins it says so;
/// a longer comparison would take its time on all sides.
fn check_value(value: Option<&[u8]>, number: u64) -> Result<(), Failure> {
    let key = key(number);
    match value {
        Some(value) if value.len() == 200 && value[1..].starts_with(&key) => Ok(()),
        _ => Err(Failure::new(format!(
            "a wrong value under {}",
            String::from_utf8_lossy(&key)
        ))),
    }
}

fn point(workload: &str, subject: &'static str) -> Point {
    Point::new(Part::Embedded, workload, subject)
}

pub(super) fn targets() -> Vec<Target> {
    let target = |workload: &str, rival, least| Target {
        number: 4,
        name: format!("in process: {workload}"),
        figure: "per_second",
        ours: point(workload, OURS),
        beside: Some(point(workload, rival)),
        bound: Bound::RatioAtLeast(least),
    };
    vec![
        target(PUT_BATCHES, FJALL, 1.3),
        target(PUT_BATCHES, REDB, 4.0),
        target(PUT_BATCHES, SQLITE, 4.0),
        target(PUT_THREADS, FJALL, 1.3),
        target(PUT_THREADS, FJALL_ALONE, 1.3),
        target(PUT_THREADS, REDB, 4.0),
        target(PUT_THREADS, SQLITE, 4.0),
        target(GET, REDB, 2.0),
        target(GET_BATCHES, REDB, 2.0),
    ]
}

pub(super) fn run(session: &mut Session) -> Result<(), Failure> {
    let plan = session.plan;
    let engines: [Box<dyn Engine>; 5] = [
        Box::new(ours::Ours::open(&session.folder("embedded-ours")?)?),
        Box::new(bare::Bare::open(&session.folder("embedded-bare")?)?),
        Box::new(fjall::Fjall::open(&session.folder("embedded-fjall")?)?),
        Box::new(redb::Redb::open(&session.folder("embedded-redb")?)?),
        Box::new(sqlite::Sqlite::open(&session.folder("embedded-sqlite")?)?),
    ];
    let numbers: Vec<_> = scattered(plan.embedded_keys).collect();
    for engine in &engines {
        for numbers in numbers.chunks(4096) {
            engine.put(numbers, 0)?;
        }
    }
    let mut random = Random::new(session.seed);
    let last = AtomicU64::new(0);
    let revision = || last.fetch_add(1, Ordering::Relaxed) + 1;
    let time = plan.run_time;
    for run in 0..plan.runs {
        for (workload, events) in [(GET, 1), (GET_BATCHES, BATCH)] {
            for engine in &engines {
                session.measure(point(workload, engine.name()), run, || {
                    in_batches(
                        time / 2,
                        plan.embedded_keys,
                        events,
                        &mut random,
                        |numbers| engine.get(numbers),
                    )
                })?;
            }
        }
        for engine in &engines {
            session.measure(point(PUT_BATCHES, engine.name()), run, || {
                in_batches(time, plan.embedded_keys, BATCH, &mut random, |numbers| {
                    engine.put(numbers, revision())
                })
            })?;
        }
        for engine in &engines {
            session.measure(point(PUT_THREADS, engine.name()), run, || {
                let group = Group::new(&**engine, &revision);
                by_threads(time, plan.embedded_keys, random.next(), |number| {
                    group.put(number)
                })
            })?;
            if engine.name() == FJALL {
                session.measure(point(PUT_THREADS, FJALL_ALONE), run, || {
                    by_threads(time, plan.embedded_keys, random.next(), |number| {
                        engine
                            .put_alone(number, revision())
                            .ok_or_else(|| Failure::new("no commits of its own"))?
                    })
                })?;
            }
        }
    }
    Ok(())
}

/// One thread, so many random keys a call.
fn in_batches(
    time: Duration,
    keys: u64,
    events: usize,
    random: &mut Random,
    mut call: impl FnMut(&[u64]) -> Result<(), Failure>,
) -> Result<Figures, Failure> {
    let mut numbers = vec![0; events];
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < time {
        // A clock is not read for each.
        for _ in 0..16 {
            numbers.fill_with(|| random.below(keys));
            call(&numbers)?;
            count += events;
        }
    }
    Ok(each(begun.elapsed(), count))
}

/// 64 threads, one random key a call.
fn by_threads(
    time: Duration,
    keys: u64,
    seed: u64,
    call: impl Fn(u64) -> Result<(), Failure> + Sync,
) -> Result<Figures, Failure> {
    let begun = Instant::now();
    let work = |writer: usize| {
        let mut random = Random::new(seed + writer as u64);
        let mut latencies = latencies()?;
        while begun.elapsed() < time {
            let sent = Instant::now();
            call(random.below(keys))?;
            record(&mut latencies, sent.elapsed());
        }
        Ok::<_, Failure>(latencies)
    };
    let mut all = latencies()?;
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || work(writer)))
            .collect();
        for writer in writers {
            let latencies = writer
                .join()
                .map_err(|_| Failure::new("a writer has panicked"))??;
            all.add(latencies).map_err(crate::failure::failed)?;
        }
        Ok::<_, Failure>(())
    })?;
    let mut figures = latency_figures(&all);
    let count = usize::try_from(all.len()).unwrap_or(usize::MAX);
    figures.extend(each(begun.elapsed(), count));
    Ok(figures)
}
