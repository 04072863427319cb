//! What the engine's tests share: a store to talk to, a disk that fails.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part of this"
)]

use kv_engine::files::memory::{MemoryFile, MemoryFiles};
use kv_engine::files::{Access, File, FileError, FileErrorKind, Files};
use kv_engine::{Options, Outcome, Report, Store};
use std::cell::{Cell, RefCell};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::rc::Rc;

pub const TIME_MS: u64 = 1_763_890_000_000;

/// Secrets that everybody knows, for `verify`.
pub fn secrets() -> [BuildHasherDefault<DefaultHasher>; 2] {
    Default::default()
}

pub fn open<F: Files + Clone>(files: &F) -> Store<F> {
    open_with(files, Options::default()).0
}

pub fn open_with<F: Files + Clone>(files: &F, options: Options) -> (Store<F>, Report) {
    Store::open(files.clone(), options).expect("the store opens")
}

/// One event a call; its reply as text.
pub fn say<F: Files>(store: &mut Store<F>, event: &str) -> String {
    let (replies, outcome) = say_all(store, &[event]);
    assert_eq!(outcome, Outcome::Serving, "{replies:?}");
    replies[0].clone()
}

/// One event, so many milliseconds behind [`TIME_MS`]; its reply as JSON.
pub fn say_at<F: Files>(store: &mut Store<F>, after_ms: u64, event: &str) -> serde_json::Value {
    let (replies, outcome) = say_all_at(store, after_ms, &[event]);
    assert_eq!(outcome, Outcome::Serving, "{replies:?}");
    serde_json::from_str(&replies[0]).expect("a reply is JSON")
}

/// One event; its reply as JSON.
pub fn ask<F: Files>(store: &mut Store<F>, event: &str) -> serde_json::Value {
    say_at(store, 0, event)
}

/// One batch; its replies as text.
pub fn say_all<F: Files>(store: &mut Store<F>, events: &[&str]) -> (Vec<String>, Outcome) {
    say_all_at(store, 0, events)
}

/// One batch, so many milliseconds behind [`TIME_MS`]; its replies as text.
pub fn say_all_at<F: Files>(
    store: &mut Store<F>,
    after_ms: u64,
    events: &[&str],
) -> (Vec<String>, Outcome) {
    let mut batch = events.join("\n");
    batch.push('\n');
    let mut replies = Vec::new();
    let outcome = store.handle(
        batch.as_bytes(),
        TIME_MS.wrapping_add(after_ms),
        &mut replies,
    );
    let replies = String::from_utf8(replies).expect("replies are UTF-8");
    assert!(replies.ends_with('\n'));
    let replies: Vec<_> = replies.lines().map(str::to_owned).collect();
    assert_eq!(replies.len(), events.len());
    (replies, outcome)
}

pub fn put<F: Files>(store: &mut Store<F>, key: &str, value: &str) -> String {
    say(store, &put_event(key, value))
}

pub fn put_event(key: &str, value: &str) -> String {
    format!(r#"{{"type":"put","key":{},"value":{value}}}"#, quoted(key))
}

pub fn get_event(key: &str) -> String {
    format!(r#"{{"type":"get","key":{}}}"#, quoted(key))
}

/// The value's text, or the error's code.
pub fn get<F: Files>(store: &mut Store<F>, key: &str) -> Result<String, String> {
    value_in(&say(store, &get_event(key)))
}

pub fn value_in(reply: &str) -> Result<String, String> {
    if code_in(reply) == "ok" {
        let start = reply.find("\"value\":").expect("a value") + 8;
        let end = reply.rfind(",\"version\"").expect("a version");
        Ok(reply[start..end].to_owned())
    } else {
        Err(code_in(reply))
    }
}

/// The code of an error reply, or `ok`.
pub fn code_in(reply: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Reply {
        status: String,
        code: Option<String>,
    }
    let reply: Reply = serde_json::from_str(reply).expect("a reply is JSON");
    reply.code.unwrap_or(reply.status)
}

pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string")
}

/// A file's bytes.
pub fn bytes_of<F: Files>(files: &F, name: &str) -> Vec<u8> {
    let file = files.open(name, Access::Read).expect("the file opens");
    let mut bytes = vec![0; usize::try_from(file.length().expect("a length")).expect("small")];
    assert_eq!(file.read_at(0, &mut bytes).expect("it reads"), bytes.len());
    bytes
}

/// A segment's bytes, without the room behind its last line.
pub fn lines_of<F: Files>(files: &F, name: &str) -> Vec<u8> {
    let mut bytes = bytes_of(files, name);
    while bytes.ends_with(b"\n\n") {
        bytes.pop();
    }
    bytes
}

/// Puts other bytes in a file's place.
pub fn replace<F: Files>(files: &F, name: &str, bytes: &[u8]) {
    let mut file = match files.open(name, Access::ReadWrite) {
        Ok(file) => file,
        Err(_) => files.create(name).expect("it is created"),
    };
    file.set_length(0).expect("it is cut");
    file.write_at(0, bytes).expect("it is written");
}

/// A directory with the same files.
pub fn copy(files: &MemoryFiles) -> MemoryFiles {
    let copy = MemoryFiles::default();
    for name in files.list().expect("it is listed") {
        replace(&copy, &name, &bytes_of(files, &name));
    }
    copy
}

/// Which call of the disk is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    Create,
    /// Half of the bytes are written, then the disk is full.
    Write,
    /// So many writes succeed, and the next one does not.
    WriteAfter(u64),
    Sync,
    SyncDirectory,
    Read,
    Remove,
    /// The first segment can't be opened.
    Open,
    /// It can be opened so often, then it can't be once.
    OpenAfter(u64),
    /// Files say that they are so long.
    Length(u64),
}

