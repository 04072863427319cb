//! Several processes race to open one directory: exactly one wins, the others
//! fail at once. Servers and commands race each other.

use crate::event::{Event, Reply};
use crate::failure::{Failure, ensure};
use crate::ground::{Ground, Settings};
use crate::server::PATIENCE;
use crate::{connection::Connection, connection::Front, server::Server};
use fastrand::Rng;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The exit code of `storage`, which is what a directory that has an owner is.
const OWNED: i32 = 16;

/// How many race at once.
pub const RACERS: [usize; 2] = [2, 8];

/// Runs so many races of each size, and returns how many were run.
///
/// # Errors
/// Where not exactly one wins.
pub fn run(binary: &Path, folder: &Path, times: u32, seed: u64) -> Result<u32, Failure> {
    let mut rng = Rng::with_seed(seed);
    let ground = Ground::new(binary, folder, &Settings::default())?;
    let mut races = 0;
    for _ in 0..times {
        for count in RACERS {
            let place = format!("race {races} of {count} processes");
            race(&ground, count, &mut rng, races).map_err(|failure| failure.at(&place))?;
            races += 1;
        }
    }
    // Each winner has written one key, and nobody else anything.
    let (_server, ready) = Server::start(&ground)?;
    ensure(ready.keys == races as usize, || {
        format!("{} keys after {races} races", ready.keys)
    })?;
    ground.remove()?;
    Ok(races)
}

/// A process that wants the directory. A command waits on its standard input,
/// owning the directory, until it is given an event.
enum Racer {
    Server(Server),
    Command(Child),
}

impl Racer {
    fn start(ground: &Ground, server: bool) -> Result<Self, Failure> {
        if server {
            return Ok(Self::Server(Server::spawn_without_socket(ground)?));
        }
        let command = Command::new(&ground.binary)
            .args(["import", "-", "--manifest"])
            .arg(ground.manifest())
            .arg("--data")
            .arg(ground.data())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self::Command(command))
    }

    /// How it has ended, once it has.
    fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        match self {
            Self::Server(server) => server.ended(),
            Self::Command(command) => Ok(command.try_wait()?),
        }
    }

    /// Has the winner write a key.
    fn write(self, race: u32) -> Result<(), Failure> {
        let put = Event::Put {
            key: format!("race {race}"),
            value: "1".to_owned(),
            if_version: None,
        };
        match self {
            Self::Server(server) => {
                let (server, ready) = server.ready()?;
                let reply = Connection::open(Front::Tcp, &ready)?.ask(&put)?;
                ensure(matches!(reply, Reply::Put { .. }), || format!("{reply:?}"))?;
                server.kill()
            }
            Self::Command(mut command) => {
                if let Some(mut input) = command.stdin.take() {
                    writeln!(input, "{}", put.line())?;
                }
                let output = command.wait_with_output()?;
                ensure(output.status.success(), || {
                    String::from_utf8_lossy(&output.stderr).into_owned()
                })
            }
        }
    }
}

fn race(ground: &Ground, count: usize, rng: &mut Rng, race: u32) -> Result<(), Failure> {
    let mut racers = Vec::new();
    for _ in 0..count {
        racers.push(Racer::start(ground, rng.bool())?);
    }
    let given_up = Instant::now() + PATIENCE;
    while racers.len() > 1 {
        ensure(Instant::now() < given_up, || {
            format!("{} processes go on", racers.len())
        })?;
        let mut left = Vec::new();
        for mut racer in racers {
            match racer.ended()? {
                None => left.push(racer),
                Some(status) => loser(&mut racer, status)?,
            }
        }
        racers = left;
        sleep(Duration::from_millis(2));
    }
    let winner = racers.pop();
    let mut winner = winner.ok_or_else(|| Failure::new("nobody has won"))?;
    if let Some(status) = winner.ended()? {
        return Err(Failure::new(format!(
            "the last one has ended too: {status}"
        )));
    }
    winner.write(race)
}

/// Who lost must have said why.
fn loser(racer: &mut Racer, status: ExitStatus) -> Result<(), Failure> {
    ensure(status.code() == Some(OWNED), || {
        format!("one has ended, {status}")
    })?;
    let message = match racer {
        Racer::Server(server) => server.last_words(),
        Racer::Command(command) => {
            let mut message = String::new();
            if let Some(stderr) = &mut command.stderr {
                stderr.read_to_string(&mut message)?;
            }
            message
        }
    };
    ensure(message.starts_with("error: storage: "), || {
        format!("one has ended with {message:?}")
    })
}
