//! `kv-actor verify` and `kv-actor repair`: the operator's commands on a data
//! directory that may be damaged.

use crate::arguments::Directory as Arguments;
use crate::failure::Failure;
use crate::output::{bar, print_report};
use crate::place::now_ms;
use kv_engine::files::native::NativeFiles;
use kv_engine::log::verify::Verified;
use kv_engine::{OpenError, Options};
use kv_protocol::Code;
use kv_runtime::directory::DataDirectory;
use kv_runtime::manifest::Manifest;
use std::hash::RandomState;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// The folder in a data directory that takes what a repair sets aside.
const LOST: &str = "lost";

/// Reads and checks everything.
pub(crate) fn verify(arguments: &Arguments) -> Result<(), Failure> {
    let (path, _directory) = open(arguments)?;
    let found = check(&path)?;
    print_report(&found)?;
    match found.damage.len() {
        0 => Ok(()),
        1 => Err(damaged("one line is damaged")),
        count => Err(damaged(&format!("{count} lines are damaged"))),
    }
}

fn damaged(what: &str) -> Failure {
    let hint = "`kv-actor repair` sets damage aside and keeps the rest";
    Failure::coded(Code::Corrupt, format!("{what}; {hint}"))
}

/// Sets damage aside, once somebody has agreed.
pub(crate) fn repair(arguments: &Arguments, yes: bool) -> Result<(), Failure> {
    let (path, _directory) = open(arguments)?;
    let found = check(&path)?;
    if !found.damage.is_empty() && !yes {
        ask(&path, found.damage.len())?;
    }
    let lost = path.join(LOST);
    if !found.damage.is_empty() {
        std::fs::create_dir_all(&lost).map_err(|e| {
            Failure::coded(
                Code::Storage,
                format!("{} can't be made: {e}", lost.display()),
            )
        })?;
    }
    let files = NativeFiles::new(&path);
    let repaired = kv_engine::log::repair::repair(&files, &NativeFiles::new(lost), now_ms());
    print_report(&repaired.map_err(|e| failure(&e))?)
}

/// Locks the directory: what a server writes is not to be looked at.
fn open(arguments: &Arguments) -> Result<(PathBuf, DataDirectory), Failure> {
    let manifest = Manifest::load(arguments.manifest.as_deref(), &Options::NAMES)
        .map_err(|e| Failure::new(e.to_string()))?;
    let path = arguments.data.clone().unwrap_or(manifest.data);
    if !path.is_dir() {
        let message = format!("{} is no directory", path.display());
        return Err(Failure::coded(Code::Storage, message));
    }
    let directory =
        DataDirectory::open(&path).map_err(|e| Failure::coded(Code::Storage, e.to_string()))?;
    Ok((path, directory))
}

fn check(path: &Path) -> Result<Verified, Failure> {
    let bar = bar();
    let secrets = [RandomState::new(), RandomState::new()];
    let found = kv_engine::log::verify::verify(&NativeFiles::new(path), secrets, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    found.map_err(|e| failure(&e))
}

fn failure(error: &OpenError) -> Failure {
    Failure::coded(error.code(), error.to_string())
}

fn ask(path: &Path, count: usize) -> Result<(), Failure> {
    let refused = |message: &str| Err(Failure::new(message));
    if !std::io::stdin().is_terminal() {
        return refused("nobody is there to agree to a repair; say --yes");
    }
    eprint!(
        "{count} damaged places in {} will be moved to {LOST}/. Go on? [y/N] ",
        path.display()
    );
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(_) if answer.trim().eq_ignore_ascii_case("y") => Ok(()),
        _ => refused("nothing was changed"),
    }
}
