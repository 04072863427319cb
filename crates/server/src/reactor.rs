//! The actor's thread. It reads every socket that has something, hands the actor
//! one batch of all the events that came, and sends every reply: no event
//! changes threads on its way, and one sync serves all that were waiting. Where
//! others wait already, a batch is held while it is synced on another thread, and
//! the next one is taken in meanwhile.

use crate::bind::{ACCEPT_LINES, ACCEPT_UNIX, Listeners, WAKE};
use crate::clients::Clients;
use crate::guest::{Called, Guest};
use crate::posted::Pending;
use crate::refusal;
use crate::shutdown::Shutdown;
use crate::watch::{Asked, Watcher, Watchers};
use gathering::Gathering;
use held::Held;
use kv_protocol::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use kv_runtime::{Batch, Inbox};
use mio::{Events, Poll, Token};
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};
use waiting::Waiting;

mod gathering;
mod held;
mod waiting;

/// After a failed accept (out of file descriptors), the next try.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How many pages of history are read for watchers before it is the clients'
/// turn: together they hold more rows than a batch has events, so that one that
/// reads history comes to its end whatever is written meanwhile.
const PAGES: usize = 5;

/// Where so many clients come all at once, and the latest batch has written so many
/// events, half of them go first: the others are taken in while the disk is at it.
/// With fewer, a second sync costs more than that gives.
const SPLIT_CLIENTS_MIN: usize = 16;
const SPLIT_EVENTS_MIN: usize = 96;

/// Where a reply goes.
#[derive(Clone, Debug)]
enum Origin {
    Client(usize),
    /// A client that begins or ends a watch.
    Watch(Box<Asked>),
    Posted(Pending),
}

pub(crate) struct Reactor {
    waiting: Waiting,
    guest: Guest,
    inbox: Inbox,
    listeners: Listeners,
    shutdown: Shutdown,
    clients: Clients,
    watchers: Watchers,
    batch: Batch<Origin>,
    /// Batches that were handled and may not be durable yet, oldest first.
    held: VecDeque<Held>,
    /// One that was held, for its memory.
    spare: Option<Batch<Origin>>,
    /// How many events the latest batch had; none if it has changed nothing.
    latest_written: usize,
    inbox_first: bool,
    accept_again: bool,
}

impl Reactor {
    pub(crate) fn new(
        poll: Poll,
        guest: Guest,
        inbox: Inbox,
        listeners: Listeners,
        shutdown: Shutdown,
        clients: Clients,
        watchers: Watchers,
    ) -> Self {
        Self {
            waiting: Waiting::new(poll),
            guest,
            inbox,
            listeners,
            shutdown,
            clients,
            watchers,
            batch: Batch::new(BATCH_EVENTS_MAX, BATCH_BYTES_MAX),
            held: VecDeque::new(),
            spare: None,
            latest_written: 0,
            inbox_first: false,
            accept_again: false,
        }
    }

