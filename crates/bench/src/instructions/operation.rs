//! The operations whose instructions are counted, on files in memory.

use crate::events::{TIME_MS, batch, handle, lines};
use crate::failure::{Failure, failed};
use crate::protocol::Wire;
use crate::requests;
use crate::values::{Values, scattered};
use clap::ValueEnum;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::{Options, Outcome, Store};
use serde::{Deserialize, Serialize};

/// How many events the engine gets at once.
const BATCH: usize = 64;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Operation {
    /// A put of a new key
    Put,
    /// A put of a key that is there
    PutAgain,
    /// A get of a value in the cache
    Get,
    /// A get of a value that is not
    GetUncached,
    /// Content stored
    StoreContent,
    /// A record read by an opening without a checkpoint
    Open,
    /// A key written into a checkpoint and read from it by an opening
    StopAndOpen,
}

impl Operation {
    pub(super) const ALL: [Self; 7] = [
        Self::Put,
        Self::PutAgain,
        Self::Get,
        Self::GetUncached,
        Self::StoreContent,
        Self::Open,
        Self::StopAndOpen,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::PutAgain => "put_again",
            Self::Get => "get",
            Self::GetUncached => "get_uncached",
            Self::StoreContent => "store_content",
            Self::Open => "open",
            Self::StopAndOpen => "stop_and_open",
        }
    }
}

/// So many operations, behind as many puts of new keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Operations {
    operation: Operation,
    count: u64,
}

impl Operations {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let wire = lines(Values::small());
        let files = MemoryFiles::default();
        let options = Options {
            cache_bytes_max: match self.operation {
                Operation::GetUncached => 0,
                _ => Options::default().cache_bytes_max,
            },
            ..Options::default()
        };
        let (mut store, _) = Store::open(files.clone(), options).map_err(failed)?;
        self.each(&mut store, &wire, requests::Operation::Put)?;
        match self.operation {
            Operation::Put => Ok(()),
            Operation::PutAgain => self.each(&mut store, &wire, requests::Operation::Put),
            Operation::Get | Operation::GetUncached => {
                self.each(&mut store, &wire, requests::Operation::Get)
            }
            Operation::StoreContent => self.store_content(&mut store),
            Operation::Open => {
                drop(store);
                self.open(files, options)
            }
            Operation::StopAndOpen => {
                store.stop();
                drop(store);
                self.open(files, options)
            }
        }
    }

    fn numbers(&self) -> Vec<u64> {
        scattered(self.count).collect()
    }

    fn each(
        &self,
        store: &mut Store<MemoryFiles>,
        wire: &Wire,
        operation: requests::Operation,
    ) -> Result<(), Failure> {
        let mut replies = Vec::new();
        for numbers in self.numbers().chunks(BATCH) {
            let events = batch(wire, operation, numbers.iter().copied());
            handle(store, &events, numbers.len(), &mut replies)?;
        }
        Ok(())
    }

    fn store_content(&self, store: &mut Store<MemoryFiles>) -> Result<(), Failure> {
        let mut replies = Vec::new();
        for numbers in self.numbers().chunks(BATCH) {
            let mut events = Vec::new();
            for number in numbers {
                events.extend_from_slice(b"{\"type\":\"store_content\",\"content\":{\"of\":");
                Values::small().write(&mut events, *number);
                events.extend_from_slice(b",\"a number\":1.50}}\n");
            }
            handle(store, &events, numbers.len(), &mut replies)?;
        }
        Ok(())
    }

    fn open(&self, files: MemoryFiles, options: Options) -> Result<(), Failure> {
        let (mut store, report) = Store::open(files, options).map_err(failed)?;
        if report.keys as u64 != self.count {
            return Err(Failure::new(format!("{} keys were opened", report.keys)));
        }
        // Nothing of it is left out as unused.
        match store.handle(b"", TIME_MS, &mut Vec::new()) {
            Outcome::Serving => Ok(()),
            Outcome::Finished => Err(Failure::new("the engine can't go on")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_can_be_carried_out() {
        for operation in Operation::ALL {
            assert_eq!(Operation::from_str(operation.name(), false), Ok(operation));
            Operations {
                operation,
                count: 100,
            }
            .run()
            .unwrap();
        }
    }
}
