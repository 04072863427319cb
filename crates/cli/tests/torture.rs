//! Each torture of `make torture` once, shortly, on the real binary. The seed is
//! always the same one, unless `SEED` is set.

use kv_torture::failure::Failure;
use kv_torture::meddling::{self, Meddling, Outcome};
use kv_torture::{bits, builds, clocks, full_disk, history, kills, races, strangers};
use std::fmt::Debug;
use std::path::{Path, PathBuf};

const SEED: u64 = 1;

/// Runs a torture with a folder of its own, and says how to run it again.
#[track_caller]
fn torture<T: Debug>(test: &str, run: impl FnOnce(&Path, &Path, u64) -> Result<T, Failure>) -> T {
    let seed = std::env::var("SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_kv-actor"));
    let folder = tempfile::tempdir().unwrap();
    match run(&binary, &folder.path().join("torture"), seed) {
        Ok(done) => done,
        Err(failure) => panic!(
            "{failure}\nagain: SEED={seed} cargo test --package kv-actor --test torture {test}"
        ),
    }
}

#[test]
fn what_was_acknowledged_survives_sigkill() {
    let summary = torture("what_was_acknowledged", |binary, folder, seed| {
        kills::servers(binary, folder, 8, seed)
    });
    assert!(summary.kills >= 8 && summary.acknowledged > 0, "{summary}");
}

#[test]
fn what_was_acknowledged_survives_a_failing_guest() {
    let summary = torture("failing_guest", |binary, folder, seed| {
        kills::guests(binary, folder, 4, seed)
    });
    assert!(summary.kills >= 4 && summary.acknowledged > 0, "{summary}");
}

#[test]
fn histories_are_linearizable() {
    let operations = torture("histories", |binary, folder, seed| {
        history::run(binary, folder, 1, seed)
    });
    assert!(operations > 100, "{operations}");
}

/// Every bit of a small directory, and 1,000 ways to damage a large one.
#[test]
fn damage_is_never_served() {
    for (log_bytes, ways) in [(1500, None), (64 << 10, Some(1000))] {
        let summary = torture("damage", |_, _, seed| bits::run(log_bytes, ways, seed));
        assert!(summary.whole > 0 && summary.refused > 0, "{summary}");
        assert!(summary.shorter + summary.corrupt > 0, "{summary}");
    }
}

#[test]
fn a_full_disk_is_survived() {
    torture("full_disk", |binary, folder, seed| {
        full_disk::run(binary, folder, 3, seed)
    });
}

#[test]
fn of_many_processes_one_wins() {
    torture("one_wins", |binary, folder, seed| {
        races::run(binary, folder, 10, seed)
    });
}

#[test]
fn a_clock_that_jumps_changes_nothing() {
    torture("clock", |_, folder, seed| clocks::run(folder, 200, seed));
}

#[test]
fn strangers_in_the_directory_are_refused_or_left_alone() {
    torture("strangers", |binary, folder, _| {
        strangers::run(binary, folder, 7)
    });
}

#[test]
fn what_is_forbidden_is_said() {
    torture("forbidden", |binary, folder, _| {
        strangers::permissions(binary, folder)
    });
}

#[test]
fn a_directory_that_others_change_is_noticed() {
    let outcomes = torture("others_change", |binary, folder, _| {
        meddling::run(binary, folder)
    });
    // docs/torture.md states these.
    for (meddling, expected) in [
        (Meddling::DeleteDirectory, Outcome::Refused),
        (Meddling::MoveDirectory, Outcome::Kept),
        (Meddling::DeleteNewest, Outcome::Refused),
        (Meddling::CutNewest, Outcome::Refused),
        (Meddling::EmptyNewest, Outcome::Refused),
        (Meddling::Append, Outcome::Refused),
    ] {
        assert!(outcomes.contains(&(meddling, expected)), "{outcomes:?}");
    }
}

#[test]
fn running_out_of_file_descriptors_loses_nothing() {
    torture("descriptors", |binary, folder, seed| {
        meddling::descriptors(binary, folder, seed)
    });
}

#[test]
fn two_builds_read_one_log_alike() {
    torture("two_builds", |binary, folder, seed| {
        builds::run(binary, folder, 2, seed)
    });
}
