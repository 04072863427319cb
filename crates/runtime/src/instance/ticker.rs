//! The clock of deadlines: a thread that moves the engine's epoch on while calls
//! are made, and sleeps for good while none are.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;
use wasmtime::Engine;

/// How far apart ticks are: deadlines are kept to about this.
const TICK: Duration = Duration::from_millis(10);

/// So many ticks without a call, and the thread sleeps: no call soon after
/// another has to wake it.
const IDLE_TICKS_MAX: u32 = 100;

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    /// A call is being made, or was since the last tick.
    called: AtomicBool,
    calling: AtomicBool,
    asleep: AtomicBool,
}

/// The ticking thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

/// A call in progress.
pub(super) struct Call<'a>(&'a Shared);

impl Ticker {
    pub(super) fn start(engine: &Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let handle = thread::Builder::new().name("epoch".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            let engine = engine.clone();
            move || shared.run(&engine)
        })?;
        Ok(Self {
            shared,
            thread: handle.thread().clone(),
            handle: Some(handle),
        })
    }

    /// How many ticks pass before a call that takes this long is stopped.
    pub(super) fn ticks(timeout: Duration) -> u64 {
        let ticks = timeout.as_millis().div_ceil(TICK.as_millis());
        u64::try_from(ticks)
            .unwrap_or(u64::MAX / 2)
            .saturating_add(1)
    }

    pub(super) fn begin_call(&self) -> Call<'_> {
        self.shared.calling.store(true, Ordering::SeqCst);
        self.shared.called.store(true, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Call(&self.shared)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.calling.store(false, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(handle) = self.handle.take()
            && handle.join().is_err()
        {
            tracing::error!("the thread that keeps deadlines has panicked");
        }
    }
}

impl Shared {
    fn run(&self, engine: &Engine) {
        let mut idle_ticks = 0;
        while !self.stopped.load(Ordering::SeqCst) {
            // Parked, not asleep, so that a drop needs not wait for the tick.
            thread::park_timeout(TICK);
            engine.increment_epoch();
            let called = self.called.swap(false, Ordering::SeqCst);
            if called || self.calling.load(Ordering::SeqCst) {
                idle_ticks = 0;
                continue;
            }
            idle_ticks += 1;
            if idle_ticks < IDLE_TICKS_MAX {
                continue;
            }
            // A call that begins between these two lines finds the first.
            self.asleep.store(true, Ordering::SeqCst);
            while !self.calling.load(Ordering::SeqCst)
                && !self.called.load(Ordering::SeqCst)
                && !self.stopped.load(Ordering::SeqCst)
            {
                thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
            idle_ticks = 0;
        }
    }
}
