//! The measurements as curves over the count, in one SVG.

use std::fmt::Write;

use super::{BYTES_FROM, Scale};

/// Draws one image with six pictures, three in a row.
pub(crate) fn draw(scale: &Scale) -> String {
    let connections = |value: fn(&super::Connections) -> f64, from: usize| -> Points {
        scale.connections.iter().filter(|one| one.idle >= from).map(|one| (one.idle as f64, value(one))).collect()
    };
    let services = |value: fn(&super::Services) -> f64| -> Points {
        scale.services.iter().map(|one| (one.services as f64, value(one))).collect()
    };
    let methods = |value: fn(&super::Services) -> f64| -> Points {
        scale.methods.iter().map(|one| (one.methods as f64, value(one))).collect()
    };
    let endpoints = |value: fn(&super::Endpoints) -> f64| -> Points {
        scale.endpoints.iter().map(|one| (one.count as f64, value(one))).collect()
    };
    let pictures = [
        Picture {
            title: "Memory of an idle connection, KiB",
            below: "idle connections",
            logarithmic: false,
            curves: vec![
                ("server", connections(|one| one.server_bytes / 1024.0, BYTES_FROM)),
                ("caller", connections(|one| one.caller_bytes / 1024.0, BYTES_FROM)),
            ],
        },
        Picture {
            title: "CPU of a call over 64 others, us",
            below: "idle connections",
            logarithmic: false,
            curves: vec![
                ("both sides, among the idle", connections(|one| one.cpu_us, 0)),
                ("before there were any", connections(|one| one.cpu_us_before, 0)),
            ],
        },
        Picture {
            title: "A call at the server, ns",
            below: "services of one method; methods of one service",
            logarithmic: false,
            curves: vec![
                ("first, of services", services(|one| one.first_ns)),
                ("first, of methods", methods(|one| one.first_ns)),
                ("later, of services", services(|one| one.later_ns)),
            ],
        },
        Picture {
            title: "Until all can be called, ms",
            below: "services of one method",
            logarithmic: true,
            curves: vec![
                ("the server starts", services(|one| one.adding_us * one.services as f64 / 1e3)),
                ("a channel has all clients", services(|one| one.client_us * one.services as f64 / 1e3)),
            ],
        },
        Picture {
            title: "A pick, ns",
            below: "endpoints",
            logarithmic: false,
            curves: vec![("pick", endpoints(|one| one.pick_ns))],
        },
        Picture {
            title: "Until a list can be picked from, ms",
            below: "endpoints",
            logarithmic: true,
            curves: vec![
                ("first list", endpoints(|one| one.first_ms)),
                ("all changed", endpoints(|one| one.all_changed_ms)),
                ("one changed", endpoints(|one| one.one_changed_ms)),
            ],
        },
    ];
    let mut body = String::new();
    for (place, picture) in pictures.iter().enumerate() {
        let (left, top) = ((place % 3) as f64 * WIDTH, HEAD + (place / 3) as f64 * HEIGHT);
        let _ = write!(body, "<g transform=\"translate({left} {top})\">\n{}</g>\n", picture.draw());
    }
    let (width, height) = (3.0 * WIDTH, HEAD + 2.0 * HEIGHT + 28.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"What idle connections, services and endpoints cost, from one to \
         thousands\">\n<style>{STYLE}</style>\n<rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n\
         <text class=\"title\" x=\"24\" y=\"34\">The cost of scale</text>\n{body}<text class=\"small\" x=\"24\" \
         y=\"{}\">{}</text>\n</svg>\n",
        height - 14.0,
        escaped(&scale.machine)
    )
}

type Points = Vec<(f64, f64)>;

