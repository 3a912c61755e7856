//! Formats one event as one line: text, JSON or classic. Knows no queue and no clock; the caller passes the time.

use std::fmt::{self, Write};

use tracing::Level;
use tracing::field::{Field, Visit};

use super::LogFormat;
use super::clock::{Date, Timestamp, Zone, day_and_second};

/// The style of lines.
#[derive(Clone, Debug)]
pub(super) struct Style {
    pub(super) format: LogFormat,
    /// Whether a person reads the lines at a terminal: the level has a colour, and multi-line values keep their lines,
    /// indented.
    pub(super) terminal: bool,
    /// The maximum size of the values in a line, in bytes.
    pub(super) line_bytes_max: usize,
    /// The time zone of classic lines; the other formats show UTC.
    pub(super) zone: Zone,
}

/// The text of the last second that was formatted: comparing a second costs less than formatting it again.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    second: Option<i64>,
    text: String,
}

/// The parts of a line that are not fields of the event.
pub(super) struct Head<'a> {
    pub(super) moment: Timestamp,
    pub(super) level: Level,
    pub(super) target: &'a str,
    /// The spans around the event, outermost first, each as [`Style::begin_span`] wrote it.
    pub(super) spans: &'a [String],
}

impl Style {
    /// Appends a line with its line end. `record` passes the fields to the visitor.
    pub(super) fn line(
        &self,
        out: &mut String,
        stamp: &mut Stamp,
        head: &Head<'_>,
        record: impl FnOnce(&mut Fields<'_>),
    ) {
        self.stamp(stamp, head.moment.seconds);
        let micros = head.moment.micros;
        match self.format {
            LogFormat::Text => {
                let _ = write!(out, "{}.{micros:06}Z {} ", stamp.text, self.level(head.level));
                self.escaped(out).push(head.target);
                out.push_str(": ");
                for span in head.spans {
                    out.push_str(span);
                    out.push_str("}: ");
                }
            }
            LogFormat::Json => {
                let _ = write!(
                    out,
                    "{{\"time\":\"{}.{micros:06}Z\",\"level\":\"{}\",\"target\":\"",
                    stamp.text, head.level
                );
                self.escaped(out).push(head.target);
                out.push('"');
            }
            LogFormat::Classic => {
                let _ = write!(out, "{}->[{}]", stamp.text, name(head.level));
            }
        }
        let mut fields = Fields { escaped: self.escaped(out), count: 0, opened: false };
        record(&mut fields);
        let Fields { escaped, opened, .. } = fields;
        let cut = escaped.cut;
        match self.format {
            LogFormat::Json => {
                if opened {
                    out.push('}');
                }
                if !head.spans.is_empty() {
                    out.push_str(",\"spans\":[");
                    for (index, span) in head.spans.iter().enumerate() {
                        out.push_str(if index == 0 { "" } else { "," });
                        out.push_str(span);
                        out.push_str("}}");
                    }
                    out.push(']');
                }
                if cut > 0 {
                    let _ = write!(out, ",\"bytes_cut\":{cut}");
                }
                out.push_str("}\n");
            }
            LogFormat::Text | LogFormat::Classic => {
                if cut > 0 {
                    let _ = write!(out, " ({cut} bytes cut)");
                }
                out.push('\n');
            }
        }
    }

    /// Appends the name of a span and its fields. The closing brackets are left out, so that more fields can follow.
    pub(super) fn begin_span(&self, out: &mut String, name: &str, record: impl FnOnce(&mut Fields<'_>)) {
        match self.format {
            LogFormat::Json => {
                out.push_str("{\"name\":\"");
                self.escaped(out).push(name);
                out.push_str("\",\"fields\":{");
            }
            LogFormat::Text | LogFormat::Classic => {
                self.escaped(out).push(name);
                out.push('{');
            }
        }
        self.record_span(out, record);
    }

    /// Appends more fields to a span that `begin_span` began.
    pub(super) fn record_span(&self, out: &mut String, record: impl FnOnce(&mut Fields<'_>)) {
        let first = out.ends_with('{');
        record(&mut Fields { escaped: self.escaped(out), count: usize::from(!first), opened: true });
    }

    fn escaped<'a>(&self, out: &'a mut String) -> Escaped<'a> {
        let end = out.len().saturating_add(self.line_bytes_max);
        Escaped { out, end, cut: 0, json: self.format == LogFormat::Json, indent: self.terminal, quoted: false }
    }

    fn stamp(&self, stamp: &mut Stamp, seconds: i64) {
        if stamp.second == Some(seconds) {
            return;
        }
        let wall = if self.format == LogFormat::Classic { self.zone.wall(seconds) } else { seconds };
        let (day, second) = day_and_second(wall);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        stamp.text.clear();
        let _ = match self.format {
            LogFormat::Classic => write!(stamp.text, "{hour}:{minute}:{second}"),
            LogFormat::Text | LogFormat::Json => {
                let Date { year, month, day } = Date::of_day(day);
                write!(stamp.text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
            }
        };
        stamp.second = Some(seconds);
    }

    fn level(&self, level: Level) -> &'static str {
        match (level, self.terminal) {
            (Level::ERROR, false) => "ERROR",
            (Level::WARN, false) => " WARN",
            (Level::INFO, false) => " INFO",
            (Level::DEBUG, false) => "DEBUG",
            (Level::TRACE, false) => "TRACE",
            (Level::ERROR, true) => "\x1b[31mERROR\x1b[0m",
            (Level::WARN, true) => "\x1b[33m WARN\x1b[0m",
            (Level::INFO, true) => "\x1b[32m INFO\x1b[0m",
            (Level::DEBUG, true) => "\x1b[34mDEBUG\x1b[0m",
            (Level::TRACE, true) => "\x1b[35mTRACE\x1b[0m",
        }
    }
}

/// A visitor that appends the fields of an event or a span one after the other.
pub(super) struct Fields<'a> {
    escaped: Escaped<'a>,
    count: usize,
    /// JSON only: whether the object of the fields is open.
    opened: bool,
}

