//! HTTP beside the same axum server with fixed answers: figure 6.

use super::{Part, load_figures};
use crate::failure::Failure;
use crate::load::{Load, Run, send_all};
use crate::protocol::{Protocol, Route, Wire};
use crate::random::Random;
use crate::requests::{Each, Operation, Uniform};
use crate::results::{Bound, Point, Target};
use crate::servers::{FIXED, OURS, Server, StoreSettings};
use crate::session::Session;
use crate::values::{Values, scattered};

pub(super) const METHOD: &str = "The load generator speaks HTTP/1.1 with connections kept alive. \
    Beside the store runs an axum server, set up as the store's own is (hyper's HTTP/1, tokio on \
    one thread, the same timeouts), that reads each request whole and gives a fixed answer of the \
    same length: no store, no disk, no other thread behind it.";

const CONNECTIONS: usize = 64;

const ROUTES: [(&str, Route, Operation); 4] = [
    ("PUT /keys", Route::Keys, Operation::Put),
    ("GET /keys", Route::Keys, Operation::Get),
    ("POST /events, a put", Route::Events, Operation::Put),
    ("POST /events, a get", Route::Events, Operation::Get),
];

fn workload(name: &str) -> String {
    format!("{name}, {CONNECTIONS} connections")
}

pub(super) fn targets() -> Vec<Target> {
    let target = |(name, ..): (&str, Route, Operation)| Target {
        number: 6,
        name: workload(name),
        figure: "per_second",
        ours: Point::new(Part::Http, workload(name), OURS),
        beside: Some(Point::new(Part::Http, workload(name), FIXED)),
        bound: Bound::RatioAtLeast(0.9),
    };
    ROUTES.map(target).into()
}

pub(super) fn run(session: &mut Session) -> Result<(), Failure> {
    let plan = session.plan;
    let ours = session.ours(&session.path("http"), StoreSettings::default())?;
    let wire = Wire::new(Protocol::Lines, Values::small());
    let lines = ours.address(wire.protocol)?;
    send_all(lines, &wire, &mut Each(scattered(plan.keys)))?;
    let servers = [ours, Server::fixed()?];
    let mut random = Random::new(session.seed);
    let load = Load {
        connections: CONNECTIONS,
        depth: 1,
        warm_up: plan.warm_up,
        time: plan.run_time,
    };
    for run in 0..plan.runs {
        for (name, route, operation) in ROUTES {
            for server in &servers {
                let protocol = match server.name {
                    FIXED => Protocol::FixedHttp(route),
                    _ => Protocol::Http(route),
                };
                let wire = Wire::new(protocol, Values::small());
                let address = server.address(protocol)?;
                let point = Point::new(Part::Http, workload(name), server.name);
                session.measure(point, run, || {
                    let mut requests = Uniform {
                        operation,
                        keys: plan.keys,
                        random: &mut random,
                    };
                    Run::of(address, &wire, load, &mut requests).map(|run| load_figures(&run))
                })?;
            }
        }
    }
    Ok(())
}
