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
        #[command(flatten)]
        condition: Condition,
        /// How long the value lives, in milliseconds
        #[arg(long, value_name = "MS")]
        ttl_ms: Option<u64>,
    },
    /// Print the value under a key
    Get {
        #[command(flatten)]
        place: Place,
        /// The key
        key: String,
    },
    /// Say whether there is a value under a key, and its version
    Exists {
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
        #[command(flatten)]
        condition: Condition,
    },
    /// Change parts of the value under a key; prints the reply
    Patch {
        #[command(flatten)]
        place: Place,
        /// The key
        key: String,
        #[command(flatten)]
        patch: Patch,
        #[command(flatten)]
        condition: Condition,
    },
    /// Add to the whole number under a key; prints the reply
    Increment {
        #[command(flatten)]
        place: Place,
        /// The key
        key: String,
        /// What to add
        #[arg(long, default_value_t = 1, allow_hyphen_values = true)]
        by: i64,
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
    /// Print keys in order, one a line
    List(List),
    /// Remove all keys that begin with a prefix; prints how many
    DeletePrefix {
        #[command(flatten)]
        place: Place,
        /// How the keys begin
        prefix: String,
    },
    /// Print what has changed, one change a line
    Changes(Changes),
    /// Print changes as they happen on a running server, one change a line
    Watch(Watch),
    /// Print figures about the store
    Stats {
        #[command(flatten)]
        place: Place,
    },
    /// Send events as they are, such as a batch; prints the replies
    Send {
        #[command(flatten)]
        place: Place,
        /// The events; without any, standard input has one a line
        events: Vec<String>,
    },
    /// Write a backup of everything, or of the changes since a version
    Backup {
        #[command(flatten)]
        place: Place,
        /// The file to write, which must not be there
        file: PathBuf,
        /// Only the changes behind this version, with which another backup ends
        #[arg(long, value_name = "VERSION", default_value_t = 0)]
        since: u64,
    },
    /// Make a data directory of a backup and those that follow it
    Restore {
        #[command(flatten)]
        directory: Directory,
        /// The backup of everything, then those of the changes since, in order
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Write a file for each key, which `import` takes back
    Export {
        #[command(flatten)]
        place: Place,
        /// The directory for the files, which must be missing or empty
        #[arg(long, value_name = "DIR")]
        files: PathBuf,
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

/// What must hold for a change to happen.
#[derive(Args, Debug)]
pub(crate) struct Condition {
    /// The version that must be there; 0 for no value at all
    #[arg(long, value_name = "VERSION")]
    pub(crate) if_version: Option<u64>,
}

/// What is to be changed in a value.
#[derive(Args, Debug)]
#[group(id = "change", required = true, multiple = false)]
pub(crate) struct Patch {
    /// A JSON Merge Patch (RFC 7396); `-` reads it from standard input
    #[arg(long, value_name = "JSON")]
    pub(crate) merge: Option<String>,
    /// A JSON Patch (RFC 6902); `-` reads it from standard input
    #[arg(long, value_name = "JSON")]
    pub(crate) patch: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Only keys that begin so
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// The first key
    #[arg(long, value_name = "KEY")]
    pub(crate) start: Option<String>,
    /// The key before which to end
    #[arg(long, value_name = "KEY")]
    pub(crate) end: Option<String>,
    /// The last one first
    #[arg(long)]
    pub(crate) reverse: bool,
    /// Print values, too
    #[arg(long)]
    pub(crate) values: bool,
    /// How many keys at most; all of them without
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct Changes {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The version behind which changes are printed
    #[arg(long, value_name = "VERSION", default_value_t = 0)]
    pub(crate) since: u64,
    /// Only those of keys that begin so
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
}

#[derive(Args, Debug)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The version behind which changes are printed; from now on without
    #[arg(long, value_name = "VERSION")]
    pub(crate) since: Option<u64>,
    /// Only those of keys that begin so
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
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
    /// The file with the server's token; else `KV_ACTOR_TOKEN`, else the manifest's
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) token_file: Option<PathBuf>,
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
    /// The manifest; by default actor.toml where there is one. Given several times,
    /// each is that of one actor
    #[arg(long = "manifest", value_name = "FILE", env = "KV_ACTOR_MANIFEST")]
    pub(crate) manifests: Vec<PathBuf>,
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
    /// The file with the token that clients must show; else `KV_ACTOR_TOKEN`, else
    /// the manifest's
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Serve other machines without a token: they may read and change everything
    #[arg(long)]
    pub(crate) insecure: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) place: Place,
    /// A file of events, one a line, or of one JSON object; a directory that
    /// `export` has written; `-` is standard input
    pub(crate) file: PathBuf,
}
