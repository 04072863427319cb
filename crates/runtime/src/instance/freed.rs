//! What a guest removes gives its memory back when it is closed for the last time: 20 ms
//! for 64 MiB, in which the guest would answer nobody. So a large file is still open when
//! its name goes, and is closed on a thread.

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use std::fs::File;
use std::sync::Arc;
use std::thread::Builder;

/// A smaller file is closed in no time.
const BYTES_MIN: i64 = 1 << 20;

/// A guest has no more threads than this at work for it, however much it removes: it
/// waits for what is closed beyond that.
const THREADS_MAX: usize = 4;

/// A large file of a directory, for [`Closing::close`] once its name is removed. Nothing can be
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

/// The threads that close files; each has a share of this.
#[derive(Default)]
pub(super) struct Closing(Arc<()>);

impl Closing {
    /// Closes a file on a thread, or at once where there can be none.
    pub(super) fn close(&self, file: OwnedFd) {
        if Arc::strong_count(&self.0) > THREADS_MAX {
            return;
        }
        let share = Arc::clone(&self.0);
        let close = move || {
            drop(file);
            drop(share);
        };
        drop(Builder::new().name("close".to_owned()).spawn(close));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    /// A file of a folder that has lost its name, and whether anybody has it open.
    fn removed(folder: &Path) -> (OwnedFd, impl Fn() -> bool) {
        let path = folder.join("large");
        File::create(&path).unwrap().set_len(1 << 20).unwrap();
        let file = keep(&File::open(folder).unwrap(), "large").unwrap();
        fs::remove_file(&path).unwrap();
        let deleted = PathBuf::from(format!("{} (deleted)", path.display()));
        let is_open = move || {
            let open = fs::read_dir("/proc/self/fd").unwrap();
            open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
                .any(|target| target == deleted)
        };
        (file, is_open)
    }

    #[test]
    fn a_large_file_is_closed_behind_its_removal() {
        let folder = tempfile::tempdir().unwrap();
        let (file, is_open) = removed(folder.path());
        assert!(is_open());
        let closing = Closing::default();
        closing.close(file);
        let begun = Instant::now();
        while is_open() || Arc::strong_count(&closing.0) > 1 {
            assert!(begun.elapsed() < Duration::from_mins(1));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn while_many_are_being_closed_the_next_one_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (file, is_open) = removed(folder.path());
        let closing = Closing::default();
        let shares = vec![Arc::clone(&closing.0); THREADS_MAX];
        closing.close(file);
        assert!(!is_open());
        drop(shares);
    }

    #[test]
    fn nothing_else_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        for path in [folder.path().join("outside"), inner.join("large")] {
            File::create(path).unwrap().set_len(1 << 20).unwrap();
        }
        let small = File::create(inner.join("small")).unwrap();
        small.set_len((1 << 20) - 1).unwrap();
        symlink("large", inner.join("link")).unwrap();
        let directory = File::open(&inner).unwrap();
        for name in ["small", "link", "missing", "", ".", "..", "../outside"] {
            assert!(keep(&directory, name).is_none(), "{name}");
        }
        assert!(keep(&directory, "large").is_some());
    }
}
