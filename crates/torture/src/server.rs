//! A server of the binary under test, as a process of its own.

use crate::failure::Failure;
use crate::ground::Ground;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long anything may take before it counts as hanging. No limit on speed.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The user who owns nothing.
pub const NOBODY: u32 = 65534;

/// What a server announces once it can answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// The line front's address.
    pub lines: SocketAddr,
    /// The HTTP front's.
    pub http: SocketAddr,
    /// The Unix socket.
    #[serde(default)]
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
    /// Copies its log, and returns its last line.
    words: Option<JoinHandle<String>>,
}

impl Server {
    /// Starts a server and waits until it can answer.
    ///
    /// # Errors
    /// Where it ends before; what it has logged is in the error.
    pub fn start(ground: &Ground) -> Result<(Self, Ready), Failure> {
        Self::spawn(ground)?.ready()
    }

    /// Starts a server that may use only so many file descriptors.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with_descriptors(ground: &Ground, count: u32) -> Result<(Self, Ready), Failure> {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {count}; exec \"$0\" \"$@\"");
        command.args(["-c", &script]).arg(&ground.binary);
        Self::run(command, ground, true)?.ready()
    }

    /// Starts a server as a user who owns nothing else.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_as_nobody(ground: &Ground) -> Result<(Self, Ready), Failure> {
        let mut command = Command::new(&ground.binary);
        command.uid(NOBODY).gid(NOBODY);
        Self::run(command, ground, true)?.ready()
    }

    /// Starts a server and does not wait.
    ///
    /// # Errors
    /// Where the binary can't be run.
    pub fn spawn(ground: &Ground) -> Result<Self, Failure> {
        Self::run(Command::new(&ground.binary), ground, true)
    }

    /// As [`Server::spawn`], without a Unix socket: that can have one owner, too.
    ///
    /// # Errors
    /// Where the binary can't be run.
    pub fn spawn_without_socket(ground: &Ground) -> Result<Self, Failure> {
        Self::run(Command::new(&ground.binary), ground, false)
    }

    fn run(mut command: Command, ground: &Ground, unix: bool) -> Result<Self, Failure> {
        let any = "127.0.0.1:0";
        command.args(["serve", "--lines", any, "--http", any]);
        if unix {
            command.arg("--unix").arg(ground.socket());
        }
        let mut process = command
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
        let words = std::thread::spawn(move || {
            stderr.map_or_else(String::new, |stderr| copy(stderr, &mut log, &announce))
        });
        Ok(Self {
            process,
            announced,
            words: Some(words),
        })
    }

    /// Waits until it can answer.
    ///
    /// # Errors
    /// Where it ends before; what it has logged is in the error.
    pub fn ready(mut self) -> Result<(Self, Ready), Failure> {
        match self.announced.recv_timeout(PATIENCE) {
            Ok(ready) => Ok((self, ready)),
            Err(RecvTimeoutError::Timeout) => Err(Failure::new("the server does not begin")),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.process.wait()?;
                let last = self.last_words();
                Err(Failure::new(format!("the server ended, {status}: {last}")))
            }
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The last line that it has logged, once it has ended.
    pub fn last_words(&mut self) -> String {
        let words = self.words.take().map(JoinHandle::join);
        words.and_then(Result::ok).unwrap_or_default()
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
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        self.process.kill().unwrap_or_default();
        self.process.wait().ok();
    }
}

/// Copies what a server logs, and picks out the line that says it can answer.
fn copy(stderr: ChildStderr, log: &mut File, announce: &Sender<Ready>) -> String {
    let mut last = String::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        // The log may lie on the disk that is being filled.
        writeln!(log, "{line}").unwrap_or_default();
        if let Ok(ready) = serde_json::from_str(&line) {
            // Whoever has stopped waiting needs no answer.
            announce.send(ready).unwrap_or_default();
        }
        last = line;
    }
    last
}
