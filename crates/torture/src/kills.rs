//! Kills a server over and over while clients write over every front, and
//! compares what it comes back with to the clients' ledgers. A server dies by
//! SIGKILL; a guest, inside a server that lives on, by what its limits forbid.
//!
//! What is random here is when the blow falls, so a seed repeats the settings
//! and the events but not the moment: run it again with more kills.

use crate::connection::{Connection, Front};
use crate::event::{Event, Reply};
use crate::failure::{Failure, ensure};
use crate::ground::{Ground, Settings};
use crate::server::{Ready, Server};
use crate::workload::{Client, Crowd, audit};
use fastrand::Rng;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Clients at once.
const CLIENTS: usize = 64;
/// Kills on one directory before the next one, with other settings, is begun.
const KILLS_A_DIRECTORY: u32 = 25;

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Servers, or guests, killed.
    pub kills: u64,
    /// Changes acknowledged, and found again.
    pub acknowledged: u64,
    /// Changes not acknowledged and done.
    pub done: u64,
    /// Changes not acknowledged and not done.
    pub not_done: u64,
}

impl Summary {
    fn of(kills: u64, clients: &[Client]) -> Self {
        let mut summary = Self {
            kills,
            ..Self::default()
        };
        for client in clients {
            summary.acknowledged += client.ledger.acknowledged;
            summary.done += client.ledger.done_unacknowledged;
            summary.not_done += client.ledger.not_done;
        }
        summary
    }

    fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.acknowledged += other.acknowledged;
        self.done += other.done;
        self.not_done += other.not_done;
    }
}

/// Kills servers with SIGKILL: while they serve, and while they begin.
///
/// # Errors
/// What does not fit the ledgers; the folder is left as it was found.
pub fn servers(binary: &Path, folder: &Path, kills: u32, seed: u64) -> Result<Summary, Failure> {
    let mut rng = Rng::with_seed(seed);
    let mut summary = Summary::default();
    let mut left = kills;
    while left > 0 {
        let some = left.min(KILLS_A_DIRECTORY);
        left -= some;
        let ground = Ground::new(binary, folder, &settings(&mut rng))?;
        let mut clients = Client::many(CLIENTS, rng.u64(..));
        for _ in 0..some {
            if rng.u32(0..4) == 0 {
                kill_early(&ground, &mut rng)?;
                summary.kills += 1;
            }
            let (server, ready) = Server::start(&ground)?;
            audit(&mut clients, &ready, any_front(&mut rng))?;
            let crowd = Crowd::start(clients, &ready);
            sleep(Duration::from_millis(rng.u64(0..500)));
            server.kill()?;
            clients = crowd.end()?;
        }
        let (_server, ready) = Server::start(&ground)?;
        audit(&mut clients, &ready, any_front(&mut rng))?;
        summary.add(Summary::of(u64::from(some), &clients));
        ground.remove()?;
    }
    ensure(summary.acknowledged > 0, || {
        "no change was ever acknowledged".to_owned()
    })?;
    Ok(summary)
}

/// Small segments, and no cache or a small one: values come from the disk.
fn settings(rng: &mut Rng) -> Settings {
    Settings::segments(rng.u64(16 << 10..512 << 10))
        .store("cache_bytes_max", [0, 64 << 10, 16 << 20][rng.usize(0..3)])
}

fn any_front(rng: &mut Rng) -> Front {
    Front::ALL[rng.usize(0..Front::ALL.len())]
}

/// Kills a server before, or just when, it can answer.
fn kill_early(ground: &Ground, rng: &mut Rng) -> Result<(), Failure> {
    let server = Server::spawn(ground)?;
    sleep(Duration::from_millis(rng.u64(0..600)));
    server.kill()
}

/// The memory that a guest may have where it is to run out of it.
const MEMORY_BYTES_MAX: u64 = 40 << 20;
/// A value that it can't take with so much memory, though the fronts can.
const POISON_BYTES: usize = 15 << 20;

/// Lets the guest of a living server die, again and again, under its clients:
/// of memory for every other blow, of time for the rest.
///
/// # Errors
/// What does not fit the ledgers; the folder is left as it was found.
pub fn guests(binary: &Path, folder: &Path, kills: u32, seed: u64) -> Result<Summary, Failure> {
    let mut rng = Rng::with_seed(seed);
    let mut summary = Summary::default();
    for (death, share) in [
        (Death::Memory, kills.div_ceil(2)),
        (Death::Time, kills / 2),
    ] {
        let restless = settings(&mut rng)
            .runtime("restarts_max", 1_000_000)
            .runtime("restarts_window_ms", 1);
        let deadly = match death {
            Death::Memory => restless.clone().runtime("memory_bytes_max", MEMORY_BYTES_MAX),
            Death::Time => restless.clone().runtime("handle_timeout_ms", 2),
        };
        let ground = Ground::new(binary, folder, &deadly)?;
        let clients = Client::many(CLIENTS, rng.u64(..));
        let (server, ready) = Server::start(&ground)?;
        let crowd = Crowd::start(clients, &ready);
        let killed = kill_guests(&ready, death, u64::from(share));
        // What was found in the meantime comes first.
        let ended = if killed.is_ok() {
            crowd.end()
        } else {
            server.kill()?;
            crowd.end()?;
            return Err(killed.err().unwrap_or_else(|| Failure::new("")));
        };
        let mut clients = ended?;
        server.kill()?;
        ground.set(&Settings::default())?;
        let (_server, ready) = Server::start(&ground)?;
        let mut poisons = Connection::open(Front::Tcp, &ready)?;
        if poisons.ask(&poison_key())? != Reply::NotFound {
            poisons.ask(&Event::Delete {
                key: POISON_KEY.to_owned(),
            })?;
        }
        let ready = Ready {
            keys: clients.iter().map(|client| client.ledger.keys_count()).sum(),
            ..ready
        };
        audit(&mut clients, &ready, any_front(&mut rng))?;
        summary.add(Summary::of(killed?, &clients));
        ground.remove()?;
    }
    Ok(summary)
}

#[derive(Clone, Copy, Debug)]
enum Death {
    Memory,
    Time,
}
