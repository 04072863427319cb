//! A disk in memory that remembers what is durable. At a crash it keeps any part
//! of what was not synced: by sectors of 512 bytes, in any order; names that were
//! made, changed or removed without a sync of the directory may be back.

use fastrand::Rng;
use inode::{Change, Inode};
use kv_engine::files::{Access, File, FileError, FileErrorKind, Files};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

mod inode;

/// What a call does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends within the call, whose work is done in part.
    Crash,
    /// A write is cut short and says so; any other call refuses.
    Error,
    /// As [`Fault::Error`], and the disk is full until it is relieved.
    Full,
}

/// A directory on the simulated disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimulatedFiles(Rc<RefCell<Disk>>);

/// An open file of it.
#[derive(Debug)]
pub struct SimulatedFile {
    disk: Rc<RefCell<Disk>>,
    name: String,
    inode: usize,
    access: Access,
}

#[derive(Clone, Debug, Default)]
struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
    /// Calls that change something or make it durable, so far.
    calls: u64,
    fault: Option<(u64, Fault)>,
    read_fault: bool,
    crashed: bool,
    full: bool,
    trace: DefaultHasher,
}

#[derive(Clone, Debug, Hash)]
enum NameChange {
    Set(String, usize),
    Remove(String),
    Rename(String, String, usize),
}

