//! How far an import is: a bar where somebody looks at a terminal, a line now
//! and then where a log is kept.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often a log gets a line.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct Progress {
    /// Hidden where there is no terminal.
    bar: ProgressBar,
    started: Instant,
    logged: Instant,
}

impl Progress {
    /// Starts the clock. `bytes` is the input's length, where it is known.
    pub(super) fn start(bytes: Option<u64>) -> Self {
        let bar = match bytes {
            _ if !std::io::stderr().is_terminal() => ProgressBar::hidden(),
            None => ProgressBar::new_spinner(),
            Some(bytes) => {
                let style = "{bar:40} {bytes}/{total_bytes}, {msg}, {eta} left";
                let style = ProgressStyle::with_template(style);
                ProgressBar::new(bytes)
                    .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            }
        };
        Self {
            bar,
            started: Instant::now(),
            logged: Instant::now(),
        }
    }

    /// So many bytes more were read.
    pub(super) fn read(&self, bytes: usize) {
        self.bar.inc(bytes as u64);
    }

    /// So many events were sent so far.
    pub(super) fn sent(&mut self, events: u64) {
        self.bar.set_message(self.rate(events));
        if self.bar.is_hidden() && self.logged.elapsed() >= LOG_INTERVAL {
            self.logged = Instant::now();
            eprintln!("imported {}", self.rate(events));
        }
    }

    /// Says something beside the bar.
    pub(super) fn say(&self, message: &str) {
        self.bar.suspend(|| eprintln!("{message}"));
    }

    /// Ends the bar, says what was done, and returns the seconds it took.
    pub(super) fn finish(self, events: u64) -> f64 {
        self.bar.finish_and_clear();
        eprintln!("imported {}", self.rate(events));
        self.started.elapsed().as_secs_f64()
    }

    fn rate(&self, events: u64) -> String {
        #[allow(clippy::cast_precision_loss, reason = "shown with no decimals")]
        let rate = events as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        format!("{events} events, {rate:.0}/s")
    }
}
