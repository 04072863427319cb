//! Kills a server over and over while clients write over every front, and
//! compares what it comes back with to the clients' ledgers. A server dies by
//! SIGKILL; a guest, inside a server that lives on, by what its limits forbid.
//!
//! What is random here is when the blow falls, so a seed repeats the settings
//! and the events but not the moment: run it again with more kills.

use crate::connection::{Connection, Front};
use crate::event::Event;
use crate::failure::{Failure, ensure};
use crate::ground::{Ground, Settings};
use crate::metrics::restarts;
use crate::server::{PATIENCE, Ready, Server};
use crate::workload::{Client, Crowd, audit};
use fastrand::Rng;
use std::fmt;
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

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} killed; {} changes acknowledged and found; {} not acknowledged and done, {} not done",
            self.kills, self.acknowledged, self.done, self.not_done
        )
    }
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
        ensure(is_kept_short(&ground)?, || {
            "nothing was compacted, or no checkpoint written, meanwhile".to_owned()
        })?;
        ground.remove()?;
    }
    Ok(summary)
}

/// Small segments, and no cache or a small one: values come from the disk.
fn settings(rng: &mut Rng) -> Settings {
    Settings::segments(rng.u64(16 << 10..512 << 10))
        .store("cache_bytes_max", [0, 64 << 10, 16 << 20][rng.usize(0..3)])
        .store("checkpoint_interval_bytes", rng.u64(8 << 10..256 << 10))
}

/// Whether segments were compacted and a checkpoint was written.
fn is_kept_short(ground: &Ground) -> Result<bool, Failure> {
    let first = ground.segments()?.into_iter().next();
    let compacted = first.is_some_and(|first| !first.ends_with("00000001.jsonl"));
    Ok(compacted && ground.checkpoint()?.is_some())
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
const MEMORY_BYTES_MAX: u64 = 24 << 20;
/// A value that it can take in with so much memory, but not write.
const POISON_BYTES: usize = 15 << 20;

/// Lets the guest of a living server die, again and again, under its clients:
/// half the times of memory, then of time.
///
/// # Errors
/// What does not fit the ledgers; the folder is left as it was found.
pub fn guests(binary: &Path, folder: &Path, kills: u32, seed: u64) -> Result<Summary, Failure> {
    let mut rng = Rng::with_seed(seed);
    let mut summary = Summary::default();
    for (limit, share) in [
        (("memory_bytes_max", MEMORY_BYTES_MAX), kills.div_ceil(2)),
        (("handle_timeout_ms", 1), kills / 2),
    ] {
        let deadly = settings(&mut rng)
            .runtime("restarts_max", 1_000_000)
            .runtime("restarts_window_ms", 1)
            .runtime(limit.0, limit.1);
        let ground = Ground::new(binary, folder, &deadly)?;
        let mut clients = Client::many(CLIENTS + 1, rng.u64(..));
        let poisoner = clients
            .pop()
            .unwrap_or_else(|| Client::many(1, 0).remove(0));
        let (server, ready) = Server::start(&ground)?;
        let crowd = Crowd::start(clients, &ready);
        let killed = kill_guests(&ready, poisoner, u64::from(share));
        let mut clients = crowd.end()?;
        let (poisoner, killed) = killed?;
        clients.push(poisoner);
        server.kill()?;
        ground.set(&Settings::default())?;
        let (_server, ready) = Server::start(&ground)?;
        audit(&mut clients, &ready, any_front(&mut rng))?;
        summary.add(Summary::of(killed, &clients));
        ground.remove()?;
    }
    Ok(summary)
}

/// Has one client write a value too large for the guest, until it has died often
/// enough, of this or of anything else.
fn kill_guests(ready: &Ready, mut poisoner: Client, kills: u64) -> Result<(Client, u64), Failure> {
    let poison = Event::Put {
        key: "poison".to_owned(),
        value: format!("\"{}\"", "x".repeat(POISON_BYTES)),
        if_version: None,
    };
    let question = Event::Get {
        key: "poison".to_owned(),
    };
    let mut connection = Connection::open(Front::Tcp, ready)?;
    let given_up = Instant::now() + PATIENCE + Duration::from_secs(kills);
    loop {
        let killed = restarts(ready)?;
        if killed >= kills {
            return Ok((poisoner, killed));
        }
        ensure(Instant::now() < given_up, || {
            format!("of {kills} guests, only {killed} have died")
        })?;
        let reply = connection.ask(&poison)?;
        poisoner.ledger.enter(&poison, Some(&reply))?;
        while !poisoner.ledger.unsettled().is_empty() {
            let reply = connection.ask(&question)?;
            poisoner.ledger.enter(&question, Some(&reply))?;
        }
    }
}
