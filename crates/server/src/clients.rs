//! The clients of the line front: who is connected, who has something to do, and
//! how much memory they hold.

use crate::connection::{Admission, Connection, Ending};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::stream::Stream;
use crate::token::Token as Secret;
use kv_protocol::limits::EVENT_BYTES_MAX;
use kv_protocol::{Code, Refusal, event, reply};
use mio::event::Event;
use mio::{Registry, Token};
use slab::Slab;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A client that holds no more than this is not disconnected for it.
const HELD_BYTES_SMALL: usize = 64 * 1024;

/// How much is read from one client at a time.
const READ_BYTES: usize = 64 * 1024;

// What comes with one read is answered before the next: so a line that is too
// long can be refused as soon as it is seen, and is still in order.
const _: () = assert!(READ_BYTES < EVENT_BYTES_MAX);

/// How long all clients together may take for their end.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Clients that say nothing for this long have nothing more to say.
const QUIET_TIMEOUT: Duration = Duration::from_millis(50);

/// How often they are looked at meanwhile.
const END_STEP: Duration = Duration::from_millis(1);

pub(crate) struct Clients {
    connections: Slab<Connection>,
    /// Those that may have something to read or to take.
    listed: VecDeque<usize>,
    /// Those to look after at the end of a round.
    touched: Vec<usize>,
    /// Those that have watched, and are gone.
    gone: Vec<usize>,
    held_bytes: usize,
    scratch: Vec<u8>,
    limits: Limits,
    /// What clients must show that come over a network.
    secret: Option<Secret>,
    /// When those are next looked for that have been idle for too long.
    next_sweep: Instant,
    metrics: Arc<Metrics>,
}

impl Clients {
    pub(crate) fn new(limits: Limits, secret: Option<Secret>, metrics: Arc<Metrics>) -> Self {
        Self {
            connections: Slab::new(),
            listed: VecDeque::new(),
            touched: Vec::new(),
            gone: Vec::new(),
            held_bytes: 0,
            scratch: vec![0; READ_BYTES],
            limits,
            secret,
            next_sweep: Instant::now(),
            metrics,
        }
    }

    /// Takes in a new client, or turns it away.
    pub(crate) fn welcome(&mut self, stream: Stream, registry: &Registry) {
        // A Unix socket is guarded by its file's permissions.
        let admission = match (&stream, &self.secret) {
            (Stream::Unix(_), _) | (_, None) => Admission::Granted,
            (Stream::Tcp(_) | Stream::Tls(_), Some(_)) => Admission::Needed,
        };
        let mut connection = Connection::new(stream, admission);
        let connections_max = self.limits.line_connections_max;
        if self.connections.len() >= connections_max {
            let message = format!(
                "{connections_max} clients are connected, which is the most; try again later"
            );
            connection.refuse(&Refusal::new(Code::Unavailable, message));
            // What can't be done at once is not done: this is one client too many.
            connection.end(&mut self.scratch);
            return;
        }
        let entry = self.connections.vacant_entry();
        let token = Token(entry.key());
        match connection.stream_mut().register(registry, token) {
            Ok(()) => {
                entry.insert(connection);
                self.metrics.connections.inc();
            }
            Err(e) => tracing::warn!(error = %e, "a client can't be watched"),
        }
    }

