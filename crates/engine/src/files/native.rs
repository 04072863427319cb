//! A directory of the operating system, for native builds.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the one place where the engine meets the operating system"
)]

use super::{Access, File, FileError, FileErrorKind, Files};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A directory, by its path.
#[derive(Clone, Debug)]
pub struct NativeFiles {
    directory: PathBuf,
}

impl NativeFiles {
    /// The files of an existing directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    fn path(&self, name: &str) -> Result<PathBuf, FileError> {
        let flat = !name.is_empty() && !name.contains(['/', '\\']) && name != "." && name != "..";
        if flat {
            Ok(self.directory.join(name))
        } else {
            Err(FileError {
                operation: "open",
                name: name.to_owned(),
                kind: FileErrorKind::NotAFile,
                detail: "a file's name must not lead out of its directory".to_owned(),
            })
        }
    }

    fn regular(&self, name: &str) -> Result<PathBuf, FileError> {
        let path = self.path(name)?;
        let metadata = fs::symlink_metadata(&path).map_err(|e| error("open", name, &e))?;
        if metadata.is_file() {
            Ok(path)
        } else {
            Err(FileError {
                operation: "open",
                name: name.to_owned(),
                kind: FileErrorKind::NotAFile,
                detail: "it is no regular file; move it out of the data directory".to_owned(),
            })
        }
    }
}

/// An open file of the operating system.
#[derive(Debug)]
pub struct NativeFile {
    name: String,
    file: fs::File,
}

impl Files for NativeFiles {
    type File = NativeFile;

    fn list(&self) -> Result<Vec<String>, FileError> {
        let failed = |e: io::Error| error("list", "", &e);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> Result<NativeFile, FileError> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        open(&options, &self.path(name)?, "create", name)
    }

    fn open(&self, name: &str, access: Access) -> Result<NativeFile, FileError> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(access == Access::ReadWrite);
        open(&options, &self.regular(name)?, "open", name)
    }

    fn exists(&self, name: &str) -> Result<bool, FileError> {
        match fs::symlink_metadata(self.path(name)?) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(error("look-up", name, &e)),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        fs::rename(self.path(from)?, self.path(to)?).map_err(|e| error("rename", from, &e))
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        fs::remove_file(self.path(name)?).map_err(|e| error("remove", name, &e))
    }

    fn sync_directory(&self) -> Result<(), FileError> {
        fs::File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|e| error("sync", "", &e))
    }
}

impl File for NativeFile {
    fn length(&self) -> Result<u64, FileError> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| metadata.len())
            .map_err(|e| error("look-up", &self.name, &e))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + filled as u64;
            match std::os::unix::fs::FileExt::read_at(&self.file, &mut buffer[filled..], at) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(error("read", &self.name, &e)),
            }
        }
        Ok(filled)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset)
            .map_err(|e| error("write", &self.name, &e))
    }

    fn set_length(&mut self, length: u64) -> Result<(), FileError> {
        self.file
            .set_len(length)
            .map_err(|e| error("cut", &self.name, &e))
    }

    fn sync(&mut self) -> Result<(), FileError> {
        self.file
            .sync_data()
            .map_err(|e| error("sync", &self.name, &e))
    }
}

fn open(
    options: &fs::OpenOptions,
    path: &Path,
    operation: &'static str,
    name: &str,
) -> Result<NativeFile, FileError> {
    let file = options.open(path).map_err(|e| error(operation, name, &e))?;
    Ok(NativeFile {
        name: name.to_owned(),
        file,
    })
}

fn error(operation: &'static str, name: &str, error: &io::Error) -> FileError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => FileErrorKind::NotFound,
        io::ErrorKind::AlreadyExists => FileErrorKind::AlreadyExists,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            FileErrorKind::NoSpace
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            FileErrorKind::ReadOnly
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => FileErrorKind::NotAFile,
        _ => FileErrorKind::Other,
    };
    FileError {
        operation,
        name: name.to_owned(),
        kind,
        detail: error.to_string(),
    }
}
