//! Where a command's events go: into a data directory, or to a server.

use crate::arguments::Place as Arguments;
use crate::failure::Failure;
use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Store};
use kv_protocol::Code;
use kv_runtime::directory::DataDirectory;
use kv_runtime::manifest::Manifest;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A store that takes events.
pub(crate) enum Place {
    /// A directory, opened natively: the same engine, without the component.
    Directory {
        store: Box<Store<NativeFiles>>,
        /// Held for as long as the store is open.
        _directory: DataDirectory,
    },
    /// A server's HTTP front.
    Server { agent: ureq::Agent, events: String },
}

impl Place {
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, Failure> {
        match &arguments.url {
            Some(url) => Ok(server(url)),
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
            Self::Server { agent, events: url } => post(agent, url, events),
        }
    }

    /// Ends the work: the next opening of a directory is to be fast.
    pub(crate) fn stop(self) {
        if let Self::Directory { mut store, .. } = self {
            store.stop();
        }
    }
}

fn server(url: &str) -> Place {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build();
    Place::Server {
        agent: config.into(),
        events: format!("{}/events", url.trim_end_matches('/')),
    }
}

/// The part of an `application/problem+json` that says what happened.
#[derive(serde::Deserialize)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
}

fn post(agent: &ureq::Agent, url: &str, events: &[u8]) -> Result<Vec<u8>, Failure> {
    let unavailable = |e: ureq::Error| {
        Failure::coded(
            Code::Unavailable,
            format!("{url} can't be reached: {e}; is the server running?"),
        )
    };
    let mut response = agent
        .post(url)
        .header("content-type", "application/x-ndjson")
        .send(events)
        .map_err(unavailable)?;
    let status = response.status();
    let body = response
        .body_mut()
        .with_config()
        .limit(u64::MAX)
        .read_to_vec()
        .map_err(unavailable)?;
    if status.is_success() {
        return Ok(body);
    }
    let problem = serde_json::from_slice(&body).unwrap_or(Problem {
        code: None,
        detail: None,
    });
    let detail = problem.detail.unwrap_or_default();
    let message = format!("{url} answered {status}: {detail}");
    Err(match problem.code.as_deref().and_then(Code::from_name) {
        Some(code) => Failure::coded(code, message),
        None => Failure::new(message),
    })
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
