//! The mixes of YCSB over lines, beside Redis: figure 3.

use super::lines::servers;
use super::{Part, load_figures};
use crate::failure::Failure;
use crate::load::{Load, Run, send_all};
use crate::requests::Each;
use crate::results::{Bound, Point, Target};
use crate::servers::{OURS, REDIS, StoreSettings};
use crate::session::Session;
use crate::values::{Values, scattered};
use crate::ycsb::{Mix, Ycsb};

pub(super) const METHOD: &str = "A: half reads, half updates; B: 5 % updates; C: reads; D: reads of \
    what is new, 5 % inserts; F: half reads, half read-modify-writes, which count once. Zipfian \
    (0.99, scrambled), latest for D; 64 connections; a record is a JSON object of ten fields of \
    100 bytes, read and written whole. Cooper et al., Benchmarking Cloud Serving Systems with \
    YCSB, SoCC 2010. The store's cache is large enough for every record, as Redis's memory is. The \
    bare server is that of the lines.";

const CONNECTIONS: usize = 64;

/// What a record takes in the cache, and room for those that D inserts.
const CACHED_RECORD_BYTES: u64 = 1_121 + 48 + 131;

pub(super) fn targets() -> Vec<Target> {
    let target = |mix| Target {
        number: 3,
        name: workload(mix),
        figure: "per_second",
        ours: Point::new(Part::Ycsb, workload(mix), OURS),
        beside: Some(Point::new(Part::Ycsb, workload(mix), REDIS)),
        bound: Bound::RatioAtLeast(if mix == Mix::C { 1.0 } else { 1.2 }),
    };
    Mix::ALL.map(target).into()
}

fn workload(mix: Mix) -> String {
    format!("YCSB {mix:?}, {CONNECTIONS} connections")
}

pub(super) fn run(session: &mut Session) -> Result<(), Failure> {
    let plan = session.plan;
    let settings = StoreSettings {
        cache_bytes_max: usize::try_from(plan.records * CACHED_RECORD_BYTES).ok(),
        ..StoreSettings::default()
    };
    let servers = servers(session, "ycsb", settings, &Values::record())?;
    let mut records = vec![plan.records; servers.len()];
    for (server, wire) in &servers {
        let address = server.address(wire.protocol)?;
        send_all(address, wire, &mut Each(scattered(plan.records)))?;
    }
    let load = Load {
        connections: CONNECTIONS,
        depth: 1,
        warm_up: plan.warm_up,
        time: plan.run_time,
    };
    for run in 0..plan.runs {
        for mix in Mix::ALL {
            for ((server, wire), records) in servers.iter().zip(&mut records) {
                let address = server.address(wire.protocol)?;
                let mut seed = session.seed + run as u64;
                let point = Point::new(Part::Ycsb, workload(mix), server.name);
                session.measure(point, run, || {
                    // A repeated run draws other keys.
                    seed += 1_000;
                    let mut requests = Ycsb::new(mix, *records, seed);
                    let measured = Run::of(address, wire, load, &mut requests)?;
                    *records = requests.records();
                    Ok(load_figures(&measured))
                })?;
            }
        }
    }
    Ok(())
}
