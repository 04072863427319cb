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
    /// Store a value for so many milliseconds.
    PutFor(String, String, u64),
    /// Store a value where there is none.
    PutIfAbsent(String, String),
    /// Add one to the number under a key.
    Increment(String),
    /// Several writes, all or none.
    Batch(Vec<Event>),
}

impl Event {
    /// One event of any kind. Values are `scale` times as long as usual.
    #[must_use]
    pub fn random(random: &mut Rng, scale: usize) -> Self {
        match random.u32(..23) {
            0..3 => Self::Get(key(random.usize(..KEYS))),
            3..5 => Self::Fetch(random.usize(..CONTENTS)),
            5..7 => {
                let count = random.usize(..5);
                Self::Batch((0..count).map(|_| Self::write(random, scale)).collect())
            }
            _ => Self::write(random, scale),
        }
    }

    /// One event that changes one thing.
    fn write(random: &mut Rng, scale: usize) -> Self {
        let key = key(random.usize(..KEYS));
        match random.u32(..20) {
            0..9 => Self::Put(key, value(random, scale)),
            9..13 => Self::Delete(key),
            13..15 => Self::Store(random.usize(..CONTENTS)),
            15..17 => Self::PutFor(key, value(random, scale), random.u64(1..9000)),
            17 => Self::PutIfAbsent(key, value(random, scale)),
            _ => Self::Increment(key),
        }
    }

    /// Whether it may change something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self, Self::Get(_) | Self::Fetch(_))
    }

    /// The event's line, without its line feed.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Put(key, value) => {
                format!(r#"{{"type":"put","key":{},"value":{value}}}"#, quoted(key))
            }
            Self::PutFor(key, value, ttl_ms) => format!(
                r#"{{"type":"put","key":{},"value":{value},"ttl_ms":{ttl_ms}}}"#,
                quoted(key)
            ),
            Self::PutIfAbsent(key, value) => format!(
                r#"{{"type":"put","key":{},"value":{value},"if_version":0}}"#,
                quoted(key)
            ),
            Self::Increment(key) => format!(r#"{{"type":"increment","key":{}}}"#, quoted(key)),
            Self::Batch(events) => {
                let lines: Vec<_> = events.iter().map(Self::line).collect();
                format!(r#"{{"type":"batch","operations":[{}]}}"#, lines.join(","))
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
    if random.u32(..6) == 0 {
        return random.i64(..).to_string();
    }
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
