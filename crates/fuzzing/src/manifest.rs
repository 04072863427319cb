//! Manifests: read, or refused with a message that names the file.

use kv_engine::Options;
use kv_runtime::manifest::Manifest;
use std::path::Path;

/// Reads `data` as an actor.toml.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Manifest::parse(text, Path::new("folder/actor.toml"), &Options::NAMES) {
        Ok(manifest) => {
            // What a manifest lets through is the store's to judge.
            Options::from_json(&manifest.configuration).ok();
        }
        Err(e) => assert!(e.to_string().contains("actor.toml"), "{e}"),
    }
}
