//! A client's own book of what it sent and what it was promised. What the store
//! says must fit it: every acknowledged change is there with its version, one
//! that was not acknowledged is wholly there or wholly not.
//!
//! Each key belongs to one ledger, so what it may hold is known exactly. Every
//! value is written once only, so a value tells which put it came from.

use crate::event::{Event, Reply};
use crate::failure::{Failure, ensure};
use std::collections::BTreeMap;

/// A value, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its text.
    pub value: String,
    /// Its version.
    pub version: u64,
}

/// The book of one client.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// What each key is known to hold, but for `unsettled`.
    keys: BTreeMap<String, Option<Stored>>,
    /// Whether each content sent is known to be stored.
    contents: BTreeMap<String, bool>,
    /// Changes whose outcome is unknown, in the order in which they were sent.
    unsettled: Vec<Event>,
    /// The highest version that was seen.
    version: u64,
    /// How many changes were acknowledged.
    pub acknowledged: u64,
    /// How many keys were found to be changed without an acknowledgement.
    pub done_unacknowledged: u64,
    /// How many keys were found to be as before, though a change was sent.
    pub not_done: u64,
}

impl Ledger {
    /// Enters an event and its reply, if there was one.
    ///
    /// # Errors
    /// Where the reply can't be true.
    pub fn enter(&mut self, event: &Event, reply: Option<&Reply>) -> Result<(), Failure> {
        let wrong = |expected: String| {
            Failure::new(format!(
                "{} was answered {reply:?}; expected {expected}",
                event.line()
            ))
        };
        match (event, reply) {
            (_, None) => self.leave_open(event),
            (_, Some(Reply::Refused { code, .. }))
                if code == "unavailable" || code == "storage" =>
            {
                self.leave_open(event);
            }
            (Event::Put { key, value, .. }, Some(Reply::Put { version })) => {
                self.raise(*version)
                    .map_err(|least| wrong(format!("a version above {least}")))?;
                let value = value.clone();
                let version = *version;
                self.settle(key, Some(Stored { value, version }));
                self.acknowledged += 1;
            }
            (Event::Delete { key }, Some(Reply::Deleted { deleted, version })) => {
                let possible: Vec<_> = self.possible(key).map(|value| value.is_some()).collect();
                ensure(possible.contains(deleted), || {
                    wrong(format!("`deleted` to be one of {possible:?}")).to_string()
                })?;
                if let Some(version) = version {
                    self.raise(*version)
                        .map_err(|least| wrong(format!("a version above {least}")))?;
                }
                self.settle(key, None);
                self.acknowledged += 1;
            }
            (Event::Get { key }, Some(Reply::Got { value, version })) => {
                let stored = Stored {
                    value: value.clone(),
                    version: *version,
                };
                self.see(key, Some(stored))?;
            }
            (Event::Get { key }, Some(Reply::NotFound)) => self.see(key, None)?,
            (Event::StoreContent { content }, Some(Reply::Stored { created })) => {
                let known = self.contents.insert(content.clone(), true);
                ensure(!(known == Some(true) && *created), || {
                    wrong("content that is there not to be created again".to_owned()).to_string()
                })?;
                self.acknowledged += 1;
            }
            (Event::GetContent { content }, Some(Reply::Content { content: seen })) => {
                ensure(content == seen, || wrong(content.clone()).to_string())?;
                // Another client may have stored it.
                self.contents.insert(content.clone(), true);
                self.settle_content(content);
            }
            (Event::GetContent { content }, Some(Reply::NotFound)) => {
                ensure(self.contents.get(content) != Some(&true), || {
                    wrong("content that was acknowledged".to_owned()).to_string()
                })?;
                self.settle_content(content);
            }
            (_, Some(_)) => return Err(wrong("a reply of its own".to_owned())),
        }
        Ok(())
    }

    /// Everything that the store must be asked to compare it with this ledger.
    #[must_use]
    pub fn questions(&self) -> Vec<Event> {
        let keys = self.keys.keys().map(|key| Event::Get { key: key.clone() });
        let contents = self.contents.keys().map(|content| Event::GetContent {
            content: content.clone(),
        });
        keys.chain(contents).collect()
    }

    /// Changes whose outcome is unknown.
    #[must_use]
    pub fn unsettled(&self) -> &[Event] {
        &self.unsettled
    }

    /// Compares the store with this ledger after its server was killed: of the
    /// unsettled changes, which came last on their connection, a first part is
    /// done and the rest is not. Afterwards nothing is unsettled.
    ///
    /// # Errors
    /// Where an answer can't be true.
    pub fn audit(&mut self, questions: &[Event], answers: &[Reply]) -> Result<(), Failure> {
        let done = (0..=self.unsettled.len()).find(|done| self.fits(*done, questions, answers));
        if done.is_none() {
            // A single wrong answer is shown as such.
            self.enter_all(questions, answers)?;
            return Err(Failure::new(format!(
                "of the changes that were not acknowledged, some are done and some before them are not: {:?} {answers:?}",
                self.unsettled.iter().map(Event::line).collect::<Vec<_>>()
            )));
        }
        self.enter_all(questions, answers)?;
        self.unsettled.clear();
        Ok(())
    }

