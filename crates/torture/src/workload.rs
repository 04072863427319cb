//! One client of many, doing a bit of everything, with its ledger beside it.

use crate::connection::{Connection, Front};
use crate::event::{Event, Reply};
use crate::failure::Failure;
use crate::ledger::Ledger;
use crate::server::{PATIENCE, Ready};
use fastrand::Rng;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// A client and all that it knows.
#[derive(Clone, Debug)]
pub struct Client {
    number: usize,
    /// How it connects.
    pub front: Front,
    rng: Rng,
    /// The number of the next value, so that each is written once.
    next: u64,
    /// Its book.
    pub ledger: Ledger,
}

/// Keys of each client.
const KEYS: usize = 16;
/// Content that all clients share.
const CONTENTS: usize = 4096;
/// Events on their way at once.
const WINDOW_MAX: usize = 16;

impl Client {
    /// As many clients as asked, over every front in turn.
    #[must_use]
    pub fn many(count: usize, seed: u64) -> Vec<Self> {
        let client = |number: usize| Self {
            number,
            front: Front::ALL[number % Front::ALL.len()],
            rng: Rng::with_seed(seed ^ (number as u64 + 1) << 32),
            next: 0,
            ledger: Ledger::default(),
        };
        (0..count).map(client).collect()
    }

    /// Works until it is told to stop, or the connection breaks.
    ///
    /// # Errors
    /// Where a reply does not fit the ledger.
    pub fn work(&mut self, ready: &Ready, stop: &AtomicBool) -> Result<(), Failure> {
        // A server that was killed by now accepts nobody.
        let Ok(mut connection) = Connection::open(self.front, ready) else {
            return Ok(());
        };
        while !stop.load(Ordering::Relaxed) {
            let window = self.window();
            let replies = connection.exchange(&window)?;
            for (place, event) in window.iter().enumerate() {
                self.ledger.enter(event, replies.get(place))?;
            }
            if replies.len() < window.len() {
                return Ok(());
            }
            if !self.ledger.unsettled().is_empty() && !self.settle(&mut connection)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Asks after changes whose outcome is unknown, until that is known; false
    /// where the connection broke.
    fn settle(&mut self, connection: &mut Connection) -> Result<bool, Failure> {
        let given_up = Instant::now() + PATIENCE;
        while !self.ledger.unsettled().is_empty() {
            let questions: Vec<_> = self.ledger.unsettled().iter().map(question).collect();
            for question in questions {
                let replies = connection.exchange(std::slice::from_ref(&question))?;
                let Some(reply) = replies.first() else {
                    return Ok(false);
                };
                self.ledger.enter(&question, Some(reply))?;
            }
            if Instant::now() > given_up {
                return Err(Failure::new("the store does not come back"));
            }
            sleep(Duration::from_millis(2));
        }
        Ok(true)
    }

    fn window(&mut self) -> Vec<Event> {
        let count = self.rng.usize(1..=WINDOW_MAX);
        (0..count).map(|_| self.event()).collect()
    }

    fn event(&mut self) -> Event {
        let key = self.key();
        match self.rng.u32(0..100) {
            0..60 => Event::Put {
                key,
                value: self.value(),
                if_version: None,
            },
            60..75 => Event::Delete { key },
            75..85 => Event::Get { key },
            85..95 => Event::StoreContent {
                content: self.content(),
            },
            _ => Event::GetContent {
                content: self.content(),
            },
        }
    }

    fn key(&mut self) -> String {
        let key = self.rng.usize(0..KEYS);
        // Something of all that a key may hold.
        match key % 4 {
            0 => format!("{}/{key}", self.number),
            1 => format!("../{}\u{0}{key}", self.number),
            2 => format!("\"{}\" é\\{key}%2F", self.number),
            _ => format!("{} {key} 🗝", self.number),
        }
    }

    /// A value that was never written before, in a form that must be kept.
    fn value(&mut self) -> String {
        self.next += 1;
        let length = if self.rng.u32(0..100) == 0 { 8000 } else { 300 };
        let filling = "x".repeat(self.rng.usize(0..length));
        format!(
            r#"{{"n":{}.{:06}0,"client":{},"client":1E2,"filling":"{filling}"}}"#,
            self.next, self.next, self.number
        )
    }

    fn content(&mut self) -> String {
        let number = self.rng.usize(0..CONTENTS);
        format!(
            r#"{{"content":{number},"filling":"{}"}}"#,
            "y".repeat(number % 100)
        )
    }
}

/// What must be asked to learn the outcome of a change.
fn question(change: &Event) -> Event {
    match change {
        Event::Put { key, .. } | Event::Delete { key } | Event::Get { key } => {
            Event::Get { key: key.clone() }
        }
        Event::StoreContent { content } | Event::GetContent { content } => Event::GetContent {
            content: content.clone(),
        },
    }
}

/// Clients at work, each in a thread of its own.
#[derive(Debug)]
pub struct Crowd {
    stop: std::sync::Arc<AtomicBool>,
    threads: Vec<JoinHandle<(Client, Result<(), Failure>)>>,
}

impl Crowd {
    /// Sets clients to work.
    #[must_use]
    pub fn start(clients: Vec<Client>, ready: &Ready) -> Self {
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let threads = clients.into_iter().map(|mut client| {
            let (stop, ready) = (std::sync::Arc::clone(&stop), ready.clone());
            spawn(move || {
                let worked = client.work(&ready, &stop);
                let place = format!("client {} over {:?}", client.number, client.front);
                (client, worked.map_err(|failure| failure.at(&place)))
            })
        });
        Self {
            threads: threads.collect(),
            stop,
        }
    }

    /// Lets the clients finish what they are at, and takes them back.
    ///
    /// # Errors
    /// The first thing that one of them found.
    pub fn end(self) -> Result<Vec<Client>, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        let mut clients = Vec::new();
        let mut found = Ok(());
        for thread in self.threads {
            let (client, worked) = thread
                .join()
                .map_err(|_| Failure::new("a client has panicked"))?;
            clients.push(client);
            found = found.and(worked);
        }
        found.map(|()| clients)
    }
}

/// Compares a store with the ledgers of all that ever wrote to it.
///
/// # Errors
/// Where anything is there that should not be, or isn't and should.
pub fn audit(clients: &mut [Client], ready: &Ready, front: Front) -> Result<(), Failure> {
    let mut connection = Connection::open(front, ready)?;
    let mut highest = 0;
    let mut versions = std::collections::BTreeSet::new();
    let mut contents = std::collections::BTreeSet::new();
    let mut keys = 0;
    for client in &mut *clients {
        let questions = client.ledger.questions();
        let answers: Vec<Reply> = connection.ask_all(&questions)?;
        let place = format!(
            "the ledger of client {}, audited over {front:?}",
            client.number
        );
        let audited = client.ledger.audit(&questions, &answers);
        audited.map_err(|failure| failure.at(&place))?;
        keys += client.ledger.keys_count();
        for version in client.ledger.versions() {
            if !versions.insert(version) {
                let message = format!("two keys have the version {version}");
                return Err(Failure::new(message).at(&place));
            }
        }
        contents.extend(client.ledger.contents().map(str::to_owned));
        highest = highest.max(client.ledger.version());
    }
    let expected = (keys, contents.len());
    if expected != (ready.keys, ready.contents) {
        return Err(Failure::new(format!(
            "the store holds {} keys and {} content objects; by the ledgers, {} and {}",
            ready.keys, ready.contents, expected.0, expected.1
        )));
    }
    for client in clients {
        client.ledger.expect_above(highest);
    }
    Ok(())
}