/// A directory in memory whose disk fails on demand.
#[derive(Clone, Debug)]
pub struct FaultyFiles {
    pub files: MemoryFiles,
    pub fault: Rc<Cell<Fault>>,
    /// What is listed next: names as they were a moment ago.
    pub stale: Rc<RefCell<Option<Vec<String>>>>,
    /// What is read next, of the beginning of a file: bytes as they were a moment ago.
    pub stale_bytes: Rc<RefCell<Option<Vec<u8>>>>,
    /// What was written, file by file: so many bytes, and 0 for a sync.
    pub written: Rc<RefCell<Vec<(String, usize)>>>,
    /// How many bytes were read.
    pub read_bytes: Rc<Cell<usize>>,
    /// What happens whenever a checkpoint is opened.
    pub meanwhile: Meanwhile,
}

/// Something that somebody else does.
type Deed = Box<dyn FnMut()>;

/// What somebody else does, if anything.
#[derive(Clone, Default)]
pub struct Meanwhile(pub Rc<RefCell<Option<Deed>>>);

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Meanwhile")
    }
}

impl FaultyFiles {
    pub fn new() -> Self {
        Self {
            files: MemoryFiles::default(),
            fault: Rc::new(Cell::new(Fault::None)),
            stale: Rc::default(),
            stale_bytes: Rc::default(),
            written: Rc::default(),
            read_bytes: Rc::default(),
            meanwhile: Meanwhile::default(),
        }
    }

    fn file(&self, name: &str, file: MemoryFile) -> FaultyFile {
        FaultyFile {
            file,
            fault: Rc::clone(&self.fault),
            name: name.to_owned(),
            stale_bytes: Rc::clone(&self.stale_bytes),
            written: Rc::clone(&self.written),
            read_bytes: Rc::clone(&self.read_bytes),
        }
    }

    fn check(&self, fault: Fault, operation: &'static str) -> Result<(), FileError> {
        check(&self.fault, fault, operation)
    }
}

fn check(set: &Cell<Fault>, fault: Fault, operation: &'static str) -> Result<(), FileError> {
    if set.get() == fault {
        return Err(FileError {
            operation,
            name: "x".to_owned(),
            kind: FileErrorKind::NoSpace,
            detail: "made to fail".to_owned(),
        });
    }
    Ok(())
}

#[derive(Debug)]
pub struct FaultyFile {
    file: MemoryFile,
    fault: Rc<Cell<Fault>>,
    name: String,
    stale_bytes: Rc<RefCell<Option<Vec<u8>>>>,
    written: Rc<RefCell<Vec<(String, usize)>>>,
    read_bytes: Rc<Cell<usize>>,
}

impl Files for FaultyFiles {
    type File = FaultyFile;

    fn list(&self) -> Result<Vec<String>, FileError> {
        self.stale.take().map_or_else(|| self.files.list(), Ok)
    }
    fn create(&self, name: &str) -> Result<FaultyFile, FileError> {
        self.check(Fault::Create, "create")?;
        Ok(self.file(name, self.files.create(name)?))
    }
    fn open(&self, name: &str, access: Access) -> Result<FaultyFile, FileError> {
        if name.starts_with("checkpoint-")
            && let Some(happens) = self.meanwhile.0.borrow_mut().as_mut()
        {
            happens();
        }
        if name == "00000001.jsonl" {
            self.check(Fault::Open, "open")?;
            match self.fault.get() {
                Fault::OpenAfter(0) => {
                    let failed = self.check(Fault::OpenAfter(0), "open");
                    self.fault.set(Fault::None);
                    failed?;
                }
                Fault::OpenAfter(left) => self.fault.set(Fault::OpenAfter(left - 1)),
                _ => {}
            }
        }
        Ok(self.file(name, self.files.open(name, access)?))
    }
    fn exists(&self, name: &str) -> Result<bool, FileError> {
        self.files.exists(name)
    }
    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.files.rename(from, to)
    }
    fn remove(&self, name: &str) -> Result<(), FileError> {
        self.check(Fault::Remove, "remove")?;
        self.files.remove(name)
    }
    fn sync_directory(&self) -> Result<(), FileError> {
        self.check(Fault::SyncDirectory, "sync")?;
        self.files.sync_directory()
    }
}

