//! Group commit for many threads: the first writer that finds the engine free
//! commits for all that wait.

use super::{BATCH, Engine};
use crate::failure::Failure;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(super) struct Group<'a> {
    engine: &'a dyn Engine,
    revision: &'a (dyn Fn() -> u64 + Sync),
    state: Mutex<State>,
    committed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u64>,
    /// The number of the group that is collected, and of the last one that is
    /// durable.
    collected: u64,
    durable: u64,
    busy: bool,
    failure: Option<String>,
}

impl<'a> Group<'a> {
    pub(super) fn new(engine: &'a dyn Engine, revision: &'a (dyn Fn() -> u64 + Sync)) -> Self {
        Self {
            engine,
            revision,
            state: Mutex::new(State {
                collected: 1,
                ..State::default()
            }),
            committed: Condvar::new(),
        }
    }

    /// Puts one key; it is durable when this returns.
    pub(super) fn put(&self, number: u64) -> Result<(), Failure> {
        let mut state = self.state();
        state.waiting.push(number);
        let mine = state.collected;
        while state.durable < mine {
            if let Some(failure) = &state.failure {
                return Err(Failure::new(failure.clone()));
            }
            if state.busy {
                let waited = self.committed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let numbers = std::mem::replace(&mut state.waiting, Vec::with_capacity(BATCH));
            let group = state.collected;
            state.collected += 1;
            state.busy = true;
            drop(state);
            let committed = self.engine.put(&numbers, (self.revision)());
            state = self.state();
            state.busy = false;
            match committed {
                Ok(()) => state.durable = group,
                Err(e) => state.failure = Some(e.to_string()),
            }
            self.committed.notify_all();
        }
        Ok(())
    }

    /// No code panics while it holds this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Remembers how often each key was put.
    #[derive(Default)]
    struct Counting(Mutex<BTreeMap<u64, u32>>);

    impl Engine for Counting {
        fn name(&self) -> &'static str {
            "counting"
        }

        fn put(&self, numbers: &[u64], _: u64) -> Result<(), Failure> {
            std::thread::sleep(std::time::Duration::from_micros(50));
            let mut counts = self.0.lock().unwrap();
            for number in numbers {
                if *number == u64::MAX {
                    return Err(Failure::new("refused"));
                }
                *counts.entry(*number).or_default() += 1;
            }
            Ok(())
        }

        fn get(&self, _: &[u64]) -> Result<(), Failure> {
            Ok(())
        }
    }

    #[test]
    fn every_put_is_committed_once_before_it_returns() {
        let engine = Counting::default();
        let group = Group::new(&engine, &|| 1);
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let (group, engine) = (&group, &engine);
                scope.spawn(move || {
                    for number in (0..200).map(|put| writer * 1000 + put) {
                        group.put(number).unwrap();
                        assert_eq!(engine.0.lock().unwrap().get(&number), Some(&1));
                    }
                });
            }
        });
        assert_eq!(engine.0.lock().unwrap().len(), 1600);
        assert!(group.put(u64::MAX).is_err());
    }
}
