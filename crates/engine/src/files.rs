//! The seam between the engine and a disk: the only way the engine touches one.
//!
//! One flat directory of files. Every implementation passes the same
//! conformance suite (`tests/files_conformance.rs`). What a method has done is
//! durable (outlives power loss) only where its contract says so.

use std::fmt;

#[cfg(not(target_arch = "wasm32"))]
pub mod native;

pub mod memory;

/// A directory of files.
pub trait Files {
    /// An open file of this directory.
    type File: File + fmt::Debug;

    /// The names in the directory, in any order, whatever they name. A name that
    /// is not UTF-8 can't be one of ours and is left out.
    ///
    /// # Errors
    /// Where the directory can't be read.
    fn list(&self) -> Result<Vec<String>, FileError>;

    /// Creates an empty file and opens it for reading and writing. Of several
    /// callers at once, exactly one succeeds. The name is durable once
    /// `sync_directory` has returned.
    ///
    /// # Errors
    /// `AlreadyExists` where the name is taken, by whatever it may be.
    fn create(&self, name: &str) -> Result<Self::File, FileError>;

    /// Opens a regular file. A symbolic link is never followed.
    ///
    /// # Errors
    /// `NotFound` where there is none, `NotAFile` where the name is something
    /// other than a regular file.
    fn open(&self, name: &str, access: Access) -> Result<Self::File, FileError>;

    /// Whether something has this name.
    ///
    /// # Errors
    /// Where the directory can't be asked.
    fn exists(&self, name: &str) -> Result<bool, FileError>;

    /// Gives a file another name, atomically in place of what had that name.
    /// Durable once `sync_directory` has returned.
    ///
    /// # Errors
    /// `NotFound` where there is no such file.
    fn rename(&self, from: &str, to: &str) -> Result<(), FileError>;

    /// Removes a file's name. Durable once `sync_directory` has returned.
    ///
    /// # Errors
    /// `NotFound` where there is no such file.
    fn remove(&self, name: &str) -> Result<(), FileError>;

    /// Makes every create, rename and remove so far durable.
    ///
    /// # Errors
    /// Where it is unknown whether they are durable.
    fn sync_directory(&self) -> Result<(), FileError>;
}

/// An open file. It stays readable after its name is removed.
pub trait File {
    /// Its length in bytes.
    ///
    /// # Errors
    /// Where the file can't be asked.
    fn length(&self) -> Result<u64, FileError>;

    /// Reads from `offset` until `buffer` is full or the file ends, and returns
    /// the bytes read.
    ///
    /// # Errors
    /// Where the disk can't give back what it holds.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileError>;

    /// Writes all of `bytes` at `offset`. Not durable before `sync`.
    ///
    /// # Errors
    /// `NoSpace` where the disk is full. After any error an unknown part of
    /// `bytes` may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FileError>;

    /// Cuts or extends (with zeros) the file. Not durable before `sync`.
    ///
    /// # Errors
    /// Where the disk refuses.
    fn set_length(&mut self, length: u64) -> Result<(), FileError>;

    /// Makes the file's content and length durable, not its name.
    ///
    /// # Errors
    /// Where it is unknown what is durable. Trying again proves nothing: a
    /// kernel may drop what it failed to write and then report success.
    fn sync(&mut self) -> Result<(), FileError>;
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading (and syncing) only.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// Why a disk refused, as far as the engine acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileErrorKind {
    /// No such name.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// The disk, or a quota on it, is full.
    NoSpace,
    /// Not permitted, or a read-only file system.
    ReadOnly,
    /// The name is no regular file, or leads out of the directory.
    NotAFile,
    /// Anything else: an I/O error above all.
    Other,
}

/// A refused operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// What was tried, such as `write`.
    pub operation: &'static str,
    /// The file's name; empty for the directory itself.
    pub name: String,
    /// What the engine may act on.
    pub kind: FileErrorKind,
    /// What the system said, for people.
    pub detail: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() {
            "the data directory"
        } else {
            &self.name
        };
        write!(
            formatter,
            "{} of {name} failed: {}",
            self.operation, self.detail
        )
    }
}

impl std::error::Error for FileError {}
