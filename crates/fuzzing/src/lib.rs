//! What must hold for any input, however hostile: one function for each fuzz
//! target, which panics where it doesn't. `make fuzz` searches for such inputs;
//! `make test` replays the corpora, and changes of them.
#![allow(
    clippy::missing_panics_doc,
    reason = "every function here panics where a promise is broken"
)]

pub mod canonical;
pub mod events;
pub mod framing;
pub mod log;
pub mod manifest;
pub mod mutation;
pub mod path;

/// A target: its name, which is also that of its corpus, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 6] = [
    ("canonical", canonical::run),
    ("events", events::run),
    ("framing", framing::run),
    ("log", log::run),
    ("manifest", manifest::run),
    ("path", path::run),
];
