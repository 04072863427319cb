//! How other threads reach an actor: requests wait here, within a limit, until
//! the actor's thread takes them into a batch.

use crate::actor::Unavailable;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What becomes of a request: its reply lines, or that nobody answered.
pub type Answer = Result<Vec<u8>, Unavailable>;

/// Events that belong together, and where their replies go.
pub struct Request {
    /// One event a line, each ended by a line feed.
    pub events: Vec<u8>,
    reply: Option<Box<dyn FnOnce(Answer) + Send>>,
}

impl Request {
    /// A request whose `reply` is called exactly once, whatever happens.
    pub fn new(events: Vec<u8>, reply: impl FnOnce(Answer) + Send + 'static) -> Self {
        Self {
            events,
            reply: Some(Box::new(reply)),
        }
    }

    /// Answers it.
    pub fn answer(mut self, answer: Answer) {
        if let Some(reply) = self.reply.take() {
            reply(answer);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(reply) = self.reply.take() {
            reply(Err(Unavailable::new("the actor was stopped")));
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Request({} bytes)", self.events.len())
    }
}

/// What became of a posted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Posted {
    /// It waits for the actor.
    Waiting,
    /// Too much waits already: it was answered `Unavailable`, nothing was done.
    Full,
    /// The actor was stopped: it was answered `Unavailable`.
    Closed,
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Request>,
    bytes: usize,
    closed: bool,
}

struct Shared {
    requests_max: usize,
    bytes_max: usize,
    queue: Mutex<Queue>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.queue.fmt(formatter)
    }
}

impl Shared {
    /// No code panics while it holds this lock; were it so, the queue would
    /// still be whole.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The posting end, for any thread.
#[derive(Clone)]
pub struct Mailbox {
    shared: Arc<Shared>,
    wake: Arc<dyn Fn(usize) + Send + Sync>,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(formatter)
    }
}

/// The receiving end, for the actor's thread. Dropping it answers what waits.
#[derive(Debug)]
pub struct Inbox(Arc<Shared>);

impl Mailbox {
    /// A mailbox that holds at most `requests_max` requests and `bytes_max` bytes
    /// of events; one request alone may be larger. `wake` is called when an empty
    /// mailbox gets a request.
    pub fn new(
        requests_max: usize,
        bytes_max: usize,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> (Self, Inbox) {
        let shared = Arc::new(Shared {
            requests_max,
            bytes_max,
            queue: Mutex::new(Queue {
                waiting: VecDeque::new(),
                bytes: 0,
                closed: false,
            }),
        });
        let mailbox = Self {
            shared: Arc::clone(&shared),
            wake: Arc::new(move |waiting| {
                if waiting == 1 {
                    wake();
                }
            }),
        };
        (mailbox, Inbox(shared))
    }

    /// The same mailbox, whose actor is woken in another way: `wake` is called
    /// whenever a request was added, with the number of those that wait.
    #[must_use]
    pub fn waking_with(&self, wake: impl Fn(usize) + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            wake: Arc::new(wake),
        }
    }

    /// Leaves a request for the actor, or answers it at once where that can't be.
    pub fn post(&self, request: Request) -> Posted {
        let shared = &self.shared;
        let mut queue = shared.queue();
        let refused = if queue.closed {
            Some((Posted::Closed, "the actor was stopped"))
        } else if queue.waiting.len() >= shared.requests_max
            || (!queue.waiting.is_empty() && queue.bytes + request.events.len() > shared.bytes_max)
        {
            Some((
                Posted::Full,
                "too many requests are waiting; try again later",
            ))
        } else {
            None
        };
        if let Some((posted, reason)) = refused {
            drop(queue);
            request.answer(Err(Unavailable::not_done(reason)));
            return posted;
        }
        queue.bytes += request.events.len();
        queue.waiting.push_back(request);
        let waiting = queue.waiting.len();
        drop(queue);
        (self.wake)(waiting);
        Posted::Waiting
    }
}

