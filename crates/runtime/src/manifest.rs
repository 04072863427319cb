//! `actor.toml`: what an actor is called, which component it runs, what it may
//! touch, and its settings. Everything has a default, so an empty manifest works.
//! A setting that isn't known is an error that names the nearest known one.

use check::check_names;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

mod check;

/// The interface that every actor exports.
pub const INTERFACE: &str = "ntwk:actor/actor";

/// The manifest that is read where none is named.
pub const FILE_NAME: &str = "actor.toml";

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
    /// The filesystem handler's path: the data directory.
    pub data: PathBuf,
    /// The runtime handler's settings: what the guest may use.
    pub limits: GuestLimits,
    /// The `[store]` table as JSON: what `init` gets.
    pub configuration: String,
    /// Where to listen.
    pub listen: Listen,
}

/// What a guest may use, and how often it may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuestLimits {
    /// The guest's linear memory, at most.
    pub memory_bytes_max: u64,
    /// How long one batch may take, disk included.
    pub handle_timeout_ms: u64,
    /// How long opening the data directory may take.
    pub open_timeout_ms: u64,
    /// How often the guest is started again in `restarts_window_ms`, at most.
    pub restarts_max: u32,
    /// See `restarts_max`.
    pub restarts_window_ms: u64,
}

impl Default for GuestLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 2 << 30,
            handle_timeout_ms: 30_000,
            open_timeout_ms: 600_000,
            restarts_max: 5,
            restarts_window_ms: 60_000,
        }
    }
}

/// Where to listen. An empty address turns a front off.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// JSON lines over TCP.
    pub lines: String,
    /// HTTP.
    pub http: String,
    /// JSON lines over a Unix socket, by its path; relative to the manifest.
    pub unix: Option<PathBuf>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            lines: "127.0.0.1:7070".to_owned(),
            http: "127.0.0.1:7080".to_owned(),
            unix: None,
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
    component_path: Option<PathBuf>,
    interface: Interface,
    handlers: Vec<Handler>,
    store: toml::Table,
    listen: Listen,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Interface {
    implements: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Handler {
    Runtime {
        #[serde(default)]
        config: GuestLimits,
    },
    Filesystem {
        #[serde(default)]
        config: Filesystem,
    },
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Filesystem {
    path: PathBuf,
}

impl Default for Filesystem {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data"),
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
        let error = |span: Option<std::ops::Range<usize>>, message: String| ManifestError {
            file: file.to_owned(),
            line: span.map(|span| text[..span.start].matches('\n').count() + 1),
            message,
        };
        check_names(text, settings)
            .map_err(|unknown| error(Some(unknown.span.clone()), unknown.to_string()))?;
        let written: Written =
            toml::from_str(text).map_err(|e| error(e.span(), e.message().to_owned()))?;
        let plain = |message: &str| error(None, message.to_owned());
        if written
            .interface
            .implements
            .as_deref()
            .is_some_and(|name| name != INTERFACE)
        {
            return Err(plain(&format!("`implements` must be \"{INTERFACE}\"")));
        }
        let (mut limits, mut data) = (None, None);
        for handler in written.handlers {
            let doubled = match handler {
                Handler::Runtime { config } => limits.replace(config).is_some(),
                Handler::Filesystem { config } => data.replace(config.path).is_some(),
            };
            if doubled {
                return Err(plain("there are two handlers of one type; keep one"));
            }
        }
        let limits = limits.unwrap_or_default();
        limits.check().map_err(plain)?;
        let configuration = serde_json::to_string(&written.store)
            .map_err(|e| plain(&format!("`store` has no JSON form: {e}")))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let listen = Listen {
            unix: written.listen.unix.map(|path| folder.join(path)),
            ..written.listen
        };
        Ok(Self {
            name: written.name.unwrap_or_else(|| "kv-store".to_owned()),
            version: written.version.unwrap_or_else(|| "0.1.0".to_owned()),
            description: written.description.unwrap_or_default(),
            component_path: written.component_path.map(|path| folder.join(path)),
            data: folder.join(data.unwrap_or_else(|| Filesystem::default().path)),
            limits,
            configuration,
            listen,
        })
    }
}

impl GuestLimits {
    /// The most memory that a 32-bit guest can address.
    const MEMORY_BYTES_MAX: u64 = 4 << 30;

    fn check(&self) -> Result<(), &'static str> {
        if self.memory_bytes_max == 0 || self.memory_bytes_max > Self::MEMORY_BYTES_MAX {
            return Err("`memory_bytes_max` must be from 1 to 4294967296");
        }
        if self.handle_timeout_ms == 0 || self.open_timeout_ms == 0 {
            return Err("`handle_timeout_ms` and `open_timeout_ms` must be above 0");
        }
        if self.restarts_window_ms == 0 {
            return Err("`restarts_window_ms` must be above 0");
        }
        Ok(())
    }
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
