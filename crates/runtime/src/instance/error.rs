//! How a component, its beginning, or one of its calls can fail.

use super::interface::Failure;
use super::limits::MemoryExceeded;
use std::fmt;
use wasmtime::Trap;

/// Why a component can't be a program.
#[derive(Debug)]
pub(crate) enum ProgramError {
    NoComponent(wasmtime::Error),
    LacksExport(wasmtime::Error),
    NeedsImport(wasmtime::Error),
    Engine(wasmtime::Error),
}

/// Why an instance can't begin.
#[derive(Debug)]
pub(crate) enum InitError {
    /// The guest says why.
    Refused { code: String, message: String },
    /// It did not get so far.
    Call(CallError),
}

/// Why a call did not return. It is shown for `handle` only: what becomes of
/// `init` has its own words, in `StartError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    TimedOut { timeout_ms: u64 },
    MemoryExceeded { memory_bytes_max: u64 },
    Failed(String),
}

impl CallError {
    /// What wasmtime says, without the trace, of a call that had so much time.
    pub(super) fn new(error: &wasmtime::Error, timeout_ms: u64) -> Self {
        if let Some(MemoryExceeded { memory_bytes_max }) = error.downcast_ref() {
            return Self::MemoryExceeded {
                memory_bytes_max: *memory_bytes_max,
            };
        }
        match error.downcast_ref() {
            Some(Trap::Interrupt) => Self::TimedOut { timeout_ms },
            Some(trap) => Self::Failed(trap.to_string()),
            None => Self::Failed(error.root_cause().to_string()),
        }
    }
}

impl From<Failure> for InitError {
    fn from(failure: Failure) -> Self {
        let Failure { code, message } = failure;
        Self::Refused { code, message }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { timeout_ms } => write!(
                formatter,
                "it took longer than {timeout_ms} ms, its `handle_timeout_ms`"
            ),
            Self::MemoryExceeded { memory_bytes_max } => write!(
                formatter,
                "it needs more than {memory_bytes_max} bytes of memory, its `memory_bytes_max`"
            ),
            Self::Failed(reason) => formatter.write_str(reason),
        }
    }
}
