//! The log: the only truth on disk. docs/format.md says every byte of it.

pub mod lines;
pub mod record;
pub mod recovery;
pub mod segment;
pub mod writer;
