//! Records what many clients ask of few keys, over every front at once, and
//! checks that the store was one register a key all the while; kills included.

use crate::connection::{Connection, Front};
use crate::event::{Event, Reply};
use crate::failure::{Failure, ensure};
use crate::ground::{Ground, Settings};
use crate::linearizability::{Action, Conditional, Operation, Verdict, check};
use crate::server::{Ready, Server};
use fastrand::Rng;
use std::path::Path;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// Clients at once.
const CLIENTS: usize = 16;
/// Keys that all of them share.
const KEYS: usize = 6;
/// How long they work before each kill.
const ROUND: Duration = Duration::from_millis(300);
/// Kills in one history. Whatever each leaves open may happen any time later.
const ROUNDS: usize = 3;

/// The history of each key, on one clock.
type Histories = Vec<Vec<Operation>>;

/// Records and checks histories, and returns how many operations they had.
///
/// # Errors
/// Where one is not linearizable.
pub fn run(binary: &Path, folder: &Path, histories: u32, seed: u64) -> Result<u64, Failure> {
    let mut rng = Rng::with_seed(seed);
    let mut operations = 0;
    for _ in 0..histories {
        let settings = Settings::segments(rng.u64(16 << 10..512 << 10))
            .store("checkpoint_interval_bytes", rng.u64(8 << 10..256 << 10))
            .store("cache_bytes_max", [0, 16 << 20][rng.usize(0..2)]);
        let ground = Ground::new(binary, folder, &settings)?;
        let history = record(&ground, &mut rng)?;
        for (key, history) in history.iter().enumerate() {
            operations += history.len() as u64;
            ensure(check(history) == Verdict::Linearizable, || {
                format!(
                    "key {key}: {:?} after {} operations: {history:?}",
                    check(history),
                    history.len()
                )
            })?;
        }
        ground.remove()?;
    }
    Ok(operations)
}

fn record(ground: &Ground, rng: &mut Rng) -> Result<Histories, Failure> {
    let start = Instant::now();
    let mut histories = vec![Vec::new(); KEYS];
    for round in 0..ROUNDS {
        let (server, ready) = Server::start(ground)?;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (ready, mut rng) = (ready.clone(), rng.fork());
                let first = ((round * CLIENTS + client) as u64) << 32;
                spawn(move || work(&ready, client, first, start, &mut rng))
            })
            .collect();
        sleep(ROUND);
        server.kill()?;
        for client in clients {
            let recorded = client
                .join()
                .map_err(|_| Failure::new("a client has panicked"))?;
            for (key, operation) in recorded? {
                histories[key].push(operation);
            }
        }
    }
    let (_server, ready) = Server::start(ground)?;
    let mut connection = Connection::open(Front::Tcp, &ready)?;
    for (key, history) in histories.iter_mut().enumerate() {
        let called = nanoseconds(start);
        let reply = connection.ask(&Event::Get { key: name(key) })?;
        history.push(Operation {
            called,
            returned: Some(nanoseconds(start)),
            action: read(&reply)?,
        });
    }
    Ok(histories)
}

/// One client at work, until its server is gone.
fn work(
    ready: &Ready,
    client: usize,
    first: u64,
    start: Instant,
    rng: &mut Rng,
) -> Result<Vec<(usize, Operation)>, Failure> {
    let mut recorded = Vec::new();
    let Ok(mut connection) = Connection::open(Front::ALL[client % Front::ALL.len()], ready) else {
        return Ok(recorded);
    };
    // The latest version of each key that this client knows of.
    let mut known = [0; KEYS];
    for value in first.. {
        let key = rng.usize(0..KEYS);
        let event = match rng.u32(0..12) {
            0..3 => Event::Put {
                key: name(key),
                value: value.to_string(),
                if_version: None,
            },
            3..6 => Event::Put {
                key: name(key),
                value: value.to_string(),
                if_version: Some(known[key]),
            },
            6 => Event::Delete { key: name(key) },
            _ => Event::Get { key: name(key) },
        };
        let called = nanoseconds(start);
        let reply = connection.exchange(std::slice::from_ref(&event))?;
        let returned = reply.first().map(|_| nanoseconds(start));
        known[key] = match reply.first() {
            Some(
                Reply::Put { version } | Reply::Got { version, .. } | Reply::Conflict { version },
            ) => *version,
            _ => 0,
        };
        let action = match (&event, reply.first()) {
            (
                Event::Put {
                    if_version: Some(expected),
                    ..
                },
                reply,
            ) => Action::PutIf {
                value,
                expected: *expected,
                answer: reply.map(answer).transpose()?,
            },
            (Event::Put { .. }, Some(Reply::Put { version })) => Action::Put {
                value,
                version: Some(*version),
            },
            (Event::Put { .. }, None) => Action::Put {
                value,
                version: None,
            },
            (Event::Delete { .. }, Some(Reply::Deleted { deleted, version })) => Action::Delete {
                deleted: Some(*deleted),
                version: *version,
            },
            (Event::Delete { .. }, None) => Action::Delete {
                deleted: None,
                version: None,
            },
            (_, Some(reply)) => read(reply)?,
            (_, None) => return Ok(recorded),
        };
        recorded.push((
            key,
            Operation {
                called,
                returned,
                action,
            },
        ));
        if returned.is_none() {
            return Ok(recorded);
        }
    }
    Ok(recorded)
}

fn answer(reply: &Reply) -> Result<Conditional, Failure> {
    match reply {
        Reply::Put { version } => Ok(Conditional::Done(*version)),
        Reply::Conflict { version } => Ok(Conditional::Conflict(*version)),
        _ => Err(Failure::new(format!("a put was answered {reply:?}"))),
    }
}

fn read(reply: &Reply) -> Result<Action, Failure> {
    let found = match reply {
        Reply::NotFound => None,
        Reply::Got { value, version } => {
            let value = value.parse();
            Some((
                value.map_err(|e| Failure::new(format!("{reply:?}: {e}")))?,
                *version,
            ))
        }
        _ => return Err(Failure::new(format!("a get was answered {reply:?}"))),
    };
    Ok(Action::Get { found })
}

fn name(key: usize) -> String {
    format!("register {key}")
}

fn nanoseconds(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
