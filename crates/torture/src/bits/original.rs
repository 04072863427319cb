//! A data directory to be damaged, and what it held after each of its changes.

use super::Damage;
use crate::event::{hash, quoted};
use crate::failure::{Failure, ensure};
use fastrand::Rng;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::files::{Access, File, FileError, Files};
use kv_engine::{Options, Outcome, Store};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::rc::Rc;

type Keys = BTreeMap<String, (String, u64)>;

/// Bytes of log a key and a content object: a small directory has few of them, or
/// nothing in it would ever be compacted.
const BYTES_A_KEY: usize = 160;
const BYTES_A_CONTENT: usize = 1000;

/// The directory.
#[derive(Debug)]
pub struct Original {
    /// How it is opened: without a cache, so that every value is read from disk.
    pub options: Options,
    keys: usize,
    contents: usize,
    /// A get of everything that was ever there, a line each.
    pub questions: Vec<u8>,
    files: BTreeMap<String, Vec<u8>>,
    /// Every change, in order: what it held at a version is found by going
    /// through so many of them.
    changes: Vec<Change>,
    expected: RefCell<BTreeMap<u64, Rc<Expected>>>,
    /// Where its last batch begins: in the newest segment, at this byte.
    newest: String,
    last_batch: usize,
}

/// A change of the directory.
#[derive(Clone, Debug)]
enum Change {
    Put(String, String),
    Delete(String),
    Content(String),
}

/// How the questions must be answered at one version.
#[derive(Debug)]
pub struct Expected {
    /// The replies, or how they must begin.
    pub replies: Vec<String>,
    /// How many keys and content objects there are.
    pub counts: (usize, usize),
}

impl Original {
    /// Writes a directory with at least so many bytes of log, in several
    /// segments, with compacted ones and a checkpoint.
    ///
    /// # Errors
    /// Where the engine does not do as it should, undamaged.
    pub fn new(bytes_min: usize, seed: u64) -> Result<Self, Failure> {
        let mut rng = Rng::with_seed(seed);
        let files = MemoryFiles::default();
        let options = Options {
            cache_bytes_max: 0,
            segment_bytes_max: (bytes_min / 8) as u64,
            checkpoint_interval_bytes: (bytes_min / 4) as u64,
            ..Options::default()
        };
        let (mut store, _) = Store::open(files.clone(), options)
            .map_err(|e| Failure::new(format!("an empty directory is refused: {e}")))?;
        let (keys, contents) = (bytes_min / BYTES_A_KEY, bytes_min / BYTES_A_CONTENT);
        let mut original = Self {
            options,
            keys,
            contents,
            questions: questions(keys, contents),
            files: BTreeMap::new(),
            changes: Vec::new(),
            expected: RefCell::default(),
            newest: String::new(),
            last_batch: 0,
        };
        // Any of the next batches may be the last: the seed decides.
        let mut further = rng.usize(1..20);
        while further > 0 {
            let version = original.version();
            original.write(&mut store, &mut rng)?;
            if original.version() == version {
                continue;
            }
            let before = std::mem::replace(&mut original.files, content(&files)?);
            original.newest = newest(&original.files);
            original.last_batch = before
                .get(&original.newest)
                .map_or(0, |bytes| lines_bytes(bytes));
            further -= usize::from(original.is_enough(bytes_min));
        }
        Ok(original)
    }

    /// One batch, and the state after each of its changes.
    fn write(&mut self, store: &mut Store<MemoryFiles>, rng: &mut Rng) -> Result<(), Failure> {
        let mut events = String::new();
        let (mut keys, mut contents) = self.held(self.version());
        for _ in 0..rng.usize(1..=5) {
            let version = self.version() + 1;
            let key = key(rng.usize(0..self.keys));
            let change = match rng.u32(0..10) {
                0 if keys.remove(&key).is_some() => Change::Delete(key),
                1 => {
                    let content = content_of(rng.usize(0..self.contents));
                    if !contents.insert(content.clone()) {
                        continue;
                    }
                    Change::Content(content)
                }
                _ => {
                    let value = value(rng, version);
                    keys.insert(key.clone(), (value.clone(), version));
                    Change::Put(key, value)
                }
            };
            events += &change.event();
            self.changes.push(change);
        }
        let mut replies = Vec::new();
        let outcome = store.handle(events.as_bytes(), 1_763_890_000_000, &mut replies);
        let replies = String::from_utf8_lossy(&replies);
        let done = outcome == Outcome::Serving && !replies.contains("\"error\"");
        ensure(done, || format!("a batch was answered {replies}"))
    }

