//! What a put and a get cost, what a key takes in memory and a record on disk,
//! and how long opening takes, by the number of keys: figure 7.

use super::component::each;
use super::{Part, scale_opening};
use crate::events::{batch, batches, handle, lines};
use crate::failure::{Failure, failed};
use crate::machine::files_bytes;
use crate::plan::Plan;
use crate::random::Random;
use crate::requests::Operation;
use crate::results::{Bound, Figures, Point, Target};
use crate::servers::{OURS, REDIS, StoreSettings};
use crate::session::Session;
use crate::statistics::shown;
use crate::values::{KEY_BYTES, Values, scattered};
use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Store};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(super) const METHOD: &str = "Values of 200 bytes, none of them cached: a get is a read of the \
    file, checked; beside it, as many bytes read at random places of the files, and nothing else. The engine is driven natively in batches of 64, each put synced; over lines, \
    64 connections do the same to the binary. Opening is timed from the start of the binary to \
    its ready line, and Redis's to its first answer; files are in the page cache. Memory is what \
    the process has to itself after opening, less that of an empty store, over the keys, less the \
    key's bytes.";

pub(crate) const ENGINE: &str = "engine";

/// The read of a file that a get can't do without, at a random place.
const READ: &str = "a read of the file alone";

/// How much such a read reads: about a line of the log.
const LINE_BYTES: usize = 272;

/// The numbers of keys for which opening has a target.
const OPENED_KEYS: u64 = 1_000_000;

/// How many events the engine gets at once.
const BATCH: usize = 64;

/// No cache at all.
pub(super) const SETTINGS: StoreSettings = StoreSettings {
    cache_bytes_max: Some(0),
    segment_bytes_max: None,
};

pub(crate) fn cost(operation: Operation, keys: u64, subject: &'static str) -> Point {
    let operation = format!("{operation:?}").to_lowercase();
    let workload = format!("{operation}, {} keys", shown_keys(keys));
    Point::new(Part::Scale, workload, subject)
}

/// The figures of the directory and of the process.
pub(super) fn space(keys: u64, subject: &'static str) -> Point {
    Point::new(
        Part::Scale,
        format!("space, {} keys", shown_keys(keys)),
        subject,
    )
}

pub(super) fn opening(keys: u64, after: &str, subject: &'static str) -> Point {
    let workload = format!("opening after a {after}, {} keys", shown_keys(keys));
    Point::new(Part::Scale, workload, subject)
}

fn shown_keys(keys: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    shown(keys as f64)
}

pub(super) fn targets(plan: &Plan) -> Vec<Target> {
    let (Some(first), Some(last)) = (plan.scale.first(), plan.scale.last()) else {
        return Vec::new();
    };
    let mut targets = Vec::new();
    for subject in [ENGINE, OURS] {
        for operation in [Operation::Put, Operation::Get] {
            let ours = cost(operation, *last, subject);
            let beside = cost(operation, *first, subject);
            targets.push(Target {
                number: 7,
                name: format!("{subject}: {} over {}", ours.workload, shown_keys(*first)),
                figure: "us_each",
                ours,
                beside: Some(beside),
                bound: Bound::RatioAtMost(1.5),
            });
        }
    }
    for (after, most) in [("clean stop", 0.3), ("kill", 1.2)] {
        let ours = opening(OPENED_KEYS, after, OURS);
        targets.push(Target {
            number: 7,
            name: ours.workload.clone(),
            figure: "seconds",
            ours,
            beside: Some(opening(OPENED_KEYS, after, REDIS)),
            bound: Bound::AtMost(most),
        });
    }
    let figures = [
        ("memory a key, beside the key", "memory_bytes", 100.0),
        ("disk a record, beside key and value", "disk_bytes", 60.0),
    ];
    for (name, figure, most) in figures {
        targets.push(Target {
            number: 7,
            name: format!("{name}, {} keys", shown_keys(*last)),
            figure,
            ours: space(*last, OURS),
            beside: None,
            bound: Bound::AtMost(most),
        });
    }
    targets
}

pub(super) fn run(session: &mut Session) -> Result<(), Failure> {
    let mut directories = Vec::new();
    for keys in session.plan.scale {
        directories.push((*keys, prepare(session, *keys)?));
    }
    engine_costs(session, &directories)?;
    scale_opening::run(session, &directories)
}

