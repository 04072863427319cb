//! A server whose system calls strace writes down.

use crate::support::{BINARY, Server};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// How long strace may take to write down what it has seen.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server, and where its calls are written down.
pub(crate) struct Traced {
    pub(crate) server: Server,
    trace: PathBuf,
}

/// One line of a trace: a call, its begin or its end.
pub(crate) struct Call<'a> {
    pub(crate) thread: &'a str,
    /// What is known of the call: at its end, the begin too.
    pub(crate) text: String,
    /// The end of a call whose begin was seen before.
    pub(crate) is_resumed: bool,
    pub(crate) has_ended: bool,
}

impl Traced {
    /// A server in a folder, and these of its system calls.
    pub(crate) fn start(folder: &Path, calls: &str, arguments: &[&str]) -> Self {
        let trace = folder.join("trace");
        let mut command = Command::new("strace");
        command
            // The server itself is our child, and so what is killed.
            .args(["--daemonize", "--follow-forks", "--string-limit=1000000"])
            .arg(format!("--trace={calls}"))
            .arg("--output")
            .arg(&trace)
            .args([BINARY, "serve", "--lines", "127.0.0.1:0", "--http"])
            .args(["127.0.0.1:0", "--data"])
            .arg(folder.join("data"))
            .args(arguments);
        Self {
            server: Server::spawn(&mut command, 1),
            trace,
        }
    }

    /// Kills the server; its trace, once the end is in it.
    pub(crate) fn kill(self) -> String {
        self.server.kill();
        let begun = Instant::now();
        loop {
            let text = fs::read_to_string(&self.trace).unwrap();
            if text.ends_with("+++ killed by SIGKILL +++\n") {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "strace has not seen the end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The calls of a trace.
pub(crate) fn calls(trace: &str) -> impl Iterator<Item = Call<'_>> {
    let mut unfinished = BTreeMap::<_, &str>::new();
    let lines = trace.lines().filter_map(|line| line.split_once(' '));
    lines.map(move |(thread, line)| {
        let line = line.trim_start();
        let begun = line.strip_suffix(" <unfinished ...>");
        let is_resumed = line.starts_with("<... ");
        let text = match line.split_once(" resumed>") {
            Some((_, end)) if is_resumed => {
                unfinished.remove(thread).unwrap_or_default().to_owned() + end
            }
            _ => begun.unwrap_or(line).to_owned(),
        };
        if let Some(begun) = begun {
            unfinished.insert(thread, begun);
        }
        Call {
            thread,
            text,
            is_resumed,
            has_ended: begun.is_none(),
        }
    })
}
