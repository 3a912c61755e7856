//! The results of a row over its rounds: medians, a table, and JSON.

use mprpc_bench_harness::{Figure, Machine};
use serde::Serialize;

/// The figures of one run of one variant of a row.
pub(crate) struct Sample {
    /// The name of the variant, such as `tonic` or `2 times`.
    pub(crate) variant: String,
    /// The figures by name.
    pub(crate) figures: Vec<(&'static str, f64)>,
}

impl Sample {
    pub(crate) fn new(variant: &str, figures: Vec<(&'static str, f64)>) -> Sample {
        Sample { variant: variant.to_owned(), figures }
    }
}

/// The results of all rows.
#[derive(Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<RowResult>,
}

#[derive(Serialize)]
pub(crate) struct RowResult {
    pub(crate) row: &'static str,
    pub(crate) rounds: usize,
    pub(crate) variants: Vec<Variant>,
}

#[derive(Serialize)]
pub(crate) struct Variant {
    pub(crate) variant: String,
    pub(crate) figures: Vec<Named>,
}

#[derive(Serialize)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    #[serde(flatten)]
    pub(crate) figure: Figure,
}

impl RowResult {
    /// Summarizes the figures of each variant over the rounds. A ratio is taken within a round.
    pub(crate) fn of(row: &'static str, rounds: &[Vec<Sample>]) -> RowResult {
        let first = rounds.first().map_or(&[][..], Vec::as_slice);
        let variants = first.iter().map(|sample| Variant::of(sample, rounds)).collect();
        RowResult { row, rounds: rounds.len(), variants }
    }

    /// Formats a line for each variant. The first figure has its spread.
    pub(crate) fn table(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for named in self.variants.iter().flat_map(|variant| &variant.figures) {
            if !names.contains(&named.name) {
                names.push(named.name);
            }
        }
        let mut table = vec![vec![self.row.to_owned()]];
        table[0].extend(names.iter().map(|name| (*name).to_owned()));
        for variant in &self.variants {
            let mut line = vec![variant.variant.clone()];
            line.extend(names.iter().map(|name| variant.figure(name).map_or_else(String::new, cell)));
            table.push(line);
        }
        aligned(&table)
    }
}

impl Variant {
    fn of(sample: &Sample, rounds: &[Vec<Sample>]) -> Variant {
        let same = || rounds.iter().flatten().filter(|other| other.variant == sample.variant);
        let named = |&(name, _): &(&'static str, f64)| {
            let values = same().flat_map(|sample| &sample.figures).filter(|figure| figure.0 == name);
            Some(Named { name, figure: Figure::of(values.map(|figure| figure.1))? })
        };
        Variant { variant: sample.variant.clone(), figures: sample.figures.iter().filter_map(named).collect() }
    }

    pub(crate) fn figure(&self, name: &str) -> Option<Figure> {
        self.figures.iter().find(|named| named.name == name).map(|named| named.figure)
    }
}

/// Formats the median, with minimum and maximum if they differ visibly.
fn cell(figure: Figure) -> String {
    let (median, min, max) = (short(figure.median), short(figure.min), short(figure.max));
    if min == max { median } else { format!("{median} ({min}..{max})") }
}

/// Formats three significant digits, or more for whole numbers.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        value => format!("{value:.2}"),
    }
}

/// Aligns the first column to the left, the others to the right.
fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| table.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in table {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(variant: &str, figures: &[(&'static str, f64)]) -> Sample {
        Sample::new(variant, figures.to_vec())
    }

    #[test]
    fn table_has_a_line_for_each_variant_and_a_column_for_each_figure() {
        let rounds = [
            vec![sample("a", &[("calls/s", 100.0)]), sample("bb", &[("calls/s", 50.0), ("of a", 0.5)])],
            vec![sample("a", &[("calls/s", 300.0)]), sample("bb", &[("calls/s", 50.0), ("of a", 0.25)])],
        ];
        let table = RowResult::of("row", &rounds).table();
        let cells: Vec<Vec<&str>> =
            table.lines().map(|line| line.split("  ").filter(|c| !c.is_empty()).collect()).collect();
        let cells: Vec<Vec<&str>> = cells.into_iter().map(|line| line.into_iter().map(str::trim).collect()).collect();
        assert_eq!(cells[0], ["row", "calls/s", "of a"]);
        assert_eq!(cells[1], ["a", "200 (100..300)"]);
        assert_eq!(cells[2], ["bb", "50.0", "0.38 (0.25..0.50)"]);
    }
}
