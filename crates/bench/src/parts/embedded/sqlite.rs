//! `SQLite` with a write-ahead log.

use super::{CACHE_BYTES, Engine, SQLITE, check_value, revise};
use crate::failure::{Failure, failed};
use crate::values::{Values, key};
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) struct Sqlite {
    connection: Mutex<Connection>,
    values: Values,
}

impl Sqlite {
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let connection = Connection::open(folder.join("sqlite")).map_err(failed)?;
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-{}; \
                 CREATE TABLE pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
                CACHE_BYTES / 1024
            ))
            .map_err(failed)?;
        Ok(Self {
            connection: Mutex::new(connection),
            values: Values::small(),
        })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        SQLITE
    }

    fn put(&self, numbers: &[u64], revision: u64) -> Result<(), Failure> {
        let mut connection = self.connection();
        let transaction = connection.transaction().map_err(failed)?;
        {
            let mut statement = transaction
                .prepare_cached("INSERT OR REPLACE INTO pairs VALUES (?1, ?2)")
                .map_err(failed)?;
            let mut value = Vec::with_capacity(200);
            for number in numbers {
                value.clear();
                self.values.write(&mut value, *number);
                revise(&mut value, revision);
                statement
                    .execute((&key(*number)[..], &value[..]))
                    .map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    fn get(&self, numbers: &[u64]) -> Result<(), Failure> {
        let connection = self.connection();
        // One get alone needs no transaction around it.
        let several = numbers.len() > 1;
        let transaction = several.then(|| connection.unchecked_transaction());
        let _transaction = transaction.transpose().map_err(failed)?;
        let mut statement = connection
            .prepare_cached("SELECT value FROM pairs WHERE key = ?1")
            .map_err(failed)?;
        for number in numbers {
            let value: Option<Vec<u8>> = statement
                .query_row((&key(*number)[..],), |row| row.get(0))
                .optional()
                .map_err(failed)?;
            check_value(value.as_deref(), *number)?;
        }
        Ok(())
    }
}
