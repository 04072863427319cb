//! The examples of docs/events.md, run as they stand.

use crate::support::{BINARY, Server, text};
use std::path::Path;
use std::process::Command;

const DOCUMENT: &str = include_str!("../../../../docs/events.md");

#[test]
fn the_events_of_the_documentation_are_answered_as_it_says() {
    let session = DOCUMENT
        .split("\n## ")
        .find_map(|section| section.strip_prefix("Examples\n"))
        .unwrap();
    let lines: Vec<_> = session
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .collect();
    assert!(
        lines.len() > 40 && lines.len().is_multiple_of(2),
        "{session}"
    );
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let mut client = server.lines();
    for pair in lines.chunks(2) {
        let reply = client.say(pair[0]);
        assert!(
            is_as(&reply, pair[1]),
            "{}\n{reply}\nis not\n{}",
            pair[0],
            pair[1]
        );
    }
}

#[test]
fn the_commands_of_the_documentation_print_what_it_says() {
    let (_, block) = DOCUMENT.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(BINARY, folder.path().join("kv-actor")).unwrap();
    // A command, and the lines that it prints.
    let mut examples: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("# "), examples.last_mut()) {
            (Some(printed), Some((_, expected))) => expected.push(printed),
            _ => examples.push((line, Vec::new())),
        }
    }
    assert!(examples.len() > 20, "{block}");
    for (command, expected) in examples {
        let printed = shell(folder.path(), command);
        let printed: Vec<_> = printed.lines().collect();
        let same = printed.len() == expected.len()
            && printed
                .iter()
                .zip(&expected)
                .all(|(line, pattern)| is_as(line, pattern));
        assert!(same, "{command}\n{printed:#?}\nis not\n{expected:#?}");
    }
}

fn shell(folder: &Path, command: &str) -> String {
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", command])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", folder.display()))
        .output()
        .unwrap();
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    text(&output.stdout)
}

/// Whether a line is what the documentation shows, where `…` stands for anything.
pub(crate) fn is_as(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let found = if parts.peek().is_none() {
            rest.ends_with(part).then(|| rest.len() - part.len())
        } else {
            rest.find(part)
        };
        let Some(at) = found else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}
