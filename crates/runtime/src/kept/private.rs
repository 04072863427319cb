//! Directories that no other user can put anything into.

use std::io;
use std::path::Path;

/// Makes a directory for its owner alone, or takes one that is there if it is ours
/// and no other user may write to it.
#[cfg(unix)]
pub(super) fn private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let refused = |reason: &str| {
        let message = format!("{}: {reason}", path.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)?;
    // A link could lead to a directory of ours that others were let into.
    let directory = path.symlink_metadata()?;
    if !directory.is_dir() {
        return refused("it is no directory");
    }
    if directory.uid() != rustix::process::geteuid().as_raw() {
        return refused("it belongs to another user");
    }
    if directory.mode() & 0o022 != 0 {
        return refused("others may write to it; `chmod go-w` ends that");
    }
    Ok(())
}

/// Elsewhere there is no telling who may write to it.
#[cfg(not(unix))]
pub(super) fn private_directory(_: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
