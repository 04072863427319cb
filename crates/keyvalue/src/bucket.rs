//! A bucket: the keys of the store that begin with its name.

use crate::store::{Error, Reply, ask, ask_one};
use crate::value;
use kv_protocol::json::{write_number, write_string};
use kv_protocol::limits::PAGE_ROWS_MAX;

/// A bucket. Every name is one, and there from the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    /// Its name and a slash. In the name, `~` is `~0` and `/` is `~1`, as in a JSON
    /// Pointer (RFC 6901, section 3), so that no bucket holds another one's keys.
    prefix: String,
}

/// What a key held at some moment, to change it only while it still does.
#[derive(Debug)]
pub(crate) struct Seen {
    bucket: Bucket,
    key: String,
    /// 0 where there was nothing.
    version: u64,
    pub(crate) value: Option<Vec<u8>>,
}

/// Some keys of a bucket, and where the next ones begin, if there are more.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) keys: Vec<String>,
    pub(crate) cursor: Option<String>,
}

impl Bucket {
    pub(crate) fn new(name: &str) -> Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        Self { prefix: name + "/" }
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.see(key)?.value)
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.set_many(&[(key, value)])
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), Error> {
        self.delete_many(&[key])
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, Error> {
        let mut events = self.events();
        events.begin("exists").key(key).end();
        ask_one(&events.lines, |reply| Ok(reply.exists))
    }

    /// The keys behind a cursor of an earlier page, or the first.
    pub(crate) fn list(&self, cursor: Option<&str>) -> Result<Page, Error> {
        let mut events = self.events();
        let event = events.begin("list").string("prefix", &self.prefix);
        event.number("limit", PAGE_ROWS_MAX);
        if let Some(cursor) = cursor {
            event.string("cursor", cursor);
        }
        event.end();
        ask_one(&events.lines, |reply| {
            let keys = reply.keys.into_iter().map(|row| {
                let key = row.key.strip_prefix(&self.prefix);
                key.map(str::to_owned).unwrap_or_default()
            });
            Ok(Page {
                keys: keys.collect(),
                cursor: reply.cursor,
            })
        })
    }

    /// Adds to a whole number; nothing counts as 0.
    pub(crate) fn increment(&self, key: &str, by: i64) -> Result<i64, Error> {
        let mut events = self.events();
        let event = events.begin("increment").key(key);
        event.raw("by", &by.to_string()).end();
        ask_one(&events.lines, |reply| {
            let value = reply.value.and_then(|value| value.get().parse().ok());
            value.ok_or_else(|| Error::Other("the sum is no 64-bit integer".to_owned()))
        })
    }

    /// The values of these keys, in their order.
    pub(crate) fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut events = self.events();
        for key in keys {
            events.begin("get").key(key).end();
        }
        let mut values = Vec::with_capacity(keys.len());
        ask(&events.lines, keys.len(), |reply| {
            values.push(absent(reply.and_then(|reply| bytes(&reply)))?);
            Ok(())
        })?;
        Ok(values)
    }

    /// Sets these, with one sync. Where one is refused, the others are set.
    pub(crate) fn set_many(
        &self,
        pairs: &[(impl AsRef<str>, impl AsRef<[u8]>)],
    ) -> Result<(), Error> {
        let mut events = self.events();
        for (key, value) in pairs {
            let event = events.begin("put").key(key.as_ref());
            event.raw("value", &value::encode(value.as_ref())).end();
        }
        ask(&events.lines, pairs.len(), |reply| reply.map(drop))
    }

    /// Deletes these, with one sync, where they are there.
    pub(crate) fn delete_many(&self, keys: &[impl AsRef<str>]) -> Result<(), Error> {
        let mut events = self.events();
        for key in keys {
            events.begin("delete").key(key.as_ref()).end();
        }
        ask(&events.lines, keys.len(), |reply| reply.map(drop))
    }

    /// What a key holds, with its version.
    pub(crate) fn see(&self, key: &str) -> Result<Seen, Error> {
        let mut events = self.events();
        events.begin("get").key(key).end();
        let found = ask_one(&events.lines, |reply| Ok((reply.version, bytes(&reply)?)));
        let (version, value) = absent(found)?.unzip();
        Ok(Seen {
            bucket: self.clone(),
            key: key.to_owned(),
            version: version.unwrap_or(0),
            value,
        })
    }

    fn events(&self) -> Events<'_> {
        Events {
            prefix: &self.prefix,
            key: String::new(),
            lines: Vec::new(),
        }
    }
}

impl Seen {
    /// Sets the key, if it still holds what was seen, by its version: not even the
    /// same value, set again, will do. Otherwise nothing is done, and this is what
    /// it holds now.
    pub(crate) fn swap(self, value: &[u8]) -> Result<(), Swap> {
        let mut events = self.bucket.events();
        let event = events.begin("put").key(&self.key);
        let event = event.raw("value", &value::encode(value));
        event.number("if_version", self.version).end();
        match ask_one(&events.lines, |_| Ok(())) {
            Ok(()) => Ok(()),
            Err(Error::Conflict(_)) => {
                let seen = self.bucket.see(&self.key);
                Err(seen.map_or_else(Swap::Failed, Swap::Changed))
            }
            Err(error) => Err(Swap::Failed(error)),
        }
    }
}

/// Why a swap was not done.
pub(crate) enum Swap {
    /// The key holds this now.
    Changed(Seen),
    /// The store has refused it.
    Failed(Error),
}

/// The bytes in a reply.
fn bytes(reply: &Reply<'_>) -> Result<Vec<u8>, Error> {
    let text = reply.value.map_or("null", |value| value.get());
    value::decode(text).map_err(|e| Error::Other(format!("the value is no base64: {e}")))
}

/// Nothing, where nothing is there.
fn absent<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Events, as they are put together.
struct Events<'a> {
    /// That of the bucket.
    prefix: &'a str,
    /// The last key, with its prefix.
    key: String,
    /// The events, a line each.
    lines: Vec<u8>,
}

impl Events<'_> {
    fn begin(&mut self, kind: &str) -> &mut Self {
        self.lines.extend_from_slice(b"{\"type\":\"");
        self.lines.extend_from_slice(kind.as_bytes());
        self.lines.push(b'"');
        self
    }

    /// A key of the bucket.
    fn key(&mut self, key: &str) -> &mut Self {
        self.key.clear();
        self.key.push_str(self.prefix);
        self.key.push_str(key);
        self.name("key");
        write_string(&mut self.lines, &self.key);
        self
    }

    fn string(&mut self, name: &str, text: &str) -> &mut Self {
        self.name(name);
        write_string(&mut self.lines, text);
        self
    }

    fn number(&mut self, name: &str, number: u64) -> &mut Self {
        self.name(name);
        write_number(&mut self.lines, number);
        self
    }

    /// `json` must be on one line.
    fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.name(name);
        self.lines.extend_from_slice(json.as_bytes());
        self
    }

    fn end(&mut self) {
        self.lines.extend_from_slice(b"}\n");
    }

    fn name(&mut self, name: &str) {
        self.lines.extend_from_slice(b",\"");
        self.lines.extend_from_slice(name.as_bytes());
        self.lines.extend_from_slice(b"\":");
    }
}
