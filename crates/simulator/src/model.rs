//! What the store should be: two maps and a version.

use crate::events::{Event, content, hash, quoted};
use std::collections::BTreeMap;

/// A state of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The version of the last change.
    pub version: u64,
    keys: BTreeMap<String, (String, u64)>,
    contents: BTreeMap<String, String>,
}

impl Model {
    /// Carries out an event and returns its reply.
    ///
    /// # Errors
    /// The code of an error reply; nothing has changed then.
    pub fn apply(&mut self, event: &Event) -> Result<String, &'static str> {
        let reply = match event {
            Event::Put(key, value) => {
                self.version += 1;
                self.keys.insert(key.clone(), (value.clone(), self.version));
                format!(r#""key":{},"version":{}"#, quoted(key), self.version)
            }
            Event::Get(key) => {
                let (value, version) = self.keys.get(key).ok_or("not_found")?;
                format!(
                    r#""key":{},"value":{value},"version":{version}"#,
                    quoted(key)
                )
            }
            Event::Delete(key) => {
                let deleted = self.keys.remove(key).is_some();
                if deleted {
                    self.version += 1;
                    let version = self.version;
                    format!(
                        r#""key":{},"deleted":true,"version":{version}"#,
                        quoted(key)
                    )
                } else {
                    format!(r#""key":{},"deleted":false"#, quoted(key))
                }
            }
            Event::Store(number) => {
                let content = content(*number);
                let hash = hash(&content);
                let created = self.contents.insert(hash.clone(), content).is_none();
                self.version += u64::from(created);
                format!(r#""hash":"{hash}","created":{created}"#)
            }
            Event::Fetch(number) => {
                let hash = hash(&content(*number));
                let content = self.contents.get(&hash).ok_or("not_found")?;
                format!(r#""hash":"{hash}","content":{content}"#)
            }
        };
        Ok(format!(r#"{{"status":"ok",{reply}}}"#))
    }
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
