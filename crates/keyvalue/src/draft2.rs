//! `wasi:keyvalue@0.2.0-draft2`.

use crate::Component;
use crate::bindings::exports::wasi::keyvalue0_2_0_draft2 as exports;
use crate::bucket::{Bucket, Seen, Swap};
use crate::store::Error as StoreError;
use exports::atomics::{Cas, CasError};
use exports::store::{BucketBorrow, Error, KeyResponse};
use exports::{atomics, batch, store};

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Other(error.to_string())
    }
}

impl store::Guest for Component {
    type Bucket = Bucket;

    fn open(identifier: String) -> Result<store::Bucket, Error> {
        Ok(store::Bucket::new(Bucket::new(&identifier)))
    }
}

impl store::GuestBucket for Bucket {
    fn get(&self, key: String) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.get(&key)?)
    }

    fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error> {
        Ok(self.set(&key, &value)?)
    }

    fn delete(&self, key: String) -> Result<(), Error> {
        Ok(self.delete(&key)?)
    }

    fn exists(&self, key: String) -> Result<bool, Error> {
        Ok(self.exists(&key)?)
    }

    fn list_keys(&self, cursor: Option<String>) -> Result<KeyResponse, Error> {
        let page = self.list(cursor.as_deref())?;
        Ok(KeyResponse {
            keys: page.keys,
            cursor: page.cursor,
        })
    }
}

impl atomics::Guest for Component {
    type Cas = Seen;

    fn increment(bucket: BucketBorrow<'_>, key: String, delta: i64) -> Result<i64, Error> {
        Ok(bucket.get::<Bucket>().increment(&key, delta)?)
    }

    fn swap(cas: Cas, value: Vec<u8>) -> Result<(), CasError> {
        cas.into_inner::<Seen>()
            .swap(&value)
            .map_err(|swap| match swap {
                Swap::Changed(seen) => CasError::CasFailed(Cas::new(seen)),
                Swap::Failed(error) => CasError::StoreError(error.into()),
            })
    }
}

impl atomics::GuestCas for Seen {
    fn new(bucket: BucketBorrow<'_>, key: String) -> Result<Cas, Error> {
        Ok(Cas::new(bucket.get::<Bucket>().see(&key)?))
    }

    fn current(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.value.clone())
    }
}

impl batch::Guest for Component {
    fn get_many(
        bucket: BucketBorrow<'_>,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, Error> {
        let values = bucket.get::<Bucket>().get_many(&keys)?;
        Ok(keys.into_iter().zip(values).collect())
    }

    fn set_many(bucket: BucketBorrow<'_>, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        Ok(bucket.get::<Bucket>().set_many(&pairs)?)
    }

    fn delete_many(bucket: BucketBorrow<'_>, keys: Vec<String>) -> Result<(), Error> {
        Ok(bucket.get::<Bucket>().delete_many(&keys)?)
    }
}
