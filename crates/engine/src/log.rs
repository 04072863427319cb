//! The log: the only truth on disk. docs/format.md says every byte of it.

pub mod checkpoint;
pub mod compaction;
pub mod line;
pub mod lines;
mod present;
pub mod record;
pub mod recovery;
pub mod repair;
pub mod restore;
mod scan;
pub mod segment;
mod survey;
pub mod verify;
pub mod writer;