    fn enter_all(&mut self, questions: &[Event], answers: &[Reply]) -> Result<(), Failure> {
        ensure(questions.len() == answers.len(), || {
            format!("{} questions, {} answers", questions.len(), answers.len())
        })?;
        for (question, answer) in questions.iter().zip(answers) {
            self.enter(question, Some(answer))?;
        }
        Ok(())
    }

    /// Whether the answers are those of a store that has done exactly the first
    /// `done` of the unsettled changes.
    fn fits(&self, done: usize, questions: &[Event], answers: &[Reply]) -> bool {
        let mut values: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut contents: Vec<&str> = Vec::new();
        for change in &self.unsettled[..done] {
            match change {
                Event::Put { key, value, .. } => drop(values.insert(key, Some(value))),
                Event::Delete { key } => drop(values.insert(key, None)),
                Event::StoreContent { content } => contents.push(content),
                Event::Get { .. } | Event::GetContent { .. } => {}
            }
        }
        questions.iter().zip(answers).all(|pair| match pair {
            (Event::Get { key }, answer) => {
                let known = || self.keys.get(key)?.as_ref().map(|stored| &*stored.value);
                let expected = values.get(&**key).copied().unwrap_or_else(known);
                match answer {
                    Reply::Got { value, .. } => expected == Some(value),
                    Reply::NotFound => expected.is_none(),
                    _ => false,
                }
            }
            // Content that is there may have come from another client.
            (Event::GetContent { content }, Reply::NotFound) => !contents.contains(&&**content),
            _ => true,
        })
    }

    /// How many keys have a value, by this ledger.
    #[must_use]
    pub fn keys_count(&self) -> usize {
        self.keys.values().flatten().count()
    }

    /// The content that is known to be stored.
    pub fn contents(&self) -> impl Iterator<Item = &str> {
        let stored = self.contents.iter().filter(|(_, stored)| **stored);
        stored.map(|(content, _)| &**content)
    }

    /// The versions of everything that is stored.
    pub fn versions(&self) -> impl Iterator<Item = u64> {
        self.keys.values().flatten().map(|stored| stored.version)
    }

    /// The highest version that was seen.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// From now on, every version must be above this one.
    pub fn expect_above(&mut self, version: u64) {
        self.version = self.version.max(version);
    }

    fn leave_open(&mut self, event: &Event) {
        match event {
            Event::Put { key, .. } | Event::Delete { key } => {
                self.keys.entry(key.clone()).or_default();
            }
            Event::StoreContent { content } => {
                self.contents.entry(content.clone()).or_default();
            }
            Event::Get { .. } | Event::GetContent { .. } => return,
        }
        self.unsettled.push(event.clone());
    }

    /// What a key may hold: what is known, and what unsettled changes may have
    /// made of it.
    fn possible(&self, key: &str) -> impl Iterator<Item = Option<&str>> {
        let known = self.keys.get(key).and_then(Option::as_ref);
        let changes = self
            .unsettled
            .iter()
            .filter_map(move |change| match change {
                Event::Put { key: of, value, .. } if of == key => Some(Some(&**value)),
                Event::Delete { key: of } if of == key => Some(None),
                _ => None,
            });
        std::iter::once(known.map(|stored| &*stored.value)).chain(changes)
    }

    /// A key was read, when nothing that was sent before was still on its way.
    fn see(&mut self, key: &str, seen: Option<Stored>) -> Result<(), Failure> {
        let known = self.keys.get(key).cloned().flatten();
        let value = seen.as_ref().map(|stored| &*stored.value);
        let version = |stored: &Option<Stored>| stored.as_ref().map_or(0, |stored| stored.version);
        let fits = if value == known.as_ref().map(|stored| &*stored.value) {
            seen == known
        } else {
            let later = seen.is_none() || version(&seen) > version(&known);
            later && self.possible(key).any(|possible| possible == value)
        };
        ensure(fits, || {
            format!(
                "{key:?} holds {seen:?}; it was acknowledged to hold {known:?}, and may hold {:?}",
                self.possible(key).skip(1).collect::<Vec<_>>()
            )
        })?;
        self.version = self.version.max(version(&seen));
        if self.possible(key).nth(1).is_some() {
            if seen == known {
                self.not_done += 1;
            } else {
                self.done_unacknowledged += 1;
            }
        }
        self.settle(key, seen);
        Ok(())
    }

    fn settle(&mut self, key: &str, stored: Option<Stored>) {
        self.keys.insert(key.to_owned(), stored);
        self.unsettled.retain(|change| match change {
            Event::Put { key: of, .. } | Event::Delete { key: of } => of != key,
            _ => true,
        });
    }

    fn settle_content(&mut self, content: &str) {
        self.unsettled.retain(
            |change| !matches!(change, Event::StoreContent { content: of } if of == content),
        );
    }

    fn raise(&mut self, version: u64) -> Result<(), u64> {
        if version <= self.version {
            return Err(self.version);
        }
        self.version = version;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
