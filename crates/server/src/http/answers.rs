//! The actor's answers on their way to the requests. They cross to this front's
//! thread together: to wake it for each would cost more than all else about one.

use kv_runtime::mailbox::Answer;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, oneshot};

type Delivery = (oneshot::Sender<Answer>, Answer);

/// Answers that wait to be delivered.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Vec<Delivery>>,
    come: Notify,
}

impl Answers {
    /// Leaves an answer for its request, from any thread.
    pub(super) fn send(&self, to: oneshot::Sender<Answer>, answer: Answer) {
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_first = waiting.is_empty();
        waiting.push((to, answer));
        drop(waiting);
        if is_first {
            self.0.come.notify_one();
        }
    }

    /// Delivers answers as they come, for ever.
    pub(super) async fn deliver(self) {
        loop {
            self.0.come.notified().await;
            let waiting = std::mem::take(
                &mut *self
                    .0
                    .waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            for (to, answer) in waiting {
                // A client that has gone needs no answer.
                to.send(answer).ok();
            }
        }
    }
}
