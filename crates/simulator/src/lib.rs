//! Seeded crashes and faults against the engine. A run is a function of its seed:
//! random events on a disk in memory that remembers what is durable, compared
//! with a plain model.

pub mod disk;
pub mod events;
pub mod history;
pub mod model;
pub mod points;

/// What went wrong, and where in the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

/// Fails a run unless a condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)*) => {
        if !$condition {
            return Err($crate::Failure(format!($($message)*)));
        }
    };
}
