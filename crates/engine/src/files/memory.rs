//! A directory in memory, for tests and for hosts without a disk. Nothing in it
//! is durable: it ends with the process. Clones share the same files.

use super::{Access, File, FileError, FileErrorKind, Files};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

type Content = Rc<RefCell<Vec<u8>>>;

/// A directory in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    files: Rc<RefCell<BTreeMap<String, Content>>>,
}

/// An open file in memory.
#[derive(Debug)]
pub struct MemoryFile {
    name: String,
    access: Access,
    content: Content,
}

impl Files for MemoryFiles {
    type File = MemoryFile;

    fn list(&self) -> Result<Vec<String>, FileError> {
        Ok(self.files.borrow().keys().cloned().collect())
    }

    fn create(&self, name: &str) -> Result<MemoryFile, FileError> {
        let mut files = self.files.borrow_mut();
        if files.contains_key(name) {
            return Err(error("create", name, FileErrorKind::AlreadyExists));
        }
        let content = Content::default();
        files.insert(name.to_owned(), Rc::clone(&content));
        Ok(MemoryFile {
            name: name.to_owned(),
            access: Access::ReadWrite,
            content,
        })
    }

    fn open(&self, name: &str, access: Access) -> Result<MemoryFile, FileError> {
        let files = self.files.borrow();
        let content = files
            .get(name)
            .ok_or_else(|| error("open", name, FileErrorKind::NotFound))?;
        Ok(MemoryFile {
            name: name.to_owned(),
            access,
            content: Rc::clone(content),
        })
    }

    fn exists(&self, name: &str) -> Result<bool, FileError> {
        Ok(self.files.borrow().contains_key(name))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let mut files = self.files.borrow_mut();
        let content = files
            .remove(from)
            .ok_or_else(|| error("rename", from, FileErrorKind::NotFound))?;
        files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        let removed = self.files.borrow_mut().remove(name);
        removed
            .map(drop)
            .ok_or_else(|| error("remove", name, FileErrorKind::NotFound))
    }

    fn sync_directory(&self) -> Result<(), FileError> {
        Ok(())
    }
}

impl File for MemoryFile {
    fn length(&self) -> Result<u64, FileError> {
        Ok(self.content.borrow().len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileError> {
        let content = self.content.borrow();
        let start = usize::try_from(offset).map_or(content.len(), |start| start.min(content.len()));
        let bytes = buffer.len().min(content.len() - start);
        buffer[..bytes].copy_from_slice(&content[start..start + bytes]);
        Ok(bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        let start = self.writable("write", offset)?;
        let end = start + bytes.len();
        let mut content = self.content.borrow_mut();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_length(&mut self, length: u64) -> Result<(), FileError> {
        let length = self.writable("cut", length)?;
        self.content.borrow_mut().resize(length, 0);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), FileError> {
        Ok(())
    }
}

impl MemoryFile {
    /// The position as an index, where this file may be written at all.
    fn writable(&self, operation: &'static str, position: u64) -> Result<usize, FileError> {
        if self.access == Access::Read {
            return Err(error(operation, &self.name, FileErrorKind::ReadOnly));
        }
        usize::try_from(position).map_err(|_| error(operation, &self.name, FileErrorKind::NoSpace))
    }
}

fn error(operation: &'static str, name: &str, kind: FileErrorKind) -> FileError {
    let detail = match kind {
        FileErrorKind::NotFound => "there is no such file",
        FileErrorKind::AlreadyExists => "the name is taken",
        FileErrorKind::ReadOnly => "the file was opened for reading only",
        FileErrorKind::NoSpace | FileErrorKind::NotAFile | FileErrorKind::Other => "out of memory",
    };
    FileError {
        operation,
        name: name.to_owned(),
        kind,
        detail: detail.to_owned(),
    }
}
