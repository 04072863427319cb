//! What a client may say to the store and what it answers: events, replies,
//! codes and limits. No I/O.

pub mod authentication;
pub mod code;
pub mod event;
pub mod json;
pub mod limits;
pub mod reply;

pub use code::Code;
pub use event::{Event, Operation, Write};

use std::fmt;

/// Why an event was not carried out: a code to act on, a message to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What happened, where, and what to do.
    pub message: String,
    /// What a program may want to know beside the code.
    pub details: Details,
}

/// What some refusals tell beside code and message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Which operation of a batch was refused, from 0.
    pub operation: Option<usize>,
    /// The current version of the key, 0 where there is none.
    pub version: Option<u64>,
    /// The version from which on the history is there.
    pub oldest: Option<u64>,
}

impl Refusal {
    /// A refusal with this code and message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Details::default(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Refusal {}