struct Picture {
    title: &'static str,
    below: &'static str,
    /// Whether the vertical axis is logarithmic. The horizontal axis always is.
    logarithmic: bool,
    curves: Vec<(&'static str, Points)>,
}

impl Picture {
    fn draw(&self) -> String {
        let all = || self.curves.iter().flat_map(|(_, points)| points);
        let most = all().map(|point| point.1).fold(f64::MIN_POSITIVE, f64::max);
        let least = all().map(|point| point.1).fold(most, f64::min);
        let (bottom, top, ticks) = if self.logarithmic {
            let (from, to) = (least.log10().floor() as i32, most.log10().ceil() as i32);
            (f64::from(from), f64::from(to), (from..=to).map(|power| 10f64.powi(power)).collect())
        } else {
            let step = step(most);
            let steps = (most / step).ceil().max(1.0);
            (0.0, steps * step, (0..=steps as u32).map(|place| f64::from(place) * step).collect::<Vec<_>>())
        };
        let y = |value: f64| {
            let value = if self.logarithmic { value.log10() } else { value };
            UP - (value - bottom) / (top - bottom) * (UP - DOWN)
        };
        let x = |count: f64| LEFT + count.log10() / COUNT_LOG_MAX * (RIGHT - LEFT);
        let mut text = format!("<text class=\"name\" x=\"{LEFT}\" y=\"16\">{}</text>\n", escaped(self.title));
        for tick in ticks {
            let (y, label) = (y(tick), number(tick));
            let _ = writeln!(text, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
            let _ = writeln!(text, "<text class=\"tick end\" x=\"{}\" y=\"{:.1}\">{label}</text>", LEFT - 6.0, y + 4.0);
        }
        for power in 0..=4 {
            let count = 10f64.powi(power);
            let label = number(count);
            let _ =
                writeln!(text, "<text class=\"tick middle\" x=\"{:.1}\" y=\"{}\">{label}</text>", x(count), UP + 16.0);
        }
        let middle = (LEFT + RIGHT) / 2.0;
        let _ = writeln!(text, "<text class=\"tick middle\" x=\"{middle}\" y=\"{}\">{}</text>", UP + 32.0, self.below);
        // The names stand below each other, on the side where no curve begins.
        let begin = self.curves.iter().filter_map(|(_, points)| points.first()).map(|point| y(point.1));
        let above = begin.fold(UP, f64::min) > (UP + DOWN) / 2.0;
        for (place, (name, points)) in self.curves.iter().enumerate() {
            let path: Vec<String> =
                points.iter().map(|(count, value)| format!("{:.1} {:.1}", x(*count), y(*value))).collect();
            let _ = writeln!(text, "<path class=\"curve c{place}\" d=\"M{}\"/>", path.join("L"));
            for (count, value) in points {
                let _ = writeln!(
                    text,
                    "<circle class=\"dot c{place}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"/>",
                    x(*count),
                    y(*value)
                );
            }
            let row = place as f64 * 15.0;
            let name_y = if above { DOWN + 14.0 + row } else { UP - 10.0 - row };
            let name_x = LEFT + 8.0;
            let _ = writeln!(text, "<text class=\"tick n{place}\" x=\"{name_x}\" y=\"{name_y}\">{name}</text>");
        }
        text
    }
}

/// A round step, at most five of which make up the whole.
fn step(most: f64) -> f64 {
    let power = 10f64.powf((most / 5.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| most / step <= 5.0).unwrap_or(power)
}

fn number(value: f64) -> String {
    match value {
        _ if value >= 1000.0 => format!("{},{:03}", (value / 1000.0) as u64, value as u64 % 1000),
        _ if value >= 1.0 || value == 0.0 => format!("{value:.0}"),
        _ => format!("{value}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The size of one picture, and of the parts in it.
const WIDTH: f64 = 330.0;
const HEIGHT: f64 = 240.0;
const HEAD: f64 = 60.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 312.0;
const DOWN: f64 = 32.0;
const UP: f64 = 180.0;
/// The logarithm of 20,000 and some room.
const COUNT_LOG_MAX: f64 = 4.35;
const STYLE: &str = "\
text{font-family:ui-sans-serif,system-ui,'Segoe UI',Arial,sans-serif;fill:#1f2328}.page{fill:#fff}\
.title{font-size:18px;font-weight:600}.name{font-size:13px;font-weight:600}.small{font-size:12px;fill:#59636e}\
.tick{font-size:11px;fill:#59636e}.end{text-anchor:end}.middle{text-anchor:middle}\
.grid{stroke:#d1d9e0;fill:none}.curve{fill:none;stroke-width:2}\
.c0{stroke:#0969da}.c1{stroke:#cf222e}.c2{stroke:#1a7f37}.dot{fill:#fff;stroke-width:1.5}\
.n0{fill:#0969da}.n1{fill:#cf222e}.n2{fill:#1a7f37}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.page{fill:#0d1117}.small,.tick{fill:#9198a1}.grid{stroke:#3d444d}\
.dot{fill:#0d1117}.c0{stroke:#4493f8}.c1{stroke:#f85149}.c2{stroke:#3fb950}\
.n0{fill:#4493f8}.n1{fill:#f85149}.n2{fill:#3fb950}}";
