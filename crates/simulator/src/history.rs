//! A history: batches, crashes, faults and second owners on one disk, checked
//! against the model after each.
//!
//! What must hold: an acknowledged batch is there, whole. Of a batch that was not
//! acknowledged any number of its first changes may be there: each line is
//! atomic, a batch is not. Nothing else is there, and no version twice.

use crate::Failure;
use crate::disk::{Fault, SimulatedFiles};
use crate::ensure;
use crate::events::{CONTENTS, Event, KEYS, key};
use crate::model::{Model, code, is_expected};
use fastrand::Rng;
use kv_engine::{OpenError, Options, Outcome, Store};

/// The longest batch.
const BATCH_EVENTS_MAX: usize = 6;

/// A time at which no value has ended: what is read then, is read alone.
const BEFORE_ALL_MS: u64 = 0;

/// A store on a simulated disk, and what it should hold.
#[derive(Debug)]
pub struct History {
    random: Rng,
    /// Decides what a crash leaves, and whether another follows.
    pub(crate) survivals: Rng,
    pub(crate) files: SimulatedFiles,
    options: Options,
    /// How much longer than usual values are.
    scale: usize,
    store: Option<Store<SimulatedFiles>>,
    /// What is acknowledged.
    pub(crate) model: Model,
    time_ms: u64,
    /// The events that were sent.
    pub operations: u64,
    /// The crashes that were survived.
    pub crashes: u64,
    /// Whether each step is told on standard error.
    pub told: bool,
}

/// What a batch should have come to.
struct Expected {
    events: Vec<Event>,
    replies: Vec<Result<String, &'static str>>,
    /// The states after each change, beginning with the one before the first.
    states: Vec<Model>,
}

