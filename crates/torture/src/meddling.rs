//! What others do to the data directory of a running server: delete it, or
//! delete, cut and change the files in it. A put is then answered with an error,
//! or it is there after a restart, or the restart says what is damaged. A wrong
//! value is never served.

use crate::connection::{Connection, Front};
use crate::event::{Event, Reply};
use crate::failure::{Failure, ensure};
use crate::ground::Ground;
use crate::server::{Ready, Server};
use crate::strangers::{KEYS, filled, put};
use crate::workload::{Client, Crowd};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// What is done to a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meddling {
    /// The directory is deleted with all that is in it.
    DeleteDirectory,
    /// The directory is moved away. It is still the same one: the server goes on
    /// in it.
    MoveDirectory,
    /// The segment that is written to is deleted.
    DeleteNewest,
    /// A sealed segment is deleted.
    DeleteSealed,
    /// The segment that is written to is cut to half.
    CutNewest,
    /// The segment that is written to is emptied.
    EmptyNewest,
    /// A sealed segment is emptied.
    EmptySealed,
    /// One byte of every segment is changed.
    Change,
    /// Bytes are appended to the segment that is written to.
    Append,
}

impl Meddling {
    /// All of it.
    pub const ALL: [Self; 9] = [
        Self::DeleteDirectory,
        Self::MoveDirectory,
        Self::DeleteNewest,
        Self::DeleteSealed,
        Self::CutNewest,
        Self::EmptyNewest,
        Self::EmptySealed,
        Self::Change,
        Self::Append,
    ];

    fn meddle(self, ground: &Ground) -> Result<(), Failure> {
        let segments = ground.segments()?;
        let (Some(sealed), Some(newest)) = (segments.first(), segments.last()) else {
            return Err(Failure::new("there is no log"));
        };
        let open = |path: &Path| fs::File::options().read(true).write(true).open(path);
        match self {
            Self::DeleteDirectory => fs::remove_dir_all(ground.data())?,
            Self::MoveDirectory => {
                fs::rename(ground.data(), away(ground))?;
            }
            Self::DeleteNewest => fs::remove_file(newest)?,
            Self::DeleteSealed => fs::remove_file(sealed)?,
            Self::CutNewest => open(newest)?.set_len(fs::metadata(newest)?.len() / 2)?,
            Self::EmptyNewest => open(newest)?.set_len(0)?,
            Self::EmptySealed => open(sealed)?.set_len(0)?,
            Self::Change => {
                for segment in &segments {
                    let middle = fs::metadata(segment)?.len() / 2;
                    open(segment)?.write_all_at(b"~", middle)?;
                }
            }
            Self::Append => {
                let length = fs::metadata(newest)?.len();
                open(newest)?.write_all_at(b"{\"c\":\"00000000\",", length)?;
            }
        }
        Ok(())
    }
}

/// What a put came to, during and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was refused.
    Refused,
    /// It was acknowledged, and there after the restart.
    Kept,
    /// It was acknowledged, and the restart has said what is damaged.
    Damage,
}

/// Does everything there is to a server, and returns what came of it.
///
/// # Errors
/// Where a put was acknowledged and lost, or a wrong value was served.
pub fn run(binary: &Path, folder: &Path) -> Result<Vec<(Meddling, Outcome)>, Failure> {
    let mut outcomes = Vec::new();
    let mut failures = Vec::new();
    for meddling in Meddling::ALL {
        let ground = filled(binary, folder)?;
        match attempt(&ground, meddling) {
            Ok(outcome) => outcomes.push((meddling, outcome)),
            Err(failure) => failures.push(format!("{meddling:?}: {failure}")),
        }
    }
    ensure(failures.is_empty(), || {
        format!("{}; otherwise {outcomes:?}", failures.join("; "))
    })?;
    Ok(outcomes)
}

fn attempt(ground: &Ground, meddling: Meddling) -> Result<Outcome, Failure> {
    let (mut server, ready) = Server::start(ground)?;
    let mut connection = Connection::open(Front::Tcp, &ready)?;
    // The newest segment is one that this server has begun.
    for number in 0..3 {
        let reply = connection.ask(&put(number))?;
        ensure(matches!(reply, Reply::Put { .. }), || format!("{reply:?}"))?;
    }
    meddling.meddle(ground)?;
    let marked = Event::Put {
        key: "marked".to_owned(),
        value: "true".to_owned(),
        if_version: None,
    };
    let reply = connection.ask(&marked)?;
    let acknowledged = match reply {
        Reply::Put { .. } => true,
        Reply::Refused { code, .. } if code == "storage" || code == "unavailable" => false,
        other => return Err(Failure::new(format!("a put was answered {other:?}"))),
    };
    reads_are_right(&mut connection)?;
    ensure(server.ended()?.is_none(), || {
        "the server has ended".to_owned()
    })?;
    server.kill()?;
    if meddling == Meddling::MoveDirectory {
        fs::rename(away(ground), ground.data())?;
    }
    let restarted = Server::start(ground);
    match (&restarted, acknowledged) {
        (_, false) => Ok(Outcome::Refused),
        (Err(failure), true) => {
            let said = failure.to_string().contains(".jsonl");
            ensure(said, || failure.to_string())?;
            Ok(Outcome::Damage)
        }
        (Ok((_, ready)), true) => {
            is_there(ready)?;
            Ok(Outcome::Kept)
        }
    }
}

fn away(ground: &Ground) -> PathBuf {
    ground.data().with_file_name("away")
}

fn is_there(ready: &Ready) -> Result<(), Failure> {
    let get = Event::Get {
        key: "marked".to_owned(),
    };
    let reply = Connection::open(Front::Tcp, ready)?.ask(&get)?;
    ensure(matches!(reply, Reply::Got { .. }), || {
        format!("an acknowledged put is gone: {reply:?}")
    })
}

/// Every value that is served is the right one; errors and gaps are told apart.
fn reads_are_right(connection: &mut Connection) -> Result<(), Failure> {
    for number in 0..KEYS {
        let Event::Put {
            key, value: text, ..
        } = put(number)
        else {
            continue;
        };
        let reply = connection.ask(&Event::Get { key })?;
        let right = match &reply {
            Reply::Got { value, .. } => *value == text,
            Reply::Refused { code, .. } => {
                ["corrupt", "storage", "unavailable"].contains(&code.as_str())
            }
            _ => false,
        };
        ensure(right, || format!("key {number} is answered {reply:?}"))?;
    }
    Ok(())
}

/// Uses up the file descriptors of a server with many connections. It must go on
/// with those that it has, begin new segments, and lose nothing.
///
/// # Errors
/// What does not fit the ledgers.
pub fn descriptors(binary: &Path, folder: &Path, seed: u64) -> Result<u64, Failure> {
    const DESCRIPTORS: u32 = 40;
    const CLIENTS: usize = 64;
    let ground = filled(binary, folder)?;
    let (server, ready) = Server::start_with_descriptors(&ground, DESCRIPTORS)?;
    let crowd = Crowd::start(Client::many(CLIENTS, seed), &ready);
    sleep(Duration::from_millis(1500));
    let mut clients = crowd.end()?;
    server.kill()?;
    let (_server, ready) = Server::start(&ground)?;
    // What was there before belongs to no client.
    let ready = Ready {
        keys: ready.keys - KEYS as usize,
        ..ready
    };
    crate::workload::audit(&mut clients, &ready, Front::Tcp)?;
    let acknowledged = clients
        .iter()
        .map(|client| client.ledger.acknowledged)
        .sum();
    ensure(acknowledged > 0, || "nothing was acknowledged".to_owned())?;
    Ok(acknowledged)
}
