//! `wasi:keyvalue@0.2.0-draft`, the shape before: cursors and counters are `u64`,
//! and there is no compare-and-swap.

use crate::Component;
use crate::bindings::exports::wasi::keyvalue0_2_0_draft as exports;
use crate::bucket::Bucket;
use crate::store::Error as StoreError;
use exports::store::{BucketBorrow, Error, KeyResponse};
use exports::{atomics, batch, store};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The cursors that are kept. Who comes back to an older one begins again.
const CURSORS_MAX: usize = 1024;

#[derive(Default)]
struct Cursors {
    kept: BTreeMap<u64, String>,
    last: u64,
}

thread_local! {
    /// What stands behind the numbers that were given out.
    static CURSORS: RefCell<Cursors> = RefCell::default();
}

impl Cursors {
    fn keep(&mut self, cursor: String) -> u64 {
        self.last += 1;
        self.kept.insert(self.last, cursor);
        if self.kept.len() > CURSORS_MAX {
            self.kept.pop_first();
        }
        self.last
    }
}

/// A bucket, as this shape has it.
#[allow(unreachable_pub, reason = "generated code names it")]
pub struct Draft(Bucket);

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Other(error.to_string())
    }
}

impl store::Guest for Component {
    type Bucket = Draft;

    fn open(identifier: String) -> Result<store::Bucket, Error> {
        Ok(store::Bucket::new(Draft(Bucket::new(&identifier))))
    }
}

impl store::GuestBucket for Draft {
    fn get(&self, key: String) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.get(&key)?)
    }

    fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error> {
        Ok(self.0.set(&key, &value)?)
    }

    fn delete(&self, key: String) -> Result<(), Error> {
        Ok(self.0.delete(&key)?)
    }

    fn exists(&self, key: String) -> Result<bool, Error> {
        Ok(self.0.exists(&key)?)
    }

    fn list_keys(&self, cursor: Option<u64>) -> Result<KeyResponse, Error> {
        let cursor = cursor.map(|number| {
            let kept = CURSORS.with_borrow(|cursors| cursors.kept.get(&number).cloned());
            kept.ok_or_else(|| {
                let message =
                    format!("the cursor {number} is none, or too old; list from the start");
                Error::Other(message)
            })
        });
        let page = self.0.list(cursor.transpose()?.as_deref())?;
        Ok(KeyResponse {
            keys: page.keys,
            cursor: page
                .cursor
                .map(|cursor| CURSORS.with_borrow_mut(|cursors| cursors.keep(cursor))),
        })
    }
}

impl atomics::Guest for Component {
    fn increment(bucket: BucketBorrow<'_>, key: String, delta: u64) -> Result<u64, Error> {
        let bucket = &bucket.get::<Draft>().0;
        let other = |message: &str| Error::Other(message.to_owned());
        let by = i64::try_from(delta).map_err(|_| other("the delta is above 2^63 - 1"))?;
        if bucket
            .get(&key)?
            .is_some_and(|value| value.first() == Some(&b'-'))
        {
            return Err(other("the value is negative, which this shape can't tell"));
        }
        let sum = bucket.increment(&key, by)?;
        u64::try_from(sum).map_err(|_| other("the sum is negative"))
    }
}

impl batch::Guest for Component {
    fn get_many(
        bucket: BucketBorrow<'_>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, Error> {
        let values = bucket.get::<Draft>().0.get_many(&keys)?;
        let pairs = keys.into_iter().zip(values);
        Ok(pairs.map(|(key, value)| Some((key, value?))).collect())
    }

    fn set_many(bucket: BucketBorrow<'_>, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        Ok(bucket.get::<Draft>().0.set_many(&pairs)?)
    }

    fn delete_many(bucket: BucketBorrow<'_>, keys: Vec<String>) -> Result<(), Error> {
        Ok(bucket.get::<Draft>().0.delete_many(&keys)?)
    }
}