impl History {
    /// A history of its own for each seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        // At times large enough that a segment is compacted in several slices.
        let scale = [1, 1, 1, 1, 1, 25][random.usize(..6)];
        let options = Options {
            segment_bytes_max: [1, 400, 1500, 6000][random.usize(..4)] * scale as u64,
            cache_bytes_max: [0, 3000, 1 << 20][random.usize(..3)],
            checkpoint_interval_bytes: [1, 700, 5000, 1 << 20][random.usize(..4)],
            segments_open_max: 2,
        };
        Self {
            survivals: random.fork(),
            random,
            files: SimulatedFiles::default(),
            options,
            scale,
            store: None,
            model: Model::default(),
            time_ms: 1_763_890_000_000,
            operations: 0,
            crashes: 0,
            told: false,
        }
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.told {
            eprintln!("  version {}: {}", self.model.version, what());
        }
    }

    /// Runs steps of every kind.
    ///
    /// # Errors
    /// At the first thing that must not be.
    pub fn run(&mut self, steps: u64) -> Result<(), Failure> {
        self.open_unchanged()?;
        for _ in 0..steps {
            match self.random.u32(..20) {
                0 => self.crash()?,
                1 => self.reopen_in_order()?,
                2 => self.change_owner()?,
                3 => self.fault(Fault::Error)?,
                4 => self.fault(Fault::Full)?,
                5 => self.fault(Fault::Crash)?,
                6 => self.fail_reads()?,
                _ => self.batch()?,
            }
        }
        self.crash()?;
        if self.random.bool() {
            self.flip()?;
        }
        Ok(())
    }

    /// The power goes between two batches.
    fn crash(&mut self) -> Result<(), Failure> {
        self.tell(|| "crash".to_owned());
        self.restart_from(vec![self.model.clone()])
    }

    fn reopen_in_order(&mut self) -> Result<(), Failure> {
        self.tell(|| "stop and open".to_owned());
        if let Some(mut store) = self.store.take() {
            store.stop();
        }
        self.open_unchanged()
    }

    /// A fault at one of the next calls.
    fn fault(&mut self, fault: Fault) -> Result<(), Failure> {
        let call = self.files.calls() + 1 + self.random.u64(..12);
        self.tell(|| format!("{fault:?} at call {call}"));
        self.files.set_fault(call, fault);
        for _ in 0..3 {
            self.batch_with(fault != Fault::Crash)?;
        }
        self.files.relieve();
        self.batch()
    }

    fn fail_reads(&mut self) -> Result<(), Failure> {
        self.tell(|| "reads fail".to_owned());
        self.files.fail_reads();
        self.batch_with(true)?;
        self.files.relieve();
        self.verify()
    }

    /// Another process opens the directory while the first goes on.
    fn change_owner(&mut self) -> Result<(), Failure> {
        self.tell(|| "a second owner".to_owned());
        self.files.relieve();
        let Some(mut first) = self.store.take() else {
            return self.open_unchanged();
        };
        self.open_unchanged()?;
        if self.random.bool() {
            // The first goes on, and so the second's claim comes too late.
            let second = self.store.replace(first);
            let before = self.model.version;
            self.batch()?;
            let Some(mut second) = second else {
                return Ok(());
            };
            if self.model.version > before {
                let event = Event::Put(key(2), "\"late\"".to_owned());
                let (replies, outcome) = self.say(&mut second, &[event])?;
                ensure!(
                    outcome == Outcome::Finished && code(&replies[0]) == "unavailable",
                    "a second owner has written over what it never read: {replies:?}"
                );
            }
            drop(second);
            self.store = None;
            return self.open_unchanged();
        }
        let event = Event::Put(key(2), self.random.u64(..).to_string());
        self.batch_of(vec![event], false)?;
        for _ in 0..self.random.u32(..8) {
            self.batch()?;
        }
        let event = Event::random(&mut self.random, self.scale);
        let (replies, outcome) = self.say(&mut first, &[event])?;
        ensure!(
            outcome == Outcome::Finished && code(&replies[0]) != "ok",
            "an owner that was replaced has answered: {replies:?}"
        );
        Ok(())
    }

    /// A bit flips at rest: it is found, or it is of no matter.
    fn flip(&mut self) -> Result<(), Failure> {
        self.store = None;
        self.files.relieve();
        let Some((name, place)) = self.files.flip_a_bit(&mut self.random) else {
            return Ok(());
        };
        self.tell(|| format!("a bit of {name} flips at byte {place}"));
        let (mut store, report) = match Store::open(self.files.clone(), self.options) {
            Ok(opened) => opened,
            Err(OpenError::Damage(_) | OpenError::Format { .. }) => return Ok(()),
            Err(e) => return Err(Failure(format!("opening after a bit flip: {e}"))),
        };
        // The one thing that can't be told: a last batch that looks torn.
        if report.version < self.model.version && !report.torn.is_empty() {
            return Ok(());
        }
        for event in every_read() {
            let expected = self.model.clone().apply(&event, BEFORE_ALL_MS);
            let (replies, _) = self.say_at(BEFORE_ALL_MS, &mut store, &[event])?;
            ensure!(
                is_expected(&replies[0], &expected) || code(&replies[0]) == "corrupt",
                "byte {place} of {name} has a flipped bit, and {} is served for {expected:?}",
                replies[0]
            );
        }
        Ok(())
    }

    /// A batch on a disk that works.
    pub(crate) fn batch(&mut self) -> Result<(), Failure> {
        self.batch_with(false)
    }

    fn batch_with(&mut self, may_be_refused: bool) -> Result<(), Failure> {
        let events = self.events();
        self.batch_of(events, may_be_refused)
    }

    fn events(&mut self) -> Vec<Event> {
        let count = 1 + self.random.usize(..BATCH_EVENTS_MAX);
        (0..count)
            .map(|_| Event::random(&mut self.random, self.scale))
            .collect()
    }

    fn batch_of(&mut self, events: Vec<Event>, may_be_refused: bool) -> Result<(), Failure> {
        match self.attempt(events, may_be_refused)? {
            Some(states) => self.restart_from(states),
            None => Ok(()),
        }
    }

    /// Batches until the process ends within one; the states that may come up.
    pub(crate) fn until_it_ends(&mut self) -> Result<Vec<Model>, Failure> {
        loop {
            let events = self.events();
            if let Some(states) = self.attempt(events, false)? {
                return Ok(states);
            }
        }
    }

    /// A copy of what is left where the process has ended.
    pub(crate) fn fork(&self, survivals: Rng) -> Self {
        Self {
            survivals,
            random: self.random.clone(),
            files: self.files.fork(),
            store: None,
            model: self.model.clone(),
            ..*self
        }
    }

    /// A batch; where the process ends within, the states that may come up.
    fn attempt(
        &mut self,
        events: Vec<Event>,
        may_be_refused: bool,
    ) -> Result<Option<Vec<Model>>, Failure> {
        // Clocks jump, also back.
        self.time_ms = self
            .time_ms
            .wrapping_add_signed(self.random.i64(-5000..9000));
        let expected = self.expect(events);
        let Some(mut store) = self.store.take() else {
            return self.open_unchanged().map(|()| None);
        };
        self.tell(|| format!("{} events", expected.events.len()));
        let (replies, outcome) = self.say(&mut store, &expected.events)?;
        if self.files.has_crashed() {
            // Whatever it says, nobody has heard it.
            drop(store);
            return Ok(Some(expected.states));
        }
        if outcome == Outcome::Finished {
            ensure!(may_be_refused, "it has given up for nothing: {replies:?}");
            ensure!(
                replies.iter().all(|reply| code(reply) != "ok"),
                "it has given up and answered: {replies:?}"
            );
            drop(store);
            self.files.relieve();
            return self.open(&expected.states).map(|_| None);
        }
        // A disk that refuses to store the end of values still serves none of them.
        let refused = may_be_refused && store.changes().is_empty();
        while !refused && self.model.expire(self.time_ms) {}
        self.store = Some(store);
        for ((event, reply), expected) in
            expected.events.iter().zip(&replies).zip(&expected.replies)
        {
            if may_be_refused && code(reply) == "storage" {
                // It has changed nothing, and what follows sees that.
                continue;
            }
            let right = self.model.apply(event, self.time_ms);
            ensure!(
                is_expected(reply, &right) && (may_be_refused || right == *expected),
                "{reply} where {right:?} was expected"
            );
        }
        Ok(None)
    }

    fn expect(&self, events: Vec<Event>) -> Expected {
        let mut states = vec![self.model.clone()];
        let mut replies = Vec::new();
        let mut state = self.model.clone();
        while state.expire(self.time_ms) {
            states.push(state.clone());
        }
        for event in &events {
            let before = state.version;
            replies.push(state.apply(event, self.time_ms));
            if state.version > before {
                states.push(state.clone());
            }
        }
        Expected {
            events,
            replies,
            states,
        }
    }

    fn say(
        &mut self,
        store: &mut Store<SimulatedFiles>,
        events: &[Event],
    ) -> Result<(Vec<String>, Outcome), Failure> {
        self.say_at(self.time_ms, store, events)
    }

    fn say_at(
        &mut self,
        time_ms: u64,
        store: &mut Store<SimulatedFiles>,
        events: &[Event],
    ) -> Result<(Vec<String>, Outcome), Failure> {
        self.operations += events.len() as u64;
        let mut batch = String::new();
        for event in events {
            batch += &event.line();
            batch.push('\n');
        }
        let mut replies = Vec::new();
        let outcome = store.handle(batch.as_bytes(), time_ms, &mut replies);
        let replies = String::from_utf8(replies).map_err(|e| Failure(e.to_string()))?;
        let replies: Vec<_> = replies.lines().map(str::to_owned).collect();
        ensure!(
            replies.len() == events.len(),
            "{} replies to {} events",
            replies.len(),
            events.len()
        );
        Ok((replies, outcome))
    }

    /// The power goes; what comes up must be one of some states.
    pub(crate) fn restart_from(&mut self, states: Vec<Model>) -> Result<(), Failure> {
        self.end();
        self.come_up(states)
    }

    /// The store is opened, perhaps after more ends on the way.
    pub(crate) fn come_up(&mut self, mut states: Vec<Model>) -> Result<(), Failure> {
        while self.survivals.u32(..3) == 0 {
            // It goes again, while the log is being read.
            let call = self.files.calls() + 1 + self.survivals.u64(..3);
            self.files.set_fault(call, Fault::Crash);
            let opened = self.open(&states)?;
            if opened {
                states = vec![self.model.clone()];
                if !self.files.has_crashed() {
                    // It goes with the first batch, or later.
                    return Ok(());
                }
            }
            self.end();
        }
        self.open(&states).map(drop)
    }

    /// The power goes, or the process alone is killed.
    pub(crate) fn end(&mut self) {
        self.store = None;
        self.crashes += 1;
        if self.survivals.u32(..4) == 0 {
            self.files.after_kill();
        } else {
            self.files = self.files.after_crash(&mut self.survivals);
        }
    }

    /// Opens the store, which must have all that is acknowledged and no more.
    fn open_unchanged(&mut self) -> Result<(), Failure> {
        let state = self.model.clone();
        self.open(std::slice::from_ref(&state)).map(drop)
    }

    /// Opens the store, which must have one of some states; false where the
    /// process has ended within.
    fn open(&mut self, states: &[Model]) -> Result<bool, Failure> {
        self.store = None;
        let (store, report) = match Store::open(self.files.clone(), self.options) {
            Ok(opened) => opened,
            Err(_) if self.files.has_crashed() => return Ok(false),
            Err(e) => return Err(Failure(format!("it can't be opened: {e}"))),
        };
        let found = states.iter().find(|state| state.version == report.version);
        let Some(found) = found else {
            let versions: Vec<_> = states.iter().map(|state| state.version).collect();
            return Err(Failure(format!(
                "version {} was opened where one of {versions:?} was stored",
                report.version
            )));
        };
        self.model = found.clone();
        self.store = Some(store);
        self.verify()?;
        Ok(true)
    }

    /// Reads everything.
    pub(crate) fn verify(&mut self) -> Result<(), Failure> {
        let Some(mut store) = self.store.take() else {
            return Ok(());
        };
        for event in every_read() {
            let expected = self.model.clone().apply(&event, BEFORE_ALL_MS);
            let event_alone = std::slice::from_ref(&event);
            let (replies, _) = self.say_at(BEFORE_ALL_MS, &mut store, event_alone)?;
            ensure!(
                is_expected(&replies[0], &expected),
                "{event:?} is answered {} where {expected:?} was expected",
                replies[0]
            );
        }
        self.store = Some(store);
        Ok(())
    }

    /// A number for all that was done so far.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.files.trace()
    }
}

fn every_read() -> impl Iterator<Item = Event> {
    let keys = (0..KEYS).map(|number| Event::Get(key(number)));
    keys.chain((0..CONTENTS).map(Event::Fetch))
}
