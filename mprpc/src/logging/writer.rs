//! The thread that writes the log, and its behaviour when writing fails. Does not know where lines come from.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tracing::Level;

use super::clock::Timestamp;
use super::files::Files;
use super::line::{Head, Stamp, Style};
use super::queue::{Batch, Queue};

/// How long lines gather after a write, so that a burst causes one write and one wake-up of this thread.
const LINGER: Duration = Duration::from_millis(20);
/// After this many pauses without a line the writer sleeps until the next line. That line pays some 30 us for waking
/// the writer (docs/guide/logging.md); other lines pay 0.2 us. A program that logs once a second never pays this.
const PAUSES_MAX: u32 = 50;
/// How long after a failed write the next attempt follows.
const RETRY_SECONDS: i64 = 1;

/// The destination of lines.
pub(super) enum Destination {
    Stderr,
    Files(Box<Files>),
}

impl Destination {
    fn write(&mut self, bytes: &[u8], now: Timestamp) -> io::Result<usize> {
        match self {
            Destination::Stderr => io::stderr().lock().write(bytes),
            Destination::Files(files) => files.write(bytes, now),
        }
    }
}

/// Writes batches, and keeps account of lines that could not be written.
pub(super) struct Writer {
    destination: Destination,
    style: Style,
    stamp: Stamp,
    /// The maximum size of the errors that are kept while writing fails, in bytes.
    kept_bytes_max: usize,
    failing: Option<Failing>,
    /// Whether the last write ended within a line.
    within_line: bool,
    /// Reports a failure of the log itself.
    complain: fn(&str),
}

/// A failure to write: since when, and what was lost.
struct Failing {
    since: Timestamp,
    tried: Timestamp,
    cause: io::Error,
    lost: u64,
    lost_errors: u64,
    kept: Vec<u8>,
}

impl Writer {
    pub(super) fn new(destination: Destination, style: Style, kept_bytes_max: usize, complain: fn(&str)) -> Writer {
        let stamp = Stamp::default();
        Writer { destination, style, stamp, kept_bytes_max, failing: None, within_line: false, complain }
    }

    /// Runs the thread: takes and writes batches forever.
    pub(super) fn run(mut self, queue: Arc<Queue>) {
        let mut batch = Batch::default();
        let mut pauses = PAUSES_MAX;
        loop {
            let timeout = match pauses < PAUSES_MAX {
                true => Some(Duration::ZERO),
                // While writing fails, try again even without a new line, so that the loss is reported soon.
                false => self.failing.is_some().then_some(Duration::from_secs(RETRY_SECONDS as u64)),
            };
            queue.take(&mut batch, timeout);
            pauses = if batch.is_empty() { pauses.saturating_add(1) } else { 0 };
            self.write(&mut batch, Timestamp::now());
            queue.settle(&batch);
            queue.linger(LINGER, !batch.lines.iter().any(|line| line.error));
            // A burst may have grown the buffers to their limit; an idle log gives this memory back.
            if batch.bytes.capacity() > 256 << 10 {
                batch = Batch::default();
            }
        }
    }

    /// Writes the lines of a batch in one write, or counts them as lost.
    pub(super) fn write(&mut self, batch: &mut Batch, now: Timestamp) {
        if let Some(failing) = &mut self.failing {
            let wait = now.seconds - failing.tried.seconds;
            if (0..RETRY_SECONDS).contains(&wait) {
                failing.lose(batch, 0, self.kept_bytes_max);
                return;
            }
            failing.tried = now;
            if let Err(failing) = self.resume(now) {
                let failing = self.failing.insert(failing);
                failing.lose(batch, 0, self.kept_bytes_max);
                return;
            }
        }
        if batch.dropped > 0 {
            let errors = match batch.dropped_errors {
                0 => String::new(),
                errors => format!(", {errors} of them errors"),
            };
            let text = format!("{} lines were dropped{errors}: the queue of the log was full", batch.dropped);
            let notice = self.notice(now, &text);
            batch.bytes.extend_from_slice(notice.as_bytes());
        }
        if let Err((written, cause)) = self.write_all(&batch.bytes, now) {
            (self.complain)(&format!("mprpc: the log cannot be written: {cause}; lost lines are counted, errors kept"));
            let mut failing = Failing { since: now, tried: now, cause, lost: 0, lost_errors: 0, kept: Vec::new() };
            failing.lose(batch, written, self.kept_bytes_max);
            self.failing = Some(failing);
        }
    }

    /// Reports the loss, and writes the errors that were kept.
    fn resume(&mut self, now: Timestamp) -> Result<(), Failing> {
        let Some(mut failing) = self.failing.take() else { return Ok(()) };
        let Failing { since, lost, lost_errors, cause, .. } = &failing;
        let seconds = now.seconds.saturating_sub(since.seconds).max(0);
        let text =
            format!("{lost} lines were lost, {lost_errors} of them errors, in {seconds} s without a log: {cause}");
        let mut bytes = if self.within_line { b"\n".to_vec() } else { Vec::new() };
        bytes.extend_from_slice(self.notice(now, &text).as_bytes());
        bytes.extend_from_slice(&failing.kept);
        match self.write_all(&bytes, now) {
            Ok(()) => {
                (self.complain)("mprpc: the log is written again");
                Ok(())
            }
            Err((_, cause)) => {
                failing.cause = cause;
                Err(failing)
            }
        }
    }

    /// Writes all bytes. The error comes with the number of bytes written before it.
    fn write_all(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        let mut patience = 20;
        while written < bytes.len() {
            let result = self.destination.write(&bytes[written..], now);
            match result {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    written += count;
                    self.within_line = bytes[written - 1] != b'\n';
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Standard error may be a pipe that another process made non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && patience > 0 => {
                    patience -= 1;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }

    /// Formats a line that the log writes about itself.
    fn notice(&mut self, moment: Timestamp, text: &str) -> String {
        let mut line = String::new();
        let head = Head { moment, level: Level::WARN, target: "mprpc::logging", spans: &[] };
        self.style.line(&mut line, &mut self.stamp, &head, |fields| fields.message(format_args!("{text}")));
        line
    }
}

impl Failing {
    /// Accounts for a batch of which only `written` bytes were written: keeps errors while there is room, counts the
    /// rest as lost.
    fn lose(&mut self, batch: &Batch, written: usize, kept_bytes_max: usize) {
        self.lost += batch.dropped;
        self.lost_errors += batch.dropped_errors;
        let mut start = 0;
        for line in &batch.lines {
            let bytes = &batch.bytes[start..line.end];
            start = line.end;
            if line.end <= written {
                continue;
            }
            if line.error && self.kept.len() + bytes.len() <= kept_bytes_max {
                self.kept.extend_from_slice(bytes);
                continue;
            }
            self.lost += 1;
            self.lost_errors += u64::from(line.error);
        }
    }
}
