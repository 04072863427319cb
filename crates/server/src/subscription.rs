//! Changes of one actor as events for another: what a manifest's `[[subscribe]]`
//! asks for. The subscriber says from where on; it keeps the place, so that it
//! misses nothing while it, or the process, is down.

use crate::watch::{Arrivals, Feed, Row, Told};
use kv_protocol::Refusal;
use kv_protocol::json::write_string;
use kv_runtime::{Mailbox, Posted, Request};
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

/// After a delivery that came to an end, the next one.
const AGAIN: Duration = Duration::from_secs(1);

/// Where the changes of an actor are heard.
#[derive(Clone, Debug)]
pub struct Source(pub(crate) Arrivals);

/// A subscription to the changes of an actor.
#[derive(Debug)]
pub struct Subscription {
    /// The actor that changes.
    pub actor: String,
    /// Where that is heard.
    pub source: Source,
    /// How the keys begin; content as well, where this is empty.
    pub prefix: String,
    /// The actor that is told.
    pub subscriber: Mailbox,
}

/// Why a delivery comes to an end.
enum End {
    /// One of both was stopped.
    Stopped,
    /// It begins again; for people.
    Again(String),
    /// What was asked for can't be had; the subscriber is told.
    Refused(Refusal),
}

impl Subscription {
    /// Delivers changes, on the calling thread, until one of both actors is
    /// stopped. First the subscriber gets `subscribed`, and its reply says in
    /// `since` up to which version it knows all; without that, changes from now on
    /// are delivered. Then it gets each change, in order, as `changed`. It has
    /// taken a change when it answers `ok`. After anything else it gets
    /// `subscribed` again, and changes from where it says: so it sees every change
    /// at least once.
    pub fn deliver(self) {
        let mut refusal = None;
        let mut logged = None;
        loop {
            match self.deliver_once(refusal.take().as_ref()) {
                Err(End::Stopped) => return,
                Err(End::Refused(refused)) => refusal = Some(refused),
                Err(End::Again(reason)) => {
                    if logged.as_ref() != Some(&reason) {
                        tracing::warn!(actor = self.actor, reason, "changes are not taken");
                        logged = Some(reason);
                    }
                }
                Ok(never) => match never {},
            }
            thread::sleep(AGAIN);
        }
    }

    fn deliver_once(&self, refusal: Option<&Refusal>) -> Result<Infallible, End> {
        let since = self.subscribed(refusal)?;
        let mut feed = Feed::begin(self.source.0.clone(), self.prefix.clone(), since);
        loop {
            match feed.receiver.blocking_recv().ok_or(End::Stopped)? {
                Told::Begun(_) => {}
                Told::Rows(rows) => {
                    self.changed(&rows)?;
                    feed.taken(&rows);
                }
                Told::Refused(refusal) => return Err(End::Refused(refusal)),
            }
        }
    }

    /// Asks from where on.
    fn subscribed(&self, refusal: Option<&Refusal>) -> Result<Option<u64>, End> {
        let mut event = self.begin("subscribed");
        event.extend_from_slice(b",\"prefix\":");
        write_string(&mut event, &self.prefix);
        if let Some(refusal) = refusal {
            event.extend_from_slice(b",\"code\":");
            write_string(&mut event, refusal.code.name());
            event.extend_from_slice(b",\"message\":");
            write_string(&mut event, &refusal.message);
        }
        event.extend_from_slice(b"}\n");
        let replies = self.ask(event)?;
        let line = replies.split(|byte| *byte == b'\n').next();
        Ok(read(line.unwrap_or_default())?.since)
    }

    /// Hands over changes until all are taken.
    fn changed(&self, rows: &[Row]) -> Result<(), End> {
        let mut taken = 0;
        while let Some(left) = rows.get(taken..)
            && !left.is_empty()
        {
            let mut events = Vec::new();
            for row in left {
                events.append(&mut self.begin("changed"));
                events.extend_from_slice(b",\"change\":");
                events.extend_from_slice(&row.text);
                events.extend_from_slice(b"}\n");
            }
            let replies = self.ask(events)?;
            for line in replies.split_inclusive(|byte| *byte == b'\n') {
                read(line)?;
                taken += 1;
            }
        }
        Ok(())
    }

    fn begin(&self, kind: &str) -> Vec<u8> {
        let mut event = format!("{{\"type\":\"{kind}\",\"actor\":").into_bytes();
        write_string(&mut event, &self.actor);
        event
    }

    /// The replies to the first of these events, to one at least.
    fn ask(&self, events: Vec<u8>) -> Result<Vec<u8>, End> {
        let (sender, answered) = sync_channel(1);
        let request = Request::new(events, move |answer| {
            // The other end waits for it.
            sender.send(answer).unwrap_or_default();
        });
        match self.subscriber.post(request) {
            Posted::Closed => Err(End::Stopped),
            Posted::Waiting | Posted::Full => match answered.recv() {
                Ok(Ok(replies)) => Ok(replies),
                Ok(Err(unavailable)) => Err(End::Again(unavailable.to_string())),
                Err(_) => Err(End::Stopped),
            },
        }
    }
}

#[derive(Deserialize)]
struct Reply {
    status: String,
    since: Option<u64>,
    message: Option<String>,
}

fn read(line: &[u8]) -> Result<Reply, End> {
    let reply: Reply = serde_json::from_slice(line)
        .map_err(|e| End::Again(format!("the subscriber's reply can't be read: {e}")))?;
    if reply.status == "ok" {
        return Ok(reply);
    }
    let message = reply.message.unwrap_or_default();
    Err(End::Again(format!("the subscriber refuses: {message}")))
}
