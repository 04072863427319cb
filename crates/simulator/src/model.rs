//! What the store should be: two maps and a version.

use crate::events::{Event, content, hash, quoted};
use std::collections::BTreeMap;

/// A state of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The version of the last change.
    pub version: u64,
    keys: BTreeMap<String, Held>,
    contents: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    value: String,
    version: u64,
    expires_ms: Option<u64>,
}

/// A write's part of a reply, and whether it has changed something.
type Written = (String, bool);

impl Model {
    /// Carries out an event and returns its reply.
    ///
    /// # Errors
    /// The code of an error reply; nothing has changed then.
    pub fn apply(&mut self, event: &Event, time_ms: u64) -> Result<String, &'static str> {
        let next = self.version + 1;
        let reply = match event {
            Event::Get(key) => {
                let held = self.live(key, time_ms).ok_or("not_found")?;
                let left = held.expires_ms.map(|expires_ms| expires_ms - time_ms);
                format!(
                    r#""key":{},"value":{},"version":{}{}"#,
                    quoted(key),
                    held.value,
                    held.version,
                    left.map_or_else(String::new, |left| format!(r#","expires_in_ms":{left}"#)),
                )
            }
            Event::Fetch(number) => {
                let hash = hash(&content(*number));
                let content = self.contents.get(&hash).ok_or("not_found")?;
                format!(r#""hash":"{hash}","content":{content}"#)
            }
            Event::Batch(events) => {
                let mut after = self.clone();
                let mut rows = Vec::new();
                let mut changed = false;
                for event in events {
                    if let Event::PutIfAbsent(key, _) = event
                        && self.live(key, time_ms).is_some()
                    {
                        return Err("conflict");
                    }
                    let (row, has_changed) = after.write(event, next, time_ms)?;
                    rows.push(format!("{{{row}}}"));
                    changed |= has_changed;
                }
                let mut reply = format!(r#""results":[{}]"#, rows.join(","));
                if changed {
                    after.version = next;
                    reply.push_str(&version(next));
                }
                *self = after;
                reply
            }
            event => {
                if let Event::PutIfAbsent(key, _) = event
                    && self.live(key, time_ms).is_some()
                {
                    return Err("conflict");
                }
                let (mut reply, changed) = self.write(event, next, time_ms)?;
                if changed {
                    self.version = next;
                }
                // The reply to content has no version.
                if changed && !matches!(event, Event::Store(_)) {
                    reply.push_str(&version(next));
                }
                reply
            }
        };
        Ok(format!(r#"{{"status":"ok",{reply}}}"#))
    }

    /// Ends the first value whose time is up; false where there is none.
    pub fn expire(&mut self, time_ms: u64) -> bool {
        let due = self.keys.iter().filter_map(|(key, held)| {
            let expires_ms = held.expires_ms?;
            (expires_ms <= time_ms).then_some((expires_ms, key))
        });
        let Some(key) = due.min().map(|(_, key)| key.clone()) else {
            return false;
        };
        self.keys.remove(&key);
        self.version += 1;
        true
    }

    fn live(&self, key: &str, time_ms: u64) -> Option<&Held> {
        let held = self.keys.get(key)?;
        held.expires_ms
            .is_none_or(|expires_ms| expires_ms > time_ms)
            .then_some(held)
    }

    fn write(
        &mut self,
        event: &Event,
        version: u64,
        time_ms: u64,
    ) -> Result<Written, &'static str> {
        let mut put = |key: &String, value: &str, expires_ms| {
            let held = Held {
                value: value.to_owned(),
                version,
                expires_ms,
            };
            self.keys.insert(key.clone(), held);
            format!(r#""key":{}"#, quoted(key))
        };
        Ok(match event {
            Event::Put(key, value) | Event::PutIfAbsent(key, value) => {
                (put(key, value, None), true)
            }
            Event::PutFor(key, value, ttl_ms) => (put(key, value, Some(time_ms + ttl_ms)), true),
            Event::Delete(key) => {
                let deleted = self.live(key, time_ms).is_some();
                if deleted {
                    self.keys.remove(key);
                }
                let row = format!(r#""key":{},"deleted":{deleted}"#, quoted(key));
                (row, deleted)
            }
            Event::Increment(key) => {
                let held = self.live(key, time_ms);
                let number = held.map_or(Ok(0), |held| held.value.parse::<i64>());
                let sum = number.ok().and_then(|number| number.checked_add(1));
                let sum = sum.ok_or("conflict")?.to_string();
                let expires_ms = held.and_then(|held| held.expires_ms);
                let held = Held {
                    value: sum.clone(),
                    version,
                    expires_ms,
                };
                self.keys.insert(key.clone(), held);
                (format!(r#""key":{},"value":{sum}"#, quoted(key)), true)
            }
            Event::Store(number) => {
                let content = content(*number);
                let hash = hash(&content);
                let created = self.contents.insert(hash.clone(), content).is_none();
                (format!(r#""hash":"{hash}","created":{created}"#), created)
            }
            Event::Get(_) | Event::Fetch(_) | Event::Batch(_) => return Err("invalid_event"),
        })
    }
}

fn version(version: u64) -> String {
    format!(r#","version":{version}"#)
}

/// Whether a reply line is the one that was expected.
#[must_use]
pub fn is_expected(reply: &str, expected: &Result<String, &'static str>) -> bool {
    match expected {
        Ok(text) => reply == text,
        Err(code) => self::code(reply) == *code,
    }
}

/// The code of an error reply, or `ok`.
#[must_use]
pub fn code(reply: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Reply {
        status: String,
        code: Option<String>,
    }
    match serde_json::from_str::<Reply>(reply) {
        Ok(reply) => reply.code.unwrap_or(reply.status),
        Err(e) => format!("no reply: {e}"),
    }
}