/// A directory with so many keys, stopped in order.
fn prepare(session: &mut Session, keys: u64) -> Result<PathBuf, Failure> {
    let data = session.folder(&format!("scale-{keys}"))?;
    let mut store = open(&data)?;
    let wire = lines(Values::small());
    let (mut numbers, mut replies) = (scattered(keys), Vec::new());
    loop {
        let numbers: Vec<_> = numbers.by_ref().take(1024).collect();
        if numbers.is_empty() {
            break;
        }
        let events = batch(&wire, Operation::Put, numbers.iter().copied());
        handle(&mut store, &events, numbers.len(), &mut replies)?;
    }
    store.stop();
    drop(store);
    let figures = disk(&data, keys)?;
    session.measure(space(keys, OURS), 0, || Ok(figures.clone()))?;
    Ok(data)
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn disk(data: &Path, keys: u64) -> Result<Figures, Failure> {
    let stored = keys * (KEY_BYTES + Values::small().bytes()) as u64;
    let bytes = files_bytes(data)? as f64 - stored as f64;
    let mut checkpoint_bytes = 0;
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(b"checkpoint-")
        {
            checkpoint_bytes += entry.metadata()?.len();
        }
    }
    Ok(Figures::from([
        ("disk_bytes", bytes / keys as f64),
        (
            "of_which_checkpoint_bytes",
            checkpoint_bytes as f64 / keys as f64,
        ),
    ]))
}

fn engine_costs(session: &mut Session, directories: &[(u64, PathBuf)]) -> Result<(), Failure> {
    let plan = session.plan;
    let mut random = Random::new(session.seed);
    let mut stores = Vec::new();
    for (keys, data) in directories {
        stores.push((*keys, open(data)?));
    }
    let mut replies = Vec::new();
    for run in 0..plan.runs {
        for operation in [Operation::Get, Operation::Put] {
            for (keys, store) in &mut stores {
                let point = cost(operation, *keys, ENGINE);
                session.measure(point, run, || {
                    // As many as fit in the time, in rounds made beforehand.
                    let (mut counted, mut spent) = (0, Duration::ZERO);
                    while spent < plan.run_time / 2 {
                        let made = batches(operation, *keys, BATCH, 64, &mut random);
                        let begun = Instant::now();
                        for events in &made {
                            handle(store, events, BATCH, &mut replies)?;
                        }
                        spent += begun.elapsed();
                        counted += made.len() * BATCH;
                    }
                    Ok(each(spent, counted))
                })?;
            }
        }
        for (keys, data) in directories {
            let point = cost(Operation::Get, *keys, READ);
            session.measure(point, run, || reads(data, plan.run_time / 4, &mut random))?;
        }
    }
    for (_, store) in &mut stores {
        store.stop();
    }
    Ok(())
}

/// What it costs to read a line's length at a random place of the segments.
fn reads(data: &Path, time: Duration, random: &mut Random) -> Result<Figures, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        let bytes = entry.metadata()?.len();
        let is_segment = entry.file_name().as_encoded_bytes()[0].is_ascii_digit();
        if is_segment && bytes > LINE_BYTES as u64 {
            files.push((File::open(entry.path())?, bytes - LINE_BYTES as u64));
        }
    }
    let mut line = [0; LINE_BYTES];
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < time {
        for _ in 0..BATCH {
            let place = usize::try_from(random.below(files.len() as u64)).map_err(failed)?;
            let (file, bytes) = &files[place];
            file.read_exact_at(&mut line, random.below(*bytes))?;
        }
        count += BATCH;
    }
    Ok(each(begun.elapsed(), count))
}

fn open(data: &Path) -> Result<Store<NativeFiles>, Failure> {
    let options = Options {
        cache_bytes_max: 0,
        ..Options::default()
    };
    let (store, _) = Store::open(NativeFiles::new(data), options).map_err(failed)?;
    Ok(store)
}

/// Every number of keys that some size measures.
pub(crate) fn numbers_of_keys() -> impl Iterator<Item = u64> {
    (2..=7).map(|zeros| 10_u64.pow(zeros))
}