impl Fields<'_> {
    /// Appends the message of an event that has no other fields.
    pub(super) fn message(&mut self, text: fmt::Arguments<'_>) {
        self.key("message");
        self.value(true, |escaped| {
            let _ = escaped.write_fmt(text);
        });
    }

    /// Appends everything before the value. Returns whether the field is the message.
    fn key(&mut self, name: &str) -> bool {
        let name = name.strip_prefix("r#").unwrap_or(name);
        let message = name == "message" && self.count == 0 && !self.opened;
        let first = self.count == 0;
        self.count += 1;
        if message {
            if self.escaped.json {
                self.escaped.out.push_str(",\"message\":");
            }
            return true;
        }
        if !self.escaped.json {
            self.escaped.out.push_str(if first { "" } else { " " });
            self.escaped.push(name);
            self.escaped.out.push('=');
            return false;
        }
        self.escaped.out.push_str(match (self.opened, first) {
            (false, _) => ",\"fields\":{\"",
            (true, true) => "\"",
            (true, false) => ",\"",
        });
        self.opened = true;
        self.escaped.push(name);
        self.escaped.out.push_str("\":");
        false
    }

    fn value(&mut self, bare: bool, write: impl FnOnce(&mut Escaped<'_>)) {
        let quotes = self.escaped.json || !bare;
        if quotes {
            self.escaped.out.push('"');
        }
        self.escaped.quoted = quotes;
        write(&mut self.escaped);
        self.escaped.quoted = false;
        if quotes {
            self.escaped.out.push('"');
        }
    }

    fn plain(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.key(field.name());
        let _ = self.escaped.out.write_fmt(value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.key(field.name());
        // `Debug` output already has quotes where it needs them.
        self.value(true, |escaped| {
            let _ = write!(escaped, "{value:?}");
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let message = self.key(field.name());
        let odd = |c: char| c.is_whitespace() || matches!(c, '"' | '=' | '{' | '}');
        self.value(message || !(value.is_empty() || value.contains(odd)), |escaped| escaped.push(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.plain(field, format_args!("{value}")),
            false => self.record_debug(field, &value),
        }
    }
}

/// Appends escaped text up to a limit and counts the bytes that it cuts. The text stays on one line and cannot control
/// a terminal.
struct Escaped<'a> {
    out: &'a mut String,
    end: usize,
    cut: usize,
    json: bool,
    /// Whether a line end is written as a line end and four spaces.
    indent: bool,
    /// Whether the text is inside quotes.
    quoted: bool,
}

impl Escaped<'_> {
    fn push(&mut self, text: &str) {
        let clean = |b: u8| b.is_ascii() && !b.is_ascii_control() && b != b'"' && b != b'\\';
        if self.out.len() + text.len() <= self.end && text.bytes().all(clean) {
            self.out.push_str(text);
            return;
        }
        for c in text.chars() {
            // The longest escape of a character has 10 bytes, `\u{10ffff}`.
            match self.cut > 0 || self.out.len() + 10 > self.end {
                true => self.cut += c.len_utf8(),
                false => self.push_char(c),
            }
        }
    }

    fn push_char(&mut self, c: char) {
        match c {
            '"' | '\\' if self.json || self.quoted => self.out.extend(['\\', c]),
            '\n' if self.indent && !self.json => self.out.push_str("\n    "),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            // Control characters, line and paragraph separators, and marks of writing direction.
            _ if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                let _ = match self.json {
                    true => write!(self.out, "\\u{:04x}", u32::from(c)),
                    false => write!(self.out, "\\u{{{:x}}}", u32::from(c)),
                };
            }
            _ => self.out.push(c),
        }
    }
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}
