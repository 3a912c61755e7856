//! The picture for the README: calls a second of mprpc beside raw and the peers, in the three required shapes.

use std::fmt::Write;

use mprpc_bench_harness::Machine;

use crate::summary::Summary;
use crate::table::count;

const SHAPES: [(&str, &str); 3] = [
    ("1x64", "1 connection, 64 callers, both ends on one core"),
    ("8x16", "8 connections, 16 callers each"),
    ("64x1", "64 connections, a caller each"),
];
const SYSTEMS: [&str; 5] = ["raw", "mprpc", "tarpc", "volo-thrift", "tonic"];

const WIDTH: f64 = 760.0;
const BARS_FROM: f64 = 112.0;
const BARS_MAX: f64 = 500.0;
const BAR: f64 = 18.0;
const BAR_PITCH: f64 = 25.0;
const HEAD: f64 = 74.0;
const PANEL_HEAD: f64 = 34.0;
const PANEL_GAP: f64 = 12.0;

/// Draws a standalone SVG, which follows the reader's light or dark mode.
pub(crate) fn picture(summaries: &[Summary], machine: &Machine) -> String {
    let mut body = String::new();
    let mut top = HEAD;
    for (shape, title) in SHAPES {
        let found = |system: &str| {
            summaries.iter().find(|summary| summary.shape == shape && summary.payload == 32 && summary.system == system)
        };
        let panel: Vec<&Summary> = SYSTEMS.iter().filter_map(|system| found(system)).collect();
        if panel.is_empty() {
            continue;
        }
        body += &panel_of(&panel, &format!("{}: {title}", shape.replace('x', "×")), top);
        top += PANEL_HEAD + BAR_PITCH * panel.len() as f64 + PANEL_GAP;
    }
    let height = top + 22.0;
    let Machine { date, revision, cpu, cores, kernel } = machine;
    let foot =
        escaped(&format!("{date}, {revision}, {cpu}, {cores} cores, Linux {kernel}; medians, lines: least to most"));
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="Calls per second of mprpc, a raw socket, tarpc, volo-thrift and tonic">
<style>{STYLE}</style>
<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>
<text class="title" x="24" y="36">Echo of 32 bytes: calls per second</text>
<text class="small" x="24" y="56">loopback TCP, server and client as processes of their own; “raw” is the bare socket, length-prefixed and batched</text>
{body}<text class="small" x="24" y="{foot_y}">{foot}</text>
</svg>
"#,
        foot_y = height - 16.0,
    )
}

fn panel_of(panel: &[&Summary], title: &str, top: f64) -> String {
    let most = panel.iter().map(|summary| summary.calls_per_second_max).fold(1.0, f64::max);
    let x = |calls: f64| BARS_FROM + BARS_MAX * calls / most;
    let mut text = format!("<text class=\"panel\" x=\"24\" y=\"{}\">{}</text>\n", top + 14.0, escaped(title));
    for (index, summary) in panel.iter().enumerate() {
        let Summary { system, calls_per_second: calls, calls_per_second_min: min, calls_per_second_max: max, .. } =
            **summary;
        let y = top + PANEL_HEAD - 8.0 + BAR_PITCH * index as f64;
        let (middle, baseline) = (y + BAR / 2.0, y + BAR / 2.0 + 4.5);
        let class = match system {
            "mprpc" => "mprpc",
            "raw" => "raw",
            _ => "peer",
        };
        let value = match (system, summary.ratio_to.get("mprpc")) {
            ("mprpc", _) => {
                summary.ratio_to_raw.map_or_else(String::new, |ratio| format!("{:.0} % of raw", ratio * 100.0))
            }
            ("raw", _) | (_, None) => String::new(),
            (_, Some(ratio)) => format!("mprpc: {} times", times(1.0 / ratio)),
        };
        let end = x(max).max(x(calls));
        // A write to a String does not fail.
        let _ = write!(
            text,
            concat!(
                "<text class=\"name {class}-name\" x=\"{name_x}\" y=\"{baseline:.1}\">{system}</text>",
                "<rect class=\"{class}\" x=\"{BARS_FROM}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"3\"/>",
                "<path class=\"spread\" d=\"M{from:.1} {middle:.1}H{to:.1}\"/>",
                "<text class=\"value\" x=\"{value_x:.1}\" y=\"{baseline:.1}\">{calls}<tspan class=\"ratio\" dx=\"8\">{value}</tspan></text>\n",
            ),
            class = class,
            name_x = BARS_FROM - 10.0,
            baseline = baseline,
            system = system,
            BARS_FROM = BARS_FROM,
            y = y,
            width = (x(calls) - BARS_FROM).max(1.5),
            BAR = BAR,
            from = x(min),
            middle = middle,
            to = x(max),
            value_x = end + 8.0,
            calls = count(calls),
            value = value,
        );
    }
    text
}

fn times(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;fill:#1f2328}\
.page{fill:#fff}.title{font-size:18px;font-weight:600}.panel{font-size:13px;font-weight:600}\
.name{font-size:13px;text-anchor:end}.mprpc-name{font-weight:700}.value{font-size:12px}.ratio,.small{font-size:11px;fill:#59636e}\
.mprpc{fill:#d9542b}.raw{fill:#8c959f}.peer{fill:#7aa2d2}.spread{stroke:#1f2328;stroke-width:1.5;stroke-opacity:.55}\
.mprpc-name{fill:#c2410c}.raw-name,.peer-name{fill:#1f2328}\
@media(prefers-color-scheme:dark){text,.raw-name,.peer-name{fill:#e6edf3}.page{fill:#0d1117}.ratio,.small{fill:#9198a1}\
.mprpc{fill:#f0764a}.raw{fill:#6e7681}.peer{fill:#4f7fb8}.spread{stroke:#e6edf3}.mprpc-name{fill:#ff8f66}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_without_measurements_is_valid() {
        let picture = picture(&[], &Machine { cpu: "a <b> & c".into(), ..Machine::default() });
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
        assert!(picture.contains("a &lt;b> &amp; c"));
    }
}
