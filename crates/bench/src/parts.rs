//! The parts of the suite, each with its targets.

use crate::failure::Failure;
use crate::load::Run;
use crate::plan::Plan;
use crate::results::{Figures, Target};
use crate::session::Session;
use clap::ValueEnum;
use serde::Serialize;

mod component;
#[cfg(feature = "rivals")]
mod embedded;
mod http;
mod large;
mod latency;
pub(crate) mod lines;
pub(crate) mod scale;
mod scale_opening;
mod several;
mod ycsb;

/// A part of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// Puts and gets over lines, beside Redis (figures 1 and 2)
    Lines,
    /// The mixes of YCSB, beside Redis (figure 3)
    Ycsb,
    /// The engine in process, beside fjall, redb and `SQLite` (figure 4)
    #[cfg(feature = "rivals")]
    Embedded,
    /// The component beside the engine natively (figure 5)
    Component,
    /// HTTP beside a fixed answer (figure 6)
    Http,
    /// Cost, memory, disk and opening by the number of keys (figure 7)
    Scale,
    /// Large values beside a bare file (figure 7)
    Large,
    /// Latency beside a bare log, also while it is compacted (figure 8)
    Latency,
    /// Batches, lists, watchers and backups (figure 9)
    Several,
}

impl Part {
    pub(crate) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Lines => "Puts and gets over lines",
            Self::Ycsb => "YCSB over lines",
            #[cfg(feature = "rivals")]
            Self::Embedded => "Engines in process",
            Self::Component => "The component and the engine natively",
            Self::Http => "HTTP",
            Self::Scale => "By the number of keys",
            Self::Large => "Large values",
            Self::Latency => "Latency",
            Self::Several => "Batches, lists, watchers and backups",
        }
    }

    /// How its figures come about.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Lines => lines::METHOD,
            Self::Ycsb => ycsb::METHOD,
            #[cfg(feature = "rivals")]
            Self::Embedded => embedded::METHOD,
            Self::Component => component::METHOD,
            Self::Http => http::METHOD,
            Self::Scale => scale::METHOD,
            Self::Large => large::METHOD,
            Self::Latency => latency::METHOD,
            Self::Several => several::METHOD,
        }
    }

    pub(crate) fn run(self, session: &mut Session) -> Result<(), Failure> {
        match self {
            Self::Lines => lines::run(session),
            Self::Ycsb => ycsb::run(session),
            #[cfg(feature = "rivals")]
            Self::Embedded => embedded::run(session),
            Self::Component => component::run(session),
            Self::Http => http::run(session),
            Self::Scale => scale::run(session),
            Self::Large => large::run(session),
            Self::Latency => latency::run(session),
            Self::Several => several::run(session),
        }
    }

    pub(crate) fn targets(self, plan: &Plan) -> Vec<Target> {
        match self {
            Self::Lines => lines::targets(),
            Self::Ycsb => ycsb::targets(),
            #[cfg(feature = "rivals")]
            Self::Embedded => embedded::targets(),
            Self::Component => component::targets(),
            Self::Http => http::targets(),
            Self::Scale => scale::targets(plan),
            Self::Large => large::targets(plan),
            Self::Latency => latency::targets(),
            Self::Several => several::targets(),
        }
    }
}

/// The figures of a run of the load generator.
fn load_figures(run: &Run) -> Figures {
    let mut figures = latency_figures(&run.latencies);
    figures.insert("per_second", run.per_second());
    figures.insert("generator_share", run.generator_share);
    figures
}

fn latency_figures(latencies: &hdrhistogram::Histogram<u64>) -> Figures {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    let at = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e6;
    Figures::from([
        ("p50_ms", at(0.5)),
        ("p99_ms", at(0.99)),
        ("p999_ms", at(0.999)),
        ("max_ms", at(1.0)),
    ])
}
