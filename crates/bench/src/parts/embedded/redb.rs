//! redb, a copy-on-write B-tree.

use super::{CACHE_BYTES, Engine, REDB, check_value, revise};
use crate::failure::{Failure, failed};
use crate::values::{Values, key};
use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use std::path::Path;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("keys");

pub(super) struct Redb {
    database: Database,
    values: Values,
}

impl Redb {
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(folder.join("redb"))
            .map_err(failed)?;
        Ok(Self {
            database,
            values: Values::small(),
        })
    }
}

impl Engine for Redb {
    fn name(&self) -> &'static str {
        REDB
    }

    fn put(&self, numbers: &[u64], revision: u64) -> Result<(), Failure> {
        let mut transaction = self.database.begin_write().map_err(failed)?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(failed)?;
        {
            let mut table = transaction.open_table(TABLE).map_err(failed)?;
            let mut value = Vec::with_capacity(200);
            for number in numbers {
                value.clear();
                self.values.write(&mut value, *number);
                revise(&mut value, revision);
                table
                    .insert(&key(*number)[..], &value[..])
                    .map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    fn get(&self, numbers: &[u64]) -> Result<(), Failure> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let table = transaction.open_table(TABLE).map_err(failed)?;
        for number in numbers {
            let value = table.get(&key(*number)[..]).map_err(failed)?;
            check_value(value.as_ref().map(redb::AccessGuard::value), *number)?;
        }
        Ok(())
    }
}
