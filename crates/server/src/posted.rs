//! Requests from the mailbox, as the reactor works through them. A request is
//! answered as soon as its events are, or as many of them as one batch answers;
//! the rest is for its sender to post again.

use kv_runtime::{Request, Unavailable};
use std::cell::RefCell;
use std::rc::Rc;

/// A request of which events are in the batch.
#[derive(Clone, Debug)]
pub(crate) struct Pending(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    request: Option<Request>,
    replies: Vec<u8>,
}

impl Pending {
    /// Takes a request apart: its lines are handed to `push`, each with the
    /// origin to push it under, until that says that the batch is full.
    pub(crate) fn begin(mut request: Request, mut push: impl FnMut(Self, &[u8]) -> bool) {
        let events = std::mem::take(&mut request.events);
        let pending = Self(Rc::new(RefCell::new(State {
            request: Some(request),
            replies: Vec::new(),
        })));
        for line in events
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            if !push(pending.clone(), line) {
                break;
            }
        }
    }

    /// Adds a reply line.
    pub(crate) fn reply(self, line: &[u8]) {
        self.0.borrow_mut().replies.extend_from_slice(line);
    }

    /// Whether an event of this request was answered.
    pub(crate) fn is_answered(&self) -> bool {
        !self.0.borrow().replies.is_empty()
    }

    /// Tells the sender that nobody answers.
    pub(crate) fn fail(self, unavailable: &Unavailable) {
        let request = self.0.borrow_mut().request.take();
        if let Some(request) = request {
            request.answer(Err(unavailable.clone()));
        }
    }
}

impl Drop for State {
    /// The last event of the request has left the batch.
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            if self.replies.is_empty() {
                request.answer(Err(Unavailable::not_done(
                    "no event was handed to the actor",
                )));
            } else {
                request.answer(Ok(std::mem::take(&mut self.replies)));
            }
        }
    }
}
