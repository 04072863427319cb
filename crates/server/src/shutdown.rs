//! Ends a server from another thread.

use mio::Waker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a server to finish the batch in hand, send its replies and return.
#[derive(Clone, Debug)]
pub struct Shutdown {
    asked: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Shutdown {
    pub(crate) fn new(waker: Arc<Waker>) -> Self {
        Self {
            asked: Arc::default(),
            waker,
        }
    }

    /// Asks for it; returns at once.
    ///
    /// # Errors
    /// Where the server's thread can't be woken.
    pub fn ask(&self) -> std::io::Result<()> {
        self.asked.store(true, Ordering::SeqCst);
        self.waker.wake()
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}
