//! What the probes are told, and how they answer: `{"ok":…}` or `{"error":"…"}`.

use serde::Deserialize;
use serde_json::{Value, json};

/// A command; each uses some of these.
#[allow(dead_code, reason = "the shape before has less")]
#[derive(Deserialize)]
pub(crate) struct Command {
    pub(crate) run: String,
    #[serde(default)]
    pub(crate) bucket: String,
    #[serde(default)]
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: Vec<u8>,
    #[serde(default)]
    pub(crate) keys: Vec<String>,
    #[serde(default)]
    pub(crate) cursor: Value,
    #[serde(default)]
    pub(crate) delta: i64,
    #[serde(default)]
    pub(crate) handle: usize,
    #[serde(default)]
    pub(crate) times: u32,
}

#[allow(dead_code, reason = "the shape before has less")]
impl Command {
    /// The cursor as text.
    pub(crate) fn text(&self) -> Option<&str> {
        self.cursor.as_str()
    }
}

/// The answer to each command.
pub(crate) fn answers(commands: &str, answer: impl Fn(&Command) -> Result<Value, Value>) -> String {
    let mut answers = String::new();
    for line in commands.lines() {
        let answer = match serde_json::from_str(line) {
            Ok(command) => answer(&command),
            Err(e) => Err(json!(e.to_string())),
        };
        let line = match answer {
            Ok(value) => json!({"ok": value}),
            Err(message) => json!({"error": message}),
        };
        answers.push_str(&line.to_string());
        answers.push('\n');
    }
    answers
}
