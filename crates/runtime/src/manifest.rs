//! `actor.toml`: what an actor is called, which component it runs, what it may
//! touch, and its settings. Everything has a default, so an empty manifest works.
//! A setting that isn't known is an error that names the nearest known one.

use check::check_names;
use handlers::{Handler, Handlers};
use serde::Deserialize;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

mod check;
mod handlers;
mod limits;

pub use limits::GuestLimits;

/// The interface that every actor exports.
pub const INTERFACE: &str = "ntwk:actor/actor";

/// The manifest that is read where none is named.
pub const FILE_NAME: &str = "actor.toml";

/// The data directory where no filesystem handler names one.
const DATA_PATH: &str = "data";

/// A manifest, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The actor's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is.
    pub description: String,
    /// The component to run instead of the one that is built in.
    pub component_path: Option<PathBuf>,
    /// The actors that it may talk to, by their names.
    pub requires: Vec<String>,
    /// The changes of others that are delivered to it.
    pub subscribe: Vec<Subscription>,
    /// The filesystem handler's path: the data directory.
    pub data: PathBuf,
    /// The runtime handler's settings: what the guest may use.
    pub limits: GuestLimits,
    /// The `[store]` table as JSON, or the `[configuration]` of another actor: what
    /// `init` gets.
    pub configuration: String,
    /// Where to listen.
    pub listen: Listen,
}

/// Changes of another actor that are delivered as events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// The name of the actor that changes.
    pub actor: String,
    /// How the keys begin; all changes, content too, without one.
    #[serde(default)]
    pub prefix: String,
}

/// Where to listen. An empty address turns a front off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// JSON lines over TCP.
    pub lines: String,
    /// HTTP.
    pub http: String,
    /// JSON lines over a Unix socket, by its path; relative to the manifest.
    pub unix: Option<PathBuf>,
    /// The file with the token that clients must show.
    pub token_file: Option<PathBuf>,
    /// The files of the TLS certificate and of its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            lines: "127.0.0.1:7070".to_owned(),
            http: "127.0.0.1:7080".to_owned(),
            unix: None,
            token_file: None,
            certificate: None,
        }
    }
}

/// A manifest as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    name: Option<String>,
    version: Option<String>,
    description: Option<String>,
    component_path: Option<Spanned<PathBuf>>,
    interface: Interface,
    requires: Vec<String>,
    subscribe: Vec<Subscription>,
    handlers: Vec<Handler>,
    store: Option<toml::Table>,
    configuration: Option<Spanned<toml::Table>>,
    listen: WrittenListen,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Interface {
    implements: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WrittenListen {
    lines: Option<Spanned<String>>,
    http: Option<Spanned<String>>,
    unix: Option<Spanned<PathBuf>>,
    token_file: Option<Spanned<PathBuf>>,
    certificate_file: Option<Spanned<PathBuf>>,
    key_file: Option<Spanned<PathBuf>>,
}

/// What is wrong with a manifest's text, and where in it.
#[derive(Debug)]
struct Fault {
    span: Option<Range<usize>>,
    message: String,
}

impl Fault {
    fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            message: message.into(),
        }
    }
}

impl Manifest {
    /// Reads the manifest at `path`; where none is named, `actor.toml` in the
    /// working directory, and where there is none, the defaults. `settings` are
    /// the names that the actor knows in its own table.
    ///
    /// # Errors
    /// Where it can't be read, or says what nobody understands.
    pub fn load(path: Option<&Path>, settings: &[&str]) -> Result<Self, ManifestError> {
        let named = path.unwrap_or(Path::new(FILE_NAME));
        match std::fs::read_to_string(named) {
            Ok(text) => Self::parse(&text, named, settings),
            Err(e) if path.is_none() && e.kind() == std::io::ErrorKind::NotFound => {
                Self::parse("", named, settings)
            }
            Err(e) => Err(ManifestError {
                file: named.to_owned(),
                line: None,
                message: format!("it can't be read: {e}"),
            }),
        }
    }

    /// Reads a manifest's text. Its paths are relative to the folder of `file`.
    ///
    /// # Errors
    /// As [`Manifest::load`].
    pub fn parse(text: &str, file: &Path, settings: &[&str]) -> Result<Self, ManifestError> {
        let folder = file.parent().unwrap_or(Path::new(""));
        Self::read(text, folder, settings).map_err(|fault| ManifestError {
            file: file.to_owned(),
            line: fault.span.map(|span| line(text, span.start)),
            message: fault.message,
        })
    }

