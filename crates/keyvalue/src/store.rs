//! The engine of this instance, opened when it is first needed.

use crate::files::WasiFiles;
use kv_engine::{Options, Outcome, Store};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::fmt;

/// The directory's name in the runtime, where it has opened several.
const DIRECTORY: &str = "keyvalue";

/// There is no clock: `wasi:filesystem` is all that is imported.
const TIME_MS: u64 = 0;

thread_local! {
    /// An instance has one thread.
    static STORE: RefCell<Option<Store<WasiFiles>>> = const { RefCell::new(None) };
}

/// A reply of the engine.
#[derive(Deserialize)]
pub(crate) struct Reply<'a> {
    status: &'a str,
    code: Option<&'a str>,
    message: Option<String>,
    #[serde(default)]
    pub(crate) version: u64,
    #[serde(borrow)]
    pub(crate) value: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) exists: bool,
    #[serde(default)]
    pub(crate) keys: Vec<Listed>,
    pub(crate) cursor: Option<String>,
}

/// A row of a list.
#[derive(Deserialize)]
pub(crate) struct Listed {
    pub(crate) key: String,
}

/// Why something was not done.
#[derive(Debug)]
pub(crate) enum Error {
    /// Nothing is there.
    NotFound,
    /// The version is another one.
    Conflict(String),
    /// For people.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => formatter.write_str("nothing is stored there"),
            Self::Conflict(message) | Self::Other(message) => formatter.write_str(message),
        }
    }
}

/// Hands over so many events, a line each, and each reply to `take`, in order. All
/// are carried out, also behind one that is refused.
pub(crate) fn ask(
    events: &[u8],
    count: usize,
    mut take: impl FnMut(Result<Reply<'_>, Error>) -> Result<(), Error>,
) -> Result<(), Error> {
    STORE.with_borrow_mut(|store| {
        let mut lines = events.split_inclusive(|byte| *byte == b'\n');
        let (mut rest, mut answered, mut first) = (events, 0, Ok(()));
        while answered < count {
            let mut replies = Vec::with_capacity(rest.len());
            let outcome = opened(store)?.handle(rest, TIME_MS, &mut replies);
            if outcome == Outcome::Finished {
                // The next one begins with what is on disk.
                *store = None;
            }
            let before = answered;
            for line in replies.split_inclusive(|byte| *byte == b'\n') {
                let taken = take(read(line));
                first = first.and(taken);
                answered += 1;
                let event = lines.next().unwrap_or_default();
                rest = rest.get(event.len()..).unwrap_or_default();
            }
            if answered == before {
                return Err(Error::Other("the store has not answered".to_owned()));
            }
        }
        first
    })
}

/// Hands over one event.
pub(crate) fn ask_one<T>(
    event: &[u8],
    take: impl FnOnce(Reply<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let (mut take, mut taken) = (Some(take), None);
    ask(event, 1, |reply| {
        if let Some(take) = take.take() {
            taken = Some(take(reply?)?);
        }
        Ok(())
    })?;
    taken.ok_or_else(|| Error::Other("the store has not answered".to_owned()))
}

fn opened(store: &mut Option<Store<WasiFiles>>) -> Result<&mut Store<WasiFiles>, Error> {
    let opened = if let Some(opened) = store.take() {
        opened
    } else {
        let files = WasiFiles::preopened(Some(DIRECTORY));
        let files = files.map_err(|e| Error::Other(e.to_string()))?;
        let opened = Store::open(files, Options::default());
        opened.map_err(|e| Error::Other(e.to_string()))?.0
    };
    Ok(store.insert(opened))
}

fn read(line: &[u8]) -> Result<Reply<'_>, Error> {
    let reply: Reply<'_> = serde_json::from_slice(line)
        .map_err(|e| Error::Other(format!("the store's reply can't be read: {e}")))?;
    if reply.status == "ok" {
        return Ok(reply);
    }
    let message = reply.message.unwrap_or_default();
    Err(match reply.code {
        Some("not_found") => Error::NotFound,
        Some("conflict") => Error::Conflict(message),
        _ => Error::Other(message),
    })
}