    /// Notes what a client's socket has to say.
    pub(crate) fn note(&mut self, id: usize, event: &Event) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.note(event);
            list(connection, id, &mut self.listed);
        }
    }

    /// Whether somebody has something to do that no event will announce.
    pub(crate) fn is_busy(&self) -> bool {
        !self.listed.is_empty()
    }

    /// How many have.
    pub(crate) fn busy_count(&self) -> usize {
        self.listed.len()
    }

    /// Reads from so many clients in turn, once, and hands their lines to `push`,
    /// until that says that there is room for no more.
    pub(crate) fn read(&mut self, clients_max: usize, mut push: impl FnMut(usize, &[u8]) -> bool) {
        for _ in 0..self.listed.len().min(clients_max) {
            let Some(id) = self.listed.pop_front() else {
                return;
            };
            let Some(connection) = self.connections.get_mut(id) else {
                continue;
            };
            connection.listed = false;
            touch(connection, id, &mut self.touched);
            connection.read(&mut self.scratch);
            if connection.admission() == Admission::Needed
                && let Some(secret) = &self.secret
            {
                connection.authenticate(secret);
            }
            while let Some(line) = connection.next_line() {
                if !push(id, line) {
                    return;
                }
            }
        }
    }

    /// Gives a client the reply to one of its lines.
    pub(crate) fn reply(&mut self, id: usize, line: &[u8]) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.reply(line);
            touch(connection, id, &mut self.touched);
        }
    }

    /// Tells a client that one of its lines was not carried out.
    pub(crate) fn refuse(&mut self, id: usize, line: &[u8], refusal: &Refusal) {
        let mut refused = Vec::new();
        reply::error(&mut refused, event::id_of(line), refusal);
        self.reply(id, &refused);
    }

    /// Notes that a client is told changes, and the memory of that; or that it is
    /// told no more.
    pub(crate) fn set_watch(&mut self, id: usize, watch_bytes: Option<usize>) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.watch_bytes = watch_bytes;
            touch(connection, id, &mut self.touched);
        }
    }

    /// Whether so much more may be held for clients.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.held_bytes + bytes <= self.limits.held_bytes_max
    }

    /// Tells a client what is no reply.
    pub(crate) fn tell(&mut self, id: usize, lines: &[u8]) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.tell(lines);
            connection.counted_bytes += lines.len();
            self.held_bytes += lines.len();
            touch(connection, id, &mut self.touched);
        }
    }

    /// What a client was told and has not taken.
    pub(crate) fn owed_bytes(&self, id: usize) -> usize {
        let connection = self.connections.get(id);
        connection.map_or(0, Connection::owed_bytes)
    }

    /// The clients that have watched and are gone since this was last asked.
    pub(crate) fn gone(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.gone)
    }

    /// Gives a client the last `count` of its lines back, for a later batch.
    pub(crate) fn take_back(&mut self, id: usize, lines: &[u8], count: usize) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.take_back(lines, count);
            touch(connection, id, &mut self.touched);
        }
    }

    /// Sends replies, and lists, keeps or drops every client of this round.
    pub(crate) fn settle(&mut self) {
        self.sweep();
        for id in self.touched.drain(..) {
            let Some(connection) = self.connections.get_mut(id) else {
                continue;
            };
            connection.touched = false;
            connection.send();
            self.held_bytes -= connection.counted_bytes;
            if self.held_bytes + connection.held_bytes() > self.limits.held_bytes_max
                && connection.held_bytes() > HELD_BYTES_SMALL
            {
                tracing::warn!("a client that held too much memory was disconnected");
                connection.break_off();
            }
            connection.counted_bytes = connection.held_bytes();
            if connection.is_done() {
                let mut connection = self.connections.remove(id);
                // TLS has an end of its own; and what one that is turned away has
                // sent meanwhile would reset the connection.
                connection.end(&mut self.scratch);
                self.metrics.connections.dec();
                if connection.watch_bytes.is_some() {
                    self.gone.push(id);
                }
                continue;
            }
            self.held_bytes += connection.counted_bytes;
            if connection.is_ready() {
                list(connection, id, &mut self.listed);
            }
        }
    }

    /// When the next sweep is due, if there is anybody to look at.
    pub(crate) fn next_sweep(&self) -> Option<Instant> {
        (!self.connections.is_empty()).then_some(self.next_sweep)
    }

    /// Gives up clients that have been idle for too long, or not shown a token.
    fn sweep(&mut self) {
        let now = Instant::now();
        if now < self.next_sweep {
            return;
        }
        let timeouts = [
            self.limits.authentication_timeout,
            self.limits.line_idle_timeout,
        ];
        self.next_sweep = now + timeouts[0].min(timeouts[1]) / 4;
        for (id, connection) in &mut self.connections {
            let idle = now.saturating_duration_since(connection.active(now));
            match connection.admission() {
                Admission::Needed if idle >= timeouts[0] => {
                    let message = format!("no token came within {} ms", timeouts[0].as_millis());
                    connection.turn_away(&Refusal::new(Code::Unauthenticated, message));
                }
                // Refused ones have had their time; it is up to them to take the reason.
                Admission::Refused if idle >= timeouts[0] * 2 => connection.break_off(),
                // Nothing may change for long: whether who watches is still there,
                // the system finds out.
                Admission::Granted
                    if idle >= timeouts[1]
                        && !connection.is_in_batch()
                        && connection.watch_bytes.is_none() =>
                {
                    connection.break_off();
                }
                _ => continue,
            }
            touch(connection, id, &mut self.touched);
        }
    }

    /// Sends the last replies and ends every connection. Clients have a bounded
    /// time to take what they are owed, and to stop sending.
    pub(crate) fn end(mut self) {
        let (mut now, deadline) = (Instant::now(), Instant::now() + END_TIMEOUT);
        let mut heard = now;
        while !self.connections.is_empty() && now < deadline && now < heard + QUIET_TIMEOUT {
            let scratch = &mut self.scratch;
            self.connections
                .retain(|_, connection| match connection.end(scratch) {
                    Ending::Done => false,
                    Ending::Quiet => true,
                    Ending::Heard | Ending::Owed => {
                        heard = now;
                        true
                    }
                });
            std::thread::sleep(END_STEP);
            now = Instant::now();
        }
    }
}

fn list(connection: &mut Connection, id: usize, listed: &mut VecDeque<usize>) {
    if !std::mem::replace(&mut connection.listed, true) {
        listed.push_back(id);
    }
}

fn touch(connection: &mut Connection, id: usize, touched: &mut Vec<usize>) {
    if !std::mem::replace(&mut connection.touched, true) {
        touched.push(id);
    }
}