    fn is_enough(&self, bytes_min: usize) -> bool {
        let segments = self.files.iter().filter(|(name, _)| self.is_segment(name));
        let bytes: usize = segments.clone().map(|(_, bytes)| lines_bytes(bytes)).sum();
        let compacted = segments.clone().all(|(name, _)| name != "00000001.jsonl");
        let checkpoint = self.files.len() > segments.clone().count();
        bytes >= bytes_min && compacted && checkpoint && segments.count() >= 3
    }

    /// The version of the last change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.changes.len() as u64
    }

    /// Whether a file is a segment of the log; the others are checkpoints.
    #[must_use]
    pub fn is_segment(&self, name: &str) -> bool {
        name.starts_with(|first: char| first.is_ascii_digit())
    }

    /// How everything must be answered at a version.
    ///
    /// # Errors
    /// Where there never was such a version.
    pub fn at(&self, version: u64) -> Result<Rc<Expected>, Failure> {
        ensure(version <= self.version(), || {
            format!("there never was a version {version}")
        })?;
        let mut expected = self.expected.borrow_mut();
        let known = expected.entry(version);
        Ok(Rc::clone(
            known.or_insert_with(|| Rc::new(self.expected(version))),
        ))
    }

    /// The keys and the content at a version.
    fn held(&self, version: u64) -> (Keys, BTreeSet<String>) {
        let (mut keys, mut contents) = (Keys::new(), BTreeSet::new());
        for (change, version) in self.changes.iter().zip(1..=version) {
            match change.clone() {
                Change::Put(key, value) => drop(keys.insert(key, (value, version))),
                Change::Delete(key) => drop(keys.remove(&key)),
                Change::Content(content) => drop(contents.insert(content)),
            }
        }
        (keys, contents)
    }

    fn expected(&self, version: u64) -> Expected {
        let missing = "{\"status\":\"error\",\"code\":\"not_found\"";
        let (keys, contents) = self.held(version);
        let key_reply = |number| {
            let key = key(number);
            let (value, version) = keys.get(&key)?;
            let key = quoted(&key);
            Some(format!(
                "{{\"status\":\"ok\",\"key\":{key},\"value\":{value},\"version\":{version}}}\n"
            ))
        };
        let content_reply = |number| {
            let content = contents.get(&content_of(number))?;
            let hash = hash(content);
            Some(format!(
                "{{\"status\":\"ok\",\"hash\":\"{hash}\",\"content\":{content}}}\n"
            ))
        };
        let replies = (0..self.keys).map(key_reply);
        let replies = replies.chain((0..self.contents).map(content_reply));
        Expected {
            replies: replies
                .map(|reply| reply.unwrap_or_else(|| missing.to_owned()))
                .collect(),
            counts: (keys.len(), contents.len()),
        }
    }

    /// Whether the newest changes may be missing after this damage.
    #[must_use]
    pub fn may_be_shorter(&self, damage: &Damage) -> bool {
        let newest = damage.file() == self.newest;
        match damage {
            Damage::Flip { .. } => newest && damage.byte() >= self.last_batch,
            Damage::Cut { .. } => newest,
        }
    }

    /// How many ways there are to damage it.
    #[must_use]
    pub fn damages_count(&self) -> usize {
        self.files.values().map(|bytes| 9 * bytes.len()).sum()
    }

    /// A way to damage it, by its number.
    #[must_use]
    pub fn damage(&self, number: usize) -> Damage {
        let mut place = number;
        for (file, bytes) in &self.files {
            if place >= 9 * bytes.len() {
                place -= 9 * bytes.len();
                continue;
            }
            let file = file.clone();
            let byte = place / 9;
            return match u8::try_from(place % 9).unwrap_or_default() {
                8 => Damage::Cut { file, bytes: byte },
                bit => Damage::Flip { file, byte, bit },
            };
        }
        unreachable!("there are {} ways, not {number}", self.damages_count())
    }

    /// A copy of the directory.
    ///
    /// # Errors
    /// None: memory takes it.
    pub fn copy(&self) -> Result<MemoryFiles, Failure> {
        let files = MemoryFiles::default();
        for (name, bytes) in &self.files {
            let mut file = files.create(name).map_err(|e| failed(&e))?;
            file.write_at(0, bytes).map_err(|e| failed(&e))?;
        }
        Ok(files)
    }

    /// Undoes the damage to a file, and checks that nothing else was changed.
    ///
    /// # Errors
    /// Where an opening has changed something.
    pub fn restore(&self, files: &MemoryFiles, name: &str) -> Result<(), Failure> {
        let mut names = files.list().map_err(|e| failed(&e))?;
        names.sort();
        ensure(names.iter().eq(self.files.keys()), || {
            format!("opening has changed which files there are: {names:?}")
        })?;
        let bytes = self.files.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut file = files
            .open(name, Access::ReadWrite)
            .map_err(|e| failed(&e))?;
        file.write_at(0, bytes).map_err(|e| failed(&e))
    }

    /// A put of a key that was never there.
    #[must_use]
    pub fn further_write(&self) -> &'static [u8] {
        b"{\"type\":\"put\",\"key\":\"a further key\",\"value\":1}\n"
    }
}

