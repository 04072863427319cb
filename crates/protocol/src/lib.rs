//! What a client may say to the store and what it answers: events, replies,
//! codes and limits. No I/O.

pub mod authentication;
pub mod code;
pub mod event;
pub mod json;
pub mod limits;
pub mod reply;

pub use code::Code;
pub use event::{Event, Operation};

use std::fmt;

/// Why an event was not carried out: a code to act on, a message to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What happened, where, and what to do.
    pub message: String,
}

impl Refusal {
    /// A refusal with this code and message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Refusal {}