impl File for FaultyFile {
    fn length(&self) -> Result<u64, FileError> {
        match self.fault.get() {
            Fault::Length(bytes) => Ok(bytes),
            _ => self.file.length(),
        }
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileError> {
        check(&self.fault, Fault::Read, "read")?;
        if offset == 0
            && let Some(bytes) = self.stale_bytes.take()
        {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            return Ok(bytes.len());
        }
        let read = self.file.read_at(offset, buffer)?;
        self.read_bytes.set(self.read_bytes.get() + read);
        Ok(read)
    }
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        match self.fault.get() {
            Fault::WriteAfter(0) => self.fault.set(Fault::Write),
            Fault::WriteAfter(left) => self.fault.set(Fault::WriteAfter(left - 1)),
            _ => {}
        }
        if let Err(e) = check(&self.fault, Fault::Write, "write") {
            self.file.write_at(offset, &bytes[..bytes.len() / 2])?;
            return Err(e);
        }
        self.written
            .borrow_mut()
            .push((self.name.clone(), bytes.len()));
        self.file.write_at(offset, bytes)
    }
    fn set_length(&mut self, length: u64) -> Result<(), FileError> {
        // A full disk lets a file be cut.
        self.file.set_length(length)
    }
    fn sync(&mut self) -> Result<(), FileError> {
        check(&self.fault, Fault::Sync, "sync")?;
        self.written.borrow_mut().push((self.name.clone(), 0));
        self.file.sync()
    }
}

/// A directory in memory whose process ends after so many changes.
#[derive(Clone, Debug)]
pub struct StoppingFiles {
    pub files: MemoryFiles,
    left: Rc<Cell<u64>>,
}

impl StoppingFiles {
    pub fn new(files: MemoryFiles, changes: u64) -> Self {
        let left = Rc::new(Cell::new(changes));
        Self { files, left }
    }
}

fn count_down(left: &Cell<u64>) -> Result<(), FileError> {
    match left.get().checked_sub(1) {
        Some(rest) => {
            left.set(rest);
            Ok(())
        }
        None => check(&Cell::new(Fault::Write), Fault::Write, "stopped"),
    }
}

#[derive(Debug)]
pub struct StoppingFile {
    file: MemoryFile,
    left: Rc<Cell<u64>>,
}

impl Files for StoppingFiles {
    type File = StoppingFile;

    fn list(&self) -> Result<Vec<String>, FileError> {
        self.files.list()
    }
    fn create(&self, name: &str) -> Result<StoppingFile, FileError> {
        count_down(&self.left)?;
        let left = Rc::clone(&self.left);
        let file = self.files.create(name)?;
        Ok(StoppingFile { file, left })
    }
    fn open(&self, name: &str, access: Access) -> Result<StoppingFile, FileError> {
        let left = Rc::clone(&self.left);
        let file = self.files.open(name, access)?;
        Ok(StoppingFile { file, left })
    }
    fn exists(&self, name: &str) -> Result<bool, FileError> {
        self.files.exists(name)
    }
    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        count_down(&self.left)?;
        self.files.rename(from, to)
    }
    fn remove(&self, name: &str) -> Result<(), FileError> {
        count_down(&self.left)?;
        self.files.remove(name)
    }
    fn sync_directory(&self) -> Result<(), FileError> {
        count_down(&self.left)
    }
}

impl File for StoppingFile {
    fn length(&self) -> Result<u64, FileError> {
        self.file.length()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileError> {
        self.file.read_at(offset, buffer)
    }
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        if let Err(e) = count_down(&self.left) {
            self.file.write_at(offset, &bytes[..bytes.len() / 2])?;
            return Err(e);
        }
        self.file.write_at(offset, bytes)
    }
    fn set_length(&mut self, length: u64) -> Result<(), FileError> {
        count_down(&self.left)?;
        self.file.set_length(length)
    }
    fn sync(&mut self) -> Result<(), FileError> {
        count_down(&self.left)
    }
}
