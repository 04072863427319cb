//! A running server, and commands beside it.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_kv-actor");

/// A server on ports of its own choice; killed when it is dropped.
pub(crate) struct Server {
    pub(crate) process: Child,
    /// What it announced; of several actors, the first.
    pub(crate) ready: Value,
    /// What the others announced, in order.
    others: Vec<Value>,
    /// What it logged before.
    pub(crate) log: String,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Server {
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    pub(crate) fn start_with(data: &Path, arguments: &[&str]) -> Self {
        Self::start_in(data, arguments, &[])
    }

    /// With variables in its environment.
    pub(crate) fn start_in(data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_on("127.0.0.1:0", data, arguments, variables)
    }

    /// With HTTP on this address.
    pub(crate) fn start_on(
        http: &str,
        data: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new(BINARY);
        command
            .args(["serve", "--lines", "127.0.0.1:0", "--http", http, "--data"])
            .arg(data)
            .args(arguments)
            .envs(variables.iter().copied());
        Self::spawn(&mut command, 1)
    }

    /// An actor for each manifest.
    pub(crate) fn of_manifests(manifests: &[PathBuf]) -> Self {
        let mut command = Command::new(BINARY);
        command.arg("serve");
        for manifest in manifests {
            command.arg("--manifest").arg(manifest);
        }
        Self::spawn(&mut command, manifests.len())
    }

    pub(crate) fn spawn(command: &mut Command, actors: usize) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let mut log = String::new();
        let mut line = String::new();
        let mut announced = Vec::new();
        while stderr.read_line(&mut line).unwrap() > 0 {
            match serde_json::from_str(&line) {
                Ok(ready) => announced.push(ready),
                Err(_) => log.push_str(&line),
            }
            line.clear();
            if announced.len() == actors {
                return Self {
                    process,
                    ready: announced.remove(0),
                    others: announced,
                    log,
                    stderr,
                };
            }
        }
        panic!("it ended with {}: {log}", process.wait().unwrap());
    }

    /// A client of the actor with this name.
    pub(crate) fn lines_of(&self, actor: &str) -> Lines<TcpStream> {
        let mut all = std::iter::once(&self.ready).chain(&self.others);
        let ready = all.find(|ready| ready["actor"] == actor).unwrap();
        Lines::over(TcpStream::connect(ready["lines"].as_str().unwrap()).unwrap())
    }

    pub(crate) fn lines(&self) -> Lines<TcpStream> {
        let address = self.ready["lines"].as_str().unwrap();
        Lines::over(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.ready["http"].as_str().unwrap())
    }

    /// SIGKILL: no chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// A signal, then the exit code and what was logged since the start.
    pub(crate) fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
        let code = self.process.wait().unwrap().code();
        let mut log = String::new();
        std::io::Read::read_to_string(&mut self.stderr, &mut log).unwrap();
        (code, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A client of the line front.
pub(crate) struct Lines<S: std::io::Read + Write> {
    stream: BufReader<S>,
}

impl<S: std::io::Read + Write> Lines<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    pub(crate) fn reply(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "cut off: {line:?}");
        line.truncate(line.len() - 1);
        line
    }

    /// Nothing where the server is gone.
    pub(crate) fn try_say(&mut self, event: &str) -> Option<String> {
        let mut line = String::new();
        let event = format!("{event}\n");
        self.stream.get_mut().write_all(event.as_bytes()).ok()?;
        self.stream.read_line(&mut line).ok()?;
        line.strip_suffix('\n').map(str::to_owned)
    }

    pub(crate) fn say(&mut self, event: &str) -> String {
        self.send(format!("{event}\n").as_bytes());
        self.reply()
    }
}

impl Lines<TcpStream> {
    /// Whether some of a reply has come.
    pub(crate) fn has_reply(&self) -> bool {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).unwrap();
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        !self.stream.buffer().is_empty() || peeked.is_ok()
    }
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    run_with(arguments, "")
}

pub(crate) fn run_with(arguments: &[&str], input: &str) -> Output {
    let mut process = Command::new(BINARY)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = process.wait_with_output().unwrap();
    // A command that never reads its input closes it.
    writer.join().unwrap().ok();
    output
}

/// Runs the binary with variables in its environment.
pub(crate) fn run_in(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let variables = variables.iter().copied();
    let mut command = Command::new(BINARY);
    command.args(arguments).envs(variables).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Standard output of a command that must succeed.
pub(crate) fn ok(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Standard error of a command that must fail with this exit code, and print
/// nothing else.
pub(crate) fn fails(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert_eq!(text(&output.stdout), "");
    stderr
}
