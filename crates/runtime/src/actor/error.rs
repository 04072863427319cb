//! Why an actor can't be started, and why an event got no answer.

use crate::directory::DirectoryError;
use crate::instance::{CallError, InitError, ProgramError};
use std::fmt;

/// Nobody answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    reason: String,
    outcome_unknown: bool,
}

impl Unavailable {
    /// The outcome of the events is unknown.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            outcome_unknown: true,
        }
    }

    /// None of the events was carried out.
    pub fn not_done(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            outcome_unknown: false,
        }
    }

    /// Whether the events may have been carried out all the same.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        self.outcome_unknown
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = if self.outcome_unknown {
            "whether the event took effect is unknown"
        } else {
            "the event was not carried out"
        };
        write!(formatter, "{}; {outcome}", self.reason)
    }
}

impl std::error::Error for Unavailable {}

/// Why an actor can't be started.
#[derive(Debug)]
pub enum StartError {
    /// Its data directory can't be had.
    Directory(DirectoryError),
    /// What was given is no component.
    NoComponent(String),
    /// It is a component, but none that can be run as an actor.
    NoActor(Misfit),
    /// It refused to begin, with a stable code.
    Refused {
        /// The stable code.
        code: String,
        /// What happened and what to do.
        message: String,
    },
    /// It did not begin in the time that it has for that.
    TimedOut {
        /// The limit `open_timeout_ms`.
        open_timeout_ms: u64,
    },
    /// It needs more memory than it may have.
    MemoryExceeded {
        /// The limit.
        memory_bytes_max: u64,
    },
    /// It failed before it could say anything.
    Failed(String),
    /// The engine itself can't be set up.
    Engine(String),
}

/// What keeps a component from being run as an actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It doesn't export the interface of actors.
    LacksExport(String),
    /// It imports what an actor doesn't get: all that it gets is files and messages.
    NeedsImport(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(e) => e.fmt(formatter),
            Self::NoComponent(e) => {
                write!(formatter, "the component is no WebAssembly component: {e}")
            }
            Self::NoActor(misfit) => write!(
                formatter,
                "the component is no actor (ntwk:actor/actor): {misfit}"
            ),
            Self::Refused { code, message } => write!(formatter, "{code}: {message}"),
            Self::TimedOut { open_timeout_ms } => write!(
                formatter,
                "the actor did not begin within {open_timeout_ms} ms (`open_timeout_ms`)"
            ),
            Self::MemoryExceeded { memory_bytes_max } => write!(
                formatter,
                "the actor needs more than {memory_bytes_max} bytes of memory to begin (`memory_bytes_max`)"
            ),
            Self::Failed(e) => write!(formatter, "the actor failed while it began: {e}"),
            Self::Engine(e) => write!(formatter, "the WebAssembly engine can't be set up: {e}"),
        }
    }
}

impl std::error::Error for StartError {}

impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LacksExport(e) => write!(formatter, "it doesn't export that interface: {e}"),
            Self::NeedsImport(e) => write!(formatter, "it needs what no actor gets: {e}"),
        }
    }
}

impl From<DirectoryError> for StartError {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

impl From<ProgramError> for StartError {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::NoComponent(e) => Self::NoComponent(format!("{e:#}")),
            ProgramError::LacksExport(e) => Self::NoActor(Misfit::LacksExport(format!("{e:#}"))),
            ProgramError::NeedsImport(e) => Self::NoActor(Misfit::NeedsImport(format!("{e:#}"))),
            ProgramError::Engine(e) => Self::Engine(format!("{e:#}")),
        }
    }
}

impl From<InitError> for StartError {
    fn from(error: InitError) -> Self {
        match error {
            InitError::Refused { code, message } => Self::Refused { code, message },
            InitError::Call(CallError::TimedOut { timeout_ms }) => Self::TimedOut {
                open_timeout_ms: timeout_ms,
            },
            InitError::Call(CallError::MemoryExceeded { memory_bytes_max }) => {
                Self::MemoryExceeded { memory_bytes_max }
            }
            InitError::Call(CallError::Failed(reason)) => Self::Failed(reason),
        }
    }
}
