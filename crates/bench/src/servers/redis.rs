//! Debian's Redis, which syncs its append-only file before it replies.

use super::{START_TIMEOUT, Server};
use crate::failure::Failure;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const REDIS: &str = "redis";

pub(crate) const PROGRAM: &str = "redis-server";

/// As durable as ours, and no rewriting beside the measurement.
pub(crate) const SETTINGS: [&str; 8] = [
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--save",
    "",
    "--auto-aof-rewrite-percentage",
    "0",
];

impl Server {
    /// Redis on a data directory; nothing where it isn't installed.
    pub(crate) fn redis(data: &Path) -> Result<Option<Self>, Failure> {
        std::fs::create_dir_all(data)?;
        // Redis can't choose a port itself: one that is free now will do.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let begun = Instant::now();
        let process = Command::new(PROGRAM)
            .args(["--bind", "127.0.0.1", "--port"])
            .arg(address.port().to_string())
            .arg("--dir")
            .arg(data)
            .args(SETTINGS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let process = match process {
            Ok(process) => process,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Failure::new(format!("{PROGRAM} can't be started: {e}"))),
        };
        let mut server = Self {
            name: REDIS,
            address: Some(address),
            http: None,
            opened_in: Duration::ZERO,
            process,
        };
        while !answers(address) {
            if begun.elapsed() > START_TIMEOUT || server.process.try_wait()?.is_some() {
                return Err(Failure::new(format!("{PROGRAM} does not answer")));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        server.opened_in = begun.elapsed();
        Ok(Some(server))
    }
}

/// Whether it answers as one that has read its data: before, it says `-LOADING`.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut reply = [0; 7];
        stream.read_exact(&mut reply)?;
        Ok(reply == *b"+PONG\r\n")
    };
    ask().unwrap_or(false)
}
