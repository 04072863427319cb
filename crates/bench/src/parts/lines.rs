//! Durable puts and gets over lines, beside Redis: figures 1 and 2, and the
//! throughput and latency by the number of connections.

use super::{Part, load_figures};
use crate::failure::Failure;
use crate::load::{Load, Run, send_all};
use crate::protocol::{Protocol, Wire};
use crate::random::Random;
use crate::requests::{Each, Operation, Uniform};
use crate::results::{Bound, Point, Target};
use crate::servers::{OURS, REDIS, Server, StoreSettings};
use crate::session::Session;
use crate::values::{Values, scattered};

pub(super) const METHOD: &str = "One load generator, on one thread, speaks both protocols: a closed \
    loop over TCP on the loopback. Every value that comes back is compared to the byte. Keys are \
    chosen uniformly. The store has its defaults, but a cache for every value, as Redis's memory is; \
    Redis has `appendonly yes` and `appendfsync always`. The bare server does only what no server \
    can leave out: one thread receives, appends as many bytes, over room as the store does, syncs, \
    and sends the same replies; it parses nothing and keeps nothing, so it is no store, but says \
    what system calls and syncs alone allow.";

/// The numbers of connections that are drawn.
pub(crate) const CONNECTIONS: [usize; 5] = [1, 4, 16, 64, 256];

/// What a value takes in the cache, its key included.
const CACHED_VALUE_BYTES: u64 = 200 + 20 + 80;

/// The depth of the loads with targets, beside 1.
const DEEP: usize = 16;

pub(crate) fn point(
    operation: Operation,
    connections: usize,
    depth: usize,
    subject: &'static str,
) -> Point {
    let operation = match operation {
        Operation::Put => "durable put",
        Operation::Get => "get",
    };
    let depth = if depth == 1 {
        String::new()
    } else {
        format!(", {depth} deep")
    };
    let plural = if connections == 1 { "" } else { "s" };
    let workload = format!("{operation}, {connections} connection{plural}{depth}");
    Point::new(Part::Lines, workload, subject)
}

pub(super) fn targets() -> Vec<Target> {
    let target = |number, operation, connections, depth, least| {
        let ours = point(operation, connections, depth, OURS);
        Target {
            number,
            name: ours.workload.clone(),
            figure: "per_second",
            beside: Some(point(operation, connections, depth, REDIS)),
            ours,
            bound: Bound::RatioAtLeast(least),
        }
    };
    vec![
        target(1, Operation::Put, 64, 1, 1.4),
        target(1, Operation::Put, 64, DEEP, 1.5),
        target(1, Operation::Put, 1, 1, 1.0),
        target(2, Operation::Get, 64, 1, 1.0),
        target(2, Operation::Get, 64, DEEP, 1.2),
        target(2, Operation::Get, 1, 1, 1.0),
    ]
}

pub(super) fn run(session: &mut Session) -> Result<(), Failure> {
    let plan = session.plan;
    let settings = StoreSettings {
        cache_bytes_max: usize::try_from(plan.keys * CACHED_VALUE_BYTES).ok(),
        ..StoreSettings::default()
    };
    let servers = servers(session, "lines", settings, &Values::small())?;
    for (server, wire) in &servers {
        let address = server.address(wire.protocol)?;
        send_all(address, wire, &mut Each(scattered(plan.keys)))?;
    }
    let mut random = Random::new(session.seed);
    let loads = CONNECTIONS.map(|connections| (connections, 1));
    for run in 0..plan.runs {
        for operation in [Operation::Put, Operation::Get] {
            for (connections, depth) in loads.into_iter().chain([(64, DEEP)]) {
                for (server, wire) in &servers {
                    let address = server.address(wire.protocol)?;
                    let load = Load {
                        connections,
                        depth,
                        warm_up: plan.warm_up,
                        time: plan.run_time,
                    };
                    let point = point(operation, connections, depth, server.name);
                    session.measure(point, run, || {
                        let mut requests = Uniform {
                            operation,
                            keys: plan.keys,
                            random: &mut random,
                        };
                        Run::of(address, wire, load, &mut requests).map(|run| load_figures(&run))
                    })?;
                }
            }
        }
    }
    Ok(())
}

/// The store, Redis where it is installed, and the bare server, each with how it
/// is spoken to. The values are the small ones, or YCSB's records.
pub(super) fn servers(
    session: &Session,
    name: &str,
    settings: StoreSettings,
    values: &Values,
) -> Result<Vec<(Server, Wire)>, Failure> {
    let ours = session.ours(&session.path(&format!("{name}-ours")), settings)?;
    let redis = Server::redis(&session.path(&format!("{name}-redis")))?;
    let mut servers = vec![(ours, Wire::new(Protocol::Lines, values.clone()))];
    match redis {
        Some(redis) => servers.push((redis, Wire::new(Protocol::Redis, values.clone()))),
        None => eprintln!("redis-server is not installed: its figures are left out"),
    }
    let has_records = values.bytes() != Values::small().bytes();
    let bare = Server::bare(&session.path(&format!("{name}-bare")), has_records)?;
    servers.push((bare, Wire::new(Protocol::Lines, values.clone())));
    Ok(servers)
}
