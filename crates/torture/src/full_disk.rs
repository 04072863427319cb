//! A real file system of few megabytes, filled and freed again and again while
//! clients write. A full disk refuses writes and serves reads; with room again,
//! the same server, with the same guest, goes on.

use crate::connection::{Connection, Front};
use crate::event::{Event, Reply};
use crate::failure::{Failure, ensure};
use crate::ground::{Ground, Settings};
use crate::metrics::restarts;
use crate::server::{PATIENCE, Server};
use crate::workload::{Client, Crowd, audit};
use fastrand::Rng;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Clients at once.
const CLIENTS: usize = 16;
/// The file system's size: several times what the clients' keys can take.
const SIZE: &str = "size=48m";

/// A small file system, unmounted when it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// Mounts it, where that is allowed.
    fn mount(folder: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "kv-torture"])
            .arg(folder)
            .output()
            .map_err(|e| format!("mount: {e}"))?;
        if mount.status.success() {
            Ok(Self(folder.to_owned()))
        } else {
            Err(String::from_utf8_lossy(&mount.stderr).trim().to_owned())
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmount = Command::new("umount").arg(&self.0).status();
        if !unmount.is_ok_and(|status| status.success()) {
            eprintln!("torture: {} is still mounted", self.0.display());
        }
    }
}

/// Fills and frees the disk so many times, and returns how many changes were
/// acknowledged all the while; nothing where no file system may be mounted.
///
/// # Errors
/// What does not fit the ledgers, or does not recover.
pub fn run(binary: &Path, folder: &Path, times: u32, seed: u64) -> Result<Option<u64>, Failure> {
    let disk = match Disk::mount(folder) {
        Ok(disk) => disk,
        Err(reason) => {
            eprintln!(
                "torture: SKIPPED: a real full disk needs a mount, which was refused: {reason}"
            );
            return Ok(None);
        }
    };
    let mut rng = Rng::with_seed(seed);
    let settings = Settings::segments(256 << 10)
        .store("cache_bytes_max", 0)
        .store("checkpoint_interval_bytes", 512 << 10);
    let ground = Ground::new(binary, &disk.0.join("store"), &settings)?;
    let (server, ready) = Server::start(&ground)?;
    let mut probe = Probe {
        connection: Connection::open(Front::Tcp, &ready)?,
        client: Client::many(1, 0).remove(0),
        next: 0,
    };
    probe.put_until(true)?;
    let crowd = Crowd::start(Client::many(CLIENTS, rng.u64(..)), &ready);
    let outcome = (0..times).try_for_each(|_| {
        let ballast = disk.0.join("ballast");
        fill(&ballast)?;
        probe.put_until(false)?;
        probe.get()?;
        sleep(Duration::from_millis(rng.u64(0..50)));
        std::fs::remove_file(&ballast)?;
        probe.put_until(true)?;
        sleep(Duration::from_millis(rng.u64(0..50)));
        Ok::<(), Failure>(())
    });
    let restarted = restarts(&ready)?;
    let ended = crowd.end();
    outcome?;
    let mut clients = ended?;
    ensure(restarted == 0, || {
        format!("the guest was started again {restarted} times")
    })?;
    server.kill()?;
    clients.push(probe.client);
    let (_server, ready) = Server::start(&ground)?;
    audit(&mut clients, &ready, Front::Ndjson)?;
    Ok(Some(
        clients
            .iter()
            .map(|client| client.ledger.acknowledged)
            .sum(),
    ))
}

/// Writes until not one byte more is taken.
fn fill(path: &Path) -> Result<(), Failure> {
    let mut file = File::create(path)?;
    let mut piece = vec![0; 1 << 20];
    while !piece.is_empty() {
        match file.write(&piece) {
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::StorageFull => piece.truncate(piece.len() / 2),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// A client of its own, that looks whether the disk takes anything.
struct Probe {
    connection: Connection,
    client: Client,
    next: u64,
}

impl Probe {
    /// Puts until a put is done, or until one is refused.
    fn put_until(&mut self, done: bool) -> Result<(), Failure> {
        let given_up = Instant::now() + PATIENCE;
        while Instant::now() < given_up {
            self.next += 1;
            let put = Event::Put {
                key: "probe".to_owned(),
                value: format!("[{},\"{}\"]", self.next, "p".repeat(2000)),
                if_version: None,
            };
            let reply = self.connection.ask(&put)?;
            self.client.ledger.enter(&put, Some(&reply))?;
            match reply {
                Reply::Put { .. } if done => return Ok(()),
                Reply::Refused { code, .. } if code == "storage" && !done => return Ok(()),
                Reply::Put { .. } | Reply::Refused { .. } => {}
                other => return Err(Failure::new(format!("a put was answered {other:?}"))),
            }
        }
        Err(Failure::new(if done {
            "the disk has room again, and still no put is taken"
        } else {
            "the disk is full, and puts are taken"
        }))
    }

    /// A full disk serves reads.
    fn get(&mut self) -> Result<(), Failure> {
        let get = Event::Get {
            key: "probe".to_owned(),
        };
        let reply = self.connection.ask(&get)?;
        ensure(matches!(reply, Reply::Got { .. }), || {
            format!("with a full disk, a get was answered {reply:?}")
        })?;
        self.client.ledger.enter(&get, Some(&reply))
    }
}
