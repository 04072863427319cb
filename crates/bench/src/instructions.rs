//! How many instructions an operation of the engine takes, counted by valgrind's
//! callgrind, and compared with those that a file holds. Counts don't drift as
//! times do.
//!
//! This program runs itself under valgrind with few and with many operations:
//! the difference, over the difference in number, is what one takes.

use crate::failure::{Failure, failed};
use operation::Operation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

mod operation;

pub(crate) use operation::Operations;

/// How far a count may be from the one that is kept.
const TOLERANCE: f64 = 0.02;

/// How many operations are counted.
const FEW: u64 = 4_000;
const MANY: u64 = 8_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The counts to compare with
    #[arg(long, default_value = "crates/bench/instructions.json")]
    file: PathBuf,
    /// Keep the counts in the file, whatever they are
    #[arg(long)]
    accept: bool,
}

/// The file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    /// What the program was compiled by.
    compiler: String,
    /// Instructions of one operation.
    instructions: BTreeMap<Operation, u64>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let compiler = crate::servers::version(Path::new("rustc"), "--version")?;
    let counts = Counts {
        compiler,
        instructions: count_all()?,
    };
    if arguments.accept {
        let text = serde_json::to_string_pretty(&counts)? + "\n";
        std::fs::write(&arguments.file, text)?;
        for (operation, count) in &counts.instructions {
            println!("{operation:?}: {count} instructions");
        }
        return Ok(());
    }
    let name = arguments.file.display();
    let text = std::fs::read_to_string(&arguments.file)
        .map_err(|e| Failure::new(format!("{name}: {e}; `make instructions-accept` makes it")))?;
    let kept = serde_json::from_str(&text)
        .map_err(|e| Failure::new(format!("{name}: {e}; `make instructions-accept` renews it")))?;
    println!("{}", table(&kept, &counts));
    let changed = changed(&kept, &counts);
    if changed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "more than {} % away from {name}: {changed:?}; `make instructions-accept` keeps the new counts",
        TOLERANCE * 100.0
    )))
}

fn table(kept: &Counts, counts: &Counts) -> String {
    let rows = counts.instructions.iter().map(|(operation, count)| {
        let before = kept.instructions.get(operation);
        let change = before.map_or(String::new(), |before| {
            format!("{:+.2} %", (ratio(*count, *before) - 1.0) * 100.0)
        });
        let before = before.map_or(String::new(), u64::to_string);
        format!("| {operation:?} | {count} | {before} | {change} |")
    });
    let head = [
        "| instructions of one | now | kept | change |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// The operations whose count is not as it is kept.
fn changed(kept: &Counts, counts: &Counts) -> Vec<Operation> {
    let operations = counts.instructions.iter().filter(|(operation, count)| {
        kept.instructions
            .get(operation)
            .is_none_or(|before| (ratio(**count, *before) - 1.0).abs() > TOLERANCE)
    });
    operations.map(|(operation, _)| *operation).collect()
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn ratio(now: u64, before: u64) -> f64 {
    now as f64 / before as f64
}

fn count_all() -> Result<BTreeMap<Operation, u64>, Failure> {
    let folder = tempfile::tempdir()?;
    let difference = |operation| {
        let count = |operations| count(operation, operations, folder.path());
        Ok::<_, Failure>(count(MANY)?.saturating_sub(count(FEW)?))
    };
    let puts = difference(Operation::Put)?;
    let mut counts = BTreeMap::from([(Operation::Put, puts / (MANY - FEW))]);
    for operation in Operation::ALL {
        // Every other operation comes behind as many puts.
        if operation != Operation::Put {
            let both = difference(operation)?;
            counts.insert(operation, both.saturating_sub(puts) / (MANY - FEW));
        }
    }
    Ok(counts)
}

/// The instructions of this program while it carries out operations.
fn count(operation: Operation, operations: u64, folder: &Path) -> Result<u64, Failure> {
    let profile = folder.join("callgrind.out");
    let mut out_file = std::ffi::OsString::from("--callgrind-out-file=");
    out_file.push(&profile);
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(out_file)
        .arg(std::env::current_exe()?)
        .args(["operations", operation.name(), &operations.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Failure::new(format!("valgrind can't be started: {e}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("valgrind has failed: {said}")));
    }
    read_total(&std::fs::read_to_string(profile)?)
}

/// The number in a profile's line `totals:` or `summary:`.
fn read_total(profile: &str) -> Result<u64, Failure> {
    let line = ["totals: ", "summary: "]
        .into_iter()
        .find_map(|head| profile.lines().find_map(|line| line.strip_prefix(head)));
    line.ok_or_else(|| Failure::new("callgrind's profile has no total"))?
        .trim()
        .parse()
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(put: u64) -> Counts {
        Counts {
            compiler: String::new(),
            instructions: BTreeMap::from([(Operation::Put, put)]),
        }
    }

    #[test]
    fn a_count_beyond_the_tolerance_is_a_change_either_way() {
        assert_eq!(changed(&counts(10_000), &counts(10_199)), []);
        assert_eq!(changed(&counts(10_000), &counts(10_201)), [Operation::Put]);
        assert_eq!(changed(&counts(10_000), &counts(9_799)), [Operation::Put]);
        let mut none = counts(1);
        none.instructions.clear();
        assert_eq!(changed(&none, &counts(1)), [Operation::Put]);
        assert!(table(&counts(10_000), &counts(10_199)).contains("+1.99 %"));
    }

    #[test]
    fn totals_are_read_from_a_profile() {
        assert_eq!(read_total("events: Ir\n1 2\ntotals: 123\n").unwrap(), 123);
        assert!(read_total("events: Ir\n").is_err());
    }
}
