//! How far runs of the suite agree: each target's ratio in every one of them.

use crate::failure::Failure;
use crate::statistics::{middle, shown, spread};
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
    /// What its bound is about: ratios, or the store's figures themselves.
    fn figures(&self) -> &[f64] {
        if self.bound.ends_with('×') {
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
    let mut heads = vec![String::new(), "figure".to_owned(), "beside it".to_owned()];
    heads.extend((1..=runs.len()).map(|run| format!("run {run}")));
    heads.extend(["target", "medians apart", "spreads meet"].map(str::to_owned));
    let rule = vec!["---".to_owned(); heads.len()];
    let targets = runs.first().map_or(&[][..], |first| &first.targets);
    let rows = targets.iter().map(|target| cells(target, runs));
    let rows = [heads, rule].into_iter().chain(rows);
    let rows: Vec<_> = rows
        .map(|cells| format!("| {} |", cells.join(" | ")))
        .collect();
    rows.join("\n")
}

/// A target in every run.
fn cells(target: &Judged, runs: &[Kept]) -> Vec<String> {
    let same = |other: &&Judged| {
        (&other.name, &other.beside_name, &other.figure)
            == (&target.name, &target.beside_name, &target.figure)
    };
    let of_runs = runs.iter().map(|run| run.targets.iter().find(same));
    let figures: Vec<&[f64]> = of_runs
        .map(|found| found.map_or(&[][..], Judged::figures))
        .collect();
    let medians = figures.iter().filter_map(|run| middle(run.iter().copied()));
    let medians: Vec<f64> = medians.collect();
    let apart = 100.0 * (most(&medians) / least(&medians) - 1.0);
    let beside = target.beside_name.as_ref().unwrap_or(&target.figure);
    let mut cells = vec![
        target.number.to_string(),
        target.name.clone(),
        beside.clone(),
    ];
    cells.extend(figures.iter().map(|figures| spread(figures, shown)));
    let meet = if meet(&figures) { "yes" } else { "no" };
    cells.extend([
        target.bound.clone(),
        format!("{apart:.0} %"),
        meet.to_owned(),
    ]);
    cells
}

/// Whether there is a figure that lies within the spread of every run.
fn meet(runs: &[&[f64]]) -> bool {
    let highest_least = most(&runs.iter().map(|run| least(run)).collect::<Vec<_>>());
    let lowest_most = least(&runs.iter().map(|run| most(run)).collect::<Vec<_>>());
    highest_least <= lowest_most
}

fn least(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::NEG_INFINITY, f64::max)
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
    fn a_bound_without_a_ratio_compares_the_figures() {
        let mut run = kept("[0.2]");
        run.targets[0].bound = "≤ 0.3".to_owned();
        let table = table(&[run]);
        assert!(
            table.ends_with("| 1 | put | redis | 1.00 | ≤ 0.3 | 0 % | yes |"),
            "{table}"
        );
    }

    #[test]
    fn runs_are_told_apart_by_their_medians_and_by_whether_their_spreads_meet() {
        let first = || kept("[1.0,1.2,1.1]");
        for (second, expected) in [
            ("[1.2,1.32,1.4]", "20 % | yes"),
            ("[1.1,1.0,1.1]", "0 % | yes"),
            ("[1.3,1.65,1.65]", "50 % | no"),
            ("[0.5,0.55,0.9]", "100 % | no"),
            // What was not measured agrees with nothing.
            ("[]", "0 % | no"),
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
