//! A short history, ended at each of its calls, with many outcomes of each end.

use crate::Failure;
use crate::disk::Fault;
use crate::history::History;
use fastrand::Rng;

/// The batches of a history before its end, and those after.
const BATCHES: usize = 12;
const BATCHES_AFTER: usize = 4;

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// The calls at which the process has ended.
    pub points: u64,
    /// The states of the disk that came of them.
    pub variants: u64,
    /// The events that were sent.
    pub operations: u64,
}

/// Ends a history at every call that changes something or makes it durable,
/// `variants` times each.
///
/// # Errors
/// At the first thing that must not be.
pub fn every_point(seed: u64, variants: u64) -> Result<Points, Failure> {
    let mut whole = History::new(seed);
    for _ in 0..BATCHES {
        whole.batch()?;
    }
    let mut tried = Points::default();
    for point in 1..=whole.files.calls() {
        tried.points += 1;
        for variant in 0..variants {
            tried.variants += 1;
            tried.operations += end_at(seed, point, variant).map_err(|Failure(what)| {
                Failure(format!("call {point}, variant {variant}: {what}"))
            })?;
        }
    }
    Ok(tried)
}

fn end_at(seed: u64, point: u64, variant: u64) -> Result<u64, Failure> {
    let mut history = History::new(seed);
    history.survivals = Rng::with_seed(seed ^ (variant + 1).rotate_right(16));
    history.files.set_fault(point, Fault::Crash);
    while history.crashes == 0 {
        history.batch()?;
    }
    for _ in 0..BATCHES_AFTER {
        history.batch()?;
        history.verify()?;
    }
    history.restart_from(vec![history.model.clone()])?;
    Ok(history.operations)
}
