//! Damages a data directory at every bit and cuts its files at every byte. Each
//! opening must give the right data, or data without what was torn off the end,
//! or say what is damaged; never a wrong value, never a panic.
//!
//! What may be missing, and when, is docs/format.md's rule: nothing, unless the
//! damage lies in the very last batch and looks like an unfinished write, or the
//! newest segment simply ends earlier than it did.

use crate::failure::{Failure, ensure};
use fastrand::Rng;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::files::{Access, File, Files};
use kv_engine::{OpenError, Outcome, Report, Store};
use original::Original;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{available_parallelism, spawn};

pub mod original;

/// One way to damage a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A bit of a file is turned over.
    Flip {
        /// The file's name.
        file: String,
        /// The byte.
        byte: usize,
        /// The bit in it.
        bit: u8,
    },
    /// A file ends early.
    Cut {
        /// The file's name.
        file: String,
        /// The bytes that are left of it.
        bytes: usize,
    },
}

/// What openings came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Openings of a damaged directory.
    pub openings: u64,
    /// Those that gave all the right data.
    pub whole: u64,
    /// Those that gave the right data, but for the end of the newest segment.
    pub shorter: u64,
    /// Those that named the damage and stopped.
    pub refused: u64,
    /// Those that gave the right data, but for a value that is `corrupt`.
    pub corrupt: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} openings: {} whole, {} without the end, {} refused, {} with a corrupt value",
            self.openings, self.whole, self.shorter, self.refused, self.corrupt
        )
    }
}

/// Damages a directory in every possible way, one after the other, or in so many
/// ways taken at random.
///
/// # Errors
/// What was neither right nor said to be damaged.
pub fn run(bytes_min: usize, ways: Option<usize>, seed: u64) -> Result<Summary, Failure> {
    let threads = available_parallelism().map_or(1, usize::from);
    let workers: Vec<_> = (0..threads)
        .map(|thread| spawn(move || work(bytes_min, ways, seed, thread, threads)))
        .collect();
    let mut summary = Summary::default();
    for worker in workers {
        let part = worker
            .join()
            .map_err(|_| Failure::new("a worker has panicked"))??;
        summary.openings += part.openings;
        summary.whole += part.whole;
        summary.shorter += part.shorter;
        summary.refused += part.refused;
        summary.corrupt += part.corrupt;
    }
    Ok(summary)
}

fn work(
    bytes_min: usize,
    ways: Option<usize>,
    seed: u64,
    thread: usize,
    threads: usize,
) -> Result<Summary, Failure> {
    let original = Original::new(bytes_min, seed)?;
    let count = original.damages_count();
    let files = original.copy()?;
    let mut summary = Summary::default();
    let mut rng = Rng::with_seed(seed ^ thread as u64);
    let number = |step: usize| match ways {
        None => thread + step * threads,
        Some(_) => rng.usize(0..count),
    };
    let steps = ways.unwrap_or(count).div_ceil(threads);
    for number in (0..steps).map(number).take_while(|number| *number < count) {
        let damage = original.damage(number);
        apply(&files, &damage)?;
        let judged = catch_unwind(AssertUnwindSafe(|| judge(&original, &files, &damage)))
            .unwrap_or_else(|_| Err(Failure::new("the engine has panicked")));
        let verdict = judged.map_err(|failure| failure.at(&format!("{damage:?}")))?;
        summary.openings += 1;
        match verdict {
            Verdict::Whole => summary.whole += 1,
            Verdict::Shorter => summary.shorter += 1,
            Verdict::Refused => summary.refused += 1,
            Verdict::Corrupt => summary.corrupt += 1,
        }
        original.restore(&files, damage.file())?;
    }
    Ok(summary)
}

impl Damage {
    /// The file that is damaged.
    #[must_use]
    pub fn file(&self) -> &str {
        match self {
            Self::Flip { file, .. } | Self::Cut { file, .. } => file,
        }
    }

    /// The first byte that is not what it was.
    fn byte(&self) -> usize {
        match self {
            Self::Flip { byte, .. } => *byte,
            Self::Cut { bytes, .. } => *bytes,
        }
    }
}

fn apply(files: &MemoryFiles, damage: &Damage) -> Result<(), Failure> {
    let failed = |e: kv_engine::files::FileError| Failure::new(e.to_string());
    let mut file = files
        .open(damage.file(), Access::ReadWrite)
        .map_err(failed)?;
    match damage {
        Damage::Flip { byte, bit, .. } => {
            let mut buffer = [0];
            file.read_at(*byte as u64, &mut buffer).map_err(failed)?;
            buffer[0] ^= 1 << bit;
            file.write_at(*byte as u64, &buffer).map_err(failed)
        }
        Damage::Cut { bytes, .. } => file.set_length(*bytes as u64).map_err(failed),
    }
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    Whole,
    Shorter,
    Refused,
    Corrupt,
}

