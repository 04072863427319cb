//! What a guest removes gives its memory back when it is closed for the last time: 20 ms
//! for 64 MiB, in which the guest would answer nobody. So a large file is still open when
//! its name goes, and is closed on a thread.

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use std::fs::File;
use std::thread::Builder;

/// A smaller file is closed in no time.
const BYTES_MIN: i64 = 1 << 20;

/// A large file of a directory, for [`close`] once its name is removed. Nothing can be
/// read through it, and no link is followed.
pub(super) fn keep(directory: &File, name: &str) -> Option<OwnedFd> {
    if name.contains('/') || name == ".." {
        return None;
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty()).ok()?;
    let stat = fstat(&file).ok()?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    (is_file && stat.st_size >= BYTES_MIN).then_some(file)
}

/// Closes a file on a thread, or at once where there can be none.
pub(super) fn close(file: OwnedFd) {
    drop(Builder::new().name("close".to_owned()).spawn(|| drop(file)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    #[test]
    fn a_large_file_is_closed_behind_its_removal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        File::create(&path).unwrap().set_len(1 << 20).unwrap();
        let file = keep(&File::open(folder.path()).unwrap(), "large").unwrap();
        fs::remove_file(&path).unwrap();
        let is_open = || {
            let open = fs::read_dir("/proc/self/fd").unwrap();
            let deleted = PathBuf::from(format!("{} (deleted)", path.display()));
            open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
                .any(|target| target == deleted)
        };
        assert!(is_open());
        close(file);
        let begun = Instant::now();
        while is_open() {
            assert!(begun.elapsed() < Duration::from_mins(1));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn nothing_else_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        for path in [folder.path().join("outside"), inner.join("large")] {
            File::create(path).unwrap().set_len(1 << 20).unwrap();
        }
        fs::write(inner.join("small"), "small").unwrap();
        symlink("large", inner.join("link")).unwrap();
        let directory = File::open(&inner).unwrap();
        for name in ["small", "link", "missing", "", ".", "..", "../outside"] {
            assert!(keep(&directory, name).is_none(), "{name}");
        }
        assert!(keep(&directory, "large").is_some());
    }
}
