//! A short history, ended at each of its calls, with many outcomes of each end.

use crate::Failure;
use crate::disk::Fault;
use crate::history::History;
use crate::model::Model;
use fastrand::Rng;
use std::collections::HashSet;

/// The batches of a history before its end, and those after.
const BATCHES: usize = 12;
const BATCHES_AFTER: usize = 4;

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// The calls at which the process has ended.
    pub points: u64,
    /// The states of the disk that were drawn for them.
    pub variants: u64,
    /// Those that were different from each other: these were gone on from.
    pub distinct: u64,
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
        let mut ended = History::new(seed);
        ended.files.set_fault(point, Fault::Crash);
        let states = ended.until_it_ends()?;
        tried.operations += ended.operations;
        ended.operations = 0;
        let mut met = HashSet::new();
        for variant in 0..variants {
            tried.variants += 1;
            let survivals = Rng::with_seed(seed ^ (variant + 1).rotate_right(16));
            let mut history = ended.fork(survivals);
            history.end();
            if !met.insert(history.files.state()) {
                continue;
            }
            tried.distinct += 1;
            go_on(&mut history, states.clone()).map_err(|Failure(what)| {
                Failure(format!("call {point}, variant {variant}: {what}"))
            })?;
            tried.operations += history.operations;
        }
    }
    Ok(tried)
}

/// Opens what a process has left, goes on with it and opens it once more.
fn go_on(history: &mut History, states: Vec<Model>) -> Result<(), Failure> {
    history.come_up(states)?;
    for _ in 0..BATCHES_AFTER {
        history.batch()?;
        history.verify()?;
    }
    history.restart_from(vec![history.model.clone()])
}