impl Change {
    fn event(&self) -> String {
        match self {
            Self::Put(key, value) => {
                let key = quoted(key);
                format!("{{\"type\":\"put\",\"key\":{key},\"value\":{value}}}\n")
            }
            Self::Delete(key) => {
                let key = quoted(key);
                format!("{{\"type\":\"delete\",\"key\":{key}}}\n")
            }
            Self::Content(content) => {
                format!("{{\"type\":\"store_content\",\"content\":{content}}}\n")
            }
        }
    }
}

fn questions(keys: usize, contents: usize) -> Vec<u8> {
    let mut questions = String::new();
    for number in 0..keys {
        let key = quoted(&key(number));
        writeln!(questions, "{{\"type\":\"get\",\"key\":{key}}}").unwrap_or_default();
    }
    for number in 0..contents {
        let hash = hash(&content_of(number));
        writeln!(
            questions,
            "{{\"type\":\"get_content\",\"hash\":\"{hash}\"}}"
        )
        .unwrap_or_default();
    }
    questions.into_bytes()
}

fn key(number: usize) -> String {
    format!("key {number} 🗝")
}

fn content_of(number: usize) -> String {
    format!(r#"{{"content":{number},"of":"{}"}}"#, "z".repeat(number))
}

/// Values of every kind, and some that are one bit from another.
fn value(rng: &mut Rng, version: u64) -> String {
    match rng.u32(0..5) {
        0 => version.to_string(),
        1 => format!("[true,null,1.10,1E2,{version}]"),
        2 => format!(r#"{{"a@b":"@ @ @","n":{version}}}"#),
        3 => format!("\"{}\"", " ".repeat(rng.usize(0..150))),
        _ => format!("\"é\\u0000{}\"", "w".repeat(rng.usize(0..150))),
    }
}

fn content(files: &MemoryFiles) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let mut all = BTreeMap::new();
    for name in files.list().map_err(|e| failed(&e))? {
        let file = files.open(&name, Access::Read).map_err(|e| failed(&e))?;
        let length = usize::try_from(file.length().map_err(|e| failed(&e))?).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        file.read_at(0, &mut bytes).map_err(|e| failed(&e))?;
        all.insert(name, bytes);
    }
    Ok(all)
}

fn newest(files: &BTreeMap<String, Vec<u8>>) -> String {
    let segments = files.keys().filter(|name| !name.starts_with("checkpoint"));
    segments.max().cloned().unwrap_or_default()
}

fn failed(error: &FileError) -> Failure {
    Failure::new(error.to_string())
}

/// How many bytes of a segment are lines: line feeds behind one another are room.
fn lines_bytes(segment: &[u8]) -> usize {
    let last = segment.iter().rposition(|byte| *byte != b'\n');
    last.map_or(0, |last| segment.len().min(last + 2))
}
