//! The storage engine: no async, no wasm, no clock.
pub mod files;
