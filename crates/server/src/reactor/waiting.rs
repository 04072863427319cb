//! How the reactor waits for its sockets.

use mio::{Events, Poll, Registry};
use std::io;
use std::thread::yield_now;
use std::time::{Duration, Instant};

/// So long it stays awake where events follow each other closely. To be woken takes
/// some 50 us where a processor without work is given back to the host of a virtual
/// machine.
const AWAKE_MAX: Duration = Duration::from_micros(100);

/// The queue of events.
#[derive(Debug)]
pub(super) struct Waiting {
    poll: Poll,
    /// Whether the latest sleep was so short that it was not worth it, or there has been
    /// none since.
    is_lively: bool,
}

impl Waiting {
    pub(super) fn new(poll: Poll) -> Self {
        Self {
            poll,
            is_lively: false,
        }
    }

    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Waits until something is to be done, at most for `longest`.
    pub(super) fn wait(
        &mut self,
        events: &mut Events,
        longest: Option<Duration>,
    ) -> io::Result<()> {
        if longest.is_some_and(|longest| longest.is_zero()) {
            return self.look(events);
        }
        let begun = Instant::now();
        while self.is_lively && begun.elapsed() < AWAKE_MAX {
            self.look(events)?;
            if !events.is_empty() {
                return Ok(());
            }
            // Whoever has something to do on this processor goes first.
            yield_now();
        }
        self.poll(events, longest)?;
        self.is_lively = begun.elapsed() < AWAKE_MAX;
        Ok(())
    }

    /// Looks what has come.
    pub(super) fn look(&mut self, events: &mut Events) -> io::Result<()> {
        self.poll(events, Some(Duration::ZERO))
    }

    fn poll(&mut self, events: &mut Events, longest: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, longest) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => Err(e),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Token, Waker};

    fn waiting() -> (Waiting, Waker, Events) {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        (Waiting::new(poll), waker, Events::with_capacity(8))
    }

    #[test]
    fn who_was_woken_at_once_stays_awake_until_nothing_comes_for_a_while() {
        let (mut waiting, waker, mut events) = waiting();
        // Another process may take the processor in the middle of one.
        let is_lively = (0..1000).any(|_| {
            waker.wake().unwrap();
            waiting.wait(&mut events, None).unwrap();
            waiting.is_lively
        });
        assert!(is_lively);
        waiting.look(&mut events).unwrap();
        let longest = Some(Duration::from_millis(2));
        waiting.wait(&mut events, longest).unwrap();
        assert!(events.is_empty() && !waiting.is_lively);
    }

    #[test]
    fn what_comes_while_it_is_awake_is_seen() {
        let (mut waiting, waker, mut events) = waiting();
        waiting.is_lively = true;
        waker.wake().unwrap();
        waiting.wait(&mut events, None).unwrap();
        assert!(!events.is_empty() && waiting.is_lively);
        waiting.look(&mut events).unwrap();
        assert!(events.is_empty());
    }
}
