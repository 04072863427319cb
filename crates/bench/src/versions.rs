//! The versions of what is measured.

use crate::servers::{REDIS, REDIS_PROGRAM, REDIS_SETTINGS, version};
use serde::Serialize;
use std::path::Path;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) name: &'static str,
    pub(crate) version: String,
}

/// The libraries that are measured, or measured with.
const LIBRARIES: [&str; 4] = ["wasmtime", "fjall", "redb", "rusqlite"];

pub(crate) fn versions(binary: &Path) -> Vec<Version> {
    let program = |name, program: &Path, flag| Version {
        name,
        version: version(program, flag).unwrap_or_else(|_| "not installed".to_owned()),
    };
    let redis = program(REDIS, Path::new(REDIS_PROGRAM), "--version");
    let mut versions = vec![
        program("kv-actor", binary, "--version"),
        Version {
            version: format!("{} ({})", redis.version, REDIS_SETTINGS.join(" ")),
            ..redis
        },
        program("rustc", Path::new("rustc"), "--version"),
    ];
    versions.extend(LIBRARIES.into_iter().filter_map(|name| {
        Some(Version {
            name,
            version: locked(name)?.to_owned(),
        })
    }));
    versions
}

/// The version of a library that this program was built with.
fn locked(name: &str) -> Option<&'static str> {
    let lock = include_str!("../../../Cargo.lock");
    let head = format!("name = \"{name}\"\nversion = \"");
    let start = lock.find(&head)? + head.len();
    lock[start..].split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_of_libraries_are_those_of_the_lock_file() {
        assert!(locked("wasmtime").unwrap().starts_with("48."));
        assert_eq!(locked("no-such-library"), None);
    }
}
