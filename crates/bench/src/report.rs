//! The report: every target with its figure, every figure with its spread, as
//! Markdown to read and as JSON to keep, with plots.

use crate::failure::Failure;
use crate::parts::Part;
use crate::plan::Size;
use crate::plot;
use crate::results::{Figures, Results, Verdict};
use crate::statistics::{shown, spread};
use crate::versions::Version;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// What was measured, on what, and how.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) size: Size,
    pub(crate) seed: u64,
    pub(crate) machine: String,
    pub(crate) file_system: String,
    pub(crate) versions: Vec<Version>,
    pub(crate) parts: &'a [Part],
    pub(crate) rejected: usize,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) results: &'a Results,
}

impl Report<'_> {
    /// Writes `performance.md`, and a folder of that name with the rest.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let rest = folder.join("performance");
        std::fs::create_dir_all(&rest)?;
        for (name, svg) in plot::all(self.results)? {
            std::fs::write(rest.join(name), svg)?;
        }
        std::fs::write(rest.join("results.json"), self.json()?)?;
        std::fs::write(folder.join("performance.md"), self.markdown())?;
        Ok(())
    }

    fn json(&self) -> Result<String, Failure> {
        #[derive(Serialize)]
        struct Kept<'a> {
            size: String,
            seed: u64,
            machine: &'a str,
            file_system: &'a str,
            versions: &'a [Version],
            rejected_runs: usize,
            targets: &'a [Verdict],
            runs: &'a [crate::results::Measured],
        }
        let kept = Kept {
            size: format!("{:?}", self.size).to_lowercase(),
            seed: self.seed,
            machine: &self.machine,
            file_system: &self.file_system,
            versions: &self.versions,
            rejected_runs: self.rejected,
            targets: &self.verdicts,
            runs: &self.results.measured,
        };
        Ok(serde_json::to_string_pretty(&kept)? + "\n")
    }

    fn markdown(&self) -> String {
        let mut text = String::from("# Performance\n\n");
        let plan = self.size.plan();
        let all = &self.results.measured;
        let noisy = all.iter().filter(|run| !run.quiet).count();
        let size = format!("{:?}", self.size).to_lowercase();
        for line in [
            "Written by `make bench`; don't edit. Durable means synced before the reply, on all"
                .to_owned(),
            "sides. Each figure is the median of its runs, with the least and the most. A ratio is"
                .to_owned(),
            "the median of the ratios of runs side by side: rivals take turns, run by run."
                .to_owned(),
            String::new(),
            format!("- Machine: {}; {}", self.machine, self.file_system),
            format!(
                "- Size: {size}: {} runs of {:?}, {} keys of 20 bytes with values of 200 bytes; seed {}",
                plan.runs, plan.run_time, plan.keys, self.seed
            ),
            format!(
                "- Quiet: {} runs, {} rejected because others used the machine, {noisy} kept though they did",
                all.len(),
                self.rejected
            ),
        ] {
            push(&mut text, &line);
        }
        for version in &self.versions {
            push(
                &mut text,
                &format!("- {}: {}", version.name, version.version),
            );
        }
        push(&mut text, "\n## Targets\n");
        push(&mut text, &targets_table(&self.verdicts));
        for part in self.parts {
            push(
                &mut text,
                &format!("## {}\n\n{}\n", part.title(), part.method()),
            );
            for (name, caption) in plot::of(*part) {
                push(&mut text, &format!("![{caption}](performance/{name})\n"));
            }
            push(&mut text, &self.part_table(*part));
        }
        push(&mut text, REPEAT);
        text
    }

    /// Every figure of a part.
    fn part_table(&self, part: Part) -> String {
        let runs = self.results.measured.iter();
        let names: BTreeSet<&str> = runs
            .filter(|run| run.point.part == part)
            .flat_map(|run| Figures::keys(&run.figures).copied())
            .collect();
        let mut text = String::new();
        let heads: Vec<_> = names.iter().map(|name| name.replace('_', " ")).collect();
        push(&mut text, &format!("| | | {} |", heads.join(" | ")));
        push(
            &mut text,
            &format!("|---|---|{}", "---|".repeat(names.len())),
        );
        for point in self.results.points(part) {
            let cells: Vec<_> = names
                .iter()
                .map(|name| match &*self.results.of(point, name) {
                    [] => String::new(),
                    figures => spread(figures, shown),
                })
                .collect();
            push(
                &mut text,
                &format!(
                    "| {} | {} | {} |",
                    point.workload,
                    point.subject,
                    cells.join(" | ")
                ),
            );
        }
        text
    }
}

const REPEAT: &str = "## How to repeat it

`make bench` measures all of this and writes this page; `make bench-quick` takes
two minutes and writes to `target/bench/`. `target/release/kv-bench run --only PART`
measures one part. Close what else runs: a run beside which other processes used
more than 5 % of the machine is rejected and repeated, for a limited time.
`target/release/kv-bench compare DIRECTORY…` tells how far runs agree that had each a
`--results` of its own. `make instructions` compares counts of
instructions, which don't depend on what else runs.";

/// Every target with its figure. It is also what is printed.
pub(crate) fn targets_table(verdicts: &[Verdict]) -> String {
    let mut text = String::new();
    push(
        &mut text,
        "| | figure | unit | kv-actor | beside it | | ratio | target | |",
    );
    push(&mut text, "|---|---|---|---|---|---|---|---|---|");
    for verdict in verdicts {
        let reached = match verdict.reached {
            None => "not measured",
            Some(true) => "reached",
            Some(false) => "**not reached**",
        };
        let spread_or_nothing = |figures: &[f64]| match figures {
            [] => String::new(),
            figures => spread(figures, shown),
        };
        let row = [
            verdict.number.to_string(),
            verdict.name.clone(),
            verdict.figure.replace('_', " "),
            spread_or_nothing(&verdict.ours),
            verdict.beside_name.unwrap_or_default().to_owned(),
            spread_or_nothing(&verdict.beside),
            spread_or_nothing(&verdict.ratios),
            verdict.bound.clone(),
            reached.to_owned(),
        ];
        push(&mut text, &format!("| {} |", row.join(" | ")));
    }
    text
}

fn push(text: &mut String, line: &str) {
    // Writing to a String can't fail.
    writeln!(text, "{line}").unwrap_or_default();
}
