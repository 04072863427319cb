//! The actor's thread. It reads every socket that has something, hands the actor
//! one batch of all the events that came, and sends every reply: no event
//! changes threads on its way, and one sync serves all that were waiting.

use crate::bind::{ACCEPT_LINES, ACCEPT_UNIX, Listeners, WAKE};
use crate::clients::Clients;
use crate::metrics::Metrics;
use crate::posted::Pending;
use crate::shutdown::Shutdown;
use kv_protocol::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use kv_protocol::{Code, Refusal, event, reply};
use kv_runtime::{Actor, Batch, Inbox, Unavailable};
use mio::{Events, Poll, Token};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// After a failed accept (out of file descriptors), the next try.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How often a guest that is down is tried again, unless an event comes first.
const REVIVE_AGAIN: Duration = Duration::from_secs(1);

/// Where a reply goes.
#[derive(Clone, Debug)]
enum Origin {
    Client(usize),
    Posted(Pending),
}

pub(crate) struct Reactor {
    poll: Poll,
    actor: Actor,
    inbox: Inbox,
    listeners: Listeners,
    shutdown: Shutdown,
    metrics: Arc<Metrics>,
    clients: Clients,
    batch: Batch<Origin>,
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
        clients: Clients,
    ) -> Self {
        Self {
            poll,
            actor,
            inbox,
            listeners,
            shutdown,
            metrics,
            clients,
            batch: Batch::new(BATCH_EVENTS_MAX, BATCH_BYTES_MAX),
            inbox_first: false,
            accept_again: false,
        }
    }

    /// Serves until a shutdown is asked for.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while !self.shutdown.is_asked() {
            match self.poll.poll(&mut events, self.timeout()) {
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
                    Token(id) => self.clients.note(id, event),
                }
            }
            self.fill();
            if self.batch.is_empty() {
                self.revive();
            } else {
                self.handle();
            }
            self.clients.settle();
        }
        self.finish();
        Ok(())
    }

    /// How long there may be nothing to do. While there is, nobody waits: what
    /// has come in the meantime joins the next batch.
    fn timeout(&self) -> Option<Duration> {
        if self.clients.is_busy() || !self.batch.is_empty() || self.inbox.is_waiting() {
            return Some(Duration::ZERO);
        }
        let sweep = self.clients.next_sweep();
        let due = [
            self.accept_again.then_some(ACCEPT_AGAIN),
            (!self.actor.is_serving()).then_some(REVIVE_AGAIN),
            sweep.map(|due| due.saturating_duration_since(Instant::now())),
        ];
        due.into_iter().flatten().min()
    }

    fn accept(&mut self) {
        loop {
            match self.listeners.accept() {
                Ok(None) => return,
                Ok(Some(stream)) => self.clients.welcome(stream, self.poll.registry()),
                Err(e) => {
                    tracing::warn!(error = %e, "a client can't be accepted; it is tried again");
                    self.accept_again = true;
                    return;
                }
            }
        }
    }

    /// Fills the batch from clients and mailbox, by turns which comes first.
    fn fill(&mut self) {
        self.inbox_first = !self.inbox_first;
        if self.inbox_first {
            self.fill_from_inbox();
            self.fill_from_clients();
        } else {
            self.fill_from_clients();
            self.fill_from_inbox();
        }
    }

    fn fill_from_inbox(&mut self) {
        while !self.batch.is_full()
            && let Some(request) = self.inbox.take()
        {
            Pending::begin(request, |pending, line| {
                self.batch.push(Origin::Posted(pending), line);
                !self.batch.is_full()
            });
        }
    }

    fn fill_from_clients(&mut self) {
        if !self.batch.is_full() {
            self.clients.read(|id, line| {
                self.batch.push(Origin::Client(id), line);
                !self.batch.is_full()
            });
        }
    }

    /// Hands the batch to the actor and its replies to whom they belong.
    fn handle(&mut self) {
        let begun = Instant::now();
        let count = self.batch.len();
        let handled = self.actor.handle(self.batch.events(), count, now_ms());
        let answered = handled.as_ref().map_or(0, |handled| handled.answered);
        self.metrics.batch(begun.elapsed(), count, answered);
        self.metrics.actor(&self.actor);
        let clients = &mut self.clients;
        match handled {
            Ok(handled) => {
                self.batch
                    .answer(&handled.replies, |origin, line| match origin {
                        Origin::Posted(pending) => pending.reply(line),
                        Origin::Client(id) => clients.reply(id, line),
                    });
                if !self.batch.is_empty() {
                    self.give_back();
                }
            }
            Err(unavailable) => {
                let refusal = refusal(&unavailable);
                self.batch.give_up(|origin, line| match origin {
                    Origin::Posted(pending) => pending.fail(&unavailable),
                    Origin::Client(id) => {
                        let mut refused = Vec::new();
                        reply::error(&mut refused, event::id_of(line), &refusal);
                        clients.reply(id, &refused);
                    }
                });
            }
        }
    }

    /// What the actor has left goes back to the clients that sent it, so that one
    /// with many large replies due is not owed more of them than it takes. A
    /// request with some of its replies is answered with those, and its sender
    /// posts the rest again; one with none stays in the batch.
    fn give_back(&mut self) {
        let mut left: BTreeMap<usize, (Vec<u8>, usize)> = BTreeMap::new();
        let mut kept = Vec::new();
        self.batch.give_up(|origin, line| match origin {
            Origin::Client(id) => {
                let (lines, count) = left.entry(id).or_default();
                lines.extend_from_slice(line);
                lines.push(b'\n');
                *count += 1;
            }
            Origin::Posted(pending) if pending.is_answered() => {}
            Origin::Posted(pending) => kept.push((Origin::Posted(pending), line.to_vec())),
        });
        for (id, (lines, count)) in left {
            self.clients.take_back(id, &lines, count);
        }
        for (origin, line) in kept {
            self.batch.push(origin, &line);
        }
    }

    /// Tries a guest that is down again: who sends events only to a server that
    /// says it is ready would wait for ever.
    fn revive(&mut self) {
        if self.actor.is_serving() {
            return;
        }
        // An empty batch asks for nothing but a guest.
        match self.actor.handle(b"", 0, now_ms()) {
            Ok(_) => tracing::info!("the actor is up again"),
            Err(unavailable) => tracing::debug!(%unavailable, "the actor is still down"),
        }
        self.metrics.actor(&self.actor);
    }

    /// The batch in hand is finished, and its replies are sent.
    fn finish(mut self) {
        while !self.batch.is_empty() {
            self.handle();
        }
        // Whoever waits in the mailbox is told, and nobody new gets in.
        drop(self.inbox);
        drop(self.listeners);
        self.clients.end();
        // When nobody waits for it any more.
        self.actor.stop();
    }
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
