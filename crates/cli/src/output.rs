//! Standard output: JSON, a line each.

use crate::failure::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{BufWriter, IsTerminal, StdoutLock, Write};

/// Prints one line.
pub(crate) fn print(json: &str) -> Result<(), Failure> {
    let mut output = Output::new();
    output.line(json)?;
    output.finish()
}

/// Prints a report.
pub(crate) fn print_report(report: &impl Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string(report).map_err(|e| Failure::new(e.to_string()))?)
}

/// Standard output, for many lines.
pub(crate) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(crate) fn new() -> Self {
        Self(BufWriter::new(std::io::stdout().lock()))
    }

    pub(crate) fn line(&mut self, json: &str) -> Result<(), Failure> {
        writeln!(self.0, "{json}").map_err(|e| failed(&e))
    }

    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.0.flush().map_err(|e| failed(&e))
    }
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::new(format!("standard output can't be written: {error}"))
}

/// A bar for bytes, where somebody looks at a terminal.
pub(crate) fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
