//! What was measured, run by run, and what it comes to.

use crate::parts::Part;
use crate::statistics::middle;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is measured: a workload on a subject (the store, or a rival).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Point {
    pub(crate) part: Part,
    pub(crate) workload: String,
    pub(crate) subject: &'static str,
}

impl Point {
    pub(crate) fn new(part: Part, workload: impl Into<String>, subject: &'static str) -> Self {
        Self {
            part,
            workload: workload.into(),
            subject,
        }
    }
}

/// The figures of one run, by their names, which end in their units.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// One run.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    #[serde(flatten)]
    pub(crate) point: Point,
    pub(crate) run: usize,
    /// Whether the machine was quiet before the run and beside it.
    pub(crate) quiet: bool,
    pub(crate) others_share: f64,
    pub(crate) figures: Figures,
}

/// All runs.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) measured: Vec<Measured>,
}

impl Results {
    /// A figure of a point, run by run.
    pub(crate) fn of(&self, point: &Point, figure: &str) -> Vec<f64> {
        let measured = self.measured.iter().filter(|run| run.point == *point);
        measured
            .filter_map(|run| run.figures.get(figure).copied())
            .collect()
    }

    /// Every point, in the order of its first run.
    pub(crate) fn points(&self, part: Part) -> Vec<&Point> {
        let mut points: Vec<&Point> = Vec::new();
        for run in self.measured.iter().filter(|run| run.point.part == part) {
            if !points.contains(&&run.point) {
                points.push(&run.point);
            }
        }
        points
    }
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// The store's figure over the one beside it, at least.
    RatioAtLeast(f64),
    /// The same, at most.
    RatioAtMost(f64),
    /// The store's figure itself, at most.
    AtMost(f64),
}

/// A figure with what it is to reach.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Its number in the list of figures.
    pub(crate) number: u8,
    pub(crate) name: String,
    pub(crate) figure: &'static str,
    pub(crate) ours: Point,
    pub(crate) beside: Option<Point>,
    pub(crate) bound: Bound,
}

/// What became of a target.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) number: u8,
    pub(crate) name: String,
    pub(crate) figure: &'static str,
    pub(crate) beside_name: Option<&'static str>,
    pub(crate) ours: Vec<f64>,
    pub(crate) beside: Vec<f64>,
    /// Of the runs side by side.
    pub(crate) ratios: Vec<f64>,
    pub(crate) bound: String,
    /// By the medians; nothing where it was not measured.
    pub(crate) reached: Option<bool>,
}

impl Target {
    pub(crate) fn judge(&self, results: &Results) -> Verdict {
        let ours = results.of(&self.ours, self.figure);
        let beside = self
            .beside
            .as_ref()
            .map(|point| results.of(point, self.figure))
            .unwrap_or_default();
        let ratios: Vec<f64> = ours.iter().zip(&beside).map(|(a, b)| a / b).collect();
        let ratio = middle(ratios.iter().copied());
        let (bound, reached) = match self.bound {
            Bound::RatioAtLeast(least) => {
                (format!("≥ {least} ×"), ratio.map(|ratio| ratio >= least))
            }
            Bound::RatioAtMost(most) => (format!("≤ {most} ×"), ratio.map(|ratio| ratio <= most)),
            Bound::AtMost(most) => (
                format!("≤ {most}"),
                middle(ours.iter().copied()).map(|figure| figure <= most),
            ),
        };
        Verdict {
            number: self.number,
            name: self.name.clone(),
            figure: self.figure,
            beside_name: self.beside.as_ref().map(|point| point.subject),
            ours,
            beside,
            ratios,
            bound,
            reached,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_judged_by_the_median_ratio_of_runs_side_by_side() {
        let (ours, beside) = (
            Point::new(Part::Lines, "put", "kv-actor"),
            Point::new(Part::Lines, "put", "redis"),
        );
        let mut results = Results::default();
        for (point, figures) in [(&ours, [10.0, 30.0, 20.0]), (&beside, [10.0, 10.0, 20.0])] {
            for (run, figure) in figures.into_iter().enumerate() {
                results.measured.push(Measured {
                    point: point.clone(),
                    run,
                    quiet: true,
                    others_share: 0.0,
                    figures: Figures::from([("per_second", figure)]),
                });
            }
        }
        let judge = |bound, beside| {
            let target = Target {
                number: 1,
                name: "put".to_owned(),
                figure: "per_second",
                ours: ours.clone(),
                beside,
                bound,
            };
            target.judge(&results).reached
        };
        let beside = Some(beside);
        assert_eq!(judge(Bound::RatioAtLeast(1.0), beside.clone()), Some(true));
        assert_eq!(judge(Bound::RatioAtLeast(1.1), beside.clone()), Some(false));
        assert_eq!(judge(Bound::RatioAtMost(1.0), beside), Some(true));
        assert_eq!(judge(Bound::AtMost(19.0), None), Some(false));
        let nobody = Some(Point::new(Part::Lines, "put", "nobody"));
        assert_eq!(judge(Bound::RatioAtLeast(1.0), nobody), None);
    }
}
