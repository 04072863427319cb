//! fjall, a log-structured merge tree.

use super::{CACHE_BYTES, Engine, FJALL, check_value, revise};
use crate::failure::{Failure, failed};
use crate::values::{Values, key};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::Path;

pub(super) struct Fjall {
    database: Database,
    keys: Keyspace,
    values: Values,
}

impl Fjall {
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let database = Database::builder(folder)
            .cache_size(CACHE_BYTES as u64)
            .open()
            .map_err(failed)?;
        let keys = database
            .keyspace("keys", KeyspaceCreateOptions::default)
            .map_err(failed)?;
        Ok(Self {
            database,
            keys,
            values: Values::small(),
        })
    }
}

impl Engine for Fjall {
    fn name(&self) -> &'static str {
        FJALL
    }

    fn put(&self, numbers: &[u64], revision: u64) -> Result<(), Failure> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        for number in numbers {
            let mut value = Vec::with_capacity(200);
            self.values.write(&mut value, *number);
            revise(&mut value, revision);
            batch.insert(&self.keys, key(*number), value);
        }
        batch.commit().map_err(failed)
    }

    fn put_alone(&self, number: u64, revision: u64) -> Option<Result<(), Failure>> {
        let mut value = Vec::with_capacity(200);
        self.values.write(&mut value, number);
        revise(&mut value, revision);
        let put = self.keys.insert(key(number), value);
        Some(
            put.and_then(|()| self.database.persist(PersistMode::SyncAll))
                .map_err(failed),
        )
    }

    fn get(&self, numbers: &[u64]) -> Result<(), Failure> {
        for number in numbers {
            let value = self.keys.get(key(*number)).map_err(failed)?;
            check_value(value.as_deref(), *number)?;
        }
        Ok(())
    }
}
