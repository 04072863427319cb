//! One connection of the load generator, with its requests in flight.

use super::record;
use crate::failure::Failure;
use crate::protocol::Wire;
use crate::requests::{Operation, Request, Requests};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::time::Instant;

pub(super) struct Client {
    stream: TcpStream,
    output: Vec<u8>,
    /// How much of `output` the socket has taken.
    sent: usize,
    input: Vec<u8>,
    /// What is in flight, and when its request began.
    in_flight: VecDeque<(Request, Instant)>,
}

impl Client {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            output: Vec::new(),
            sent: 0,
            input: Vec::new(),
            in_flight: VecDeque::new(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Sends requests until `depth` of them are in flight.
    pub(super) fn send(
        &mut self,
        wire: &Wire,
        depth: usize,
        requests: &mut impl Requests,
    ) -> Result<(), Failure> {
        while self.in_flight.len() < depth {
            let Some(request) = requests.next() else {
                break;
            };
            wire.write(&mut self.output, request.operation, request.number);
            self.in_flight.push_back((request, Instant::now()));
        }
        self.flush()
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(bytes) => self.sent += bytes,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(())
    }

    /// Reads replies, checks them, and counts the latencies of the requests that
    /// are answered by them.
    pub(super) fn receive(
        &mut self,
        wire: &Wire,
        scratch: &mut [u8],
        latencies: &mut Histogram<u64>,
        requests: &mut impl Requests,
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
        let mut answered = 0;
        while let Some((request, begun)) = self.in_flight.front().copied() {
            let input = &self.input[position..];
            let Some(bytes) = wire.read(input, request.operation, request.number)? else {
                break;
            };
            position += bytes;
            self.in_flight.pop_front();
            if request.then_put {
                let put = Request::new(Operation::Put, request.number);
                wire.write(&mut self.output, put.operation, put.number);
                self.in_flight.push_back((put, begun));
                continue;
            }
            record(latencies, now - begun);
            requests.answered(request);
            answered += 1;
        }
        self.input.drain(..position);
        Ok(answered)
    }
}
