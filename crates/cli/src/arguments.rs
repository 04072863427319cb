//! What can be said on the command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A key-value store in plain JSON files, served by a WebAssembly actor.
///
/// Flags override environment variables, which override actor.toml.
#[derive(Debug, Parser)]
#[command(name = "kv-actor", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the store over JSON lines and HTTP, until SIGTERM or Ctrl-C
    Serve(Serve),
    /// Store a JSON value under a key; prints the reply
    Put {
        #[command(flatten)]
        place: Place,
        /// The key, any string
        key: String,
        /// The value as JSON text; `-` reads it from standard input
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Print the value under a key
    Get {
        #[command(flatten)]
        place: Place,
        /// The key
        key: String,
    },
    /// Remove a key; prints the reply
    Delete {
        #[command(flatten)]
        place: Place,
        /// The key
        key: String,
    },
    /// Store JSON content under the SHA-1 of its canonical form; prints the reply
    Store {
        #[command(flatten)]
        place: Place,
        /// The content as JSON text; `-` reads it from standard input
        #[arg(allow_hyphen_values = true)]
        content: String,
    },
    /// Print the content with a hash
    Fetch {
        #[command(flatten)]
        place: Place,
        /// The 40 hexadecimal digits of the SHA-1
        hash: String,
    },
    /// Load events, one a line, or a JSON object of key and value
    Import(Import),
    /// Read and check everything in a data directory; prints a JSON report
    Verify(Directory),
    /// Set damaged lines aside in lost/ and keep all the rest; prints a JSON report
    Repair {
        #[command(flatten)]
        directory: Directory,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

/// Where the data is: a running server, or a directory that none has open.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// Work on a running server, such as <http://127.0.0.1:7080>
    #[arg(
        long,
        env = "KV_ACTOR_URL",
        conflicts_with = "data",
        hide_env_values = true
    )]
    pub(crate) url: Option<String>,
    /// The data directory
    #[arg(long, value_name = "DIR", env = "KV_ACTOR_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// The manifest that names the data directory
    #[arg(long, value_name = "FILE", env = "KV_ACTOR_MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
}

/// A data directory that no server has open.
#[derive(Args, Debug)]
pub(crate) struct Directory {
    /// The data directory
    #[arg(long, value_name = "DIR", env = "KV_ACTOR_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// The manifest that names the data directory
    #[arg(long, value_name = "FILE", env = "KV_ACTOR_MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The manifest; by default actor.toml where there is one
    #[arg(long, value_name = "FILE", env = "KV_ACTOR_MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// The data directory
    #[arg(long, value_name = "DIR", env = "KV_ACTOR_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Where to serve JSON lines; port 0 picks one
    #[arg(long, value_name = "ADDR", env = "KV_ACTOR_LINES")]
    pub(crate) lines: Option<String>,
    /// Where to serve HTTP; port 0 picks one
    #[arg(long, value_name = "ADDR", env = "KV_ACTOR_HTTP")]
    pub(crate) http: Option<String>,
    /// A Unix socket to serve JSON lines on as well
    #[arg(long, value_name = "PATH", env = "KV_ACTOR_UNIX")]
    pub(crate) unix: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) place: Place,
    /// A file of events, one a line, or of one JSON object; `-` is standard input
    pub(crate) file: PathBuf,
}
