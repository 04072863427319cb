//! Decides whether a history of one key is linearizable: whether every operation
//! can be thought to take effect at one moment between its call and its return,
//! so that all replies are those of one register.
//!
//! The search is that of J. M. Wing and C. Gong, 'Testing and verifying
//! concurrent objects' (1993), with G. Lowe's memory of the configurations that
//! were seen, 'Testing for linearizability' (2017). That each key can be checked
//! by itself is the locality of M. P. Herlihy and J. M. Wing (1990).

use std::collections::HashSet;

/// What was asked of a key, and answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A put of a value; its version, where an answer came.
    Put {
        /// The value, written once only.
        value: u64,
        /// The version.
        version: Option<u64>,
    },
    /// A put that is done only where the key has a version.
    PutIf {
        /// The value, written once only.
        value: u64,
        /// The version that was to be there, or 0 for none.
        expected: u64,
        /// What was answered, if anything was.
        answer: Option<Conditional>,
    },
    /// A delete; whether it removed something, and its version, where an answer
    /// said so.
    Delete {
        /// Whether there was something.
        deleted: Option<bool>,
        /// The version.
        version: Option<u64>,
    },
    /// A get, and the value and version that it found.
    Get {
        /// Value and version.
        found: Option<(u64, u64)>,
    },
}

/// The answer to a conditional put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditional {
    /// It was done, and has this version.
    Done(u64),
    /// It was not: this version was there, or 0 for none.
    Conflict(u64),
}

/// An operation: when it was called, and when its answer came. What was never
/// answered may take effect at any time after its call, or never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// When it was called, in nanoseconds.
    pub called: u64,
    /// When its answer came.
    pub returned: Option<u64>,
    /// What it was.
    pub action: Action,
}

/// What a history turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order that explains all of it.
    Linearizable,
    /// There is none.
    Violation,
    /// The search was given up: it took more than [`WORDS_MAX`].
    Undecided,
}

/// How much a search may remember, in words of 64 bits.
pub const WORDS_MAX: usize = 64 << 20;

/// What a register holds. The version of a put that was not answered is unknown
/// until a get has seen it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Register {
    value: Option<(u64, Option<u64>)>,
    /// The highest version known so far.
    version: u64,
}

impl Register {
    /// The register after an action, if its answer fits.
    fn after(self, action: &Action) -> Option<Self> {
        match *action {
            Action::Put { value, version } => self.after_put(value, version),
            Action::PutIf {
                value,
                expected,
                answer,
            } => match answer {
                Some(Conditional::Done(version)) => {
                    self.with_version(expected)?.after_put(value, Some(version))
                }
                // Not done, it has no effect, and need not be thought of.
                None => self.with_version(expected)?.after_put(value, None),
                Some(Conditional::Conflict(version)) => {
                    self.with_version(version).filter(|_| version != expected)
                }
            },
            Action::Delete { deleted, version } => {
                let fits = deleted.is_none_or(|deleted| deleted == self.value.is_some());
                Some(Self {
                    value: None,
                    version: self.raised(version)?,
                })
                .filter(|_| fits)
            }
            Action::Get { found: None } => self.value.is_none().then_some(self),
            Action::Get {
                found: Some((found, version)),
            } => self
                .with_version(version)
                .filter(|register| register.value.is_some_and(|(value, _)| value == found)),
        }
    }

    fn after_put(self, value: u64, version: Option<u64>) -> Option<Self> {
        Some(Self {
            value: Some((value, version)),
            version: self.raised(version)?,
        })
    }

    /// The register, if what it holds can have this version, or is nothing where
    /// that is 0. From then on the version is known.
    fn with_version(self, version: u64) -> Option<Self> {
        match self.value {
            None => (version == 0).then_some(self),
            Some((_, Some(known))) => (known == version).then_some(self),
            Some((value, None)) => self.after_put(value, Some(version)),
        }
    }

    /// Versions only rise.
    fn raised(self, version: Option<u64>) -> Option<u64> {
        match version {
            None => Some(self.version),
            Some(version) => (version > self.version).then_some(version),
        }
    }
}

/// Checks the history of one key, which holds nothing at the beginning.
#[must_use]
pub fn check(history: &[Operation]) -> Verdict {
    let mut operations: Vec<&Operation> = history.iter().collect();
    operations.sort_by_key(|operation| operation.called);
    let mut search = Search {
        left: operations
            .iter()
            .filter(|done| done.returned.is_some())
            .count(),
        done: vec![0; operations.len().div_ceil(64)],
        operations,
        seen: HashSet::new(),
    };
    search.run()
}

struct Search<'a> {
    /// In the order of their calls.
    operations: Vec<&'a Operation>,
    /// A bit for each operation that has taken effect.
    done: Vec<u64>,
    /// How many of those that were answered have not. The others need not.
    left: usize,
    /// Every configuration that was tried: what is done, and what came of it.
    seen: HashSet<(Vec<u64>, Register)>,
}

/// A step that was taken, and can be taken back.
struct Step {
    operation: usize,
    before: Register,
}

impl Search<'_> {
    fn run(&mut self) -> Verdict {
        let mut register = Register::default();
        let mut path: Vec<Step> = Vec::new();
        let mut from = 0;
        loop {
            if self.left == 0 {
                return Verdict::Linearizable;
            }
            if let Some((operation, after)) = self.next(from, register) {
                let before = std::mem::replace(&mut register, after);
                path.push(Step { operation, before });
                from = 0;
            } else if let Some(Step { operation, before }) = path.pop() {
                self.flip(operation);
                self.left += usize::from(self.operations[operation].returned.is_some());
                register = before;
                from = operation + 1;
            } else {
                return Verdict::Violation;
            }
            if self.seen.len() * self.done.len() > WORDS_MAX {
                return Verdict::Undecided;
            }
        }
    }

    /// The first operation from a place on that may take effect now: it was
    /// called before any that has not taken effect had returned, its answer
    /// fits, and the configuration that it leads to is new. It is done then.
    fn next(&mut self, from: usize, register: Register) -> Option<(usize, Register)> {
        let mut returned_first = u64::MAX;
        let whole_words = self.done.iter().take_while(|word| **word == u64::MAX);
        for place in 64 * whole_words.count()..self.operations.len() {
            let operation = self.operations[place];
            if self.is_done(place) {
                continue;
            }
            if operation.called > returned_first {
                return None;
            }
            returned_first = returned_first.min(operation.returned.unwrap_or(u64::MAX));
            if place < from {
                continue;
            }
            if let Some(after) = register.after(&operation.action) {
                self.flip(place);
                if self.seen.insert((self.done.clone(), after)) {
                    self.left -= usize::from(operation.returned.is_some());
                    return Some((place, after));
                }
                self.flip(place);
            }
        }
        None
    }

    fn is_done(&self, place: usize) -> bool {
        self.done[place / 64] >> (place % 64) & 1 == 1
    }

    fn flip(&mut self, place: usize) {
        self.done[place / 64] ^= 1 << (place % 64);
    }
}

#[cfg(test)]
mod tests;
