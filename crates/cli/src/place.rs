//! Where a command's events go: into a data directory, or to a server.

use crate::arguments::Place as Arguments;
use crate::event::{Event, Reply};
use crate::failure::Failure;
use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Store};
use kv_protocol::Code;
use kv_runtime::directory::DataDirectory;
use kv_runtime::manifest::Manifest;
pub(crate) use server::Server;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

mod server;

/// A store that takes events.
pub(crate) enum Place {
    /// A directory, opened natively: the same engine, without the component.
    Directory {
        store: Box<Store<NativeFiles>>,
        /// Held for as long as the store is open.
        _directory: DataDirectory,
    },
    /// A running server.
    Server(Server),
}

impl Place {
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, Failure> {
        match &arguments.url {
            Some(url) => Server::new(url, arguments).map(Self::Server),
            None => directory(arguments),
        }
    }

    /// Carries out a batch of events and returns its replies, a line each.
    pub(crate) fn send(&mut self, events: &[u8]) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Directory { store, .. } => {
                let mut replies = Vec::new();
                // A store that can't go on says so in its replies.
                let (kv_engine::Outcome::Serving | kv_engine::Outcome::Finished) =
                    store.handle(events, now_ms(), &mut replies);
                Ok(replies)
            }
            Self::Server(server) => server.post(events),
        }
    }

    /// Carries out one event and returns its reply line, where it is no error.
    pub(crate) fn ask(&mut self, event: Event) -> Result<String, Failure> {
        let replies = self.send(&event.line())?;
        let reply = String::from_utf8(replies)
            .map_err(|_| Failure::new("the store's reply is not UTF-8"))?;
        Reply::read(&reply)?;
        Ok(reply)
    }

    /// Ends the work of several batches: a directory holds no room that nobody needs,
    /// and its next opening is to be fast.
    pub(crate) fn stop(self) {
        if let Self::Directory { mut store, .. } = self {
            store.stop();
        }
    }
}

fn directory(arguments: &Arguments) -> Result<Place, Failure> {
    let manifest = Manifest::load(arguments.manifest.as_deref(), &Options::NAMES)
        .map_err(|e| Failure::new(e.to_string()))?;
    let path = arguments.data.as_deref().unwrap_or(&manifest.data);
    open_directory(path, &manifest.configuration)
}

fn open_directory(path: &Path, configuration: &str) -> Result<Place, Failure> {
    let directory =
        DataDirectory::open(path).map_err(|e| Failure::coded(Code::Storage, e.to_string()))?;
    let options = Options::from_json(configuration)?;
    let (store, report) = Store::open(NativeFiles::new(path), options)
        .map_err(|e| Failure::coded(e.code(), e.to_string()))?;
    for torn in &report.torn {
        eprintln!(
            "note: {}, byte {}: {} bytes of a write that was never finished are left out",
            torn.file, torn.byte, torn.bytes
        );
    }
    Ok(Place::Directory {
        store: Box::new(store),
        _directory: directory,
    })
}

/// Milliseconds since the Unix epoch; 0 for a clock that is set before it.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        })
}
