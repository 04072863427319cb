//! The storage engine: a log of JSON lines, an index, a cache. No async, no
//! wasm, no clock; a disk only through `files`.

pub mod cache;
pub mod canonical;
pub mod changes;
pub mod content;
pub mod error;
pub mod files;
pub mod index;
pub mod log;
pub mod patch;
pub mod store;

pub use error::OpenError;
pub use store::{Options, Outcome, Report, Store};
