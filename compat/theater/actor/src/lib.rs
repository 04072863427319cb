//! The store as an actor of Theater: a request is a batch of events, one a line,
//! and its response has their replies.
//!
//! Theater keeps and records each call's state, so it has none: what there is is
//! in the instance's memory, and in the files.

mod bindings;
pub mod pieces;
pub mod service;
pub mod whole_files;

#[cfg(target_arch = "wasm32")]
mod actor;
#[cfg(target_arch = "wasm32")]
use actor::Actor;
