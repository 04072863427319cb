//! Random events, small enough that they meet each other often.

use fastrand::Rng;

/// The keys that there are.
pub const KEYS: usize = 9;

/// The content objects that there are.
pub const CONTENTS: usize = 4;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Store a value under a key.
    Put(String, String),
    /// Read a key.
    Get(String),
    /// Remove a key.
    Delete(String),
    /// Store one of the content objects.
    Store(usize),
    /// Read it.
    Fetch(usize),
}

impl Event {
    /// One event of any kind. Values are `scale` times as long as usual.
    #[must_use]
    pub fn random(random: &mut Rng, scale: usize) -> Self {
        let key = key(random.usize(..KEYS));
        match random.u32(..20) {
            0..9 => Self::Put(key, value(random, scale)),
            9..12 => Self::Get(key),
            12..16 => Self::Delete(key),
            16..18 => Self::Store(random.usize(..CONTENTS)),
            _ => Self::Fetch(random.usize(..CONTENTS)),
        }
    }

    /// Whether it may change something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Put(..) | Self::Delete(_) | Self::Store(_))
    }

    /// The event's line, without its line feed.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Put(key, value) => {
                format!(r#"{{"type":"put","key":{},"value":{value}}}"#, quoted(key))
            }
            Self::Get(key) => format!(r#"{{"type":"get","key":{}}}"#, quoted(key)),
            Self::Delete(key) => format!(r#"{{"type":"delete","key":{}}}"#, quoted(key)),
            Self::Store(number) => {
                format!(
                    r#"{{"type":"store_content","content":{}}}"#,
                    content(*number)
                )
            }
            Self::Fetch(number) => format!(
                r#"{{"type":"get_content","hash":"{}"}}"#,
                hash(&content(*number))
            ),
        }
    }
}

/// A key: short ones, the empty one, and one that is longer than a sector.
#[must_use]
pub fn key(number: usize) -> String {
    match number {
        0 => String::new(),
        1 => "long".repeat(200),
        _ => format!("k{number}\u{1F511}\""),
    }
}

/// Mostly short, at times over several sectors.
fn value(random: &mut Rng, scale: usize) -> String {
    let length = match random.u32(..12) {
        0 => random.usize(..4000),
        1..4 => random.usize(..600),
        _ => random.usize(..40),
    };
    format!("[{},\"{}\"]", random.u64(..), "v".repeat(length * scale))
}

/// A content object, in its canonical form.
#[must_use]
pub fn content(number: usize) -> String {
    format!("[{number},\"{}\"]", "c".repeat(number * 300))
}

/// The digits of a canonical text's SHA-1.
#[must_use]
pub fn hash(canonical: &str) -> String {
    let (hash, _) = kv_engine::content::address(canonical).unwrap_or_default();
    kv_protocol::event::format_hash(&hash)
}

/// A JSON string.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut output = Vec::new();
    kv_protocol::json::write_string(&mut output, text);
    String::from_utf8(output).unwrap_or_default()
}
