//! The closed loop: every connection keeps its requests in flight, on one thread.

use crate::client::{Client, at_random};
use crate::machine::cpu_seconds;
use crate::servers::Server;
use crate::workload::{Keys, Operation, Workload};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::fmt;
use std::time::{Duration, Instant};

/// What comes before the time that counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// Latencies above this count as this.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// A server that says nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What one run has shown.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) replies: u64,
    pub(crate) seconds: f64,
    /// In nanoseconds.
    pub(crate) latencies: Histogram<u64>,
    /// The share of one core that the generator itself used.
    pub(crate) generator_share: f64,
}

impl Run {
    /// Runs a workload on a server, for `seconds` behind the warm-up.
    pub(crate) fn of(
        server: &Server,
        workload: Workload,
        keys: &mut Keys,
        seconds: f64,
    ) -> Result<Self, Failure> {
        let mut generator = Generator::connect(server, workload)?;
        generator.go_on(WARM_UP, keys)?;
        generator.latencies.reset();
        let (begun, cpu) = (Instant::now(), cpu_seconds());
        let replies = generator.go_on(Duration::from_secs_f64(seconds), keys)?;
        let seconds = begun.elapsed().as_secs_f64();
        let generator_share = (cpu_seconds() - cpu) / seconds;
        generator.finish()?;
        Ok(Self {
            replies,
            seconds,
            latencies: generator.latencies,
            generator_share,
        })
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(crate) fn per_second(&self) -> f64 {
        self.replies as f64 / self.seconds
    }
}

/// Puts every key once.
pub(crate) fn fill(server: &Server, count: u64) -> Result<(), Failure> {
    let mut generator = Generator::connect(server, Workload::new(Operation::Put, 64, 64))?;
    let mut numbers = 0..count;
    generator.start(|| numbers.next())?;
    while generator.clients.iter().any(|client| !client.is_idle()) {
        generator.turn(|| numbers.next())?;
    }
    Ok(())
}

struct Generator<'a> {
    server: &'a Server,
    workload: Workload,
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    scratch: Vec<u8>,
    latencies: Histogram<u64>,
}

impl<'a> Generator<'a> {
    fn connect(server: &'a Server, workload: Workload) -> Result<Self, Failure> {
        let poll = Poll::new()?;
        let mut clients = Vec::new();
        for number in 0..workload.connections {
            let stream = std::net::TcpStream::connect(server.address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut stream, Token(number), interest)?;
            clients.push(Client::new(stream));
        }
        Ok(Self {
            server,
            workload,
            poll,
            events: Events::with_capacity(256),
            clients,
            scratch: vec![0; 256 * 1024],
            latencies: Histogram::new_with_max(LATENCY_NS_MAX, 3)
                .map_err(|e| Failure::new(e.to_string()))?,
        })
    }

    fn start(&mut self, mut next: impl FnMut() -> Option<u64>) -> Result<(), Failure> {
        for client in &mut self.clients {
            client.send(self.server.protocol, self.workload, &mut next)?;
        }
        Ok(())
    }

    fn go_on(&mut self, time: Duration, keys: &mut Keys) -> Result<u64, Failure> {
        let end = Instant::now() + time;
        let mut next = at_random(keys);
        self.start(&mut next)?;
        let mut replies = 0;
        while Instant::now() < end {
            replies += self.turn(&mut next)?;
        }
        Ok(replies)
    }

    /// Waits for replies to what is in flight, and sends nothing more.
    fn finish(&mut self) -> Result<(), Failure> {
        while self.clients.iter().any(|client| !client.is_idle()) {
            self.turn(|| None)?;
        }
        Ok(())
    }

    /// Handles what every ready socket has.
    fn turn(&mut self, mut next: impl FnMut() -> Option<u64>) -> Result<u64, Failure> {
        let (protocol, workload) = (self.server.protocol, self.workload);
        self.poll.poll(&mut self.events, Some(SILENCE_MAX))?;
        if self.events.is_empty() {
            return Err(Failure::new(format!(
                "{} has fallen silent",
                self.server.name
            )));
        }
        let mut replies = 0;
        for event in &self.events {
            let client = &mut self.clients[event.token().0];
            if event.is_readable() {
                replies +=
                    client.receive(protocol, workload, &mut self.scratch, &mut self.latencies)?;
                client.send(protocol, workload, &mut next)?;
            } else {
                client.flush()?;
            }
        }
        Ok(replies)
    }
}

/// Why there is no figure.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;
    use std::io::{BufRead, BufReader, Write};

    /// A server of ours in a few lines: it answers every put and get rightly, or
    /// with the value of another key.
    fn serve(wrong: bool) -> std::net::SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                std::thread::spawn(move || {
                    for line in BufReader::new(&stream).lines() {
                        let Ok(line) = line else { return };
                        let number: u64 = line[line.find("key:").unwrap() + 4..][..16]
                            .parse()
                            .unwrap();
                        let (key, value) = (
                            crate::workload::key(number),
                            crate::workload::value(number + u64::from(wrong)),
                        );
                        let (key, value) = (
                            String::from_utf8_lossy(&key),
                            String::from_utf8_lossy(&value),
                        );
                        let reply = format!(
                            "{{\"status\":\"ok\",\"key\":\"{key}\",\"value\":{value},\"version\":1}}\n"
                        );
                        if (&stream).write_all(reply.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    #[test]
    fn replies_are_counted_and_timed() {
        let server = Server::at("ours", serve(false), Protocol::Lines);
        fill(&server, 1000).unwrap();
        for operation in [Operation::Put, Operation::Get] {
            let workload = Workload::new(operation, 4, 3);
            let run = Run::of(&server, workload, &mut Keys::new(100, 1), 0.1).unwrap();
            assert!(run.replies > 0 && run.per_second() > 0.0);
            assert!(run.latencies.len() >= run.replies);
        }
    }

    #[test]
    fn a_wrong_value_fails_the_run() {
        let server = Server::at("ours", serve(true), Protocol::Lines);
        let workload = Workload::new(Operation::Get, 1, 1);
        let failure = Run::of(&server, workload, &mut Keys::new(100, 1), 0.1).unwrap_err();
        assert!(failure.to_string().contains("wrong reply"), "{failure}");
    }
}
