//! As little as a durable engine can do: a hash map of the values, and a log of as
//! many bytes as the store's, which nobody reads.

use super::{BARE, Engine, check_value, revise};
use crate::bare_log::BareLog;
use crate::failure::{Failure, failed};
use crate::values::{KEY_BYTES, Values, key};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a line of the store's log has beside key and value: see docs/format.md.
const LINE_BYTES_MORE: usize = 52;

pub(super) struct Bare {
    state: Mutex<State>,
    values: Values,
}

struct State {
    log: BareLog,
    map: HashMap<[u8; KEY_BYTES], Vec<u8>>,
    batch: Vec<u8>,
}

impl Bare {
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        Ok(Self {
            state: Mutex::new(State {
                log: BareLog::create(&folder.join("log"))?,
                map: HashMap::new(),
                batch: Vec::new(),
            }),
            values: Values::small(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Bare {
    fn name(&self) -> &'static str {
        BARE
    }

    fn put(&self, numbers: &[u64], revision: u64) -> Result<(), Failure> {
        let mut guard = self.state();
        let State { log, map, batch } = &mut *guard;
        batch.clear();
        for number in numbers {
            let mut value = Vec::with_capacity(self.values.bytes());
            self.values.write(&mut value, *number);
            revise(&mut value, revision);
            batch.extend_from_slice(&[b' '; LINE_BYTES_MORE]);
            batch.extend_from_slice(&key(*number));
            batch.extend_from_slice(&value);
            map.insert(key(*number), value);
        }
        log.append(batch).map_err(failed)
    }

    fn get(&self, numbers: &[u64]) -> Result<(), Failure> {
        let state = self.state();
        for number in numbers {
            let value = state.map.get(&key(*number));
            check_value(value.map(Vec::as_slice), *number)?;
        }
        Ok(())
    }
}
