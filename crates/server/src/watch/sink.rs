//! How watchers are told: over the line front, or by a channel.

use super::Sink;
use crate::clients::Clients;
use axum::body::Bytes;
use kv_protocol::{Refusal, reply};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::UnboundedSender;

/// A change, as those are told who watch.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// A compact JSON object.
    pub(crate) text: Bytes,
    pub(crate) version: u64,
    /// Whether none follows of this version.
    pub(crate) is_last: bool,
}

impl Row {
    /// Adds a row behind others.
    pub(super) fn push(rows: &mut Vec<Self>, text: Bytes, version: u64) {
        if let Some(before) = rows.last_mut() {
            before.is_last = before.version != version;
        }
        rows.push(Self {
            text,
            version,
            is_last: true,
        });
    }
}

/// What feeds tell the reactor.
#[derive(Debug)]
pub(crate) enum Arrival {
    Watch {
        prefix: String,
        since: Option<u64>,
        subscriber: Subscriber,
    },
    /// Some feed was dropped.
    Gone,
}

/// What the reactor tells a feed.
#[derive(Debug)]
pub(crate) enum Told {
    /// The changes behind this version follow.
    Begun(u64),
    Rows(Vec<Row>),
    /// The watch has ended.
    Refused(Refusal),
}

/// The reactor's end of a feed.
#[derive(Debug)]
pub(crate) struct Subscriber {
    sender: UnboundedSender<Told>,
    /// What was told and not taken.
    untaken_bytes: Arc<AtomicUsize>,
    has_begun: bool,
}

impl Subscriber {
    pub(crate) fn new(sender: UnboundedSender<Told>, untaken_bytes: Arc<AtomicUsize>) -> Self {
        Self {
            sender,
            untaken_bytes,
            has_begun: false,
        }
    }

    /// Says from which version on, once.
    pub(super) fn begin(&mut self, version: u64) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.send(Told::Begun(version));
        }
    }

    fn send(&self, told: Told) {
        // One that is gone says so by itself.
        self.sender.send(told).ok();
    }
}

impl Sink {
    /// Whether nobody is there any more. A client of the line front says so itself.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Feed(subscriber) if subscriber.sender.is_closed())
    }

    /// What was told and not taken.
    pub(super) fn untaken_bytes(&self, clients: &Clients) -> usize {
        match self {
            Self::Lines { client, .. } => clients.owed_bytes(*client),
            Self::Feed(subscriber) => subscriber.untaken_bytes.load(Ordering::Relaxed),
        }
    }

    /// Tells some changes; says whether there was room for them.
    pub(super) fn tell(&self, rows: Vec<Row>, clients: &mut Clients) -> bool {
        if rows.is_empty() {
            return true;
        }
        match self {
            Self::Lines { client, id } => {
                let mut lines = Vec::new();
                for row in &rows {
                    reply::change(&mut lines, id.as_deref(), &row.text);
                }
                let has_room = clients.has_room(lines.len());
                if has_room {
                    clients.tell(*client, &lines);
                }
                has_room
            }
            Self::Feed(subscriber) => {
                let bytes = rows.iter().map(|row| row.text.len()).sum();
                subscriber.untaken_bytes.fetch_add(bytes, Ordering::Relaxed);
                subscriber.send(Told::Rows(rows));
                true
            }
        }
    }

    /// Says why there is nothing more.
    pub(super) fn refuse(&self, refusal: Refusal, clients: &mut Clients) {
        match self {
            Self::Lines { client, id } => {
                let mut line = Vec::new();
                reply::error(&mut line, id.as_deref(), &refusal);
                clients.tell(*client, &line);
                clients.set_watch(*client, None);
            }
            Self::Feed(subscriber) => subscriber.send(Told::Refused(refusal)),
        }
    }
}
