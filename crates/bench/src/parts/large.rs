//! Large values beside a raw write and sync of the same bytes: figure 7.

use super::Part;
use crate::events::{batch, handle, lines};
use crate::failure::{Failure, failed};
use crate::load::{Load, Run};
use crate::plan::Plan;
use crate::protocol::Wire;
use crate::requests::{Each, Operation};
use crate::results::{Bound, Figures, Point, Target};
use crate::servers::{BARE, OURS, Server, StoreSettings};
use crate::session::Session;
use crate::statistics::middle;
use crate::values::Values;
use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Store};
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) const METHOD: &str = "One value at a time, each durable before the next: the median time \
    of one. Natively in the engine, over lines with 1 connection, and, beside them, the same bytes \
    appended to a file with one write and `fdatasync`; the bare server receives them over lines, \
    and does no more than that.";

const ENGINE: &str = "engine";
const RAW: &str = "raw write and sync";

fn point(bytes: usize, subject: &'static str) -> Point {
    let workload = format!("a value of {} MiB", bytes / (1024 * 1024));
    Point::new(Part::Large, workload, subject)
}

pub(super) fn targets(plan: &Plan) -> Vec<Target> {
    let mut targets = Vec::new();
    for (bytes, _) in plan.large {
        for subject in [ENGINE, OURS] {
            let ours = point(*bytes, subject);
            targets.push(Target {
                number: 7,
                name: format!("{subject}: {}", ours.workload),
                figure: "ms_each",
                ours,
                beside: Some(point(*bytes, RAW)),
                bound: Bound::RatioAtMost(1.5),
            });
        }
    }
    targets
}

pub(super) fn run(session: &mut Session) -> Result<(), Failure> {
    let plan = session.plan;
    let server = session.ours(&session.path("large-ours"), StoreSettings::default())?;
    let bare = Server::bare(&session.path("large-bare"), false)?;
    let data = session.folder("large-engine")?;
    let opened = Store::open(NativeFiles::new(data), Options::default());
    let (mut store, _) = opened.map_err(failed)?;
    let raw = session.path("large-raw");
    for run in 0..plan.runs {
        for (bytes, count) in plan.large {
            let wire = lines(Values::text(*bytes));
            let mut value = Vec::new();
            wire.values.write(&mut value, 0);
            session.measure(point(*bytes, RAW), run, || write_raw(&raw, &value, *count))?;
            session.measure(point(*bytes, ENGINE), run, || {
                in_engine(&mut store, &wire, *count)
            })?;
            for (server, name) in [(&server, OURS), (&bare, BARE)] {
                let address = server.address(wire.protocol)?;
                session.measure(point(*bytes, name), run, || {
                    over_lines(address, &wire, *count)
                })?;
            }
        }
    }
    Ok(())
}

fn median(milliseconds: Vec<f64>) -> Figures {
    Figures::from_iter(middle(milliseconds).map(|median| ("ms_each", median)))
}

fn over_lines(address: SocketAddr, wire: &Wire, count: usize) -> Result<Figures, Failure> {
    // The time is as long as it takes.
    let load = Load {
        connections: 1,
        depth: 1,
        warm_up: Duration::ZERO,
        time: Duration::ZERO,
    };
    let mut milliseconds = Vec::new();
    for number in 0..count as u64 {
        let put = &mut Each(std::iter::once(number));
        let run = Run::of(address, wire, load, put)?;
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        milliseconds.push(run.latencies.max() as f64 / 1e6);
    }
    Ok(median(milliseconds))
}

fn write_raw(path: &Path, value: &[u8], count: usize) -> Result<Figures, Failure> {
    // It grows from run to run, as a log does. One made anew would be written into memory
    // that the one before has just given back.
    let mut file = File::options().create(true).append(true).open(path)?;
    let mut milliseconds = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        file.write_all(value)?;
        file.sync_data()?;
        milliseconds.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(milliseconds))
}

fn in_engine(
    store: &mut Store<NativeFiles>,
    wire: &Wire,
    count: usize,
) -> Result<Figures, Failure> {
    let mut milliseconds = Vec::new();
    let mut replies = Vec::new();
    for number in 0..count as u64 {
        let events = batch(wire, Operation::Put, [number]);
        let begun = Instant::now();
        handle(store, &events, 1, &mut replies)?;
        milliseconds.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(milliseconds))
}