/// Opens a damaged directory and reads everything in it.
fn judge(original: &Original, files: &MemoryFiles, damage: &Damage) -> Result<Verdict, Failure> {
    let (mut store, report) = match Store::open(files.clone(), original.options) {
        Ok(opened) => opened,
        Err(OpenError::Damage(found)) => {
            // It may name the file that the damaged one contradicts.
            ensure(original.is_segment(damage.file()), || {
                format!("a shortcut was damaged, and the log is refused: {found}")
            })?;
            return Ok(Verdict::Refused);
        }
        Err(e) => return Err(Failure::new(format!("the opening failed with {e}"))),
    };
    let whole = report.version == original.version();
    ensure(whole || original.may_be_shorter(damage), || {
        format!("acknowledged changes are missing: {report:?}")
    })?;
    let torn_elsewhere = !report.torn.is_empty() && !original.may_be_shorter(damage);
    ensure(!torn_elsewhere, || {
        format!("what is durable was cut off: {report:?}")
    })?;
    let corrupt = read_all(original, &mut store, &report)?;
    let corrupt_max = match damage {
        _ if !original.is_segment(damage.file()) => 0,
        Damage::Flip { .. } => 1,
        Damage::Cut { .. } => usize::MAX,
    };
    ensure(corrupt <= corrupt_max, || {
        format!("{corrupt} values are said to be corrupt")
    })?;
    if corrupt > 0 {
        return Ok(Verdict::Corrupt);
    }
    if !whole || !report.torn.is_empty() {
        go_on(original, damage, &report)?;
    }
    Ok(if whole {
        Verdict::Whole
    } else {
        Verdict::Shorter
    })
}

/// Compares every value with what it was at the version that was opened, and
/// returns how many are said to be corrupt.
fn read_all(
    original: &Original,
    store: &mut Store<MemoryFiles>,
    report: &Report,
) -> Result<usize, Failure> {
    let expected = original.at(report.version)?;
    let counts = (report.keys, report.contents);
    ensure(counts == expected.counts, || {
        format!(
            "{report:?}, where {:?} keys and contents were",
            expected.counts
        )
    })?;
    let mut replies = Vec::new();
    let outcome = store.handle(&original.questions, 0, &mut replies);
    ensure(outcome == Outcome::Serving, || {
        "reading ended it".to_owned()
    })?;
    let replies: Vec<_> = replies.split_inclusive(|byte| *byte == b'\n').collect();
    ensure(replies.len() == expected.replies.len(), || {
        format!(
            "{} replies to {} questions",
            replies.len(),
            expected.replies.len()
        )
    })?;
    let mut corrupt = 0;
    for (reply, expected) in replies.iter().zip(&expected.replies) {
        if reply.starts_with(b"{\"status\":\"error\",\"code\":\"corrupt\"") {
            corrupt += 1;
            continue;
        }
        // The message of a `not_found` is for people.
        ensure(reply.starts_with(expected.as_bytes()), || {
            format!("{} instead of {expected}", String::from_utf8_lossy(reply))
        })?;
    }
    Ok(corrupt)
}

/// What was opened without its torn end must take further writes, and be the
/// same with them when it is opened again.
fn go_on(original: &Original, damage: &Damage, report: &Report) -> Result<(), Failure> {
    let files = original.copy()?;
    apply(&files, damage)?;
    let open = || {
        Store::open(files.clone(), original.options)
            .map_err(|e| Failure::new(format!("after it was opened once, it says {e}")))
    };
    let mut replies = Vec::new();
    let (mut store, _) = open()?;
    let outcome = store.handle(original.further_write(), 0, &mut replies);
    let written = format!("\"version\":{}}}\n", report.version + 1);
    let reply = String::from_utf8_lossy(&replies);
    ensure(
        outcome == Outcome::Serving && reply.ends_with(&written),
        || format!("a further write was answered {reply}"),
    )?;
    let (mut store, again) = open()?;
    ensure(
        again.version == report.version + 1 && again.torn.is_empty(),
        || format!("{again:?} after {report:?} and one write"),
    )?;
    let before = Report {
        keys: again.keys - 1,
        version: report.version,
        ..again
    };
    let corrupt = read_all(original, &mut store, &before)?;
    ensure(corrupt == 0, || {
        "a further write has made values corrupt".to_owned()
    })
}
