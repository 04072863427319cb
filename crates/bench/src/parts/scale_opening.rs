//! The binary by the number of keys: how long it takes to open, its memory, and
//! what a put and a get cost over lines.

use super::scale::{SETTINGS, cost, opening, space};
use super::{Part, load_figures};
use crate::failure::Failure;
use crate::load::{Load, Run, send_all};
use crate::protocol::{Protocol, Wire};
use crate::random::Random;
use crate::requests::{Each, Operation, Uniform};
use crate::results::{Figures, Point};
use crate::servers::{OURS, REDIS, Server};
use crate::session::Session;
use crate::values::{KEY_BYTES, Values, scattered};
use std::path::{Path, PathBuf};

const CLEAN: &str = "clean stop";
const KILL: &str = "kill";

/// Redis is opened with no more keys than this: beyond, it takes too long.
const REDIS_KEYS_MAX: u64 = 1_000_000;

pub(super) fn run(session: &mut Session, directories: &[(u64, PathBuf)]) -> Result<(), Failure> {
    let empty_bytes = empty(session)?;
    let mut redis = Vec::new();
    for (keys, _) in directories
        .iter()
        .filter(|(keys, _)| *keys <= REDIS_KEYS_MAX)
    {
        redis.extend(prepare_redis(session, *keys)?.map(|data| (*keys, data)));
    }
    let mut random = Random::new(session.seed);
    for run in 0..session.plan.runs {
        for (keys, data) in directories {
            ours(session, run, *keys, data, empty_bytes, &mut random)?;
            if let Some((_, data)) = redis.iter().find(|(has, _)| has == keys) {
                open_redis(session, run, *keys, data)?;
            }
        }
    }
    Ok(())
}

/// The memory of an empty store; its opening is a figure too.
fn empty(session: &mut Session) -> Result<u64, Failure> {
    let mut bytes = 0;
    for run in 0..session.plan.runs {
        let data = session.path(&format!("empty-{run}"));
        let point = Point::new(Part::Scale, "opening, an empty directory", OURS);
        let server = open_ours(session, point, run, &data, Server::stop)?;
        bytes = server.memory_bytes()?;
        server.stop()?;
    }
    Ok(bytes)
}

/// Opens a directory that was stopped in order, uses it, kills it, opens it again,
/// and stops it in order.
fn ours(
    session: &mut Session,
    run: usize,
    keys: u64,
    data: &Path,
    empty_bytes: u64,
    random: &mut Random,
) -> Result<(), Failure> {
    let server = open_ours(session, opening(keys, CLEAN, OURS), run, data, Server::stop)?;
    let memory = memory(&server, keys, empty_bytes)?;
    session.measure(space(keys, OURS), run, || Ok(memory.clone()))?;
    over_lines(session, run, keys, &server, random)?;
    server.kill()?;
    let server = open_ours(session, opening(keys, KILL, OURS), run, data, Server::kill)?;
    // Who has written nothing leaves no checkpoint for the next opening.
    put_once(&server, keys)?;
    server.stop()
}

fn put_once(server: &Server, keys: u64) -> Result<(), Failure> {
    let wire = Wire::new(Protocol::Lines, Values::small());
    let address = server.address(wire.protocol)?;
    send_all(address, &wire, &mut Each(scattered(keys).take(1)))
}

/// Times an opening. Where it is repeated, it is ended as it was before.
fn open_ours(
    session: &mut Session,
    point: Point,
    run: usize,
    data: &Path,
    end: fn(Server) -> Result<(), Failure>,
) -> Result<Server, Failure> {
    let binary = session.binary.clone();
    let start = || Server::ours(&binary, data, SETTINGS).map(Some);
    let server = open(session, point, run, start, end)?;
    server.ok_or_else(|| Failure::new("the store was not started"))
}

fn open(
    session: &mut Session,
    point: Point,
    run: usize,
    start: impl Fn() -> Result<Option<Server>, Failure>,
    end: fn(Server) -> Result<(), Failure>,
) -> Result<Option<Server>, Failure> {
    let mut running = None;
    session.measure(point, run, || {
        if let Some(server) = running.take() {
            end(server)?;
        }
        running = start()?;
        let seconds = running
            .as_ref()
            .map(|server| ("seconds", server.opened_in.as_secs_f64()));
        Ok(Figures::from_iter(seconds))
    })?;
    Ok(running)
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn memory(server: &Server, keys: u64, empty_bytes: u64) -> Result<Figures, Failure> {
    let bytes = server.memory_bytes()?;
    let keys_bytes = empty_bytes + keys * KEY_BYTES as u64;
    let beside = (bytes as f64 - keys_bytes as f64) / keys as f64;
    Ok(Figures::from([
        ("memory_bytes", beside),
        ("memory_mib_in_all", bytes as f64 / 1024.0 / 1024.0),
    ]))
}

fn over_lines(
    session: &mut Session,
    run: usize,
    keys: u64,
    server: &Server,
    random: &mut Random,
) -> Result<(), Failure> {
    let plan = session.plan;
    let wire = Wire::new(Protocol::Lines, Values::small());
    let address = server.address(wire.protocol)?;
    let load = Load {
        connections: 64,
        depth: 1,
        warm_up: plan.warm_up,
        time: plan.run_time / 2,
    };
    for operation in [Operation::Get, Operation::Put] {
        session.measure(cost(operation, keys, OURS), run, || {
            let mut requests = Uniform {
                operation,
                keys,
                random,
            };
            let run = Run::of(address, &wire, load, &mut requests)?;
            let mut figures = load_figures(&run);
            figures.insert("us_each", 1e6 / run.per_second());
            Ok(figures)
        })?;
    }
    Ok(())
}

/// A directory of Redis with so many keys, where it is installed.
fn prepare_redis(session: &Session, keys: u64) -> Result<Option<PathBuf>, Failure> {
    let data = session.path(&format!("scale-redis-{keys}"));
    let Some(server) = Server::redis(&data)? else {
        return Ok(None);
    };
    let wire = Wire::new(Protocol::Redis, Values::small());
    let address = server.address(wire.protocol)?;
    send_all(address, &wire, &mut Each(scattered(keys)))?;
    server.stop()?;
    Ok(Some(data))
}

fn open_redis(session: &mut Session, run: usize, keys: u64, data: &Path) -> Result<(), Failure> {
    // It was stopped in order; what opens it then is killed.
    let start = || Server::redis(data);
    if let Some(server) = open(
        session,
        opening(keys, CLEAN, REDIS),
        run,
        start,
        Server::stop,
    )? {
        server.kill()?;
    }
    if let Some(server) = open(
        session,
        opening(keys, KILL, REDIS),
        run,
        start,
        Server::kill,
    )? {
        server.stop()?;
    }
    Ok(())
}
