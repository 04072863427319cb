//! What Theater has for a disk: files that are read, written and deleted whole.

use std::fmt::Debug;

/// A directory of whole files. Nothing is synced, ever.
pub trait WholeFiles: Debug {
    /// The names in the directory.
    ///
    /// # Errors
    /// What the runtime says, for people.
    fn list(&self) -> Result<Vec<String>, String>;

    /// All of a file.
    ///
    /// # Errors
    /// What the runtime says, for people.
    fn read(&self, name: &str) -> Result<Vec<u8>, String>;

    /// Writes a file in place of what has the name. A kill leaves a part of it.
    ///
    /// # Errors
    /// What the runtime says, for people.
    fn write(&self, name: &str, content: &str) -> Result<(), String>;

    /// Deletes a file.
    ///
    /// # Errors
    /// What the runtime says, for people.
    fn delete(&self, name: &str) -> Result<(), String>;

    /// Whether something has this name.
    ///
    /// # Errors
    /// What the runtime says, for people.
    fn exists(&self, name: &str) -> Result<bool, String>;
}

/// The directory that the manifest names.
#[derive(Clone, Copy, Debug)]
#[cfg(target_arch = "wasm32")]
pub struct TheaterFiles;

#[cfg(target_arch = "wasm32")]
impl WholeFiles for TheaterFiles {
    fn list(&self) -> Result<Vec<String>, String> {
        filesystem::list_files("")
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        filesystem::read_file(name)
    }

    fn write(&self, name: &str, content: &str) -> Result<(), String> {
        filesystem::write_file(name, content)
    }

    fn delete(&self, name: &str) -> Result<(), String> {
        filesystem::delete_file(name)
    }

    fn exists(&self, name: &str) -> Result<bool, String> {
        filesystem::path_exists(name)
    }
}

#[cfg(target_arch = "wasm32")]
use crate::bindings::theater::simple::filesystem;
