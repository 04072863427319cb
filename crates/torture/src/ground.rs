//! Where a torture takes place: a folder with a manifest, a data directory, a
//! socket and the log of every server that ran there.

use crate::failure::Failure;
use crate::server::NOBODY;
use std::fmt::Write;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};

/// The settings of a manifest that tortures vary; what is not set has its default.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The `[store]` table.
    pub store: Vec<(&'static str, u64)>,
    /// The runtime handler's settings.
    pub runtime: Vec<(&'static str, u64)>,
}

impl Settings {
    /// With small segments, so that a short run begins many.
    #[must_use]
    pub fn segments(segment_bytes_max: u64) -> Self {
        Self {
            store: vec![("segment_bytes_max", segment_bytes_max)],
            runtime: Vec::new(),
        }
    }

    /// With one more setting of the store.
    #[must_use]
    pub fn store(mut self, name: &'static str, value: u64) -> Self {
        self.store.push((name, value));
        self
    }

    /// With one more setting of the runtime.
    #[must_use]
    pub fn runtime(mut self, name: &'static str, value: u64) -> Self {
        self.runtime.push((name, value));
        self
    }

    fn manifest(&self) -> String {
        let mut text = "[store]\n".to_owned();
        for (name, value) in &self.store {
            writeln!(text, "{name} = {value}").unwrap_or_default();
        }
        let runtime: Vec<_> = self
            .runtime
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        let runtime = runtime.join(", ");
        text + &format!("[[handlers]]\ntype = \"runtime\"\nconfig = {{ {runtime} }}\n")
    }
}

/// A folder in which servers are started, and the binary that they run.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The binary under test.
    pub binary: PathBuf,
    folder: PathBuf,
}

impl Ground {
    /// An empty folder. What another run has left there is removed.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn new(binary: &Path, folder: &Path, settings: &Settings) -> Result<Self, Failure> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let ground = Self {
            binary: binary.canonicalize().map_err(|e| {
                Failure::new(format!(
                    "{}: {e}; `make build` makes the binary",
                    binary.display()
                ))
            })?,
            folder: folder.canonicalize()?,
        };
        ground.set(settings)?;
        Ok(ground)
    }

    /// Writes the manifest that the next server reads.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn set(&self, settings: &Settings) -> Result<(), Failure> {
        Ok(std::fs::write(self.manifest(), settings.manifest())?)
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.folder.join("actor.toml")
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("kv.sock")
    }

    /// What all servers have logged.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// The files of the log, oldest first.
    ///
    /// # Errors
    /// Where the directory can't be read.
    pub fn segments(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(self.data())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(".jsonl") && name.starts_with(|first: char| first.is_ascii_digit()) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// A checkpoint, where there is one.
    ///
    /// # Errors
    /// Where the directory can't be read.
    pub fn checkpoint(&self) -> Result<Option<PathBuf>, Failure> {
        for entry in std::fs::read_dir(self.data())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("checkpoint-") && name.ends_with(".jsonl") {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Gives everything to the user who owns nothing else, and the binary with
    /// it: that user may not be allowed to where it lies.
    ///
    /// # Errors
    /// Where this process may not.
    pub fn give_away(&mut self) -> Result<(), Failure> {
        let binary = self.folder.join("kv-actor");
        std::fs::copy(&self.binary, &binary)?;
        self.binary = binary;
        let mut paths = vec![self.folder.clone(), self.data()];
        for folder in [self.folder.clone(), self.data()] {
            for entry in std::fs::read_dir(folder)? {
                paths.push(entry?.path());
            }
        }
        for path in paths {
            lchown(path, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(())
    }

    /// Removes the folder, as is due once nothing was found in it.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn remove(self) -> Result<(), Failure> {
        Ok(std::fs::remove_dir_all(self.folder)?)
    }
}
