//! The servers that are measured: processes of their own, on data directories
//! that outlive them.

use crate::failure::{Failure, failed};
use crate::protocol::Protocol;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

mod bare;
mod fixed;
mod ours;
mod redis;

pub(crate) use bare::{BARE, serve_bare};
pub(crate) use fixed::{FIXED, serve_fixed};
pub(crate) use ours::{OURS, StoreSettings};
pub(crate) use redis::{PROGRAM as REDIS_PROGRAM, REDIS, SETTINGS as REDIS_SETTINGS};

/// How long a server may take to answer at all.
const START_TIMEOUT: Duration = Duration::from_mins(10);

/// A running server. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// Where its own protocol is spoken, and HTTP where it has that.
    address: Option<SocketAddr>,
    http: Option<SocketAddr>,
    /// From its start to its readiness.
    pub(crate) opened_in: Duration,
    process: Child,
}

impl Server {
    /// Where it listens for a protocol.
    pub(crate) fn address(&self, protocol: Protocol) -> Result<SocketAddr, Failure> {
        let address = match protocol {
            Protocol::Lines | Protocol::Redis => self.address,
            Protocol::Http(_) | Protocol::FixedHttp(_) => self.http,
        };
        address.ok_or_else(|| Failure::new(format!("{} does not speak {protocol:?}", self.name)))
    }

    /// The memory that it has to itself.
    pub(crate) fn memory_bytes(&self) -> Result<u64, Failure> {
        crate::machine::memory_bytes(self.process.id()).ok_or_else(|| {
            Failure::new(format!(
                "the kernel does not tell the memory of {}",
                self.name
            ))
        })
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let pid = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).map_err(failed)?;
        }
        let status = self.process.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("{} ended with {status}", self.name)))
    }

    /// Ends it without warning.
    pub(crate) fn kill(mut self) -> Result<(), Failure> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts a program that says on a line of standard error, in JSON, where it
    /// listens, once it is ready.
    fn announced(name: &'static str, command: &mut Command) -> Result<Self, Failure> {
        let begun = Instant::now();
        let mut process = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| Failure::new(format!("{name} can't be started: {e}")))?;
        let log = process.stderr.take();
        let mut server = Self {
            name,
            address: None,
            http: None,
            opened_in: Duration::ZERO,
            process,
        };
        let mut log = BufReader::new(log.ok_or_else(|| Failure::new("no standard error"))?);
        let mut said = String::new();
        loop {
            let start = said.len();
            if log.read_line(&mut said)? == 0 {
                return Err(Failure::new(format!(
                    "{name} has ended before it could answer: {said}"
                )));
            }
            let Ok(ready) = serde_json::from_str::<serde_json::Value>(&said[start..]) else {
                continue;
            };
            server.opened_in = begun.elapsed();
            let address = |field: &str| ready[field].as_str().and_then(|text| text.parse().ok());
            server.address = address("lines");
            server.http = address("http");
            break;
        }
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::stderr()));
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already can't be killed, and needn't.
        if self.process.kill().is_ok() {
            self.process.wait().ok();
        }
    }
}

/// The first words of what a program says its version is.
pub(crate) fn version(program: &Path, flag: &str) -> Result<String, Failure> {
    let output = Command::new(program).arg(flag).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let words = text
        .split_whitespace()
        .take_while(|word| !word.starts_with('('));
    let words: Vec<_> = words.take(3).collect();
    Ok(words.join(" "))
}