    /// Serves until a shutdown is asked for.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while !self.shutdown.is_asked() {
            let longest = self.timeout();
            self.waiting.wait(&mut events, longest)?;
            if std::mem::take(&mut self.accept_again) {
                self.accept();
            }
            self.note(&events);
            self.release();
            self.fill();
            self.gather(&mut events)?;
            if self.is_time() {
                self.handle();
            } else if self.batch.is_empty() && self.guest.is_due() {
                self.settle();
                let called = self.guest.wake();
                self.announce(&called);
            }
            self.watchers.arrive();
            self.catch_up();
            self.clients.settle();
            for id in self.clients.gone() {
                self.watchers.remove(Watcher::Client(id));
            }
        }
        self.finish();
        Ok(())
    }

    fn note(&mut self, events: &Events) {
        for event in events {
            match event.token() {
                WAKE => {}
                ACCEPT_LINES | ACCEPT_UNIX => self.accept(),
                Token(id) => self.clients.note(id, event),
            }
        }
    }

    /// Those who have been answered come back one by one: a batch that leaves with
    /// the first of them would cost a sync, and the others wait for the next one. So
    /// as long as more come, it is filled up to the size of the latest that has written;
    /// but not where that was large enough to be split. A lone client waits for nobody.
    fn gather(&mut self, events: &mut Events) -> io::Result<()> {
        let mut gathering = Gathering::begin(Instant::now());
        while !self.batch.is_empty()
            && self.batch.len() < self.latest_written
            && self.latest_written < SPLIT_EVENTS_MIN
        {
            let before = self.batch.len();
            self.waiting.look(events)?;
            self.note(events);
            self.release();
            self.fill();
            let has_come = self.batch.len() > before;
            if !gathering.goes_on(has_come, Instant::now()) {
                break;
            }
            if !has_come {
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    /// How long there may be nothing to do. While there is, nobody waits: what
    /// has come in the meantime joins the next batch.
    fn timeout(&self) -> Option<Duration> {
        if self.clients.is_busy() || self.is_time() || self.inbox.is_waiting() {
            return Some(Duration::ZERO);
        }
        if self.guest.is_serving() && self.watchers.is_due(&self.clients) {
            return Some(Duration::ZERO);
        }
        let sweep = self.clients.next_sweep();
        let due = [
            self.accept_again.then_some(ACCEPT_AGAIN),
            self.guest.next_wake(),
            sweep.map(|due| due.saturating_duration_since(Instant::now())),
        ];
        due.into_iter().flatten().min()
    }

    fn accept(&mut self) {
        loop {
            match self.listeners.accept() {
                Ok(None) => return,
                Ok(Some(stream)) => self.clients.welcome(stream, self.waiting.registry()),
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
        let mut clients_max = self.clients.busy_count();
        let is_split = self.latest_written >= SPLIT_EVENTS_MIN && self.held.is_empty();
        if is_split && clients_max >= SPLIT_CLIENTS_MIN {
            clients_max /= 2;
        }
        if !self.batch.is_full() {
            self.clients.read(clients_max, |id, line| {
                match Asked::read(id, line) {
                    None => self.batch.push(Origin::Client(id), line),
                    Some((asked, event)) => self.batch.push(Origin::Watch(asked), &event),
                }
                !self.batch.is_full()
            });
        }
    }

    /// Whether the batch is handed in now. While another is under way to the disk,
    /// a much smaller one waits for more: it would only cost a sync of its own.
    fn is_time(&self) -> bool {
        let held: usize = self.held.iter().map(Held::len).sum();
        !self.batch.is_empty() && (self.batch.len() * 2 >= held || self.batch.is_full())
    }

    /// Hands the batch to the actor, and its replies to whom they belong, or holds
    /// them until they are durable.
    fn handle(&mut self) {
        // Otherwise there is nothing to do while the disk is at it.
        let is_ahead = self.clients.is_busy() || !self.held.is_empty() || self.guest.goes_on();
        let called = self
            .guest
            .call(self.batch.events(), self.batch.len(), is_ahead);
        let handled = called.handled.as_ref();
        let has_written = handled.is_ok_and(|handled| !handled.changes.is_empty());
        self.latest_written = if has_written { self.batch.len() } else { 0 };
        let next = self.spare.take();
        let next = next.unwrap_or_else(|| Batch::new(BATCH_EVENTS_MAX, BATCH_BYTES_MAX));
        let batch = std::mem::replace(&mut self.batch, next);
        let is_whole = called.is_answered(batch.len());
        self.held.push_back(Held {
            batch,
            called,
            ticket: self.guest.ticket(),
        });
        if is_whole {
            self.release();
        } else {
            // What it has left comes before anything that is handed in later.
            self.settle();
        }
    }

    /// Tells those who watch what a batch has changed: after its replies, which
    /// may have begun a watch.
    fn announce(&mut self, called: &Called) {
        match &called.handled {
            Ok(handled) if called.is_certain => {
                let clients = &mut self.clients;
                self.watchers
                    .announce(&handled.changes, called.time_ms, clients);
            }
            _ => self.watchers.fall_behind(),
        }
    }

    /// Reads some history for those who watch from the past on.
    fn catch_up(&mut self) {
        for _ in 0..PAGES {
            if !self.guest.is_serving() || !self.watchers.is_due(&self.clients) {
                return;
            }
            // What is held is told first.
            self.settle();
            let Some((watcher, event)) = self.watchers.next_behind(&self.clients) else {
                return;
            };
            let called = self.guest.call(&event, 1, false);
            let clients = &mut self.clients;
            let is_full = match &called.handled {
                Ok(handled) => self.watchers.tell(watcher, &handled.replies, clients),
                Err(unavailable) => {
                    let refusal = refusal::unavailable(unavailable);
                    self.watchers.refuse(watcher, refusal, clients);
                    false
                }
            };
            self.announce(&called);
            // One that isn't full has cost the reading of much that was not asked
            // for, or is the last.
            if !is_full {
                return;
            }
        }
    }

    /// The batch in hand is finished, and its replies are sent.
    fn finish(mut self) {
        while !self.batch.is_empty() {
            self.handle();
        }
        self.settle();
        // Whoever waits in the mailbox is told, and nobody new gets in.
        drop(self.inbox);
        drop(self.listeners);
        drop(self.watchers);
        self.clients.end();
        // When nobody waits for it any more.
        self.guest.stop();
    }
}
