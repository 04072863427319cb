//! Plots, as SVG: throughput and latency by connections, cost by keys.

use crate::failure::{Failure, failed};
use crate::parts::{Part, lines, scale};
use crate::requests::Operation;
use crate::results::{Point, Results};
use crate::servers::{OURS, REDIS};
use crate::statistics::{middle, shown};
use plotters::prelude::{
    BLACK, BindKeyPoints, ChartBuilder, Circle, IntoDrawingArea, IntoLogRange, LineSeries,
    LogCoord, PathElement, RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
};
use std::collections::BTreeSet;

const THROUGHPUT: &str = "throughput.svg";
const LATENCY: &str = "latency.svg";
const COST: &str = "cost.svg";

const SIZE: (u32, u32) = (760, 440);
const FONT: (&str, u32) = ("sans-serif", 16);

/// Ours in blue, theirs in orange; puts dark, gets light.
const COLOURS: [RGBColor; 4] = [
    RGBColor(0x1f, 0x4e, 0x9c),
    RGBColor(0x7f, 0xae, 0xe8),
    RGBColor(0xb3, 0x4a, 0x00),
    RGBColor(0xf2, 0xa4, 0x5c),
];

/// A line of a plot.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

/// The plots of a part: their files, and what they show.
pub(crate) fn of(part: Part) -> &'static [(&'static str, &'static str)] {
    match part {
        Part::Lines => &[
            (THROUGHPUT, "Throughput by the number of connections"),
            (LATENCY, "p99 latency by the number of connections"),
        ],
        Part::Scale => &[(COST, "Cost of a put and of a get by the number of keys")],
        _ => &[],
    }
}

/// Every plot of which there are figures, with its file's name.
pub(crate) fn all(results: &Results) -> Result<Vec<(&'static str, String)>, Failure> {
    let by_connections = |figure| {
        lines_of(&[OURS, REDIS], |operation, subject| {
            let points = lines::CONNECTIONS.into_iter().filter_map(|connections| {
                let point = lines::point(operation, connections, 1, subject);
                Some((
                    as_float(connections as u64),
                    median(results, &point, figure)?,
                ))
            });
            points.collect()
        })
    };
    let by_keys = lines_of(&[OURS, scale::ENGINE], |operation, subject| {
        let points = scale::numbers_of_keys().filter_map(|keys| {
            let point = scale::cost(operation, keys, subject);
            Some((as_float(keys), median(results, &point, "us_each")?))
        });
        points.collect()
    });
    let plots = [
        (
            THROUGHPUT,
            "connections",
            "a second",
            by_connections("per_second"),
        ),
        (LATENCY, "connections", "p99, ms", by_connections("p99_ms")),
        (COST, "keys", "µs each", by_keys),
    ];
    let mut drawn = Vec::new();
    for (name, x, y, lines) in plots {
        if !lines.is_empty() {
            drawn.push((name, draw(x, y, &lines)?));
        }
    }
    Ok(drawn)
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn as_float(number: u64) -> f64 {
    number as f64
}

fn median(results: &Results, point: &Point, figure: &str) -> Option<f64> {
    middle(results.of(point, figure))
}

/// The lines that have points.
fn lines_of(
    subjects: &[&'static str],
    points: impl Fn(Operation, &'static str) -> Vec<(f64, f64)>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    for subject in subjects {
        for operation in [Operation::Put, Operation::Get] {
            let operation_name = format!("{operation:?}").to_lowercase();
            lines.push(Line {
                name: format!("{subject}, {operation_name}"),
                points: points(operation, subject),
            });
        }
    }
    lines.retain(|line| !line.points.is_empty());
    lines
}

fn draw(x: &str, y: &str, lines: &[Line]) -> Result<String, Failure> {
    let range = |of: fn(&(f64, f64)) -> f64| {
        let all = lines.iter().flat_map(|line| line.points.iter().map(of));
        let (least, most) = all.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        (least * 0.8)..(most * 1.25)
    };
    let places: BTreeSet<u64> = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| point.0.to_bits())
        .collect();
    let places: Vec<f64> = places.into_iter().map(f64::from_bits).collect();
    let across: LogCoord<f64> = range(|point| point.0).log_scale().into();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(72)
            .build_cartesian_2d(
                across.with_key_points(places),
                range(|point| point.1).log_scale(),
            )
            .map_err(failed)?;
        chart
            .configure_mesh()
            .x_desc(x)
            .y_desc(y)
            .label_style(FONT)
            .axis_desc_style(FONT)
            .x_label_formatter(&|number| shown(*number).replace(".00", "").replace(".0", ""))
            .y_label_formatter(&|number| shown(*number))
            .light_line_style(WHITE)
            .draw()
            .map_err(failed)?;
        for (line, colour) in lines.iter().zip(COLOURS) {
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), &colour))
                .map_err(failed)?
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour));
            let circles = line
                .points
                .iter()
                .map(|point| Circle::new(*point, 3, colour));
            chart.draw_series(circles).map_err(failed)?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .label_font(FONT)
            .background_style(WHITE)
            .border_style(BLACK)
            .draw()
            .map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_shows_each_line_and_nothing_of_nothing() {
        let line = |name: &str| Line {
            name: name.to_owned(),
            points: vec![(1.0, 10.0), (64.0, 2000.0)],
        };
        let svg = draw("connections", "a second", &[line("first"), line("second")]).unwrap();
        for shown in ["<svg", "first", "second", "connections", "a second"] {
            assert!(svg.contains(shown), "{shown}");
        }
        assert!(all(&Results::default()).unwrap().is_empty());
    }
}
