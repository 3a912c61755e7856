//! The overload as a picture: calls answered in time over calls offered, with the protection and without.

use std::fmt::Write;

use crate::overload::{ANSWERED, OFF, OFFERED};
use crate::result::{Results, RowResult};

const PANELS: [(&str, &str); 2] =
    [("overload-compute", "Handlers compute for 5 ms"), ("overload-wait", "Handlers hold one of 100 places for 5 ms")];

/// Draws one panel for each measured row, side by side.
pub(crate) fn draw(results: &Results) -> String {
    let row = |name: &str| results.rows.iter().find(|row| row.row == name);
    let panels: Vec<(&RowResult, &str)> =
        PANELS.into_iter().filter_map(|(name, title)| Some((row(name)?, title))).collect();
    let mut body = String::new();
    for (place, (row, title)) in panels.iter().enumerate() {
        let left = place as f64 * WIDTH;
        // A write to a String does not fail.
        let _ = write!(body, "<g transform=\"translate({left} {HEAD})\">\n{}</g>\n", panel(row, title));
    }
    let (width, height) = (panels.len().max(1) as f64 * WIDTH, HEAD + HEIGHT);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"Calls that are answered in time, over calls that are offered\">\n\
         <style>{STYLE}</style>\n<rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n\
         <text class=\"title\" x=\"24\" y=\"34\">Answered within the deadline of 1 s</text>\n{body}\
         <text class=\"tick\" x=\"24\" y=\"{}\">{}</text>\n</svg>\n",
        height - 14.0,
        escaped(&results.machine.to_string())
    )
}

fn panel(row: &RowResult, title: &str) -> String {
    let curves = [("with overload protection", points(row, false)), ("without", points(row, true))];
    let all = || curves.iter().flat_map(|(_, points)| points);
    let offered = Axis::up_to(all().map(|point| point.0).fold(1.0, f64::max));
    let answered = Axis::up_to(all().map(|point| point.1).fold(1.0, f64::max));
    let x = |value: f64| LEFT + value / offered.end * (RIGHT - LEFT);
    let y = |value: f64| BOTTOM - value / answered.end * (BOTTOM - TOP);
    let mut text = format!("<text class=\"name\" x=\"{LEFT}\" y=\"16\">{title}</text>\n");
    for tick in answered.ticks() {
        let (y, label) = (y(tick), thousands(tick));
        let _ = writeln!(text, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
        let _ = writeln!(text, "<text class=\"tick end\" x=\"{}\" y=\"{:.1}\">{label}</text>", LEFT - 6.0, y + 4.0);
    }
    for tick in offered.ticks() {
        let (x, y, label) = (x(tick), BOTTOM + 16.0, thousands(tick));
        let _ = writeln!(text, "<text class=\"tick middle\" x=\"{x:.1}\" y=\"{y}\">{label}</text>");
    }
    let (middle, below) = ((LEFT + RIGHT) / 2.0, BOTTOM + 32.0);
    let _ = writeln!(text, "<text class=\"tick middle\" x=\"{middle}\" y=\"{below}\">calls offered a second</text>");
    for (place, (name, points)) in curves.iter().enumerate() {
        let path: Vec<String> = points.iter().map(|point| format!("{:.1} {:.1}", x(point.0), y(point.1))).collect();
        let _ = writeln!(text, "<path class=\"curve c{place}\" d=\"M{}\"/>", path.join("L"));
        for point in points {
            let (x, y) = (x(point.0), y(point.1));
            let _ = writeln!(text, "<circle class=\"dot c{place}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>");
        }
        if let Some(end) = points.last() {
            let (x, y) = (x(end.0), y(end.1) - 8.0);
            let _ = writeln!(text, "<text class=\"tick end n{place}\" x=\"{x:.1}\" y=\"{y:.1}\">{name}</text>");
        }
    }
    text
}

/// The points of offered and answered calls, as medians.
fn points(row: &RowResult, off: bool) -> Vec<(f64, f64)> {
    let variants = row.variants.iter().filter(|variant| variant.variant.ends_with(OFF) == off);
    variants.filter_map(|variant| Some((variant.figure(OFFERED)?.median, variant.figure(ANSWERED)?.median))).collect()
}

/// An axis from 0 to a whole number of round steps.
struct Axis {
    step: f64,
    end: f64,
}

impl Axis {
    fn up_to(most: f64) -> Axis {
        let power = 10f64.powf((most / 5.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = steps.into_iter().find(|step| most / step <= 5.0).unwrap_or(power);
        Axis { step, end: (most / step).ceil() * step }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let (step, end) = (self.step, self.end);
        (0u32..).map(move |place| f64::from(place) * step).take_while(move |tick| *tick < end + step / 2.0)
    }
}

fn thousands(value: f64) -> String {
    match value as u64 {
        value if value >= 1_000 => format!("{},{:03}", value / 1_000, value % 1_000),
        value => value.to_string(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 290.0;
const HEAD: f64 = 56.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 396.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 220.0;
const STYLE: &str = "\
text{font-family:ui-sans-serif,system-ui,'Segoe UI',Arial,sans-serif;fill:#1f2328}.page{fill:#fff}\
.title{font-size:18px;font-weight:600}.name{font-size:13px;font-weight:600}.tick{font-size:11px;fill:#59636e}\
.end{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:#d1d9e0;fill:none}.curve{fill:none;stroke-width:2}\
.c0{stroke:#0969da}.c1{stroke:#cf222e}.dot{fill:#fff;stroke-width:1.5}.n0{fill:#0969da}.n1{fill:#cf222e}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.page{fill:#0d1117}.tick{fill:#9198a1}.grid{stroke:#3d444d}\
.dot{fill:#0d1117}.c0{stroke:#4493f8}.c1{stroke:#f85149}.n0{fill:#4493f8}.n1{fill:#f85149}}";

#[cfg(test)]
mod tests {
    use mprpc_bench_harness::Machine;

    use super::*;
    use crate::result::Sample;

    #[test]
    fn axis_ends_with_a_round_number() {
        for (most, step, end) in [(400.0, 100.0, 400.0), (4_000.0, 1_000.0, 4_000.0), (358.0, 100.0, 400.0)] {
            let axis = Axis::up_to(most);
            assert_eq!((axis.step, axis.end), (step, end), "{most}");
            assert_eq!(axis.ticks().last(), Some(end));
        }
    }

    #[test]
    fn variant_is_a_point_of_its_curve() {
        let sample = |variant: &str, offered| Sample::new(variant, vec![(OFFERED, offered), (ANSWERED, 350.0)]);
        let off = format!("2 times{OFF}");
        let round = vec![sample("1 times", 400.0), sample("2 times", 800.0), sample(&off, 801.0)];
        let row = RowResult::of("overload-compute", &[round]);
        assert_eq!(points(&row, false), [(400.0, 350.0), (800.0, 350.0)]);
        assert_eq!(points(&row, true), [(801.0, 350.0)]);
        let picture =
            draw(&Results { machine: Machine { cpu: "a <b>".into(), ..Machine::default() }, rows: vec![row] });
        assert!(picture.contains("a &lt;b&gt;") && picture.trim_end().ends_with("</svg>"));
    }
}
