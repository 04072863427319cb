//! Batches that were handled, until what they say is durable; then their replies go
//! to whom they belong.

use super::{Origin, Reactor};
use crate::guest::Called;
use crate::refusal;
use kv_protocol::{Code, Refusal, event, reply};
use kv_runtime::{Batch, Durability, Ticket, Unavailable};
use std::collections::BTreeMap;

/// A batch, and what it came to.
pub(super) struct Held {
    pub(super) batch: Batch<Origin>,
    pub(super) called: Called,
    /// The moment behind it.
    pub(super) ticket: Ticket,
}

impl Held {
    /// How many events it has.
    pub(super) fn len(&self) -> usize {
        self.batch.len()
    }
}

impl Reactor {
    /// Tells of every held batch that is durable by now, or lost.
    pub(super) fn release(&mut self) {
        while let Some(ticket) = self.held.front().map(|held| held.ticket) {
            let durability = self.guest.durability(ticket);
            if durability == Durability::UnderWay {
                return;
            }
            let Some(Held {
                mut batch,
                mut called,
                ..
            }) = self.held.pop_front()
            else {
                return;
            };
            if durability == Durability::Lost {
                called.is_certain = false;
                self.refuse_lost(&mut batch);
            } else {
                match &called.handled {
                    Ok(handled) => self.reply(&mut batch, &handled.replies),
                    Err(unavailable) => self.refuse(&mut batch, unavailable),
                }
            }
            self.spare = Some(batch);
            self.announce(&called);
        }
    }

    /// Waits until every held batch can be told of, and tells.
    pub(super) fn settle(&mut self) {
        if !self.held.is_empty() {
            self.guest.settle();
            self.release();
        }
    }

    fn reply(&mut self, batch: &mut Batch<Origin>, replies: &[u8]) {
        let (clients, watchers) = (&mut self.clients, &mut self.watchers);
        batch.answer(replies, |origin, line| match origin {
            Origin::Posted(pending) => pending.reply(line),
            Origin::Client(id) => clients.reply(id, line),
            Origin::Watch(asked) => asked.reply(line, watchers, clients),
        });
        if !batch.is_empty() {
            self.give_back(batch);
        }
    }

    fn refuse(&mut self, batch: &mut Batch<Origin>, unavailable: &Unavailable) {
        let clients = &mut self.clients;
        let refusal = refusal::unavailable(unavailable);
        batch.give_up(|origin, line| match origin {
            Origin::Posted(pending) => pending.fail(unavailable),
            Origin::Client(id) => clients.refuse(id, line, &refusal),
            Origin::Watch(asked) => clients.refuse(asked.client, line, &refusal),
        });
    }

    fn refuse_lost(&mut self, batch: &mut Batch<Origin>) {
        let clients = &mut self.clients;
        let refusal = Refusal::new(
            Code::Storage,
            "the disk has failed to make the batch durable; whether the change is stored is unknown: read it again",
        );
        batch.give_up(|origin, line| match origin {
            Origin::Posted(pending) => {
                let mut refused = Vec::new();
                reply::error(&mut refused, event::id_of(line), &refusal);
                pending.reply(&refused);
            }
            Origin::Client(id) => clients.refuse(id, line, &refusal),
            Origin::Watch(asked) => clients.refuse(asked.client, line, &refusal),
        });
    }

    /// What the actor has left goes back to the clients that sent it, so that one
    /// with many large replies due is not owed more of them than it takes. A
    /// request with some of its replies is answered with those, and its sender
    /// posts the rest again; one with none stays in the batch.
    fn give_back(&mut self, batch: &mut Batch<Origin>) {
        let mut left: BTreeMap<usize, (Vec<u8>, usize)> = BTreeMap::new();
        let mut leave = |id: usize, line: &[u8]| {
            let (lines, count) = left.entry(id).or_default();
            lines.extend_from_slice(line);
            lines.push(b'\n');
            *count += 1;
        };
        let kept = &mut self.batch;
        batch.give_up(|origin, line| match origin {
            Origin::Client(id) => leave(id, line),
            Origin::Watch(asked) => leave(asked.client, &asked.line),
            Origin::Posted(pending) if pending.is_answered() => {}
            Origin::Posted(pending) => kept.push(Origin::Posted(pending), line),
        });
        for (id, (lines, count)) in left {
            self.clients.take_back(id, &lines, count);
        }
    }
}
