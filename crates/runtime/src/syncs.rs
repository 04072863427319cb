//! Syncs on a thread of their own, one at a time: the actor takes in the next batch
//! while the disk makes the last one durable. Who tells others of a batch waits for
//! its [`Ticket`].

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
pub(crate) use written::Written;

mod written;

/// So many times are kept until somebody asks for them.
const TIMES_MAX: usize = 64;

/// A moment between two syncs: that of everything begun before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What became of everything before a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives a crash.
    Durable,
    /// The disk is at it.
    UnderWay,
    /// A sync has failed: nobody knows what the disk has.
    Lost,
}

/// The thread; it begins with the first sync and ends when this is dropped.
pub(crate) struct Syncs {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    begun: Condvar,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    job: Option<Job>,
    /// How many syncs were begun, and how many of them have ended.
    begun: u64,
    done: u64,
    /// Why the last one failed: nothing may be begun behind it.
    failure: Option<String>,
    /// The moments of a guest that has ended with such a failure.
    lost: Range<u64>,
    times: Vec<Duration>,
    wake: Option<Wake>,
    stopped: bool,
}

/// What is told that a sync has ended.
type Wake = Arc<dyn Fn() + Send + Sync>;

struct Job {
    file: Arc<File>,
    written: Written,
}

impl Syncs {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::default(),
            thread: Mutex::new(None),
        }
    }

    /// What is called, on the thread, whenever a sync has ended.
    pub(crate) fn set_wake(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.shared.lock().wake = Some(Arc::new(wake));
    }

    /// Begins to make durable what was written to a file. If the disk fails to, that
    /// is taken back, so that whoever opens the file next doesn't read from memory
    /// what the disk may have dropped. Waits for the one before.
    ///
    /// # Errors
    /// Where that one has failed, or there can be no thread.
    pub(crate) fn begin(&self, file: Arc<File>, written: Written) -> io::Result<()> {
        self.start_thread()?;
        let mut state = self.shared.wait();
        if let Some(reason) = &state.failure {
            return Err(io::Error::other(reason.clone()));
        }
        state.begun += 1;
        state.job = Some(Job { file, written });
        self.shared.begun.notify_one();
        Ok(())
    }

    /// Waits until no sync is under way.
    ///
    /// # Errors
    /// Why the last one has failed.
    pub(crate) fn settle(&self) -> Result<(), String> {
        match &self.shared.wait().failure {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    /// The present moment.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.shared.lock().begun)
    }

    /// What became of everything before a moment.
    pub(crate) fn durability(&self, Ticket(number): Ticket) -> Durability {
        let state = self.shared.lock();
        let has_failed = state.failure.is_some() && number >= state.done;
        if has_failed || state.lost.contains(&number) {
            Durability::Lost
        } else if number <= state.done {
            Durability::Durable
        } else {
            Durability::UnderWay
        }
    }

    /// Why the last sync has failed, if it has.
    pub(crate) fn failure(&self) -> Option<String> {
        self.shared.lock().failure.clone()
    }

    /// A new guest begins, with what the disk has: moments of the one before stay
    /// as they were. Waits until no sync is under way.
    pub(crate) fn begin_anew(&self) {
        let mut state = self.shared.wait();
        if state.failure.take().is_some() {
            state.lost = state.done..state.begun + 1;
        }
        state.begun += 1;
        state.done = state.begun;
    }

    /// How long each sync took that has ended since this was last asked.
    pub(crate) fn take_times(&self) -> Vec<Duration> {
        std::mem::take(&mut self.shared.lock().times)
    }

    fn start_thread(&self) -> io::Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let shared = Arc::clone(&self.shared);
            let run = move || while shared.run() {};
            *thread = Some(Builder::new().name("sync".to_owned()).spawn(run)?);
        }
        Ok(())
    }
}

impl Drop for Syncs {
    /// What is under way is brought to its end.
    fn drop(&mut self) {
        self.shared.wait().stopped = true;
        self.shared.begun.notify_one();
        let thread = self.thread.get_mut();
        if let Some(thread) = thread.unwrap_or_else(PoisonError::into_inner).take() {
            // It doesn't panic; if it did, there is nothing left to do here.
            drop(thread.join());
        }
    }
}

impl Shared {
    /// No code that could panic runs under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, once no sync is under way.
    fn wait(&self) -> MutexGuard<'_, State> {
        self.ended
            .wait_while(self.lock(), |state| state.done < state.begun)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out the next sync. False where there will be none.
    fn run(&self) -> bool {
        let mut state = self
            .begun
            .wait_while(self.lock(), |state| state.job.is_none() && !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        let Some(job) = state.job.take() else {
            return false;
        };
        drop(state);
        let begun = Instant::now();
        let synced = job.run();
        let time = begun.elapsed();
        let mut state = self.lock();
        state.done = state.begun;
        state.failure = synced.err().map(|e| format!("the disk can't sync: {e}"));
        if state.times.len() < TIMES_MAX {
            state.times.push(time);
        }
        let wake = state.wake.clone();
        drop(state);
        self.ended.notify_all();
        if let Some(wake) = wake {
            wake();
        }
        true
    }
}

impl Job {
    fn run(&self) -> io::Result<()> {
        self.file.sync_data().inspect_err(|_| {
            // Where the disk fails here too, nothing is worse than before.
            drop(self.written.take_back(&self.file));
        })
    }
}

#[cfg(test)]
mod tests;
