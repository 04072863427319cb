//! What can go wrong with a store as a whole. What goes wrong with one event is
//! a `kv_protocol::Refusal`.

use crate::files::{FileError, FileErrorKind};
use kv_protocol::Code;
use std::fmt;

/// Why a store can't be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The disk refused.
    Files(FileError),
    /// The log is not what was written.
    Damage(Damage),
    /// A later release wrote this log.
    Format {
        /// The segment's file name.
        file: String,
        /// The format that its header names.
        format: u64,
    },
}

/// A place in the log that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file name.
    pub file: String,
    /// The line in it, from 1.
    pub line: u64,
    /// The first byte of that line, from 0.
    pub byte: u64,
    /// What is wrong there.
    pub reason: String,
}

impl OpenError {
    /// Whether files that were moved while they were read would look like this.
    pub(crate) fn may_come_of_changes(&self) -> bool {
        match self {
            Self::Files(e) => e.kind == FileErrorKind::NotFound,
            Self::Damage(_) => true,
            Self::Format { .. } => false,
        }
    }

    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Files(_) => Code::Storage,
            Self::Damage(_) | Self::Format { .. } => Code::Corrupt,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(e) => e.fmt(formatter),
            Self::Damage(damage) => damage.fmt(formatter),
            Self::Format { file, format } => write!(
                formatter,
                "{file} has format {format}, which a later release wrote; open it with that release"
            ),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}, line {}, byte {}: {}; nothing was changed: `kv-actor verify` tells all that is damaged, `kv-actor repair` keeps the rest, or restore the directory from a backup",
            self.file, self.line, self.byte, self.reason
        )
    }
}

impl std::error::Error for OpenError {}

impl From<FileError> for OpenError {
    fn from(error: FileError) -> Self {
        Self::Files(error)
    }
}

impl From<Damage> for OpenError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}
