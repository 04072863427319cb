//! `make idle-connections`: what a server holds in memory for clients that are
//! connected and say nothing, each after one event.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

use clap::Parser;

type Failure = Box<dyn std::error::Error>;

/// Connects clients that stay idle, and prints the server's resident memory.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many clients
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// The store's binary
    #[arg(long, default_value = "target/release/kv-actor")]
    binary: PathBuf,
}

/// A process that is ended with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Err(e) = self.0.kill().and_then(|()| self.0.wait()) {
            eprintln!("idle-connections: the server can't be ended: {e}");
        }
    }
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("idle-connections: {e}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), Failure> {
    let data = tempfile::tempdir()?;
    let ports = ["--lines", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let server = Command::new(&arguments.binary)
        .arg("serve")
        .args(ports)
        .arg("--data")
        .arg(data.path())
        .stderr(Stdio::piped())
        .spawn();
    let mut server = Ended(server?);
    let stderr = server.0.stderr.take().ok_or("it has no standard error")?;
    let mut log = BufReader::new(stderr);
    let ready: serde_json::Value = loop {
        let mut line = String::new();
        if log.read_line(&mut line)? == 0 {
            return Err("the server has ended before it could answer".into());
        }
        if let Ok(ready) = serde_json::from_str(&line) {
            break ready;
        }
    };
    let address = ready["lines"].as_str().ok_or("it names no address")?;
    let before = resident_kib(server.0.id())?;
    let mut clients = Vec::new();
    for n in 0..arguments.connections {
        let mut client = TcpStream::connect(address)?;
        writeln!(client, r#"{{"type":"get","key":"{n}"}}"#)?;
        let mut reply = String::new();
        BufReader::new(&client).read_line(&mut reply)?;
        if !reply.contains("\"not_found\"") {
            return Err(format!("client {n} was answered {reply}").into());
        }
        clients.push(client);
    }
    let after = resident_kib(server.0.id())?;
    println!(
        "{}",
        serde_json::json!({
            "connections": clients.len(),
            "resident_kib": after,
            "resident_kib_before": before,
        })
    );
    Ok(())
}

fn resident_kib(process: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.ok_or("no resident memory is told")?;
    Ok(kib.trim().trim_end_matches(" kB").parse()?)
}
