//! A supervised actor: an instance that is started again, from its data
//! directory, when it fails; and never more often than its limits say.

use crate::directory::DataDirectory;
use crate::instance::{Instance, Program, Sync};
use crate::manifest::GuestLimits;
use crate::messages::Messages;
use crate::syncs::{Durability, Syncs, Ticket};
use replies::check;
use restarts::Restarts;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod error;
mod replies;
mod restarts;

pub use error::{Misfit, StartError, Unavailable};

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
    /// Whom it may talk to.
    pub messages: Messages,
    /// Where compiled code is kept for the next start. Code from there runs outside
    /// the sandbox: it is used only where no other user may write to it. Where there
    /// is none, or it can't be used, every start compiles.
    pub compiled: Option<PathBuf>,
}

/// A supervised actor. It is used from one thread, and not from async code: its
/// calls read and write files.
pub struct Actor {
    name: String,
    program: Program,
    instance: Option<Instance>,
    syncs: Arc<Syncs>,
    // After the others: the lock is given up when the files are closed and synced.
    directory: DataDirectory,
    configuration: String,
    limits: GuestLimits,
    report: String,
    restarts: Restarts,
    /// Why there is no instance.
    down: Option<String>,
    behind_sync: Duration,
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
    /// When the actor wants a batch, though it be empty, in milliseconds since
    /// the Unix epoch.
    pub wake_at_ms: Option<u64>,
}

impl Actor {
    /// Locks the data directory, compiles the component and starts the guest.
    ///
    /// # Errors
    /// [`StartError`] says which of these failed.
    pub fn start(settings: ActorSettings) -> Result<Self, StartError> {
        let directory = DataDirectory::open(&settings.data)?;
        let program = Program::compile(
            &settings.component,
            settings.compiled.as_deref(),
            settings.limits,
            settings.messages,
        )?;
        let syncs = Arc::new(Syncs::new());
        let (instance, report) = begin(&program, &directory, &settings.configuration, &syncs)?;
        Ok(Self {
            name: settings.name,
            program,
            instance: Some(instance),
            syncs,
            directory,
            configuration: settings.configuration,
            limits: settings.limits,
            report,
            restarts: Restarts::default(),
            down: None,
            behind_sync: Duration::ZERO,
        })
    }

