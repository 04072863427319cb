//! The figures, as a table to read and as JSON to keep.

use crate::load::{Failure, Run};
use crate::machine;
use crate::servers::Server;
use crate::workload::{KEY_BYTES, VALUE_BYTES, Workload};
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    machine: String,
    file_system: String,
    seed: u64,
    keys: u64,
    key_bytes: usize,
    value_bytes: usize,
    seconds_a_run: f64,
    servers: Vec<Described>,
    figures: Vec<Figure>,
}

#[derive(Debug, Serialize)]
struct Described {
    name: &'static str,
    version: String,
    settings: String,
}

/// One run of one workload on one server.
#[derive(Debug, Serialize)]
struct Figure {
    server: &'static str,
    workload: String,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    /// The share of one core that the load generator used.
    generator_share: f64,
    /// Whether the machine was quiet when the run began.
    quiet: bool,
}

impl Results {
    pub(crate) fn new(
        seed: u64,
        keys: u64,
        seconds: f64,
        servers: &[Server],
        folder: &Path,
    ) -> Self {
        let described = servers.iter().map(|server| Described {
            name: server.name,
            version: server.version.clone(),
            settings: server.settings.clone(),
        });
        Self {
            machine: machine::description(),
            file_system: machine::file_system(folder),
            seed,
            keys,
            key_bytes: KEY_BYTES,
            value_bytes: VALUE_BYTES,
            seconds_a_run: seconds,
            servers: described.collect(),
            figures: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, server: &Server, workload: Workload, run: &Run, quiet: bool) {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let at = |quantile| run.latencies.value_at_quantile(quantile) as f64 / 1e6;
        self.figures.push(Figure {
            server: server.name,
            workload: workload.to_string(),
            per_second: run.per_second(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: at(1.0),
            generator_share: run.generator_share,
            quiet,
        });
    }

    pub(crate) fn json(&self) -> Result<String, Failure> {
        serde_json::to_string_pretty(self).map_err(|e| Failure::new(e.to_string()))
    }

    /// The table. The ratio is the median of the ratios of runs side by side.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "{}; {}; seed {}; {} keys of {} bytes, values of {} bytes; {} s a run\n",
            self.machine,
            self.file_system,
            self.seed,
            self.keys,
            self.key_bytes,
            self.value_bytes,
            self.seconds_a_run
        );
        for server in &self.servers {
            line(
                &mut text,
                &format!("{}: {} ({})", server.name, server.version, server.settings),
            );
        }
        line(
            &mut text,
            "\n| connections × depth | kv-actor /s (min–max) | p99 ms | redis /s (min–max) | p99 ms | ratio (min–max) |",
        );
        line(&mut text, "|---|---|---|---|---|---|");
        for workload in Workload::ALL {
            let (ours, redis) = (self.of("kv-actor", workload), self.of("redis", workload));
            let ratios = ours
                .iter()
                .zip(&redis)
                .map(|(a, b)| a.per_second / b.per_second);
            let row = [
                workload.to_string(),
                spread(ours.iter().map(|figure| figure.per_second), 0),
                format!("{:.2}", middle(ours.iter().map(|figure| figure.p99_ms))),
                spread(redis.iter().map(|figure| figure.per_second), 0),
                format!("{:.2}", middle(redis.iter().map(|figure| figure.p99_ms))),
                spread(ratios, 2),
            ];
            line(&mut text, &format!("| {} |", row.join(" | ")));
        }
        let shares = self.figures.iter().map(|figure| figure.generator_share);
        let noisy = self.figures.iter().filter(|figure| !figure.quiet).count();
        line(
            &mut text,
            &format!(
                "\n{} runs, {noisy} of them begun while something else was busy; the load generator used {} of a core",
                self.figures.len(),
                spread(shares, 2)
            ),
        );
        text
    }

    fn of(&self, server: &str, workload: Workload) -> Vec<&Figure> {
        let workload = workload.to_string();
        let figures = self.figures.iter();
        figures
            .filter(|figure| figure.server == server && figure.workload == workload)
            .collect()
    }
}

fn line(text: &mut String, line: &str) {
    // Writing to a String can't fail.
    writeln!(text, "{line}").unwrap_or_default();
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures
}

/// The median; 0 of nothing.
fn middle(figures: impl Iterator<Item = f64>) -> f64 {
    let figures = sorted(figures);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

/// The median, the least and the most.
fn spread(figures: impl Iterator<Item = f64>, decimals: usize) -> String {
    let figures = sorted(figures);
    let middle = middle(figures.iter().copied());
    let (least, most) = (
        figures.first().unwrap_or(&0.0),
        figures.last().unwrap_or(&0.0),
    );
    format!("{middle:.decimals$} ({least:.decimals$}–{most:.decimals$})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_spread_are_shown() {
        assert_eq!(spread([3.0, 1.0, 2.0].into_iter(), 1), "2.0 (1.0–3.0)");
        assert_eq!(spread(std::iter::empty(), 0), "0 (0–0)");
    }
}
