//! What a client says, what it is answered, and what both are on the wire.

use crate::failure::Failure;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha1_checked::{Digest, Sha1};
use std::fmt::Write;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Stores a compact JSON text under a key.
    Put {
        /// The key.
        key: String,
        /// The value's text.
        value: String,
        /// The version that must be there, or 0 for none; any where it is missing.
        if_version: Option<u64>,
    },
    /// Asks for a key's value.
    Get {
        /// The key.
        key: String,
    },
    /// Removes a key.
    Delete {
        /// The key.
        key: String,
    },
    /// Stores content, given in its canonical form.
    StoreContent {
        /// The canonical text.
        content: String,
    },
    /// Asks for content, given here by what it must be.
    GetContent {
        /// The canonical text.
        content: String,
    },
}

/// What an event was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A put is done.
    Put {
        /// Its version.
        version: u64,
    },
    /// A value was found.
    Got {
        /// Its text.
        value: String,
        /// Its version.
        version: u64,
    },
    /// A delete is done.
    Deleted {
        /// Whether there was something.
        deleted: bool,
        /// The version, where the front says it.
        version: Option<u64>,
    },
    /// Content is stored under its hash.
    Stored {
        /// Whether it was new.
        created: bool,
    },
    /// Content was found.
    Content {
        /// Its text.
        content: String,
    },
    /// There is nothing.
    NotFound,
    /// A condition does not hold.
    Conflict {
        /// The version that is there, or 0 for none.
        version: u64,
    },
    /// The event was refused.
    Refused {
        /// The stable code.
        code: String,
        /// What it says.
        message: String,
    },
}

impl Event {
    /// Whether it changes anything.
    #[must_use]
    pub fn is_change(&self) -> bool {
        !matches!(self, Self::Get { .. } | Self::GetContent { .. })
    }

    /// Its line, without the line feed.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Put {
                key,
                value,
                if_version,
            } => {
                let condition = if_version.map(|version| format!(r#","if_version":{version}"#));
                let (key, condition) = (quoted(key), condition.unwrap_or_default());
                format!(r#"{{"type":"put","key":{key},"value":{value}{condition}}}"#)
            }
            Self::Get { key } => format!(r#"{{"type":"get","key":{}}}"#, quoted(key)),
            Self::Delete { key } => format!(r#"{{"type":"delete","key":{}}}"#, quoted(key)),
            Self::StoreContent { content } => {
                format!(r#"{{"type":"store_content","content":{content}}}"#)
            }
            Self::GetContent { content } => {
                format!(r#"{{"type":"get_content","hash":"{}"}}"#, hash(content))
            }
        }
    }

    /// Reads the reply to this event.
    ///
    /// # Errors
    /// Where it is no reply to it.
    pub fn read_reply(&self, line: &str) -> Result<Reply, Failure> {
        let read: ReplyLine<'_> = serde_json::from_str(line)
            .map_err(|e| Failure::new(format!("no reply ({e}): {line}")))?;
        let reply = read.reply(self);
        reply.ok_or_else(|| Failure::new(format!("{} was answered {line}", self.line())))
    }
}

/// A reply as it is written.
#[derive(Deserialize)]
struct ReplyLine<'a> {
    status: &'a str,
    code: Option<String>,
    message: Option<String>,
    key: Option<String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    version: Option<u64>,
    deleted: Option<bool>,
    hash: Option<String>,
    created: Option<bool>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl ReplyLine<'_> {
    fn reply(self, event: &Event) -> Option<Reply> {
        if self.status == "error" {
            return Some(match (self.code?, event) {
                (code, _) if code == "not_found" => Reply::NotFound,
                (
                    code,
                    Event::Put {
                        if_version: Some(_),
                        ..
                    },
                ) if code == "conflict" => Reply::Conflict {
                    version: self.version?,
                },
                (code, _) => Reply::Refused {
                    code,
                    message: self.message?,
                },
            });
        }
        let reply = match event {
            Event::Put { .. } => Reply::Put {
                version: self.version?,
            },
            Event::Get { .. } => Reply::Got {
                value: self.value?.get().to_owned(),
                version: self.version?,
            },
            Event::Delete { .. } => Reply::Deleted {
                deleted: self.deleted?,
                version: self.version,
            },
            Event::StoreContent { .. } => Reply::Stored {
                created: self.created?,
            },
            Event::GetContent { .. } => Reply::Content {
                content: self.content?.get().to_owned(),
            },
        };
        // It must be the reply to this event and to no other.
        let names_it = match event {
            Event::Put { key, .. } | Event::Get { key } | Event::Delete { key } => {
                self.key.as_ref() == Some(key)
            }
            Event::StoreContent { content } | Event::GetContent { content } => {
                self.hash == Some(hash(content))
            }
        };
        (self.status == "ok" && names_it).then_some(reply)
    }
}

/// A string as JSON text.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The hash of content in its canonical form, as `sha1sum` prints it.
#[must_use]
pub fn hash(canonical: &str) -> String {
    hexadecimal(&Sha1::digest(canonical.as_bytes()))
}

/// Bytes as lower-case digits.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    let mut digits = String::new();
    for byte in bytes {
        write!(digits, "{byte:02x}").unwrap_or_default();
    }
    digits
}
