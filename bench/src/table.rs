//! The results as a table for the terminal.

use crate::plan::size;
use crate::summary::Summary;

/// Formats one line for each system, with a blank line between rows.
pub(crate) fn table(summaries: &[Summary]) -> String {
    let mut table = vec![HEADER.map(str::to_owned)];
    let mut row = None;
    for summary in summaries {
        let this = (&summary.shape, summary.payload, summary.rate_of);
        if row.is_some_and(|row| row != this) {
            table.push(Default::default());
        }
        table.push(line(summary, row != Some(this)));
        row = Some(this);
    }
    aligned(&table)
}

const HEADER: [&str; 12] = [
    "shape",
    "payload",
    "system",
    "calls/s",
    "least..most",
    "of raw",
    "p50 us",
    "p99 us",
    "CPU us c+s",
    "syscalls c+s",
    "peak MiB c+s",
    "mprpc is",
];

fn line(summary: &Summary, first: bool) -> [String; 12] {
    let Summary { shape, payload, pinned, .. } = summary;
    let blank = String::new;
    // Calls on streams have no latency.
    let latency = |micros: f64| if summary.is_stream() { blank() } else { short(micros) };
    let both = |client: f64, server: f64| format!("{}+{}", short(client), short(server));
    let mib = |kib: u64| (kib as f64 / 1024.0).round();
    let rate = match summary.is_stream() {
        true => format!("{:.2} GB/s", summary.bytes_per_second / 1e9),
        false => count(summary.calls_per_second),
    };
    let spread = match summary.is_stream() {
        true => format!("{}..{}", short(summary.calls_per_second_min), short(summary.calls_per_second_max)),
        false => format!("{}..{}", count(summary.calls_per_second_min), count(summary.calls_per_second_max)),
    };
    [
        if first { shape.clone() + if *pinned { " pinned" } else { "" } } else { blank() },
        if first { size(*payload) } else { blank() },
        summary.system.to_owned(),
        rate,
        spread,
        summary.ratio_to_raw.map_or_else(blank, |ratio| format!("{ratio:.2}")),
        latency(summary.p50_us),
        latency(summary.p99_us),
        both(summary.cpu_us_client, summary.cpu_us_server),
        match (summary.syscalls_client, summary.syscalls_server) {
            (Some(client), Some(server)) => format!("{client:.2}+{server:.2}"),
            _ => blank(),
        },
        both(mib(summary.peak_rss_kib_client), mib(summary.peak_rss_kib_server)),
        summary.ratio_to.get("mprpc").map_or_else(blank, |ratio| format!("{:.1} times", 1.0 / ratio)),
    ]
}

/// Formats a count: 1 234 567 calls are `1.23 M`.
pub(crate) fn count(calls: f64) -> String {
    match calls {
        calls if calls >= 1e6 => format!("{:.2} M", calls / 1e6),
        calls if calls >= 1e3 => format!("{} k", short(calls / 1e3)),
        calls => short(calls),
    }
}

/// Formats three significant digits, or more for whole numbers.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// Aligns the first three columns to the left, the others to the right.
pub(crate) fn aligned<const N: usize>(table: &[[String; N]]) -> String {
    let width = |column: usize| table.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for line in table {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0..3 => format!("{cell:<width$}"),
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

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!([0.0, 9.999, 12.34, 99.96, 123.4].map(short), ["0.00", "10.00", "12.3", "100.0", "123"]);
        assert_eq!([999.0, 12_340.0, 2_000_000.0].map(count), ["999", "12.3 k", "2.00 M"]);
    }

    #[test]
    fn columns_are_aligned() {
        let line = |cells: [&str; 4]| cells.map(str::to_owned);
        assert_eq!(
            aligned(&[line(["a", "b", "c", "d"]), line(["aa", "", "c", "100"])]),
            "a   b  c    d\naa     c  100\n"
        );
    }
}
