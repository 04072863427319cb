//! An actor's data directory: made where it is missing, locked against a second
//! process, and the only thing of the disk that its guest gets.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A data directory that this process has to itself while this lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// The directory itself, open and locked (`flock`): no file is needed for
    /// it, and the lock ends with the process, however that ends.
    lock: File,
}

impl DataDirectory {
    /// Opens and locks a directory; creates it, for its owner alone, where there
    /// is none. Its parent must exist.
    ///
    /// # Errors
    /// Where it can't be had, at once.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let failed = |e: io::Error| match e.kind() {
            io::ErrorKind::NotADirectory => DirectoryError::NotADirectory(path.to_owned()),
            _ => DirectoryError::Unusable(path.to_owned(), e),
        };
        if !path.exists() {
            create(path).map_err(failed)?;
        }
        if !path.is_dir() {
            return Err(DirectoryError::NotADirectory(path.to_owned()));
        }
        let lock = File::open(path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DirectoryError::Owned(path.to_owned())),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        let directory = Self {
            path: path.to_owned(),
            lock,
        };
        directory.check()?;
        Ok(directory)
    }

    /// Checks that its path still leads to it. Whoever opens the path again must
    /// not get a directory that was put in its place, and that nobody has locked.
    ///
    /// # Errors
    /// Where the path leads elsewhere or nowhere.
    pub fn check(&self) -> Result<(), DirectoryError> {
        let failed = |e| DirectoryError::Unusable(self.path.clone(), e);
        let there = fs::metadata(&self.path).map_err(failed)?;
        let locked = self.lock.metadata().map_err(failed)?;
        if is_same(&there, &locked) {
            Ok(())
        } else {
            Err(DirectoryError::Replaced(self.path.clone()))
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(unix)]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere a directory that is open can't be replaced.
#[cfg(not(unix))]
fn is_same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

fn create(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        // Somebody else was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
        Ok(()) => {
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        }
    }
}

/// Why a data directory can't be had.
#[derive(Debug)]
pub enum DirectoryError {
    /// Another process has it open.
    Owned(PathBuf),
    /// Something else has its name.
    NotADirectory(PathBuf),
    /// Another directory has been put in its place since it was opened.
    Replaced(PathBuf),
    /// It can't be created, opened or locked.
    Unusable(PathBuf, io::Error),
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owned(path) => write!(
                formatter,
                "the data directory {} is owned by another running process; stop it, or talk to it with --url",
                path.display()
            ),
            Self::NotADirectory(path) => write!(
                formatter,
                "{} is no directory; name a directory for the data",
                path.display()
            ),
            Self::Replaced(path) => write!(
                formatter,
                "{} is no longer the directory that was opened; put that one back, or start again",
                path.display()
            ),
            Self::Unusable(path, e) => write!(
                formatter,
                "the data directory {} can't be used: {e}",
                path.display()
            ),
        }
    }
}

impl std::error::Error for DirectoryError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let owner = DataDirectory::open(&path).unwrap();
        assert!(matches!(
            DataDirectory::open(&path),
            Err(DirectoryError::Owned(_))
        ));
        drop(owner);
        assert_eq!(DataDirectory::open(&path).unwrap().path(), path);
    }

    #[cfg(unix)]
    #[test]
    fn it_is_made_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let directory = DataDirectory::open(&path).unwrap();
        let mode = fs::metadata(directory.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[cfg(unix)]
    #[test]
    fn one_that_was_replaced_is_noticed() {
        let parent = tempfile::tempdir().unwrap();
        let (path, away) = (parent.path().join("data"), parent.path().join("away"));
        let directory = DataDirectory::open(&path).unwrap();
        fs::rename(&path, &away).unwrap();
        assert!(matches!(
            directory.check(),
            Err(DirectoryError::Unusable(..))
        ));
        fs::create_dir(&path).unwrap();
        assert!(matches!(
            directory.check(),
            Err(DirectoryError::Replaced(_))
        ));
        fs::remove_dir(&path).unwrap();
        fs::rename(&away, &path).unwrap();
        directory.check().unwrap();
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(matches!(
            DataDirectory::open(&file),
            Err(DirectoryError::NotADirectory(_))
        ));
        assert!(DataDirectory::open(&file.join("data")).is_err());
        assert!(matches!(
            DataDirectory::open(&parent.path().join("no/data")),
            Err(DirectoryError::Unusable(..))
        ));
    }
}
