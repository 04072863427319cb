//! Keeps compiled code between starts, with wasmtime's cache. That cache carries
//! no checksums, and its code runs outside the sandbox: so what is kept is for its
//! owner alone, and each file's SHA-256 is compared before wasmtime reads it.
//!
//! A directory has a folder for each component, named by the component's SHA-256:
//! `code/` is wasmtime's, and `SHA256SUMS` says what must be in it.

use private::private_directory;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wasmtime::{Cache, CacheConfig};

mod private;
#[cfg(test)]
mod tests;

/// For how many components code is kept: that of others is removed, oldest first.
const COMPONENTS_MAX: usize = 8;

const SUMS: &str = "SHA256SUMS";

/// What is kept of one component.
pub(crate) struct Kept {
    directory: PathBuf,
    folder: PathBuf,
    cache: Cache,
}

impl Kept {
    /// Opens what a directory has of a component, and removes all of it that is
    /// not what was put there.
    pub(crate) fn open(directory: &Path, component: &[u8]) -> wasmtime::Result<Self> {
        private_directory(directory)?;
        let folder = directory.join(hex(component));
        private_directory(&folder)?;
        remove_unknown(&folder)?;
        let mut config = CacheConfig::new();
        config.with_directory(folder.join("code"));
        // It would write files anew that are good as they are.
        config.with_optimized_compression_usage_counter_threshold(u64::MAX);
        // There is next to nothing to clean up in a folder.
        config.with_cleanup_interval(Duration::from_hours(24 * 365));
        Ok(Self {
            directory: directory.to_owned(),
            cache: Cache::new(config)?,
            folder,
        })
    }

    /// What wasmtime's configuration takes.
    pub(crate) fn cache(&self) -> Cache {
        self.cache.clone()
    }

    /// Whether code was compiled since this was opened.
    fn has_compiled(&self) -> bool {
        self.cache.cache_misses() > 0
    }

    /// Once the component is compiled: says what the next start may rely on.
    pub(crate) fn seal(&self) -> io::Result<()> {
        if !self.has_compiled() {
            tracing::debug!(folder = %self.folder.display(), "the code that was kept is used");
            return Ok(());
        }
        let mut sums = String::new();
        for file in files(&self.folder)? {
            // What another process has begun to write is not there any more, or
            // not whole: the next start removes it.
            if file.extension().is_none()
                && let Ok(bytes) = fs::read(&file)
            {
                sums += &sum(&self.folder, &file, &bytes);
            }
        }
        // Whole or not at all, whoever else does the same.
        let draft = self.folder.join(format!("{SUMS}.{}", std::process::id()));
        fs::write(&draft, sums)?;
        fs::rename(&draft, self.folder.join(SUMS))?;
        remove_oldest(&self.directory)
    }
}

/// A line as `sha256sum` writes and checks it.
fn sum(folder: &Path, file: &Path, bytes: &[u8]) -> String {
    let name = file.strip_prefix(folder).unwrap_or(file);
    format!("{}  {}\n", hex(bytes), name.display())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        // To write to a string can't fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

/// Removes what was damaged, and what was never sealed.
fn remove_unknown(folder: &Path) -> io::Result<()> {
    let sums = fs::read(folder.join(SUMS)).unwrap_or_default();
    let sums = String::from_utf8_lossy(&sums);
    let lines = sums.lines().filter_map(|line| line.split_once("  "));
    let known: BTreeMap<_, _> = lines.map(|(sum, name)| (name, sum)).collect();
    for file in files(folder)? {
        let bytes = match fs::read(&file) {
            // Another start, or wasmtime's own thread, has moved it meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            bytes => bytes?,
        };
        let name = file.strip_prefix(folder).unwrap_or(&file);
        let known = name.to_str().and_then(|name| known.get(name));
        if known.is_some_and(|known| *known == hex(&bytes)) {
            continue;
        }
        if known.is_some() {
            tracing::warn!(file = %file.display(), "compiled code was damaged; it is compiled again");
        }
        match fs::remove_file(&file) {
            // Another start was faster.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

/// The files of code in a folder: all but wasmtime's notes of their use.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for version in entries(&folder.join("code/modules"))? {
        let paths = entries(&version.path())?
            .into_iter()
            .map(|file| file.path());
        files.extend(paths.filter(|path| path.extension().is_none_or(|kind| kind != "stats")));
    }
    Ok(files)
}

/// What is in a directory; nothing, where there is none.
fn entries(directory: &Path) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.collect(),
    }
}

/// Removes the folders of the components that were compiled longest ago. One that
/// is in use is compiled again at its next start.
fn remove_oldest(directory: &Path) -> io::Result<()> {
    let mut folders = Vec::new();
    for entry in entries(directory)? {
        let name = entry.file_name();
        let is_ours = name.len() == 64 && name.to_str().is_some_and(is_hex);
        if is_ours && let Ok(made) = entry.metadata().and_then(|folder| folder.modified()) {
            folders.push((made, entry.path()));
        }
    }
    folders.sort_unstable();
    let surplus = folders.len().saturating_sub(COMPONENTS_MAX);
    for (_, folder) in folders.drain(..surplus) {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
