//! `kv-actor serve`: actors, each with fronts of its own, and the signals that
//! end them.

use crate::arguments::Serve as Arguments;
use crate::failure::Failure;
use crate::token;
use kv_engine::Options;
use kv_runtime::{Manifest, Peers};
use kv_server::{Certificate, ListenOptions, Server, Subscription, Token};
use running::{Running, end_all};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};

mod running;
mod start;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let manifests = manifests(arguments)?;
    let servers = bind(arguments, &manifests)?;
    let (end, ended) = channel();
    end_on_signals(end.clone())?;
    let mailboxes = servers
        .iter()
        .map(|(name, server)| (name.clone(), server.mailbox()));
    let peers = Peers::new(mailboxes.collect());
    let subscriptions = subscriptions(&manifests, &servers)?;
    let mut running = Vec::new();
    for (manifest, (name, server)) in manifests.into_iter().zip(servers) {
        let messages = peers.messages(&name, &manifest.requires);
        running.push(Running::start(manifest, server, messages, end.clone())?);
    }
    for subscription in subscriptions {
        spawn("changes", move || subscription.deliver())?;
    }
    // A signal, or an actor that has ended by itself: where one is missing, the
    // others are no use.
    ended.recv().unwrap_or_default();
    end_all(running)
}

/// The manifests, and in place of what the only one says, what the flags do.
fn manifests(arguments: &Arguments) -> Result<Vec<Manifest>, Failure> {
    let load = |path: Option<&Path>| {
        Manifest::load(path, &Options::NAMES).map_err(|e| Failure::new(e.to_string()))
    };
    let mut manifests = match &arguments.manifests[..] {
        [] => vec![load(None)?],
        paths => paths
            .iter()
            .map(|path| load(Some(path)))
            .collect::<Result<_, _>>()?,
    };
    let own = [
        ("--data", arguments.data.is_some()),
        ("--lines", arguments.lines.is_some()),
        ("--http", arguments.http.is_some()),
        ("--unix", arguments.unix.is_some()),
    ];
    match &mut manifests[..] {
        [manifest] => {
            if let Some(data) = &arguments.data {
                manifest.data.clone_from(data);
            }
        }
        _ => {
            if let Some((flag, _)) = own.iter().find(|(_, is_given)| *is_given) {
                return Err(Failure::new(format!(
                    "`{flag}`, or its environment variable, is for one actor; \
                     with several, say it in each manifest"
                )));
            }
        }
    }
    let mut names = BTreeSet::new();
    for manifest in &manifests {
        if !names.insert(&manifest.name) {
            return Err(Failure::new(format!(
                "two manifests have the name `{}`; actors reach each other by name: give them two",
                manifest.name
            )));
        }
    }
    Ok(manifests)
}

/// The fronts of each actor, by its name.
fn bind(arguments: &Arguments, manifests: &[Manifest]) -> Result<Vec<(String, Server)>, Failure> {
    let mut servers = Vec::new();
    for manifest in manifests {
        let options = listen_options(arguments, manifest, manifests.len())?;
        let server = Server::bind(&options).map_err(|e| Failure::new(e.to_string()))?;
        servers.push((manifest.name.clone(), server));
    }
    Ok(servers)
}

fn listen_options(
    arguments: &Arguments,
    manifest: &Manifest,
    servers: usize,
) -> Result<ListenOptions, Failure> {
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
        servers,
    })
}

/// What the manifests subscribe to.
fn subscriptions(
    manifests: &[Manifest],
    servers: &[(String, Server)],
) -> Result<Vec<Subscription>, Failure> {
    let mut subscriptions = Vec::new();
    for (manifest, (name, server)) in manifests.iter().zip(servers) {
        for wanted in &manifest.subscribe {
            let source = servers.iter().find(|(name, _)| *name == wanted.actor);
            let (_, source) = source.ok_or_else(|| {
                Failure::new(format!(
                    "`{name}` subscribes to `{}`, and there is no such actor: \
                     give `serve` its manifest, too",
                    wanted.actor
                ))
            })?;
            subscriptions.push(Subscription {
                actor: wanted.actor.clone(),
                source: source.source(),
                prefix: wanted.prefix.clone(),
                subscriber: server.mailbox(),
            });
        }
    }
    Ok(subscriptions)
}

/// The first SIGTERM or Ctrl-C ends everything in order, the second at once.
fn end_on_signals(end: Sender<()>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGTERM, SIGINT])
        .map_err(|e| Failure::new(format!("signals can't be handled: {e}")))?;
    spawn("signals", move || {
        let mut asked = false;
        for signal in signals.forever() {
            if asked || end.send(()).is_err() {
                std::process::exit(128 + signal);
            }
            asked = true;
        }
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
        .map_err(|e| Failure::new(format!("the thread `{name}` can't be started: {e}")))
}
