//! Files that hold a secret: read only where nobody else can read them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// No secret is as long as this.
const BYTES_MAX: u64 = 1024 * 1024;

/// Reads a file that its owner alone may read; its group too where it is root's,
/// who makes such files for others.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let (forbidden, allowed) = if metadata.uid() == 0 {
        (0o037, "640")
    } else {
        (0o077, "600")
    };
    if metadata.is_file() && metadata.mode() & forbidden != 0 {
        let message = format!(
            "others may read or change it (mode {:03o}); set it to {allowed} with `chmod`, \
             and make a new secret if anybody could have seen this one",
            metadata.mode() & 0o777
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
