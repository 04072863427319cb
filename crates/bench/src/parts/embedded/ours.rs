//! The store's engine, natively, through events as always.

use super::{CACHE_BYTES, Engine, OURS, check_value, revise};
use crate::events::{batch, handle, lines};
use crate::failure::{Failure, failed};
use crate::protocol::Wire;
use crate::requests::Operation;
use crate::values::Values;
use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Store};
use memchr::{memchr_iter, memmem};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub(super) struct Ours {
    store: Mutex<(Store<NativeFiles>, Vec<u8>)>,
    wire: Wire,
}

impl Ours {
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let options = Options {
            cache_bytes_max: CACHE_BYTES,
            ..Options::default()
        };
        let (store, _) = Store::open(NativeFiles::new(folder), options).map_err(failed)?;
        Ok(Self {
            store: Mutex::new((store, Vec::new())),
            wire: lines(Values::small()),
        })
    }

    fn handle(
        &self,
        events: &[u8],
        count: usize,
        take: impl FnOnce(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut locked = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let (store, replies) = &mut *locked;
        handle(store, events, count, replies)?;
        take(replies)
    }
}

impl Engine for Ours {
    fn name(&self) -> &'static str {
        OURS
    }

    fn put(&self, numbers: &[u64], revision: u64) -> Result<(), Failure> {
        let mut events = Vec::new();
        for number in numbers {
            self.wire.write(&mut events, Operation::Put, *number);
            // Behind the value stand a brace and a line feed.
            let end = events.len() - 2;
            revise(&mut events[..end], revision);
        }
        self.handle(&events, numbers.len(), |_| Ok(()))
    }

    fn get(&self, numbers: &[u64]) -> Result<(), Failure> {
        const NAME: &[u8] = b"\"value\":";
        let events = batch(&self.wire, Operation::Get, numbers.iter().copied());
        self.handle(&events, numbers.len(), |replies| {
            let mut begin = 0;
            let mut ends = memchr_iter(b'\n', replies);
            for number in numbers {
                let end = ends.next().unwrap_or(begin);
                let reply = &replies[begin..end];
                let value = memmem::find(reply, NAME)
                    .and_then(|place| reply.get(place + NAME.len()..)?.get(..200));
                check_value(value, *number)?;
                begin = end + 1;
            }
            Ok(())
        })
    }
}
