//! The store: the binary as people run it.

use super::Server;
use crate::failure::Failure;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

pub(crate) const OURS: &str = "kv-actor";

/// Settings of the store that are not its defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoreSettings {
    pub(crate) cache_bytes_max: Option<usize>,
    pub(crate) segment_bytes_max: Option<u64>,
}

impl StoreSettings {
    /// A manifest that says them.
    fn manifest(self) -> String {
        // A cache beyond the default needs more than the default memory.
        let mut text = "[[handlers]]\ntype = \"runtime\"\n\
            config = { memory_bytes_max = 4294967296 }\n[store]\n"
            .to_owned();
        for (name, value) in [
            (
                "cache_bytes_max",
                self.cache_bytes_max.map(|bytes| bytes as u64),
            ),
            ("segment_bytes_max", self.segment_bytes_max),
        ] {
            if let Some(value) = value {
                // Writing to a String can't fail.
                writeln!(text, "{name} = {value}").unwrap_or_default();
            }
        }
        text
    }
}

impl Server {
    /// The store on a data directory, which is made where it is missing.
    pub(crate) fn ours(
        binary: &Path,
        data: &Path,
        settings: StoreSettings,
    ) -> Result<Self, Failure> {
        let manifest = data.with_extension("toml");
        std::fs::write(&manifest, settings.manifest())?;
        let anywhere = "127.0.0.1:0";
        Self::announced(
            OURS,
            Command::new(binary)
                .args(["serve", "--lines", anywhere, "--http", anywhere, "--data"])
                .arg(data)
                .arg("--manifest")
                .arg(manifest),
        )
    }
}
