//! `kv-actor serve`: the actor, its fronts, and the signals that end them.

use crate::arguments::Serve as Arguments;
use crate::failure::Failure;
use crate::token;
use kv_engine::Options;
use kv_protocol::Code;
use kv_runtime::{Actor, ActorSettings, Manifest, StartError};
use kv_server::{Addresses, Certificate, ListenOptions, Server, Shutdown, Token};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The store's component, built by `make component`.
const COMPONENT: &[u8] = include_bytes!(env!("KV_STORE_COMPONENT"));

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let manifest = Manifest::load(arguments.manifest.as_deref(), &Options::NAMES)
        .map_err(|e| Failure::new(e.to_string()))?;
    let server = Server::bind(&listen_options(arguments, &manifest)?)
        .map_err(|e| Failure::new(e.to_string()))?;
    end_on_signals(server.shutdown())?;
    let data = arguments
        .data
        .clone()
        .unwrap_or_else(|| manifest.data.clone());
    let actor = start(manifest, data.clone())?;
    announce(server.addresses(), &data, actor.report())?;
    server
        .run(actor)
        .map_err(|e| Failure::new(format!("the server has failed: {e}")))
}

fn listen_options(arguments: &Arguments, manifest: &Manifest) -> Result<ListenOptions, Failure> {
    let given = |flag: &Option<String>, setting: &String| {
        let address = flag.as_ref().unwrap_or(setting);
        (!address.is_empty()).then(|| address.clone())
    };
    let token = token::find(
        arguments.token_file.as_deref(),
        manifest.listen.token_file.as_deref(),
    )?;
    let certificate = match &manifest.listen.certificate {
        None => None,
        Some((certificate, key)) => {
            Some(Certificate::read(certificate, key).map_err(|e| Failure::new(e.to_string()))?)
        }
    };
    Ok(ListenOptions {
        lines: given(&arguments.lines, &manifest.listen.lines),
        http: given(&arguments.http, &manifest.listen.http),
        unix: arguments
            .unix
            .clone()
            .or_else(|| manifest.listen.unix.clone()),
        token: token.as_ref().map(Token::from),
        certificate,
        insecure: arguments.insecure,
    })
}

fn start(manifest: Manifest, data: PathBuf) -> Result<Actor, Failure> {
    let component = match &manifest.component_path {
        None => COMPONENT.to_vec(),
        Some(path) => std::fs::read(path).map_err(|e| {
            let hint =
                "`component_path` names the component to run; without it the built-in one is";
            Failure::new(format!("{} can't be read: {e}; {hint}", path.display()))
        })?,
    };
    let named = manifest.component_path;
    Actor::start(ActorSettings {
        name: manifest.name,
        component,
        data,
        configuration: manifest.configuration,
        limits: manifest.limits,
    })
    .map_err(|e| failure(&e, named.as_deref()))
}

fn failure(error: &StartError, component: Option<&Path>) -> Failure {
    let message = match (error, component) {
        (StartError::NoComponent(_) | StartError::NoActor(_), Some(path)) => {
            format!("{}: {error}", path.display())
        }
        (StartError::Refused { message, .. }, _) => message.clone(),
        _ => error.to_string(),
    };
    match error {
        StartError::Directory(_) => Failure::coded(Code::Storage, message),
        StartError::Refused { code, .. } => match Code::from_name(code) {
            Some(code) => Failure::coded(code, message),
            None => Failure::new(message),
        },
        _ => Failure::new(message),
    }
}

/// One line that says all there is to know, once the store can answer.
fn announce(addresses: &Addresses, data: &Path, report: &str) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Report {
        keys: u64,
        contents: u64,
        torn: Vec<serde_json::Value>,
    }
    #[derive(Serialize)]
    struct Ready<'a> {
        lines: Option<SocketAddr>,
        http: Option<SocketAddr>,
        #[serde(skip_serializing_if = "Option::is_none")]
        unix: Option<&'a Path>,
        data: &'a Path,
        keys: u64,
        contents: u64,
    }
    let report: Report = serde_json::from_str(report)
        .map_err(|e| Failure::new(format!("the actor's report can't be read: {e}")))?;
    for torn in report.torn {
        tracing::warn!(%torn, "a write that was never finished is left out");
    }
    let ready = Ready {
        lines: addresses.lines,
        http: addresses.http,
        unix: addresses.unix.as_deref(),
        data,
        keys: report.keys,
        contents: report.contents,
    };
    let line = serde_json::to_string(&ready).map_err(|e| Failure::new(e.to_string()))?;
    writeln!(std::io::stderr(), "{line}")
        .map_err(|e| Failure::new(format!("standard error can't be written: {e}")))
}

/// The first SIGTERM or Ctrl-C ends the server in order, the second at once.
fn end_on_signals(shutdown: Shutdown) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::new(format!("signals can't be handled: {e}"));
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(failed)?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut asked = false;
            for signal in signals.forever() {
                if asked || shutdown.ask().is_err() {
                    std::process::exit(128 + signal);
                }
                asked = true;
            }
        })
        .map(drop)
        .map_err(failed)
}
