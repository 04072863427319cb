//! The engine's files on `wasi:filesystem`.

use crate::bindings::wasi::filesystem::preopens::get_directories;
use crate::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags,
};
use kv_engine::files::{Access, File, FileError, FileErrorKind, Files};

/// The preopened directory.
#[derive(Debug)]
pub(crate) struct WasiFiles {
    directory: Descriptor,
}

/// A file in it.
#[derive(Debug)]
pub(crate) struct WasiFile {
    name: String,
    descriptor: Descriptor,
}

impl WasiFiles {
    /// The directory that the runtime has opened for this component: where it has
    /// opened several, the one with this name.
    pub(crate) fn preopened(name: Option<&str>) -> Result<Self, FileError> {
        let mut directories = get_directories();
        let count = directories.len();
        let is_named = |path: &str| name.is_some_and(|name| path.trim_matches('/') == name);
        let place = match count {
            1 => Some(0),
            _ => directories.iter().position(|(_, path)| is_named(path)),
        };
        match place {
            Some(place) => Ok(Self {
                directory: directories.swap_remove(place).0,
            }),
            None => Err(FileError {
                operation: "open",
                name: name.unwrap_or_default().to_owned(),
                kind: FileErrorKind::NotFound,
                detail: format!(
                    "the runtime must preopen exactly one directory{}; it has opened {count}",
                    name.map_or(String::new(), |name| format!(", or one as `/{name}`"))
                ),
            }),
        }
    }

    fn open_at(
        &self,
        operation: &'static str,
        name: &str,
        open: OpenFlags,
        access: Access,
    ) -> Result<WasiFile, FileError> {
        check_name(operation, name)?;
        let flags = match access {
            Access::Read => DescriptorFlags::READ,
            Access::ReadWrite => DescriptorFlags::READ | DescriptorFlags::WRITE,
        };
        // No flag to follow symbolic links: the name itself must be the file.
        let descriptor = self
            .directory
            .open_at(PathFlags::empty(), name, open, flags)
            .map_err(|code| error(operation, name, code))?;
        Ok(WasiFile {
            name: name.to_owned(),
            descriptor,
        })
    }
}

impl Files for WasiFiles {
    type File = WasiFile;

    fn list(&self) -> Result<Vec<String>, FileError> {
        let failed = |code| error("list", "", code);
        let entries = self.directory.read_directory().map_err(failed)?;
        let mut names = Vec::new();
        loop {
            match entries.read_directory_entry() {
                Ok(Some(entry)) => names.push(entry.name),
                Ok(None) => return Ok(names),
                // A name that is not UTF-8.
                Err(ErrorCode::IllegalByteSequence) => {}
                Err(code) => return Err(failed(code)),
            }
        }
    }

    fn create(&self, name: &str) -> Result<WasiFile, FileError> {
        let open = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        self.open_at("create", name, open, Access::ReadWrite)
    }

    fn open(&self, name: &str, access: Access) -> Result<WasiFile, FileError> {
        check_name("open", name)?;
        // Before opening: to open a named pipe would wait for its other end.
        let stat = self.directory.stat_at(PathFlags::empty(), name);
        let stat = stat.map_err(|code| error("open", name, code))?;
        if stat.type_ != DescriptorType::RegularFile {
            return Err(FileError {
                operation: "open",
                name: name.to_owned(),
                kind: FileErrorKind::NotAFile,
                detail: "it is no regular file; move it out of the data directory".to_owned(),
            });
        }
        self.open_at("open", name, OpenFlags::empty(), access)
    }

    fn exists(&self, name: &str) -> Result<bool, FileError> {
        check_name("look-up", name)?;
        match self.directory.stat_at(PathFlags::empty(), name) {
            Ok(_) => Ok(true),
            Err(ErrorCode::NoEntry) => Ok(false),
            Err(code) => Err(error("look-up", name, code)),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        check_name("rename", from)?;
        check_name("rename", to)?;
        self.directory
            .rename_at(from, &self.directory, to)
            .map_err(|code| error("rename", from, code))
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        check_name("remove", name)?;
        self.directory
            .unlink_file_at(name)
            .map_err(|code| error("remove", name, code))
    }

    fn sync_directory(&self) -> Result<(), FileError> {
        self.directory
            .sync()
            .map_err(|code| error("sync", "", code))
    }
}

impl File for WasiFile {
    fn length(&self) -> Result<u64, FileError> {
        let stat = self.descriptor.stat();
        stat.map(|stat| stat.size)
            .map_err(|code| error("look-up", &self.name, code))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let wanted = (buffer.len() - filled) as u64;
            let read = self.descriptor.read(wanted, offset + filled as u64);
            let (bytes, ended) = match read {
                Err(ErrorCode::Interrupted) => continue,
                read => read.map_err(|code| error("read", &self.name, code))?,
            };
            // What a runtime hands over beyond what was asked does not count.
            let count = bytes.len().min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&bytes[..count]);
            filled += count;
            if ended || count == 0 {
                break;
            }
        }
        Ok(filled)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        let mut written = 0;
        while written < bytes.len() {
            let rest = &bytes[written..];
            let write = self.descriptor.write(rest, offset + written as u64);
            let count = match write {
                Err(ErrorCode::Interrupted) => continue,
                write => write.map_err(|code| error("write", &self.name, code))?,
            };
            if count == 0 {
                return Err(FileError {
                    operation: "write",
                    name: self.name.clone(),
                    kind: FileErrorKind::NoSpace,
                    detail: "the runtime takes no further byte".to_owned(),
                });
            }
            written += usize::try_from(count).map_or(rest.len(), |count| count.min(rest.len()));
        }
        Ok(())
    }

    fn set_length(&mut self, length: u64) -> Result<(), FileError> {
        self.descriptor
            .set_size(length)
            .map_err(|code| error("cut", &self.name, code))
    }

    fn sync(&mut self) -> Result<(), FileError> {
        self.descriptor
            .sync_data()
            .map_err(|code| error("sync", &self.name, code))
    }
}

/// The directory is flat: a name is one part of a path, none that leads elsewhere.
fn check_name(operation: &'static str, name: &str) -> Result<(), FileError> {
    if !name.is_empty() && !name.contains(['/', '\\']) && name != "." && name != ".." {
        return Ok(());
    }
    Err(FileError {
        operation,
        name: name.to_owned(),
        kind: FileErrorKind::NotAFile,
        detail: "a file's name must not lead out of its directory".to_owned(),
    })
}

fn error(operation: &'static str, name: &str, code: ErrorCode) -> FileError {
    let kind = match code {
        ErrorCode::NoEntry => FileErrorKind::NotFound,
        ErrorCode::Exist => FileErrorKind::AlreadyExists,
        ErrorCode::InsufficientSpace | ErrorCode::Quota | ErrorCode::FileTooLarge => {
            FileErrorKind::NoSpace
        }
        ErrorCode::Access | ErrorCode::NotPermitted | ErrorCode::ReadOnly => {
            FileErrorKind::ReadOnly
        }
        ErrorCode::IsDirectory | ErrorCode::NotDirectory | ErrorCode::Loop => {
            FileErrorKind::NotAFile
        }
        _ => FileErrorKind::Other,
    };
    FileError {
        operation,
        name: name.to_owned(),
        kind,
        detail: code.message().to_owned(),
    }
}
