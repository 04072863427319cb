//! Theater as a program starts it, and actors in it.

use std::error::Error;
use std::path::Path;
use std::time::Duration;
use theater::config::permissions::HandlerPermission;
use theater::id::TheaterId;
use theater::messages::{ActorMessage, ActorRequest, TheaterCommand};
use theater::theater_runtime::TheaterRuntime;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long an answer may take: an actor that has ended gives none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

type Failure = Box<dyn Error>;

/// A running Theater.
#[derive(Debug)]
pub struct Theater {
    runtime: Runtime,
    commands: mpsc::Sender<TheaterCommand>,
}

/// An actor in it.
#[derive(Debug)]
pub struct Actor<'a> {
    theater: &'a Theater,
    id: TheaterId,
}

impl Theater {
    /// Starts Theater on threads of its own.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn start() -> Result<Self, Failure> {
        let runtime = Runtime::new()?;
        let (commands, received) = mpsc::channel(64);
        let own = commands.clone();
        let theater = TheaterRuntime::new(own, received, None, HandlerPermission::root());
        let mut theater = runtime.block_on(theater)?;
        runtime.spawn(async move {
            if let Err(e) = theater.run().await {
                eprintln!("theater has ended: {e}");
            }
        });
        Ok(Self { runtime, commands })
    }

    /// Starts an actor from its manifest.
    ///
    /// # Errors
    /// What Theater says.
    pub fn spawn(&self, manifest: &Path) -> Result<Actor<'_>, Failure> {
        let manifest_path = manifest.to_str().ok_or("the path is not UTF-8")?.to_owned();
        let (response_tx, response) = oneshot::channel();
        let id = self.tell(
            TheaterCommand::SpawnActor {
                manifest_path,
                init_bytes: None,
                response_tx,
                parent_id: None,
                supervisor_tx: None,
                subscription_tx: None,
            },
            response,
        )??;
        Ok(Actor { theater: self, id })
    }

    fn tell<T>(
        &self,
        command: TheaterCommand,
        response: oneshot::Receiver<T>,
    ) -> Result<T, Failure> {
        self.runtime.block_on(async {
            self.commands.send(command).await?;
            Ok(timeout(ANSWER_TIMEOUT, response).await??)
        })
    }
}

impl Actor<'_> {
    /// Sends a request and waits for its response.
    ///
    /// # Errors
    /// Where none comes: the actor has ended.
    pub fn request(&self, data: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let (response_tx, response) = oneshot::channel();
        let message = ActorMessage::Request(ActorRequest { response_tx, data });
        let command = TheaterCommand::SendMessage {
            actor_id: self.id.clone(),
            actor_message: message,
        };
        self.theater.tell(command, response)
    }

    /// Ends the actor.
    ///
    /// # Errors
    /// What Theater says.
    pub fn stop(self) -> Result<(), Failure> {
        let (response_tx, response) = oneshot::channel();
        let command = TheaterCommand::StopActor {
            actor_id: self.id.clone(),
            response_tx,
        };
        self.theater.tell(command, response)??;
        Ok(())
    }
}
