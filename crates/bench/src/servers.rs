//! The servers that are measured, as processes of their own, each on a data
//! directory beside the other's.

use crate::load::Failure;
use crate::protocol::Protocol;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to answer at all.
const START_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) settings: String,
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
    process: Option<Child>,
    /// Removed when the server has ended.
    _data: Option<TempDir>,
}

impl Server {
    /// Our store, with its defaults.
    pub(crate) fn ours(binary: &Path, folder: &Path) -> Result<Self, Failure> {
        let data = TempDir::new_in(folder)?;
        let mut process = Command::new(binary)
            .args([
                "serve",
                "--lines",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(data.path())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| Failure::new(format!("{} can't be started: {e}", binary.display())))?;
        let mut log = process.stderr.take().map(BufReader::new);
        let address = loop {
            let mut line = String::new();
            let bytes = log.as_mut().map_or(Ok(0), |log| log.read_line(&mut line))?;
            if bytes == 0 {
                return Err(Failure::new("kv-actor has ended before it could answer"));
            }
            let ready: Result<serde_json::Value, _> = serde_json::from_str(&line);
            if let Some(address) = ready
                .ok()
                .as_ref()
                .and_then(|ready| ready["lines"].as_str())
            {
                break address
                    .parse()
                    .map_err(|e| Failure::new(format!("{address}: {e}")))?;
            }
        };
        // Whatever it logs must not fill the pipe.
        std::thread::spawn(move || {
            log.map(|mut log| std::io::copy(&mut log.by_ref(), &mut std::io::stderr()))
        });
        Ok(Self {
            name: "kv-actor",
            version: version(binary, "--version")?,
            settings: "defaults: every batch synced before its replies".to_owned(),
            address,
            protocol: Protocol::Lines,
            process: Some(process),
            _data: Some(data),
        })
    }

    /// Debian's Redis, which syncs its append-only file before it replies.
    pub(crate) fn redis(folder: &Path) -> Result<Self, Failure> {
        let settings = [
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
            "--auto-aof-rewrite-percentage",
            "0",
        ];
        let data = TempDir::new_in(folder)?;
        // Redis can't choose a port itself: one that is free now will do.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &address.port().to_string(),
                "--dir",
            ])
            .arg(data.path())
            .args(settings)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| {
                Failure::new(format!(
                    "redis-server can't be started: {e}; install Debian's redis-server"
                ))
            })?;
        let server = Self {
            name: "redis",
            version: version(Path::new("redis-server"), "--version")?,
            settings: settings.join(" "),
            address,
            protocol: Protocol::Redis,
            process: Some(process),
            _data: Some(data),
        };
        let given_up = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > given_up {
                return Err(Failure::new("redis-server does not answer"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// A server that somebody else runs.
    #[cfg(test)]
    pub(crate) fn at(name: &'static str, address: SocketAddr, protocol: Protocol) -> Self {
        Self {
            name,
            version: String::new(),
            settings: String::new(),
            address,
            protocol,
            process: None,
            _data: None,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process
            && let Err(e) = process.kill().and_then(|()| process.wait())
        {
            eprintln!("bench: {} can't be ended: {e}", self.name);
        }
    }
}

fn version(program: &Path, flag: &str) -> Result<String, Failure> {
    let output = Command::new(program).arg(flag).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<_> = text.split_whitespace().take(3).collect();
    Ok(words.join(" "))
}