    fn read(text: &str, folder: &Path, settings: &[&str]) -> Result<Self, Fault> {
        check_names(text, settings)
            .map_err(|unknown| Fault::at(unknown.span.clone(), unknown.to_string()))?;
        let written: Written = toml::from_str(text).map_err(|e| Fault {
            span: e.span(),
            message: e.message().to_owned(),
        })?;
        if let Some(name) = written.interface.implements
            && name.get_ref() != INTERFACE
        {
            let message = format!("`implements` must be \"{INTERFACE}\"");
            return Err(Fault::at(name.span(), message));
        }
        let component_path = match written.component_path {
            None => None,
            Some(path) => Some(folder.join(not_empty("component_path", path)?)),
        };
        let handlers = Handlers::read(written.handlers)?;
        let configuration = match (written.store, written.configuration) {
            (Some(_), Some(table)) => {
                let message = "`store` is the store's, `configuration` any other actor's: \
                               leave one out";
                return Err(Fault::at(table.span(), message));
            }
            (Some(table), None) => table,
            (None, table) => table.map(Spanned::into_inner).unwrap_or_default(),
        };
        let configuration = serde_json::to_string(&configuration).map_err(|e| Fault {
            span: None,
            message: format!("the actor's settings have no JSON form: {e}"),
        })?;
        Ok(Self {
            name: written.name.unwrap_or_else(|| "kv-store".to_owned()),
            version: written.version.unwrap_or_else(|| "0.1.0".to_owned()),
            description: written.description.unwrap_or_default(),
            component_path,
            requires: written.requires,
            subscribe: written.subscribe,
            data: folder.join(handlers.path.unwrap_or_else(|| DATA_PATH.into())),
            limits: handlers.limits.unwrap_or_default(),
            configuration,
            listen: Listen::read(written.listen, folder)?,
        })
    }
}

impl Listen {
    fn read(written: WrittenListen, folder: &Path) -> Result<Self, Fault> {
        let default = Self::default();
        let span = [&written.http, &written.lines]
            .into_iter()
            .flatten()
            .map(Spanned::span)
            .next();
        let place = |name, path| match path {
            None => Ok(None),
            Some(path) => not_empty(name, path).map(|path| Some(folder.join(path))),
        };
        let (certificate, key) = (written.certificate_file, written.key_file);
        let alone = match (&certificate, &key) {
            (Some(path), None) => Some((path.span(), "`certificate_file` needs a `key_file`")),
            (None, Some(path)) => Some((path.span(), "`key_file` needs a `certificate_file`")),
            _ => None,
        };
        if let Some((span, message)) = alone {
            return Err(Fault::at(span, message));
        }
        let listen = Self {
            lines: written.lines.map_or(default.lines, Spanned::into_inner),
            http: written.http.map_or(default.http, Spanned::into_inner),
            unix: place("unix", written.unix)?,
            token_file: place("token_file", written.token_file)?,
            certificate: place("certificate_file", certificate)?.zip(place("key_file", key)?),
        };
        let address = &listen.lines;
        if *address == listen.http && !address.is_empty() && !address.ends_with(":0") {
            let message = format!("`lines` and `http` are both \"{address}\"; give them two");
            return Err(Fault { span, message });
        }
        Ok(listen)
    }
}

/// A path that leads somewhere: an empty one would lead to the manifest's folder.
fn not_empty(name: &str, path: Spanned<PathBuf>) -> Result<PathBuf, Fault> {
    if path.get_ref().as_os_str().is_empty() {
        let message = format!("`{name}` must not be empty; leave it out for its default");
        return Err(Fault::at(path.span(), message));
    }
    Ok(path.into_inner())
}

/// The line of a place in a text, from 1.
fn line(text: &str, place: usize) -> usize {
    text[..place].matches('\n').count() + 1
}

/// Why a manifest can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// The manifest's file.
    pub file: PathBuf,
    /// The line in it, from 1, where it is one line's fault.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(formatter, ", line {line}")?;
        }
        write!(formatter, ": {}", self.message)
    }
}

impl std::error::Error for ManifestError {}

#[cfg(test)]
mod tests;
