//! Starts one actor, and says where it is.

use crate::failure::Failure;
use kv_protocol::Code;
use kv_runtime::{Actor, ActorSettings, Manifest, Messages, StartError};
use kv_server::Addresses;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The store's component, built by `make component`.
const COMPONENT: &[u8] = include_bytes!(env!("KV_STORE_COMPONENT"));

/// Starts the actor of a manifest, and says on standard error that it can answer,
/// and where.
pub(super) fn start(
    manifest: Manifest,
    addresses: &Addresses,
    messages: Messages,
) -> Result<Actor, Failure> {
    let component = match &manifest.component_path {
        None => COMPONENT.to_vec(),
        Some(path) => std::fs::read(path).map_err(|e| {
            let hint =
                "`component_path` names the component to run; without it the built-in one is";
            Failure::new(format!("{} can't be read: {e}; {hint}", path.display()))
        })?,
    };
    let named = manifest.component_path;
    let (name, data) = (manifest.name.clone(), manifest.data.clone());
    let actor = Actor::start(ActorSettings {
        name: manifest.name,
        component,
        data: manifest.data,
        configuration: manifest.configuration,
        limits: manifest.limits,
        messages,
        compiled: kept_code(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")),
    })
    .map_err(|e| failure(&e, named.as_deref()))?;
    announce(&name, addresses, &data, actor.report())?;
    Ok(actor)
}

/// Where compiled code is kept, as the XDG base directories say: a path that is not
/// absolute counts as none.
fn kept_code(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|p| p.is_absolute());
    let caches = absolute(cache).or_else(|| Some(absolute(home)?.join(".cache")))?;
    Some(caches.join("kv-actor"))
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

/// One line that says all there is to know. The last of it is the store's.
fn announce(actor: &str, addresses: &Addresses, data: &Path, report: &str) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Report {
        keys: Option<u64>,
        contents: Option<u64>,
        #[serde(default)]
        torn: Vec<serde_json::Value>,
    }
    #[derive(Serialize)]
    struct Ready<'a> {
        actor: &'a str,
        lines: Option<SocketAddr>,
        http: Option<SocketAddr>,
        #[serde(skip_serializing_if = "Option::is_none")]
        unix: Option<&'a Path>,
        data: &'a Path,
        #[serde(skip_serializing_if = "Option::is_none")]
        keys: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        contents: Option<u64>,
    }
    let report: Report = serde_json::from_str(report)
        .map_err(|e| Failure::new(format!("the actor's report can't be read: {e}")))?;
    for torn in report.torn {
        tracing::warn!(%torn, "a write that was never finished is left out");
    }
    let ready = Ready {
        actor,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_code_is_kept_where_caches_are() {
        let at = |cache: Option<&str>, home: Option<&str>| {
            kept_code(cache.map(OsString::from), home.map(OsString::from))
        };
        assert_eq!(at(Some("/c"), Some("/h")), Some("/c/kv-actor".into()));
        for none in [None, Some(""), Some("relative")] {
            assert_eq!(at(none, Some("/h")), Some("/h/.cache/kv-actor".into()));
            assert_eq!(at(none, none), None);
        }
    }
}
