//! Latency of durable puts beside a bare append and sync of the same batch, also
//! while the log is compacted: figure 8.

use super::{Part, latency_figures, load_figures};
use crate::events::{batch, handle, lines};
use crate::failure::{Failure, failed};
use crate::load::{Load, Run, latencies, record, send_all};
use crate::random::Random;
use crate::requests::{Each, Operation, Uniform};
use crate::results::{Bound, Figures, Point, Target};
use crate::servers::{OURS, StoreSettings};
use crate::session::Session;
use crate::values::{Values, scattered};
use kv_engine::files::memory::MemoryFiles;
use kv_engine::{Options, Store};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) const METHOD: &str = "64 connections put without pause. Compaction is kept going by \
    overwriting 1,000 keys in segments of 1 MiB; beside it the same keys are overwritten in a \
    segment of 1 GiB, where nothing is compacted. The bare log appends the very bytes that the \
    store writes for a batch of 64 such puts, with one write and `fdatasync`, in a process that \
    does nothing else. The longest pause is the maximum.";

const BARE: &str = "bare append and sync";
const CONNECTIONS: usize = 64;
const STEADY: &str = "durable put, 64 connections";
const OVERWRITING: &str = "durable put, 64 connections, overwriting without compaction";
const COMPACTING: &str = "durable put, 64 connections, while compacting";

/// The keys that are overwritten, and the segments they are in.
const COMPACTED_KEYS: u64 = 1_000;
const COMPACTED_SEGMENT_BYTES: u64 = 1024 * 1024;

/// A segment that is not full before the end of the runs.
const ENDLESS_SEGMENT_BYTES: u64 = 1024 * 1024 * 1024;

pub(super) fn targets() -> Vec<Target> {
    let target = |workload: &str| Target {
        number: 8,
        name: format!("{workload}: p99"),
        figure: "p99_ms",
        ours: Point::new(Part::Latency, workload, OURS),
        beside: Some(Point::new(Part::Latency, workload, BARE)),
        bound: Bound::RatioAtMost(4.0),
    };
    let throughput = Target {
        number: 8,
        name: COMPACTING.to_owned(),
        figure: "per_second",
        ours: Point::new(Part::Latency, COMPACTING, OURS),
        beside: Some(Point::new(Part::Latency, OVERWRITING, OURS)),
        bound: Bound::RatioAtLeast(0.7),
    };
    vec![target(STEADY), target(COMPACTING), throughput]
}

pub(super) fn run(session: &mut Session) -> Result<(), Failure> {
    let plan = session.plan;
    let segments = |bytes| StoreSettings {
        segment_bytes_max: Some(bytes),
        ..StoreSettings::default()
    };
    let workloads = [
        (STEADY, plan.keys, StoreSettings::default()),
        (OVERWRITING, COMPACTED_KEYS, segments(ENDLESS_SEGMENT_BYTES)),
        (
            COMPACTING,
            COMPACTED_KEYS,
            segments(COMPACTED_SEGMENT_BYTES),
        ),
    ];
    let wire = lines(Values::small());
    let mut servers = Vec::new();
    for (workload, keys, settings) in workloads {
        let data = session.path(&format!("latency-{keys}-{}", servers.len()));
        let server = session.ours(&data, settings)?;
        send_all(
            server.address(wire.protocol)?,
            &wire,
            &mut Each(scattered(keys)),
        )?;
        servers.push((workload, keys, server));
    }
    let logged = log_lines()?;
    let bare = session.path("latency-bare");
    let mut random = Random::new(session.seed);
    // Rare pauses show in a longer time.
    let time = plan.run_time * 2;
    for run in 0..plan.runs {
        for (workload, keys, server) in &servers {
            let address = server.address(wire.protocol)?;
            let load = Load {
                connections: CONNECTIONS,
                depth: 1,
                warm_up: plan.warm_up,
                time,
            };
            session.measure(Point::new(Part::Latency, *workload, OURS), run, || {
                let mut requests = Uniform {
                    operation: Operation::Put,
                    keys: *keys,
                    random: &mut random,
                };
                Run::of(address, &wire, load, &mut requests).map(|run| load_figures(&run))
            })?;
            session.measure(Point::new(Part::Latency, *workload, BARE), run, || {
                append(&bare, &logged, time)
            })?;
        }
    }
    Ok(())
}

/// What the store appends for a batch of 64 puts, in the middle of a segment.
fn log_lines() -> Result<Vec<u8>, Failure> {
    let opened = Store::open(MemoryFiles::default(), Options::default());
    let (mut store, _) = opened.map_err(failed)?;
    let events = batch(
        &lines(Values::small()),
        Operation::Put,
        0..CONNECTIONS as u64,
    );
    for _ in 0..2 {
        handle(&mut store, &events, CONNECTIONS, &mut Vec::new())?;
    }
    Ok(store.changes().to_vec())
}

fn append(path: &Path, lines: &[u8], time: Duration) -> Result<Figures, Failure> {
    let mut file = File::create(path)?;
    let mut latencies = latencies()?;
    let end = Instant::now() + time;
    while Instant::now() < end {
        let begun = Instant::now();
        file.write_all(lines)?;
        file.sync_data()?;
        record(&mut latencies, begun.elapsed());
    }
    Ok(latency_figures(&latencies))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_takes_the_bytes_of_its_values_and_little_more() {
        let lines = log_lines().unwrap();
        let values = CONNECTIONS * Values::small().bytes();
        assert!(lines.ends_with(b"\n") && (values..2 * values).contains(&lines.len()));
    }
}