impl Inbox {
    /// Whether a request waits.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.0.queue().waiting.is_empty()
    }

    /// The request that has waited longest.
    #[must_use]
    pub fn take(&self) -> Option<Request> {
        let mut queue = self.0.queue();
        let request = queue.waiting.pop_front()?;
        queue.bytes -= request.events.len();
        Some(request)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.closed = true;
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        // Each answers itself as it is dropped.
        drop(waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    fn request(events: &str, sender: &mpsc::Sender<Answer>) -> Request {
        let sender = sender.clone();
        Request::new(events.into(), move |answer| sender.send(answer).unwrap())
    }

    #[test]
    fn requests_are_taken_in_order_and_answered_once() {
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&woken);
        let (mailbox, inbox) = Mailbox::new(10, 1000, move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let (sender, answers) = mpsc::channel();
        assert_eq!(mailbox.post(request("a\n", &sender)), Posted::Waiting);
        assert_eq!(mailbox.post(request("b\n", &sender)), Posted::Waiting);
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        for expected in ["a\n", "b\n"] {
            let request = inbox.take().unwrap();
            assert_eq!(request.events, expected.as_bytes());
            request.answer(Ok(expected.into()));
            assert_eq!(answers.recv().unwrap().unwrap(), expected.as_bytes());
        }
        assert!(inbox.take().is_none() && answers.try_recv().is_err());
    }

    #[test]
    fn another_way_of_waking_is_told_how_many_requests_wait() {
        let (mailbox, inbox) = Mailbox::new(2, 1000, || panic!("it is woken otherwise"));
        let (counter, counts) = mpsc::channel();
        let mailbox = mailbox.waking_with(move |waiting| counter.send(waiting).unwrap());
        let (sender, _answers) = mpsc::channel();
        for posted in [Posted::Waiting, Posted::Waiting, Posted::Full] {
            assert_eq!(mailbox.post(request("a\n", &sender)), posted);
        }
        drop((inbox.take(), inbox.take()));
        assert_eq!(mailbox.post(request("a\n", &sender)), Posted::Waiting);
        assert_eq!(counts.try_iter().collect::<Vec<_>>(), [1, 2, 1]);
        // What waits is answered while somebody listens.
        drop(inbox);
    }

    #[test]
    fn a_full_mailbox_refuses_at_once_and_one_large_request_still_passes() {
        let (mailbox, inbox) = Mailbox::new(2, 4, || {});
        let (sender, answers) = mpsc::channel();
        assert_eq!(mailbox.post(request("larger\n", &sender)), Posted::Waiting);
        assert_eq!(mailbox.post(request("b\n", &sender)), Posted::Full);
        assert!(answers.recv().unwrap().is_err());
        drop(inbox.take());
        assert!(answers.recv().unwrap().is_err());
        assert_eq!(mailbox.post(request("b\n", &sender)), Posted::Waiting);
        assert_eq!(mailbox.post(request("c\n", &sender)), Posted::Waiting);
        assert_eq!(mailbox.post(request("\n", &sender)), Posted::Full);
        drop(inbox);
        assert_eq!(answers.iter().take(3).filter(Result::is_err).count(), 3);
    }

    #[test]
    fn a_stopped_actor_leaves_nobody_waiting() {
        let (mailbox, inbox) = Mailbox::new(10, 1000, || {});
        let (sender, answers) = mpsc::channel();
        assert_eq!(mailbox.post(request("a\n", &sender)), Posted::Waiting);
        drop(inbox);
        assert!(answers.recv().unwrap().is_err());
        assert_eq!(mailbox.post(request("b\n", &sender)), Posted::Closed);
        assert!(answers.recv().unwrap().is_err());
    }

    #[test]
    fn many_threads_get_one_answer_to_each_request_even_from_an_actor_that_stops() {
        const THREADS: usize = 8;
        const REQUESTS: usize = 500;
        let (waker, woken) = mpsc::channel();
        let (mailbox, inbox) = Mailbox::new(16, 1000, move || {
            // Nobody listens any more once the actor has stopped.
            waker.send(()).unwrap_or_default();
        });
        let posters: Vec<_> = (0..THREADS)
            .map(|_| {
                let mailbox = mailbox.clone();
                std::thread::spawn(move || {
                    let (sender, answers) = mpsc::channel();
                    let mut answered = 0;
                    for _ in 0..REQUESTS {
                        let posted = mailbox.post(request("a\n", &sender));
                        let answer = answers.recv().unwrap();
                        answered += usize::from(answer.is_ok());
                        assert!(answer.is_err() || posted == Posted::Waiting);
                        assert!(answers.try_recv().is_err());
                    }
                    answered
                })
            })
            .collect();
        let mut taken = 0;
        while taken < THREADS * REQUESTS / 2 {
            woken.recv().unwrap();
            while let Some(request) = inbox.take() {
                request.answer(Ok(Vec::new()));
                taken += 1;
            }
        }
        drop(inbox);
        let answered: usize = posters.into_iter().map(|p| p.join().unwrap()).sum();
        assert_eq!(answered, taken);
    }
}
