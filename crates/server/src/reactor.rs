//! The actor's thread. It reads every socket that has something, hands the actor
//! one batch of all the events that came, and sends every reply: no event
//! changes threads on its way, and one sync serves all that were waiting.

use crate::bind::{ACCEPT_LINES, ACCEPT_UNIX, Listeners, WAKE};
use crate::connection::Connection;
use crate::metrics::Metrics;
use crate::posted::Pending;
use crate::shutdown::Shutdown;
use crate::stream::Stream;
use kv_protocol::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use kv_protocol::{Code, Refusal, event, reply};
use kv_runtime::{Actor, Batch, Inbox, Unavailable};
use mio::{Events, Poll, Token};
use slab::Slab;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The most clients of the line front at once.
pub(crate) const CONNECTIONS_MAX: usize = 16_384;

/// The most bytes held for all clients: unfinished lines and untaken replies.
/// Above this, clients that hold much are disconnected.
const HELD_BYTES_MAX: usize = 512 * 1024 * 1024;

/// A client that holds no more than this is not disconnected for it.
const HELD_BYTES_SMALL: usize = 64 * 1024;

/// How much is read from one client at a time.
const READ_BYTES: usize = 64 * 1024;

/// How long a shutdown waits for clients to take their last replies.
const LAST_REPLIES_TIMEOUT: Duration = Duration::from_secs(2);

/// After a failed accept (out of file descriptors), the next try.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Where a reply goes.
#[derive(Clone, Debug)]
enum Origin {
    Connection(usize),
    Posted(Pending),
}

pub(crate) struct Reactor {
    poll: Poll,
    actor: Actor,
    inbox: Inbox,
    listeners: Listeners,
    shutdown: Shutdown,
    metrics: Arc<Metrics>,
    batch: Batch<Origin>,
    connections: Slab<Connection>,
    /// Connections that may have something to read or to take.
    listed: VecDeque<usize>,
    /// Connections to look after at the end of a round.
    touched: Vec<usize>,
    held_bytes: usize,
    scratch: Vec<u8>,
    inbox_first: bool,
    accept_again: bool,
}

