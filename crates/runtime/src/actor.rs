//! A supervised actor: an instance that is started again, from its data
//! directory, when it fails; and never more often than its limits say.

use crate::directory::{DataDirectory, DirectoryError};
use crate::instance::interface::{Failure, Handled as GuestHandled};
use crate::instance::{InitError, Instance, Program, ProgramError};
use crate::manifest::GuestLimits;
use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What it takes to start an actor.
#[derive(Clone, Debug)]
pub struct ActorSettings {
    /// Its name, for logs.
    pub name: String,
    /// The component's bytes.
    pub component: Vec<u8>,
    /// Its data directory; created where it is missing.
    pub data: PathBuf,
    /// What `init` gets: a JSON object.
    pub configuration: String,
    /// What its guest may use.
    pub limits: GuestLimits,
}

/// A supervised actor. It is used from one thread.
pub struct Actor {
    name: String,
    program: Program,
    directory: DataDirectory,
    configuration: String,
    limits: GuestLimits,
    instance: Option<Instance>,
    report: String,
    restarts: Restarts,
    /// Why there is no instance.
    down: Option<String>,
}

/// What a batch came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    /// Reply lines for the first events of the batch, one at least.
    pub replies: Vec<u8>,
    /// How many replies these are. Events behind were not carried out: they are
    /// to be handed in again.
    pub answered: usize,
    /// What the batch changed, a line each.
    pub changes: Vec<u8>,
}

/// Nobody answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    reason: String,
    unknown: bool,
}

impl Unavailable {
    /// The outcome of the events is unknown.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            unknown: true,
        }
    }

    /// None of the events was carried out.
    pub fn not_done(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            unknown: false,
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = if self.unknown {
            "whether the event took effect is unknown"
        } else {
            "the event was not carried out"
        };
        write!(formatter, "{}; {outcome}", self.reason)
    }
}

impl std::error::Error for Unavailable {}

impl Actor {
    /// Compiles the component, locks the data directory and starts the guest.
    ///
    /// # Errors
    /// [`StartError`] says which of these failed.
    pub fn start(settings: ActorSettings) -> Result<Self, StartError> {
        let directory = DataDirectory::open(&settings.data)?;
        let program = Program::compile(&settings.component, settings.limits)?;
        let (instance, report) = program.start(directory.path(), &settings.configuration)?;
        Ok(Self {
            name: settings.name,
            program,
            directory,
            configuration: settings.configuration,
            limits: settings.limits,
            instance: Some(instance),
            report,
            restarts: Restarts::default(),
            down: None,
        })
    }

    /// Hands a batch of `events_count` lines to the guest. Whatever its replies
    /// say has happened is durable.
    ///
    /// # Errors
    /// Where the guest failed, or can't be started at present. The next call
    /// finds a new guest, if the limits allow one.
    pub fn handle(
        &mut self,
        events: &[u8],
        events_count: usize,
        time_ms: u64,
    ) -> Result<Handled, Unavailable> {
        if self.instance.is_none() {
            self.restart()?;
        }
        let Some(instance) = self.instance.as_mut() else {
            return Err(Unavailable::not_done("the actor is not running"));
        };
        let checked = self
            .program
            .handle(instance, events, time_ms)
            .map_err(|e| cause(&e))
            .and_then(|handled| check(handled, events_count));
        match checked {
            Ok((handled, finished)) => {
                if finished {
                    self.stop("it has asked for it".to_owned());
                }
                Ok(handled)
            }
            Err(reason) => {
                let message = format!("the actor failed ({reason}) and is started again");
                self.stop(reason);
                Err(Unavailable::new(message))
            }
        }
    }

    /// What the latest `init` has reported: a JSON object.
    #[must_use]
    pub fn report(&self) -> &str {
        &self.report
    }

