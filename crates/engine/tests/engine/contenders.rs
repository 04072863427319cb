//! Several processes on one directory at once, without a lock, and killed at any
//! moment: as in runtimes that make an instance a request, or start the next one
//! before the last has ended. Whoever is replaced finds out before it answers, so
//! nothing that was acknowledged is lost.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "processes are what this is about"
)]

use crate::common::*;
use kv_engine::files::native::NativeFiles;
use kv_engine::{OpenError, Options, Outcome, Store};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// What tells a process that it is a contender: the directory, and its name.
const DIRECTORY: &str = "CONTENDER_DIRECTORY";
const NAME: &str = "CONTENDER_NAME";

/// Kills in each contest.
const KILLS: u64 = 40;

const OPTIONS: Options = Options {
    segment_bytes_max: 2000,
    checkpoint_interval_bytes: 3000,
    cache_bytes_max: 1000,
    segments_open_max: 2,
};

#[test]
fn two_contenders_lose_nothing() {
    contest(2);
}

#[test]
fn eight_contenders_lose_nothing() {
    contest(8);
}

#[test]
fn opening_to_read_leaves_no_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = NativeFiles::new(folder.path());
    put(&mut open(&files), "a", "1");
    let names = || {
        let entries = std::fs::read_dir(folder.path()).expect("a directory");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    };
    let before = names();
    for _ in 0..100 {
        let mut store = open(&files);
        assert_eq!(get(&mut store, "a").as_deref(), Ok("1"));
        store.stop();
    }
    assert_eq!(names(), before);
}

/// No test of its own: what the processes of the tests above run.
#[test]
fn contender() {
    let (Ok(directory), Ok(name)) = (std::env::var(DIRECTORY), std::env::var(NAME)) else {
        return;
    };
    let mut number = 0;
    loop {
        let mut store = match Store::open(NativeFiles::new(&directory), OPTIONS) {
            Ok((store, _)) => store,
            // Something has moved while it was read: it is read again.
            Err(OpenError::Files(_)) => continue,
            Err(e) => {
                println!("opening failed: {e}");
                return;
            }
        };
        loop {
            number += 1;
            let key = format!("{name} {}", number % 200);
            let (replies, outcome) = say_all(
                &mut store,
                &[&put_event(&key, &number.to_string()), &get_event(&key)],
            );
            if value_in(&replies[1]) == Ok(number.to_string()) {
                println!("acknowledged {key}={number}");
            }
            if outcome == Outcome::Finished {
                break;
            }
        }
    }
}

fn contest(count: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut contenders: Vec<_> = (0..count)
        .map(|number| Contender::start(folder.path(), number))
        .collect();
    let mut acknowledged = BTreeMap::new();
    for kill in 0..KILLS {
        // Times that are as good as random, and the same in every run.
        sleep(Duration::from_millis(5 + kill * 7 % 31));
        let kill = usize::try_from(kill).expect("few");
        let next = Contender::start(folder.path(), count + kill);
        std::mem::replace(&mut contenders[kill % count], next).kill(&mut acknowledged);
    }
    for contender in contenders {
        contender.kill(&mut acknowledged);
    }
    assert!(acknowledged.len() > count, "{acknowledged:?}");
    let (mut store, _) = open_with(&NativeFiles::new(folder.path()), OPTIONS);
    for (key, number) in &acknowledged {
        // The put behind it may have been done, and not acknowledged any more.
        let held: u64 = get(&mut store, key).expect(key).parse().expect("a number");
        assert!(
            held == *number || held == number + 200,
            "{key} holds {held} and was acknowledged to hold {number}"
        );
    }
}

struct Contender {
    process: Child,
    output: JoinHandle<String>,
}

impl Contender {
    fn start(directory: &Path, name: usize) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "contenders::contender", "--nocapture"])
            .env(DIRECTORY, directory)
            .env(NAME, name.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut pipe = process.stdout.take().expect("a pipe");
        let output = spawn(move || {
            let mut output = String::new();
            pipe.read_to_string(&mut output).expect("text");
            output
        });
        Self { process, output }
    }

    /// Kills it, and takes down what it was told.
    fn kill(mut self, acknowledged: &mut BTreeMap<String, u64>) {
        self.process.kill().expect("it is killed");
        self.process.wait().expect("it ends");
        let output = self.output.join().expect("it is read");
        assert!(!output.contains("opening failed"), "{output}");
        // A line that a kill has cut short acknowledges nothing that is known.
        let lines = output
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'));
        for line in lines {
            if let Some((_, acknowledgement)) = line.split_once("acknowledged ") {
                let (key, number) = acknowledgement.split_once('=').expect("both");
                acknowledged.insert(key.to_owned(), number.parse().expect("a number"));
            }
        }
    }
}