impl Reactor {
    pub(crate) fn new(
        poll: Poll,
        actor: Actor,
        inbox: Inbox,
        listeners: Listeners,
        shutdown: Shutdown,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            poll,
            actor,
            inbox,
            listeners,
            shutdown,
            metrics,
            batch: Batch::new(BATCH_EVENTS_MAX, BATCH_BYTES_MAX),
            connections: Slab::new(),
            listed: VecDeque::new(),
            touched: Vec::new(),
            held_bytes: 0,
            scratch: vec![0; READ_BYTES],
            inbox_first: false,
            accept_again: false,
        }
    }

    /// Serves until a shutdown is asked for.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while !self.shutdown.is_asked() {
            let busy = !self.listed.is_empty() || !self.batch.is_empty() || self.inbox.is_waiting();
            let timeout = match (busy, self.accept_again) {
                (true, _) => Some(Duration::ZERO),
                (false, true) => Some(ACCEPT_AGAIN),
                (false, false) => None,
            };
            match self.poll.poll(&mut events, timeout) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
                _ => {}
            }
            if std::mem::take(&mut self.accept_again) {
                self.accept();
            }
            for event in &events {
                match event.token() {
                    WAKE => {}
                    ACCEPT_LINES | ACCEPT_UNIX => self.accept(),
                    Token(id) => self.note(id, event),
                }
            }
            self.fill();
            self.handle();
            self.settle();
        }
        self.finish();
        Ok(())
    }

    /// Notes what a socket's event says.
    fn note(&mut self, id: usize, event: &mio::event::Event) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.readable |=
                event.is_readable() || event.is_read_closed() || event.is_error();
            connection.writable |=
                event.is_writable() || event.is_write_closed() || event.is_error();
            list(connection, id, &mut self.listed);
        }
    }

    fn accept(&mut self) {
        loop {
            match self.listeners.accept() {
                Ok(None) => return,
                Ok(Some(stream)) => self.welcome(stream),
                Err(e) => {
                    tracing::warn!(error = %e, "a client can't be accepted; it is tried again");
                    self.accept_again = true;
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, stream: Stream) {
        let mut connection = Connection::new(stream);
        if self.connections.len() >= CONNECTIONS_MAX {
            let message = format!("{CONNECTIONS_MAX} clients are connected, which is the most");
            refuse(
                &mut connection,
                None,
                &Refusal::new(Code::Unavailable, message),
            );
            connection.send();
            return;
        }
        let entry = self.connections.vacant_entry();
        let token = Token(entry.key());
        match connection
            .stream_mut()
            .register(self.poll.registry(), token)
        {
            Ok(()) => {
                entry.insert(connection);
                self.metrics.connections.inc();
            }
            Err(e) => tracing::warn!(error = %e, "a client can't be watched"),
        }
    }

    /// Fills the batch from sockets and mailbox, by turns which comes first.
    fn fill(&mut self) {
        self.inbox_first = !self.inbox_first;
        if self.inbox_first {
            self.fill_from_inbox();
            self.fill_from_connections();
        } else {
            self.fill_from_connections();
            self.fill_from_inbox();
        }
    }

    fn fill_from_inbox(&mut self) {
        while !self.batch.is_full() {
            let Some(request) = self.inbox.take() else {
                return;
            };
            Pending::begin(request, |pending, line| {
                self.batch.push(Origin::Posted(pending), line);
                !self.batch.is_full()
            });
        }
    }

    fn fill_from_connections(&mut self) {
        for _ in 0..self.listed.len() {
            if self.batch.is_full() {
                return;
            }
            let Some(id) = self.listed.pop_front() else {
                return;
            };
            let Some(connection) = self.connections.get_mut(id) else {
                continue;
            };
            connection.listed = false;
            touch(connection, id, &mut self.touched);
            connection.read(&mut self.scratch);
            while !self.batch.is_full()
                && let Some(line) = connection.next_line()
            {
                self.batch
                    .push(Origin::Connection(id), connection.line(line));
                connection.in_batch += 1;
            }
        }
    }

    /// Hands the batch to the actor and its replies to whom they belong.
    fn handle(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let begun = Instant::now();
        let count = self.batch.len();
        let handled = self.actor.handle(self.batch.events(), count, now_ms());
        self.measure(
            begun,
            count,
            handled.as_ref().map_or(0, |handled| handled.answered),
        );
        let (connections, touched) = (&mut self.connections, &mut self.touched);
        match handled {
            Ok(handled) => {
                self.batch
                    .answer(&handled.replies, |origin, line| match origin {
                        Origin::Posted(pending) => pending.reply(line),
                        Origin::Connection(id) => answer(connections, touched, id, |connection| {
                            connection.reply(line);
                        }),
                    });
                self.keep_unanswered();
            }
            Err(unavailable) => self.batch.give_up(|origin, line| match origin {
                Origin::Posted(pending) => pending.fail(&unavailable),
                Origin::Connection(id) => answer(connections, touched, id, |connection| {
                    refuse(connection, event::id_of(line), &refusal(&unavailable));
                }),
            }),
        }
    }

    /// What the actor left for the next batch stays in it; but a request that
    /// got some of its replies is answered with those, and posts the rest again.
    fn keep_unanswered(&mut self) {
        let mut kept = Vec::new();
        self.batch.give_up(|origin, line| match &origin {
            Origin::Posted(pending) if pending.is_answered() => {}
            _ => kept.push((origin, line.to_vec())),
        });
        for (origin, line) in kept {
            self.batch.push(origin, &line);
        }
    }

    fn measure(&self, begun: Instant, count: usize, answered: usize) {
        let metrics = &self.metrics;
        metrics
            .handle_seconds
            .observe(begun.elapsed().as_secs_f64());
        #[allow(clippy::cast_precision_loss, reason = "a batch has few events")]
        metrics.batch_events.observe(count as f64);
        metrics.events.inc_by(answered as u64);
        if answered == 0 {
            metrics.unavailable.inc_by(count as u64);
        }
        let restarts = self.actor.restarts().saturating_sub(metrics.restarts.get());
        metrics.restarts.inc_by(restarts);
        metrics
            .serving
            .store(self.actor.is_serving(), Ordering::Relaxed);
    }

    /// Sends replies, and lists, keeps or drops every connection touched.
    fn settle(&mut self) {
        for id in self.touched.drain(..) {
            let Some(connection) = self.connections.get_mut(id) else {
                continue;
            };
            connection.touched = false;
            connection.send();
            self.held_bytes -= connection.counted_bytes;
            if self.held_bytes + connection.held_bytes() > HELD_BYTES_MAX
                && connection.held_bytes() > HELD_BYTES_SMALL
            {
                tracing::warn!("a client that held too much memory was disconnected");
                connection.break_off();
            }
            connection.counted_bytes = connection.held_bytes();
            self.held_bytes += connection.counted_bytes;
            if connection.is_done() {
                self.held_bytes -= connection.counted_bytes;
                self.connections.remove(id);
                self.metrics.connections.dec();
            } else if connection.is_ready() {
                list(connection, id, &mut self.listed);
            }
        }
    }

    /// The batch in hand is finished, and its replies are sent.
    fn finish(mut self) {
        while !self.batch.is_empty() {
            self.handle();
            self.settle();
        }
        drop(self.inbox);
        let deadline = Instant::now() + LAST_REPLIES_TIMEOUT;
        for (_, connection) in &mut self.connections {
            while connection.owed_bytes() > 0 && !connection.is_done() && Instant::now() < deadline
            {
                connection.writable = true;
                connection.send();
                if connection.owed_bytes() > 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }
}

/// Gives one answer to a connection's event.
fn answer(
    connections: &mut Slab<Connection>,
    touched: &mut Vec<usize>,
    id: usize,
    give: impl FnOnce(&mut Connection),
) {
    if let Some(connection) = connections.get_mut(id) {
        connection.in_batch -= 1;
        give(connection);
        touch(connection, id, touched);
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

fn refuse(connection: &mut Connection, id: Option<&str>, refusal: &Refusal) {
    let mut line = Vec::new();
    reply::error(&mut line, id, refusal);
    connection.reply(&line);
}

pub(crate) fn refusal(unavailable: &Unavailable) -> Refusal {
    Refusal::new(Code::Unavailable, unavailable.to_string())
}

/// Milliseconds since the Unix epoch; 0 for a clock that is set before it.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        })
}
