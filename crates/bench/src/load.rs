//! The load generator, a closed loop: every connection keeps its requests in
//! flight, all of them on one thread.

use crate::failure::{Failure, failed};
use crate::machine::cpu_seconds;
use crate::protocol::Wire;
use crate::requests::Requests;
use client::Client;
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

mod client;

/// Latencies above this count as this.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// A server that says nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How many connections keep how many requests each in flight, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) depth: usize,
    /// What comes before the time that counts.
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

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
    /// Sends requests for as long as the load says.
    pub(crate) fn of(
        address: SocketAddr,
        wire: &Wire,
        load: Load,
        requests: &mut impl Requests,
    ) -> Result<Self, Failure> {
        let mut generator = Generator::connect(address, wire, load.connections, load.depth)?;
        generator.start(requests)?;
        generator.go_on(load.warm_up, requests)?;
        generator.latencies.reset();
        let (begun, cpu) = (Instant::now(), cpu_seconds());
        let replies = generator.go_on(load.time, requests)?;
        let seconds = begun.elapsed().as_secs_f64();
        let generator_share = (cpu_seconds() - cpu) / seconds;
        generator.finish(requests)?;
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

/// A histogram of latencies.
pub(crate) fn latencies() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_max(LATENCY_NS_MAX, 3).map_err(failed)
}

/// Counts a latency; what is out of range counts as the longest.
pub(crate) fn record(latencies: &mut Histogram<u64>, latency: Duration) {
    let latency = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
    latencies.saturating_record(latency.max(1));
}

/// Sends requests until there are none left, and waits for every reply.
pub(crate) fn send_all(
    address: SocketAddr,
    wire: &Wire,
    requests: &mut impl Requests,
) -> Result<(), Failure> {
    let mut generator = Generator::connect(address, wire, 64, 64)?;
    generator.start(requests)?;
    while generator.clients.iter().any(|client| !client.is_idle()) {
        generator.turn(requests, true)?;
    }
    Ok(())
}

struct Generator<'a> {
    wire: &'a Wire,
    depth: usize,
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    scratch: Vec<u8>,
    latencies: Histogram<u64>,
}

impl<'a> Generator<'a> {
    fn connect(
        address: SocketAddr,
        wire: &'a Wire,
        connections: usize,
        depth: usize,
    ) -> Result<Self, Failure> {
        let poll = Poll::new()?;
        let mut clients = Vec::new();
        for number in 0..connections {
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut stream, Token(number), interest)?;
            clients.push(Client::new(stream));
        }
        Ok(Self {
            wire,
            depth,
            poll,
            events: Events::with_capacity(256),
            clients,
            scratch: vec![0; 256 * 1024],
            latencies: latencies()?,
        })
    }

    fn start(&mut self, requests: &mut impl Requests) -> Result<(), Failure> {
        for client in &mut self.clients {
            client.send(self.wire, self.depth, requests)?;
        }
        Ok(())
    }

    fn go_on(&mut self, time: Duration, requests: &mut impl Requests) -> Result<u64, Failure> {
        let end = Instant::now() + time;
        let mut replies = 0;
        while Instant::now() < end {
            replies += self.turn(requests, true)?;
        }
        Ok(replies)
    }

    /// Waits for replies to what is in flight, and sends nothing more.
    fn finish(&mut self, requests: &mut impl Requests) -> Result<(), Failure> {
        while self.clients.iter().any(|client| !client.is_idle()) {
            self.turn(requests, false)?;
        }
        Ok(())
    }

    /// Handles what every ready socket has; sends as many more requests, or none.
    fn turn(&mut self, requests: &mut impl Requests, more: bool) -> Result<u64, Failure> {
        self.poll.poll(&mut self.events, Some(SILENCE_MAX))?;
        if self.events.is_empty() {
            return Err(Failure::new("the server has fallen silent"));
        }
        let mut replies = 0;
        for event in &self.events {
            let client = &mut self.clients[event.token().0];
            if event.is_readable() {
                replies +=
                    client.receive(self.wire, &mut self.scratch, &mut self.latencies, requests)?;
                if more {
                    client.send(self.wire, self.depth, requests)?;
                }
            }
            client.flush()?;
        }
        Ok(replies)
    }
}

#[cfg(test)]
mod tests;
