//! Medians and spreads.

fn sorted(figures: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures
}

/// The median; nothing of nothing.
pub(crate) fn middle(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    let figures = sorted(figures);
    let (low, high) = (figures.len().checked_sub(1)? / 2, figures.len() / 2);
    Some(f64::midpoint(figures[low], figures[high]))
}

/// The median, the least and the most.
pub(crate) fn spread(figures: &[f64], show: impl Fn(f64) -> String) -> String {
    let figures = sorted(figures.iter().copied());
    match (&*figures, middle(figures.iter().copied())) {
        (_, None) => "not measured".to_owned(),
        ([_], Some(middle)) => show(middle),
        ([least, .., most], Some(middle)) => {
            format!("{} ({}–{})", show(middle), show(*least), show(*most))
        }
        ([], Some(_)) => unreachable!("the median of nothing is nothing"),
    }
}

/// With three digits or more, and thousands apart: `1,234`, `12.3`, `0.0123`.
pub(crate) fn shown(figure: f64) -> String {
    let magnitude = figure.abs();
    if magnitude >= 100.0 {
        let digits = format!("{figure:.0}");
        let mut text = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) && !text.ends_with('-') {
                text.push(',');
            }
            text.push(digit);
        }
        return text;
    }
    let decimals = match magnitude {
        10.0.. => 1,
        1.0.. => 2,
        0.1.. => 3,
        _ => 4,
    };
    format!("{figure:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_spread_are_shown() {
        assert_eq!(spread(&[3.0, 1.0, 2.0], shown), "2.00 (1.00–3.00)");
        assert_eq!(spread(&[3.0, 1.0], shown), "2.00 (1.00–3.00)");
        assert_eq!(spread(&[3.0], shown), "3.00");
        assert_eq!(spread(&[], shown), "not measured");
    }

    #[test]
    fn figures_have_three_digits_or_more() {
        for (figure, text) in [
            (1_234_567.0, "1,234,567"),
            (-1_234.0, "-1,234"),
            (-123.0, "-123"),
            (999.6, "1,000"),
            (12.34, "12.3"),
            (0.012_34, "0.0123"),
            (0.0, "0.0000"),
        ] {
            assert_eq!(shown(figure), text);
        }
    }
}
