//! How one that is no client of the line front watches: it asks for it here, and
//! is told over a channel. What is not taken from it is counted.

use super::UNTAKEN_BYTES_SMALL;
use super::sink::{Arrival, Row, Subscriber, Told};
use mio::Waker;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How those reach the reactor that want to watch.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    sender: Sender<Arrival>,
    waker: Arc<Waker>,
}

impl Arrivals {
    pub(crate) fn new(sender: Sender<Arrival>, waker: Arc<Waker>) -> Self {
        Self { sender, waker }
    }

    fn send(&self, arrival: Arrival) {
        // A reactor that has ended has dropped what it was sent, which is seen.
        if self.sender.send(arrival).is_ok() {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Err(e) = self.waker.wake() {
            tracing::error!(error = %e, "the actor's thread can't be woken");
        }
    }
}

/// What is told to one that watches. The watch ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) receiver: UnboundedReceiver<Told>,
    untaken_bytes: Arc<AtomicUsize>,
    arrivals: Arrivals,
}

impl Feed {
    /// Watches the keys that begin with `prefix`, from behind the version `since`,
    /// or from now on.
    pub(crate) fn begin(arrivals: Arrivals, prefix: String, since: Option<u64>) -> Self {
        let (sender, receiver) = unbounded_channel();
        let untaken_bytes = Arc::new(AtomicUsize::new(0));
        arrivals.send(Arrival::Watch {
            prefix,
            since,
            subscriber: Subscriber::new(sender, Arc::clone(&untaken_bytes)),
        });
        Self {
            receiver,
            untaken_bytes,
            arrivals,
        }
    }

    /// Notes that these were taken.
    pub(crate) fn taken(&self, rows: &[Row]) {
        let taken = rows.iter().map(|row| row.text.len()).sum();
        let before = self.untaken_bytes.fetch_sub(taken, Ordering::Relaxed);
        if before > UNTAKEN_BYTES_SMALL && before - taken <= UNTAKEN_BYTES_SMALL {
            // There may be a page to read for this one.
            self.arrivals.wake();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.receiver.close();
        self.arrivals.send(Arrival::Gone);
    }
}
