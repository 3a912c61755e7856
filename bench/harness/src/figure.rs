//! A figure over several repetitions.

use serde::Serialize;

/// The median, the minimum and the maximum of several values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The value in the middle, or the mean of the two middle values.
    pub median: f64,
    /// The minimum.
    pub min: f64,
    /// The maximum.
    pub max: f64,
}

impl Figure {
    /// The figure of these values; `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Figure> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) };
        Some(Figure { median, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figure_has_median_minimum_and_maximum() {
        let figure = |values: &[f64]| Figure::of(values.iter().copied());
        assert_eq!(figure(&[3.0, 1.0, 2.0]), Some(Figure { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(figure(&[4.0, 1.0]), Some(Figure { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(figure(&[f64::NAN]), None);
    }
}
