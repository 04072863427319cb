//! One file's bytes: what every reader sees, and what a crash may leave of it.

use fastrand::Rng;

const SECTOR_BYTES: usize = 512;

#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Inode {
    /// What every reader sees.
    content: Vec<u8>,
    /// What was durable before the first of `changes`.
    base: Vec<u8>,
    changes: Vec<(Change, Fate)>,
}

#[derive(Clone, Debug, Hash)]
pub(super) enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// What a crash does with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fate {
    /// It is durable.
    Kept,
    /// It may survive, and the next sync makes it durable.
    Waiting,
    /// It may survive. Its sync has failed, and no later one says anything of it.
    Doubtful,
}

impl Inode {
    /// One of which everything is durable.
    pub(super) fn durable(content: Vec<u8>) -> Self {
        Self {
            base: content.clone(),
            content,
            changes: Vec::new(),
        }
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Flips one bit, at rest; nothing where it is empty.
    pub(super) fn flip_a_bit(&mut self, random: &mut Rng) -> Option<usize> {
        if self.content.is_empty() {
            return None;
        }
        let place = random.usize(..self.content.len());
        self.content[place] ^= 1 << random.u32(..8);
        self.base.clone_from(&self.content);
        self.changes.clear();
        Some(place)
    }

    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.content, |_| true);
        self.changes.push((change, Fate::Waiting));
    }

    pub(super) fn sync(&mut self) {
        for (_, fate) in &mut self.changes {
            if *fate == Fate::Waiting {
                *fate = Fate::Kept;
            }
        }
        if self.changes.iter().all(|(_, fate)| *fate == Fate::Kept) {
            self.base.clone_from(&self.content);
            self.changes.clear();
        }
    }

    pub(super) fn fail_sync(&mut self) {
        for (_, fate) in &mut self.changes {
            if *fate == Fate::Waiting {
                *fate = Fate::Doubtful;
            }
        }
    }

    pub(super) fn after_crash(&self, random: &mut Rng, survives: f64) -> Vec<u8> {
        let mut content = self.base.clone();
        for (change, fate) in &self.changes {
            change.apply(&mut content, |_| {
                *fate == Fate::Kept || random.f64() < survives
            });
        }
        content
    }
}

impl Change {
    pub(super) fn size(&self) -> (usize, usize) {
        match self {
            Self::Write(offset, bytes) => (*offset, bytes.len()),
            Self::Length(length) => (*length, 0),
        }
    }

    /// Carries out the sectors of a change that are to survive.
    fn apply(&self, content: &mut Vec<u8>, mut survives: impl FnMut(usize) -> bool) {
        match self {
            Self::Length(length) => {
                if survives(0) {
                    content.resize(*length, 0);
                }
            }
            Self::Write(offset, bytes) => {
                let end = offset + bytes.len();
                // The file's new length may arrive without its bytes.
                if survives(end) && content.len() < end {
                    content.resize(end, 0);
                }
                let mut start = *offset;
                while start < end {
                    let next = end.min((start / SECTOR_BYTES + 1) * SECTOR_BYTES);
                    if survives(start) {
                        if content.len() < next {
                            content.resize(next, 0);
                        }
                        content[start..next].copy_from_slice(&bytes[start - offset..next - offset]);
                    }
                    start = next;
                }
            }
        }
    }
}
