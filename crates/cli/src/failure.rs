//! Why a command failed, and with which exit code.

use kv_protocol::{Code, Refusal};
use std::fmt;

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Option<Code>,
    message: String,
}

impl Failure {
    /// A failure that is none of the store's.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            code: None,
            message: message.into(),
        }
    }

    /// A failure with one of the store's codes.
    pub(crate) fn coded(code: Code, message: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            message: message.into(),
        }
    }

    /// The first failure of several.
    pub(crate) fn of_many(self, count: u64) -> Self {
        let message = format!("{count} events were refused; the first: {}", self.message);
        Self { message, ..self }
    }

    /// Whether it has this code.
    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == Some(code)
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.code.map_or(1, Code::exit_code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code {
            write!(formatter, "{}: ", code.name())?;
        }
        formatter.write_str(&self.message)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::coded(refusal.code, refusal.message)
    }
}