impl SimulatedFiles {
    /// The calls so far that change something or make it durable.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.borrow().calls
    }

    /// Has a fault happen at a call, counted from 1.
    pub fn set_fault(&self, call: u64, fault: Fault) {
        self.0.borrow_mut().fault = Some((call, fault));
    }

    /// Has reads fail until the disk is relieved.
    pub fn fail_reads(&self) {
        self.0.borrow_mut().read_fault = true;
    }

    /// Takes back a fault that has not happened, makes room and has reads work.
    pub fn relieve(&self) {
        let mut disk = self.0.borrow_mut();
        (disk.fault, disk.full, disk.read_fault) = (None, false, false);
    }

    /// Whether the process has ended within a call.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.0.borrow().crashed
    }

    /// A number for all that was done so far.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.0.borrow().trace.finish()
    }

    /// A disk of its own, in the same state.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Rc::new(RefCell::new(self.0.borrow().clone())))
    }

    /// A number for what is on the disk, in memory and durable.
    #[must_use]
    pub fn state(&self) -> u64 {
        let disk = self.0.borrow();
        let mut hasher = DefaultHasher::new();
        disk.inodes.hash(&mut hasher);
        disk.names.hash(&mut hasher);
        (&disk.durable_names, &disk.name_changes).hash(&mut hasher);
        hasher.finish()
    }

    /// The disk after the process alone has ended: every write is in memory.
    pub fn after_kill(&self) {
        self.relieve();
        self.0.borrow_mut().crashed = false;
    }

    /// The disk after the power has gone: a new one, with some of what was not
    /// durable.
    #[must_use]
    pub fn after_crash(&self, random: &mut Rng) -> Self {
        let disk = self.0.borrow();
        // Usually all or nothing of most things, so that both are met.
        let survives = random.f64();
        let mut names = disk.durable_names.clone();
        for change in &disk.name_changes {
            if random.f64() < survives {
                change.apply(&mut names);
            }
        }
        let mut after = Disk {
            trace: disk.trace.clone(),
            ..Disk::default()
        };
        for (name, inode) in names {
            let content = disk.inodes[inode].after_crash(random, survives);
            let number = after.inodes.len();
            after.inodes.push(Inode::durable(content));
            after.names.insert(name.clone(), number);
            after.durable_names.insert(name, number);
        }
        let survivors: Vec<_> = after.inodes.iter().map(Inode::content).collect();
        ("crash", &after.names, survivors).hash(&mut after.trace);
        Self(Rc::new(RefCell::new(after)))
    }

    /// Flips one bit of one file; nothing where all are empty.
    pub fn flip_a_bit(&self, random: &mut Rng) -> Option<(String, usize)> {
        let mut disk = self.0.borrow_mut();
        let all: Vec<_> = disk
            .names
            .iter()
            .map(|(name, inode)| (name.clone(), *inode))
            .collect();
        let (name, inode) = all.get(random.usize(..all.len().max(1)))?.clone();
        let place = disk.inodes[inode].flip_a_bit(random)?;
        disk.note(&("flip", &name, place));
        Some((name, place))
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl Disk {
    fn note(&mut self, what: &impl Hash) {
        what.hash(&mut self.trace);
    }

    /// Counts a call, and says what is to happen instead of it.
    fn begin(&mut self, operation: &'static str, name: &str) -> Result<(), Fault> {
        if self.crashed {
            return Err(Fault::Crash);
        }
        self.calls += 1;
        let calls = self.calls;
        self.note(&(operation, name, calls));
        match self.fault {
            Some((call, fault)) if call == calls => {
                self.fault = None;
                self.crashed = fault == Fault::Crash;
                self.full |= fault == Fault::Full;
                Err(fault)
            }
            _ if self.full && matches!(operation, "write" | "create") => Err(Fault::Full),
            _ => Ok(()),
        }
    }

    fn check_read(&self) -> Result<(), FileError> {
        if self.crashed || self.read_fault {
            return Err(error("read", "", Fault::Error));
        }
        Ok(())
    }
}

fn error(operation: &'static str, name: &str, fault: Fault) -> FileError {
    FileError {
        operation,
        name: name.to_owned(),
        kind: match fault {
            Fault::Full => FileErrorKind::NoSpace,
            Fault::Crash | Fault::Error => FileErrorKind::Other,
        },
        detail: format!("simulated: {fault:?}"),
    }
}

fn plain(operation: &'static str, name: &str, kind: FileErrorKind) -> FileError {
    FileError {
        operation,
        name: name.to_owned(),
        kind,
        detail: "as on any disk".to_owned(),
    }
}

impl Files for SimulatedFiles {
    type File = SimulatedFile;

    fn list(&self) -> Result<Vec<String>, FileError> {
        let disk = self.0.borrow();
        disk.check_read()?;
        Ok(disk.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> Result<SimulatedFile, FileError> {
        let mut disk = self.0.borrow_mut();
        let was_crashed = disk.crashed;
        let begun = disk.begin("create", name);
        if disk.names.contains_key(name) {
            return Err(plain("create", name, FileErrorKind::AlreadyExists));
        }
        if !was_crashed && matches!(begun, Ok(()) | Err(Fault::Crash)) {
            let inode = disk.inodes.len();
            disk.inodes.push(Inode::default());
            disk.names.insert(name.to_owned(), inode);
            disk.name_changes
                .push(NameChange::Set(name.to_owned(), inode));
        }
        begun.map_err(|fault| error("create", name, fault))?;
        Ok(SimulatedFile {
            disk: Rc::clone(&self.0),
            name: name.to_owned(),
            inode: disk.names[name],
            access: Access::ReadWrite,
        })
    }

    fn open(&self, name: &str, access: Access) -> Result<SimulatedFile, FileError> {
        let disk = self.0.borrow();
        disk.check_read()?;
        let inode = disk.names.get(name);
        Ok(SimulatedFile {
            disk: Rc::clone(&self.0),
            name: name.to_owned(),
            inode: *inode.ok_or_else(|| plain("open", name, FileErrorKind::NotFound))?,
            access,
        })
    }

    fn exists(&self, name: &str) -> Result<bool, FileError> {
        let disk = self.0.borrow();
        if disk.crashed {
            return Err(error("look-up", name, Fault::Crash));
        }
        Ok(disk.names.contains_key(name))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.change_names("rename", from, |names| {
            let inode = *names.get(from)?;
            Some(NameChange::Rename(from.to_owned(), to.to_owned(), inode))
        })
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        self.change_names("remove", name, |names| {
            names.get(name)?;
            Some(NameChange::Remove(name.to_owned()))
        })
    }

    fn sync_directory(&self) -> Result<(), FileError> {
        let mut disk = self.0.borrow_mut();
        disk.begin("sync", "")
            .map_err(|fault| error("sync", "", fault))?;
        disk.durable_names = disk.names.clone();
        disk.name_changes.clear();
        Ok(())
    }
}

impl SimulatedFiles {
    fn change_names(
        &self,
        operation: &'static str,
        name: &str,
        change: impl FnOnce(&BTreeMap<String, usize>) -> Option<NameChange>,
    ) -> Result<(), FileError> {
        let mut disk = self.0.borrow_mut();
        let was_crashed = disk.crashed;
        let begun = disk.begin(operation, name);
        if !was_crashed && matches!(begun, Ok(()) | Err(Fault::Crash)) {
            let change = change(&disk.names)
                .ok_or_else(|| plain(operation, name, FileErrorKind::NotFound))?;
            change.apply(&mut disk.names);
            disk.name_changes.push(change);
        }
        begun.map_err(|fault| error(operation, name, fault))
    }
}

impl SimulatedFile {
    fn change(&self, operation: &'static str, change: Change) -> Result<(), FileError> {
        if self.access == Access::Read {
            return Err(plain(operation, &self.name, FileErrorKind::ReadOnly));
        }
        let mut disk = self.disk.borrow_mut();
        let was_crashed = disk.crashed;
        let begun = disk.begin(operation, &self.name);
        disk.note(&change.size());
        let inode = &mut disk.inodes[self.inode];
        match (begun, change) {
            (Ok(()), change) => inode.change(change),
            (Err(Fault::Crash), change) if !was_crashed => inode.change(change),
            // Cut short: half of it is there.
            (Err(Fault::Error | Fault::Full), Change::Write(offset, mut bytes)) => {
                bytes.truncate(bytes.len() / 2);
                inode.change(Change::Write(offset, bytes));
            }
            _ => {}
        }
        begun.map_err(|fault| error(operation, &self.name, fault))
    }
}

impl File for SimulatedFile {
    fn length(&self) -> Result<u64, FileError> {
        let disk = self.disk.borrow();
        disk.check_read()?;
        Ok(disk.inodes[self.inode].content().len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileError> {
        let disk = self.disk.borrow();
        disk.check_read()?;
        let content = disk.inodes[self.inode].content();
        let start = usize::try_from(offset).map_or(content.len(), |start| start.min(content.len()));
        let bytes = buffer.len().min(content.len() - start);
        buffer[..bytes].copy_from_slice(&content[start..start + bytes]);
        Ok(bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        let offset = usize::try_from(offset)
            .map_err(|_| plain("write", &self.name, FileErrorKind::NoSpace))?;
        self.change("write", Change::Write(offset, bytes.to_vec()))
    }

    fn set_length(&mut self, length: u64) -> Result<(), FileError> {
        let length = usize::try_from(length)
            .map_err(|_| plain("cut", &self.name, FileErrorKind::NoSpace))?;
        self.change("cut", Change::Length(length))
    }

    fn sync(&mut self) -> Result<(), FileError> {
        let mut disk = self.disk.borrow_mut();
        let begun = disk.begin("sync", &self.name);
        let inode = &mut disk.inodes[self.inode];
        match begun {
            Ok(()) => inode.sync(),
            Err(Fault::Crash) => {}
            Err(Fault::Error | Fault::Full) => inode.fail_sync(),
        }
        begun.map_err(|fault| error("sync", &self.name, fault))
    }
}
