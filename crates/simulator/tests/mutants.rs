//! The simulator is itself tested: an engine that leaves out one step is caught.
//! A copy of the engine has every mutant, and one of them is switched on for a run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Random histories, and as many tenths of them ended at every point, within
/// which each mutant must be caught.
const SEEDS: u64 = 2000;

struct Mutant {
    name: &'static str,
    file: &'static str,
    /// An expression that occurs once.
    original: &'static str,
    instead: &'static str,
}

const MUTANTS: [Mutant; 10] = [
    Mutant {
        name: "no sync of a batch",
        file: "log/writer/commit.rs",
        original: "open.file.sync()",
        instead: "Ok::<(), FileError>(())",
    },
    Mutant {
        name: "no sync of the directory behind a new segment",
        file: "log/writer/commit.rs",
        original: "file.sync().and_then(|()| files.sync_directory())",
        instead: "file.sync()",
    },
    Mutant {
        name: "no sync of a new segment",
        file: "log/writer/commit.rs",
        original: "file.sync().and_then(|()| files.sync_directory())",
        instead: "files.sync_directory()",
    },
    Mutant {
        name: "a checksum that is not compared",
        file: "log/record.rs",
        original: "claimed == actual",
        instead: "claimed == actual || !rest.is_empty()",
    },
    Mutant {
        name: "a compacted segment removed before the header that leaves it out is durable",
        file: "log/writer/commit.rs",
        original: "file.write_at(0, &self.batch.lines)",
        instead: "{ self.remove_left_over(files); file.write_at(0, &self.batch.lines) }",
    },
    Mutant {
        name: "a segment retired before its last slice is copied",
        file: "log/compaction.rs",
        original: "self.bytes >= self.extent.bytes",
        instead: "self.bytes * 10 >= self.extent.bytes * 9",
    },
    Mutant {
        name: "a refused write that is not taken back",
        file: "log/writer/commit.rs",
        original: "file.set_length(durable_bytes).and_then(|()| file.sync())",
        instead: "file.sync()",
    },
    Mutant {
        name: "an owner that does not look for the next",
        file: "log/writer/commit.rs",
        original: "is_there(files, self.number + 1)?",
        instead: "false",
    },
    Mutant {
        name: "what was read is served without a sync",
        file: "log/recovery.rs",
        original: "newest.file.sync()?",
        instead: "()",
    },
    Mutant {
        name: "a checkpoint from which the log is read on too late",
        file: "log/checkpoint.rs",
        original: "start?",
        instead: "(end, start?.1)",
    },
];

#[test]
fn every_mutant_is_caught() {
    let folder = workspace();
    let binary = build(&folder);
    let sound = simulate(&binary, "none", 20);
    assert!(sound.status.success(), "{}", said(&sound));
    for mutant in &MUTANTS {
        let output = simulate(&binary, mutant.name, SEEDS);
        assert!(!output.status.success(), "not caught: {}", mutant.name);
        let said = said(&output);
        assert!(said.contains("make sim SEED="), "{said}");
        let first = said.lines().find(|line| line.starts_with("seed "));
        println!("{}: {}", mutant.name, first.unwrap_or_default());
    }
}

fn simulate(binary: &Path, mutant: &str, seeds: u64) -> Output {
    Command::new(binary)
        .args(["--histories", &seeds.to_string()])
        .args(["--every-point", &(seeds / 10).to_string()])
        .env("MUTANT", mutant)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A copy of what the simulator is made of, with every mutant in it.
fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    for name in ["engine", "protocol", "simulator"] {
        copy(
            &root.join("crates").join(name),
            &folder.join("crates").join(name),
        );
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: String = manifest
        .lines()
        .map(|line| match line {
            _ if line.starts_with("members = ") => "members = [\"crates/*\"]\n".to_owned(),
            _ if line.starts_with("default-members = ") => String::new(),
            _ => format!("{line}\n"),
        })
        .collect();
    write(&folder.join("Cargo.toml"), &manifest);
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    for mutant in &MUTANTS {
        let file = folder.join("crates/engine/src").join(mutant.file);
        let text = fs::read_to_string(&file).unwrap();
        let found = text.matches(mutant.original).count();
        assert_eq!(found, 1, "{}: {}", mutant.name, mutant.original);
        let choice = format!(
            "(if std::env::var(\"MUTANT\").as_deref() == Ok(\"{}\") {{ {} }} else {{ {} }})",
            mutant.name, mutant.instead, mutant.original
        );
        fs::write(&file, text.replace(mutant.original, &choice)).unwrap();
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

fn build(folder: &Path) -> PathBuf {
    let target = folder.join("target");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--package", "kv-simulator", "--target-dir"])
        .arg(&target)
        .current_dir(folder)
        .env("RUSTFLAGS", "--cap-lints warn")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    target.join("debug/kv-simulator")
}