    /// Whether a guest is running.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.instance.is_some()
    }

    /// How often the guest was started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts.total
    }

    /// Ends the instance and starts the next one, if that is allowed by now.
    fn stop(&mut self, reason: String) {
        // First, so that the old one's files are closed.
        self.instance = None;
        tracing::warn!(actor = self.name, reason, "the guest is started again");
        self.down = Some(reason);
        if let Err(unavailable) = self.restart() {
            tracing::error!(actor = self.name, %unavailable, "the guest is down");
        }
    }

    fn restart(&mut self) -> Result<(), Unavailable> {
        let window = Duration::from_millis(self.limits.restarts_window_ms);
        if !self
            .restarts
            .allow(Instant::now(), self.limits.restarts_max, window)
        {
            let reason = self.down.as_deref().unwrap_or("it has failed");
            return Err(Unavailable::not_done(format!(
                "the actor is down ({reason}) after {} restarts in {} ms; it is tried again later",
                self.limits.restarts_max, self.limits.restarts_window_ms
            )));
        }
        match self
            .program
            .start(self.directory.path(), &self.configuration)
        {
            Ok((instance, report)) => {
                self.instance = Some(instance);
                self.report = report;
                self.down = None;
                Ok(())
            }
            Err(e) => {
                let reason = StartError::from(e).to_string();
                self.down = Some(reason.clone());
                Err(Unavailable::not_done(format!(
                    "the actor can't be started again: {reason}"
                )))
            }
        }
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Actor({})", self.name)
    }
}

/// What a guest hands back is checked before anybody relies on it.
fn check(handled: GuestHandled, events_count: usize) -> Result<(Handled, bool), String> {
    let GuestHandled {
        replies,
        changes,
        finished,
    } = handled;
    if std::str::from_utf8(&replies).is_err() {
        return Err("its replies are not UTF-8".to_owned());
    }
    if replies.last().is_some_and(|byte| *byte != b'\n') {
        return Err("its last reply has no end".to_owned());
    }
    let answered = replies.split(|byte| *byte == b'\n').count() - 1;
    if answered > events_count || (answered == 0 && events_count > 0) {
        return Err(format!(
            "it gave {answered} replies to {events_count} events"
        ));
    }
    let handled = Handled {
        replies,
        answered,
        changes,
    };
    Ok((handled, finished))
}

/// Why a call ended, without the trace.
fn cause(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::Interrupt) => "it took too long".to_owned(),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    }
}

/// When a guest was started again.
#[derive(Debug, Default)]
struct Restarts {
    total: u64,
    recent: VecDeque<Instant>,
}

impl Restarts {
    /// Whether one more is allowed now; if so, it is counted.
    fn allow(&mut self, now: Instant, max: u32, window: Duration) -> bool {
        while self
            .recent
            .front()
            .is_some_and(|then| now.duration_since(*then) >= window)
        {
            self.recent.pop_front();
        }
        if self.recent.len() >= max as usize {
            return false;
        }
        self.recent.push_back(now);
        self.total += 1;
        true
    }
}

/// Why an actor can't be started.
#[derive(Debug)]
pub enum StartError {
    /// Its data directory can't be had.
    Directory(DirectoryError),
    /// What was given is no component.
    NoComponent(String),
    /// It lacks the interface, or needs one that an actor doesn't get.
    NoActor(String),
    /// It refused to begin, with a stable code.
    Refused {
        /// The stable code.
        code: String,
        /// What happened and what to do.
        message: String,
    },
    /// It failed before it could say anything.
    Failed(String),
    /// The engine itself can't be set up.
    Engine(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(e) => e.fmt(formatter),
            Self::NoComponent(e) => {
                write!(formatter, "the component is no WebAssembly component: {e}")
            }
            Self::NoActor(e) => write!(
                formatter,
                "the component is no actor (ntwk:actor/actor): {e}"
            ),
            Self::Refused { code, message } => write!(formatter, "{code}: {message}"),
            Self::Failed(e) => write!(formatter, "the actor failed while it began: {e}"),
            Self::Engine(e) => write!(formatter, "the WebAssembly engine can't be set up: {e}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<DirectoryError> for StartError {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

impl From<ProgramError> for StartError {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::NoComponent(e) => Self::NoComponent(format!("{e:#}")),
            ProgramError::NoActor(e) => Self::NoActor(format!("{e:#}")),
            ProgramError::Engine(e) => Self::Engine(format!("{e:#}")),
        }
    }
}

impl From<InitError> for StartError {
    fn from(error: InitError) -> Self {
        match error {
            InitError::Refused(Failure { code, message }) => Self::Refused { code, message },
            InitError::Failed(e) => Self::Failed(cause(&e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_counted_in_a_window_that_moves_on() {
        let mut restarts = Restarts::default();
        let (start, window) = (Instant::now(), Duration::from_secs(10));
        let mut at = |seconds| restarts.allow(start + Duration::from_secs(seconds), 2, window);
        assert!(at(0) && at(5) && !at(6) && !at(9));
        assert!(at(10) && !at(14) && at(15));
        assert_eq!(restarts.total, 4);
        assert!(!Restarts::default().allow(start, 0, window));
    }
}
