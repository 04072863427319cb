//! A message in, its replies out, whatever happens: in Theater an error or a trap
//! would end the actor for good.

use crate::pieces::PiecedFiles;
use crate::whole_files::WholeFiles;
use kv_engine::{Options, Outcome, Store};
use kv_protocol::{Code, Refusal, reply};

/// The store, which is opened with the first message, and again when it has ended.
#[derive(Debug)]
pub struct Service<W: WholeFiles> {
    open: fn() -> PiecedFiles<W>,
    store: Option<Store<PiecedFiles<W>>>,
}

impl<W: WholeFiles> Service<W> {
    /// A service on what `open` gives, each time that the store is opened.
    #[must_use]
    pub const fn new(open: fn() -> PiecedFiles<W>) -> Self {
        Self { open, store: None }
    }

    /// Handles the events of a message, one a line, as one batch where their
    /// replies fit, and returns a reply a line.
    pub fn handle(&mut self, message: &[u8], time_ms: u64) -> Vec<u8> {
        let mut events = Vec::with_capacity(message.len() + 1);
        for line in message.split(|byte| *byte == b'\n') {
            // A blank line is no event, and gets no reply.
            if !line.trim_ascii().is_empty() {
                events.extend_from_slice(line);
                events.push(b'\n');
            }
        }
        let mut replies = Vec::with_capacity(events.len());
        let mut begin = 0;
        while begin < events.len() {
            let start = replies.len();
            self.handle_batch(&events[begin..], time_ms, &mut replies);
            let answered = replies[start..].iter().filter(|byte| **byte == b'\n');
            for _ in answered {
                let rest = events[begin..].iter().position(|byte| *byte == b'\n');
                begin += rest.map_or(events.len() - begin, |end| end + 1);
            }
        }
        replies
    }

    /// Answers the first events at least.
    fn handle_batch(&mut self, events: &[u8], time_ms: u64, replies: &mut Vec<u8>) {
        if self.store.is_none() {
            match Store::open((self.open)(), Options::default()) {
                Ok((store, _)) => self.store = Some(store),
                Err(e) => refuse_all(events, &Refusal::new(e.code(), e.to_string()), replies),
            }
        }
        if let Some(store) = &mut self.store {
            let start = replies.len();
            if store.handle(events, time_ms, replies) == Outcome::Finished {
                self.store = None;
            }
            if replies.len() == start {
                let nothing = Refusal::new(Code::Unavailable, "the store did not answer");
                refuse_all(events, &nothing, replies);
            }
        }
    }
}

fn refuse_all(events: &[u8], refusal: &Refusal, replies: &mut Vec<u8>) {
    for _ in events.iter().filter(|byte| **byte == b'\n') {
        reply::error(replies, None, refusal);
    }
}
