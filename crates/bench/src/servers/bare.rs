//! A line server that does only what none can leave out: one thread receives
//! from every socket that has something, appends as many bytes as the store's log
//! would take, syncs once, and sends every reply. It reads no JSON, keeps no index
//! and no values: what a key holds follows from the key. It runs as a process of
//! its own.

use super::Server;
use crate::bare_log::BareLog;
use crate::failure::{Failure, failed};
use crate::values::{KEY_BYTES, Values};
use memchr::memchr;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Command;

pub(crate) const BARE: &str = "bare server";

/// Where an event of the load generator has its key: behind `{"type":"put","key":"`.
const KEY_START: usize = 21;

/// What a line of the log has beside its event: see docs/format.md.
const LINE_BYTES_MORE: usize = 26;

const ACCEPT: Token = Token(usize::MAX);

impl Server {
    /// This program, as a bare server that appends to a file. Its values are the
    /// small ones, or YCSB's records.
    pub(crate) fn bare(file: &Path, records: bool) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve-bare").arg(file);
        if records {
            command.arg("--records");
        }
        Self::announced(BARE, &mut command)
    }
}

/// Serves until it is killed.
pub(crate) fn serve_bare(file: &Path, values: &Values) -> Result<(), Failure> {
    let mut durable = BareLog::create(file)?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    eprintln!("{{\"lines\":\"{}\"}}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry()
        .register(&mut listener, ACCEPT, Interest::READABLE)?;
    let mut clients = BTreeMap::new();
    let (mut log, mut scratch) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        poll.poll(&mut events, None)?;
        let mut heard = Vec::new();
        for event in &events {
            match event.token() {
                ACCEPT => accept(&listener, &mut clients, &poll, values)?,
                token => heard.push(token),
            }
        }
        for token in &heard {
            if let Some(client) = clients.get_mut(token)
                && !client.receive(&mut log, &mut scratch)?
            {
                clients.remove(token);
            }
        }
        if !log.is_empty() {
            durable.append(&log)?;
            log.clear();
        }
        for token in &heard {
            if let Some(client) = clients.get_mut(token) {
                client.send()?;
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    clients: &mut BTreeMap<Token, Client>,
    poll: &Poll,
    values: &Values,
) -> Result<(), Failure> {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nodelay(true)?;
                let next = clients.last_key_value().map_or(0, |(last, _)| last.0 + 1);
                let interest = Interest::READABLE | Interest::WRITABLE;
                poll.registry()
                    .register(&mut stream, Token(next), interest)?;
                clients.insert(Token(next), Client::new(stream, values.clone()));
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(failed(e)),
        }
    }
}

struct Client {
    stream: TcpStream,
    input: Vec<u8>,
    /// So much of it has no end of a line.
    searched: usize,
    replies: Vec<u8>,
    /// A value, which is the same under every key but for its key.
    values: Values,
}

impl Client {
    fn new(stream: TcpStream, values: Values) -> Self {
        Self {
            stream,
            input: Vec::new(),
            searched: 0,
            replies: Vec::new(),
            values,
        }
    }

    /// Reads what has come, writes replies, and what is to be logged. False once
    /// the client has gone.
    fn receive(&mut self, log: &mut Vec<u8>, scratch: &mut [u8]) -> io::Result<bool> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Ok(false),
                Ok(bytes) => {
                    self.input.extend_from_slice(&scratch[..bytes]);
                    if bytes < scratch.len() {
                        break;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        let mut rest = &self.input[..];
        let mut searched = self.searched;
        while let Some(end) = memchr(b'\n', &rest[searched..]) {
            let (line, behind) = rest.split_at(searched + end + 1);
            (rest, searched) = (behind, 0);
            let key = line.get(KEY_START..KEY_START + KEY_BYTES);
            let key = key.ok_or_else(|| io::Error::other("no event of the load generator"))?;
            self.replies
                .extend_from_slice(b"{\"status\":\"ok\",\"key\":\"");
            self.replies.extend_from_slice(key);
            self.replies.push(b'"');
            if line.len() > self.values.bytes() {
                log.extend_from_slice(line);
                log.extend_from_slice(&[b' '; LINE_BYTES_MORE]);
            } else {
                self.replies.extend_from_slice(b",\"value\":");
                self.values.write(&mut self.replies, number(key));
            }
            self.replies.extend_from_slice(b",\"version\":1000000}\n");
        }
        self.searched = rest.len();
        let read = self.input.len() - rest.len();
        self.input.drain(..read);
        Ok(true)
    }

    /// Sends what the socket takes; an event says when it takes the rest.
    fn send(&mut self) -> io::Result<()> {
        while !self.replies.is_empty() {
            match self.stream.write(&self.replies) {
                Ok(bytes) => drop(self.replies.drain(..bytes)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// The number that a key was made of.
fn number(key: &[u8]) -> u64 {
    let digits = key.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}