    /// Hands a batch of `events_count` lines to the guest. Whatever its replies
    /// say has happened is durable. A batch of none starts a guest that is down.
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
        let handled = self.call(events, events_count, time_ms, Sync::AtOnce)?;
        // It may have seen what an earlier batch has left to be synced.
        match self.syncs.settle() {
            Ok(()) => Ok(handled),
            Err(reason) => Err(self.fail(reason)),
        }
    }

    /// The same, but the replies may not be durable yet: nobody must be told of
    /// them before [`Self::durability`] of the [`Self::ticket`] behind them says
    /// that they are. The next batch can be handed in meanwhile, and is carried
    /// out up to where it writes.
    ///
    /// # Errors
    /// As for [`Self::handle`].
    pub fn handle_ahead(
        &mut self,
        events: &[u8],
        events_count: usize,
        time_ms: u64,
    ) -> Result<Handled, Unavailable> {
        self.call(events, events_count, time_ms, Sync::Behind)
    }

    /// The present moment, for [`Self::durability`].
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        self.syncs.ticket()
    }

    /// Whether everything is durable that was handled before a moment. What is
    /// lost has ended its guest.
    pub fn durability(&mut self, ticket: Ticket) -> Durability {
        let durability = self.syncs.durability(ticket);
        if durability == Durability::Lost
            && let Some(reason) = self.syncs.failure()
        {
            self.replace(reason);
        }
        durability
    }

    /// Waits until nothing is under way to the disk.
    pub fn settle(&self) {
        // Whoever waits for it is told by `durability`.
        drop(self.syncs.settle());
    }

    /// What is called, on another thread, whenever something has become durable or
    /// is lost.
    pub fn set_wake(&self, wake: impl Fn() + Send + std::marker::Sync + 'static) {
        self.syncs.set_wake(wake);
    }

    fn call(
        &mut self,
        events: &[u8],
        events_count: usize,
        time_ms: u64,
        sync: Sync,
    ) -> Result<Handled, Unavailable> {
        if self.instance.is_none() {
            self.restart()?;
        }
        let Some(instance) = self.instance.as_mut() else {
            return Err(Unavailable::not_done("the actor is not running"));
        };
        let handled = self.program.handle(instance, events, time_ms, sync);
        self.behind_sync = instance.since_synced();
        let checked = match handled {
            Ok(handled) => check(handled, events_count).map_err(|wrong| wrong.to_string()),
            // Without its files it could do nothing else.
            Err(e) => Err(self.syncs.failure().unwrap_or_else(|| e.to_string())),
        };
        match checked {
            Ok((handled, false)) => Ok(handled),
            Ok((handled, true)) => {
                // Later moments are the next guest's: what this one has left to be
                // synced must be known before.
                self.syncs.settle().map_err(|reason| self.fail(reason))?;
                self.replace("it said that it can't go on".to_owned());
                Ok(handled)
            }
            Err(reason) => Err(self.fail(reason)),
        }
    }

    /// Ends the guest in order. Whatever it has acknowledged is durable already;
    /// it may do what makes its next start faster.
    pub fn stop(mut self) {
        if let Some(instance) = self.instance.take()
            && let Err(e) = self.program.stop(instance)
        {
            tracing::warn!(actor = self.name, error = %e, "the guest has not ended in order");
        }
    }

    /// What the latest `init` has reported: a JSON object.
    #[must_use]
    pub fn report(&self) -> &str {
        &self.report
    }

    /// How long each sync took: those of the latest batch, and those behind a batch
    /// that have ended since this was last asked. None of a guest that has ended.
    #[must_use]
    pub fn take_sync_times(&self) -> Vec<Duration> {
        let mut times = self.syncs.take_times();
        times.extend(self.instance.as_ref().map_or(&[][..], Instance::syncs));
        times
    }

    /// How long the guest worked on in the latest batch once its first sync had
    /// returned. With [`Self::handle_ahead`] the disk is at that sync meanwhile.
    #[must_use]
    pub fn behind_sync(&self) -> Duration {
        self.behind_sync
    }

    /// Whether a guest is running.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.instance.is_some()
    }

    /// How often the guest was started again, or could not be.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts.total()
    }

    fn fail(&mut self, reason: String) -> Unavailable {
        let unavailable = Unavailable::new(format!("the actor failed ({reason})"));
        self.replace(reason);
        unavailable
    }

    /// Ends the instance and starts the next one, if that is allowed by now.
    fn replace(&mut self, reason: String) {
        tracing::warn!(actor = self.name, reason, "the guest has ended");
        // First, so that the old one's files are closed.
        self.instance = None;
        self.syncs.begin_anew();
        self.down = Some(reason);
        if let Err(unavailable) = self.restart() {
            tracing::warn!(actor = self.name, %unavailable, "the guest is down");
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
        match begin(
            &self.program,
            &self.directory,
            &self.configuration,
            &self.syncs,
        ) {
            Ok((instance, report)) => {
                tracing::info!(
                    actor = self.name,
                    restarts = self.restarts.total(),
                    "the guest was started again"
                );
                self.instance = Some(instance);
                self.report = report;
                self.down = None;
                Ok(())
            }
            Err(e) => {
                let reason = e.to_string();
                tracing::error!(
                    actor = self.name,
                    reason,
                    "the guest can't be started again"
                );
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

/// Starts a guest on the directory that is locked, and on no other.
fn begin(
    program: &Program,
    directory: &DataDirectory,
    configuration: &str,
    syncs: &Arc<Syncs>,
) -> Result<(Instance, String), StartError> {
    directory.check()?;
    let (instance, report) = program.start(directory.path(), configuration, syncs)?;
    match serde_json::from_str::<BTreeMap<String, &RawValue>>(&report) {
        Ok(_) => Ok((instance, report)),
        Err(_) => Err(StartError::Failed(
            "its report is no JSON object".to_owned(),
        )),
    }
}
