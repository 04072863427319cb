//! A server of the binary under test, as a process of its own.

use crate::failure::Failure;
use crate::ground::Ground;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long anything may take before it counts as hanging. No limit on speed.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What a server announces once it can answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// The line front's address.
    pub lines: SocketAddr,
    /// The HTTP front's.
    pub http: SocketAddr,
    /// The Unix socket.
    pub unix: PathBuf,
    /// The keys that have a value.
    pub keys: usize,
    /// The content objects.
    pub contents: usize,
}

/// A server; killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    /// The ready line, once it was printed; closed where the server ended first.
    announced: Receiver<Ready>,
}

impl Server {
    /// Starts a server and waits until it can answer.
    ///
    /// # Errors
    /// Where it ends before; what it has logged is in the error.
    pub fn start(ground: &Ground) -> Result<(Self, Ready), Failure> {
        let server = Self::spawn(ground)?;
        server.ready(ground)
    }

    /// Starts a server that may use only so many file descriptors.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with_descriptors(ground: &Ground, count: u32) -> Result<(Self, Ready), Failure> {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {count}; exec \"$0\" \"$@\"");
        command.args(["-c", &script]).arg(&ground.binary);
        let server = Self::run(command, ground)?;
        server.ready(ground)
    }

    /// Starts a server and does not wait.
    ///
    /// # Errors
    /// Where the binary can't be run.
    pub fn spawn(ground: &Ground) -> Result<Self, Failure> {
        Self::run(Command::new(&ground.binary), ground)
    }

    fn run(mut command: Command, ground: &Ground) -> Result<Self, Failure> {
        let any = "127.0.0.1:0";
        let mut process = command
            .args(["serve", "--lines", any, "--http", any, "--unix"])
            .arg(ground.socket())
            .arg("--manifest")
            .arg(ground.manifest())
            .arg("--data")
            .arg(ground.data())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| Failure::new(format!("{}: {e}", ground.binary.display())))?;
        let (announce, announced) = channel();
        let stderr = process.stderr.take();
        let mut log = File::options()
            .append(true)
            .create(true)
            .open(ground.log())?;
        std::thread::spawn(move || {
            stderr.map(|stderr| {
                copy(stderr, &mut log, |ready| {
                    // Whoever has stopped waiting needs no answer.
                    announce.send(ready).unwrap_or_default();
                })
            })
        });
        Ok(Self { process, announced })
    }

    fn ready(mut self, ground: &Ground) -> Result<(Self, Ready), Failure> {
        match self.announced.recv_timeout(PATIENCE) {
            Ok(ready) => Ok((self, ready)),
            Err(RecvTimeoutError::Timeout) => Err(Failure::new("the server does not begin")),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.process.wait()?;
                let log = std::fs::read_to_string(ground.log())?;
                let last = log.lines().last().unwrap_or_default();
                Err(Failure::new(format!("the server ended, {status}: {last}")))
            }
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL: no chance to tidy up.
    ///
    /// # Errors
    /// Where it has ended before, all by itself.
    pub fn kill(mut self) -> Result<(), Failure> {
        if let Some(status) = self.process.try_wait()? {
            return Err(Failure::new(format!(
                "the server ended by itself, {status}"
            )));
        }
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// Where the system can't tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        Ok(self.process.try_wait()?)
    }

    /// The ready line, where it was printed by now.
    pub fn announced(&self) -> Option<Ready> {
        self.announced.try_recv().ok()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Where it does not end.
    pub fn wait(&mut self) -> Result<ExitStatus, Failure> {
        let given_up = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > given_up {
                return Err(Failure::new("the server does not end"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        self.process.kill().unwrap_or_default();
        self.process.wait().ok();
    }
}

/// Copies what a server logs, and picks out the line that says it can answer.
fn copy(stderr: ChildStderr, log: &mut File, mut announce: impl FnMut(Ready)) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        writeln!(log, "{line}").unwrap_or_default();
        if let Ok(ready) = serde_json::from_str(&line) {
            announce(ready);
        }
    }
}
