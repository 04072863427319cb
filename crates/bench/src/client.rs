//! One connection of the load generator, with its requests in flight.

use crate::load::Failure;
use crate::protocol::Protocol;
use crate::workload::{Keys, Workload};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::time::Instant;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    output: Vec<u8>,
    input: Vec<u8>,
    /// The key of each request in flight, and when it was sent.
    in_flight: VecDeque<(u64, Instant)>,
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            output: Vec::new(),
            input: Vec::new(),
            in_flight: VecDeque::new(),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Sends requests until `depth` of them are in flight.
    pub(crate) fn send(
        &mut self,
        protocol: Protocol,
        workload: Workload,
        mut next: impl FnMut() -> Option<u64>,
    ) -> Result<(), Failure> {
        let now = Instant::now();
        while self.in_flight.len() < workload.depth {
            let Some(number) = next() else {
                break;
            };
            protocol.write(&mut self.output, workload.operation, number);
            self.in_flight.push_back((number, now));
        }
        self.flush()
    }

    /// Writes what the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(bytes) => drop(self.output.drain(..bytes)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Reads replies, checks them, and counts their latencies.
    pub(crate) fn receive(
        &mut self,
        protocol: Protocol,
        workload: Workload,
        scratch: &mut [u8],
        latencies: &mut Histogram<u64>,
    ) -> Result<u64, Failure> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err(Failure::new("the server has closed a connection")),
                Ok(bytes) => {
                    self.input.extend_from_slice(&scratch[..bytes]);
                    if bytes < scratch.len() {
                        break;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e.into()),
            }
        }
        let now = Instant::now();
        let mut position = 0;
        let mut received = 0;
        while let Some((number, sent)) = self.in_flight.front() {
            let input = &self.input[position..];
            let Some(bytes) = protocol.read(input, workload.operation, *number)? else {
                break;
            };
            let latency = u64::try_from((now - *sent).as_nanos()).unwrap_or(u64::MAX);
            latencies.saturating_record(latency.max(1));
            position += bytes;
            received += 1;
            self.in_flight.pop_front();
        }
        self.input.drain(..position);
        Ok(received)
    }
}

/// Takes keys at random, for ever.
pub(crate) fn at_random(keys: &mut Keys) -> impl FnMut() -> Option<u64> {
    || Some(keys.next())
}
