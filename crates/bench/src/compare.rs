//! Whether runs of the suite agree: each target's ratio in every one of them.

use crate::failure::Failure;
use crate::statistics::{shown, spread};
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the results of a run are: what it had as --results
    #[arg(required = true)]
    results: Vec<PathBuf>,
}

/// What is compared of a run.
#[derive(Debug, Deserialize)]
struct Kept {
    targets: Vec<Judged>,
}

#[derive(Debug, Deserialize)]
struct Judged {
    number: u8,
    name: String,
    figure: String,
    beside_name: Option<String>,
    ours: Vec<f64>,
    ratios: Vec<f64>,
    bound: String,
}

impl Judged {
    /// Its ratios; where nothing is beside it, its figures.
    fn figures(&self) -> &[f64] {
        if self.beside_name.is_some() {
            &self.ratios
        } else {
            &self.ours
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let runs: Vec<Kept> = arguments
        .results
        .iter()
        .map(|results| read(results))
        .collect::<Result<_, _>>()?;
    println!("{}", table(&runs));
    Ok(())
}

fn read(results: &Path) -> Result<Kept, Failure> {
    let path = results.join("performance/results.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    Ok(serde_json::from_str(&text)?)
}

fn table(runs: &[Kept]) -> String {
    let mut text = "| | figure | beside it |".to_owned();
    for run in 1..=runs.len() {
        text += &format!(" run {run} |");
    }
    text += " target | runs agree |\n|---|---|---|";
    text += &"---|".repeat(runs.len() + 2);
    for target in runs.first().map_or(&[][..], |first| &first.targets) {
        let beside = target.beside_name.as_deref().unwrap_or(&target.figure);
        text += &format!("\n| {} | {} | {beside} |", target.number, target.name);
        let same = |other: &&Judged| {
            (&other.name, &other.beside_name) == (&target.name, &target.beside_name)
                && other.figure == target.figure
        };
        let of_runs = runs.iter().map(|run| run.targets.iter().find(same));
        let figures: Vec<&[f64]> = of_runs
            .map(|found| found.map_or(&[][..], Judged::figures))
            .collect();
        for figures in &figures {
            text += &format!(" {} |", spread(figures, shown));
        }
        let agree = if agree(&figures) { "yes" } else { "**no**" };
        text += &format!(" {} | {agree} |", target.bound);
    }
    text
}

/// Whether there is a figure that lies within the spread of every run.
fn agree(runs: &[&[f64]]) -> bool {
    let least = |run: &&[f64]| run.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |run: &&[f64]| run.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let highest_least = runs.iter().map(least).fold(f64::NEG_INFINITY, f64::max);
    let lowest_most = runs.iter().map(most).fold(f64::INFINITY, f64::min);
    highest_least <= lowest_most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(ratios: &str) -> Kept {
        let target = format!(
            r#"{{"number":1,"name":"put","figure":"per_second","beside_name":"redis",
                "ours":[1],"ratios":{ratios},"bound":"≥ 1 ×"}}"#
        );
        serde_json::from_str(&format!(r#"{{"targets":[{target}]}}"#)).unwrap()
    }

    #[test]
    fn runs_agree_where_their_spreads_share_a_figure() {
        let first = || kept("[1.0,1.2,1.1]");
        for (second, expected) in [
            ("[1.2,1.4,1.3]", "yes"),
            ("[1.0,1.1,1.1]", "yes"),
            ("[1.3,1.4,1.3]", "**no**"),
            ("[0.5,0.6,0.9]", "**no**"),
            // What was not measured agrees with nothing.
            ("[]", "**no**"),
        ] {
            let table = table(&[first(), kept(second)]);
            let row = table.lines().last().unwrap();
            assert!(
                row.starts_with("| 1 | put | redis | 1.10 (1.00–1.20) |"),
                "{row}"
            );
            assert!(row.ends_with(&format!("| ≥ 1 × | {expected} |")), "{row}");
        }
    }
}
