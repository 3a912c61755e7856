//! The log: a `tracing` subscriber with an asynchronous writer. It does not decide what is logged: any crate may log.
//!
//! A thread that logs formats the line and puts it into a bounded queue. The thread `mprpc-log` writes the gathered
//! lines in one write. The logging thread makes no system call, except to wake the writer after a pause.
//!
//! - Under load: if the queue holds [`LogConfig::queue_bytes_max`], lines below ERROR are dropped and counted, and a
//!   later line reports their number. An ERROR replaces lines below ERROR. If the queue is full of errors, an ERROR
//!   waits up to [`LogConfig::error_wait`], once a stall, and is then dropped and counted too.
//! - Disk full or folder not writable: the log reports this once on standard error. It counts lines and keeps errors
//!   (up to `queue_bytes_max`). It tries to write once a second. When writing works again, a line reports the loss,
//!   followed by the kept errors. The program neither waits nor ends. The log creates a removed file or folder again.
//! - At the end: the thread that called [`start`] flushes the log when it ends, that is when `main` returns or calls
//!   `std::process::exit`, within [`LogConfig::flush_timeout`]. Other threads call [`flush`] before `exit`.
//! - On a panic: the log records the panic at ERROR with its backtrace and flushes, within the same time.
//! - One event is one line: control characters, line ends and marks of writing direction in values are escaped. Only at
//!   a terminal do multi-line values keep their lines, indented.
//! - Memory: the log holds at most about three times `queue_bytes_max`: the queue, the batch being written, and kept
//!   errors.
//!
//! A line costs its caller 0.19 us in text (0.31 us with three fields in a span; under 1 ns if its level is off). After
//! more than a second of silence it costs 40 us, because it wakes the writer. Measured 2026-11-22,
//! `docs/guide/logging.md`.

mod clock;
mod files;
mod filter;
mod line;
mod panic;
mod queue;
mod subscriber;
mod writer;

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;

pub use self::filter::Filter;

use self::clock::Zone;
use self::files::Files;
use self::line::Style;
use self::queue::Queue;
use self::subscriber::LogSubscriber;
use self::writer::{Destination, Writer};
use crate::error::{Error, ErrorKind};

/// The settings of the log: filter, format, destination and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Selects the events that are logged.
    pub level: Filter,
    /// The format of a line.
    pub format: LogFormat,
    /// The folder of the log files; the log creates it if it is missing. Without a folder the log goes to standard
    /// error.
    pub folder: Option<PathBuf>,
    /// The start of the names of text and JSON files: `NAME.2026-01-31.log`. Empty means `mprpc`.
    pub name: String,
    /// When a new file begins.
    pub rotation: LogRotation,
    /// The size in bytes at which a file is closed and the next one begins, `NAME.2026-01-31.1.log`; 0 means no limit.
    pub file_bytes_max: usize,
    /// The maximum number of files to keep. The log deletes the oldest ones when a new file begins. 0 keeps all.
    pub files_max: usize,
    /// The maximum size of the lines that wait to be written, in bytes. Beyond this, lines below ERROR are dropped and
    /// counted; an ERROR replaces waiting lines below ERROR.
    pub queue_bytes_max: usize,
    /// The maximum size of the values in a line, in bytes. A longer line is cut and says how many bytes are missing.
    pub line_bytes_max: usize,
    /// How long an ERROR waits for room in a queue full of errors, once a stall. After that it is dropped and counted.
    pub error_wait: Duration,
    /// How long the end of the program and a panic wait until the log is written.
    pub flush_timeout: Duration,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            level: Filter::default(),
            format: LogFormat::Text,
            folder: None,
            name: String::new(),
            rotation: LogRotation::Daily,
            file_bytes_max: 0,
            files_max: 0,
            queue_bytes_max: 4 << 20,
            line_bytes_max: 16 << 10,
            error_wait: Duration::from_millis(100),
            flush_timeout: Duration::from_secs(1),
        }
    }
}

/// The format of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `2026-01-31T12:34:56.000123Z  INFO mprpc::net: message key=value`, in UTC.
    Text,
    /// One JSON object a line: `{"time":"2026-01-31T12:34:56.000123Z","level":"INFO",…}`, in UTC.
    Json,
    /// The format of the C++ MPRPC: `12:34:56->[info]message key=value`, in a file `2026-1-31-log.txt`, in local time.
    Classic,
}

/// When a new file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRotation {
    /// At midnight in the time zone of the lines.
    Daily,
    /// Never because of the time; `file_bytes_max` still applies.
    Never,
}

/// Starts the log; [`crate::init`] calls this. A second call in a process changes nothing.
///
/// If the program has installed another `tracing` subscriber, that one stays, and this starts nothing. Call `start` on
/// the thread that lives longest: the log is flushed when this thread ends.
///
/// # Errors
/// The system refuses to start a thread. A folder that cannot be written is no error: it may become writable later.
pub fn start(config: &LogConfig) -> Result<(), Error> {
    let filter = Arc::new(ArcSwap::from_pointee(config.level.clone()));
    let queue = Arc::new(Queue::new(config.queue_bytes_max, config.error_wait));
    let zone = if config.format == LogFormat::Classic { Zone::local() } else { Zone::Utc };
    let coloured = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let terminal = config.folder.is_none() && config.format == LogFormat::Text && coloured;
    let style = Style { format: config.format, terminal, line_bytes_max: config.line_bytes_max, zone: zone.clone() };
    let subscriber = LogSubscriber {
        filter: filter.clone(),
        queue: queue.clone(),
        style: style.clone(),
        spans: std::sync::Mutex::default(),
    };
    if LOG.get().is_some() || tracing::subscriber::set_global_default(subscriber).is_err() {
        return Ok(());
    }
    let destination = match &config.folder {
        Some(folder) => Destination::Files(Box::new(Files::new(config, folder.clone(), zone))),
        None => Destination::Stderr,
    };
    let writer = Writer::new(destination, style, config.queue_bytes_max, complain);
    let for_thread = queue.clone();
    std::thread::Builder::new()
        .name(THREAD_NAME.into())
        .spawn(move || writer.run(for_thread))
        .map_err(|error| Error::with_source(ErrorKind::System, "the thread of the log", error))?;
    let _ = LOG.set(Log { queue, filter });
    panic::install(config.flush_timeout, config.folder.is_some());
    FLUSH_AT_END.with(|flush| *flush.borrow_mut() = Some(FlushAtEnd(config.flush_timeout)));
    Ok(())
}

/// Changes the filter, from the next event on: `debug`, or `info,mprpc::net=debug`.
///
/// # Errors
/// The text is not a filter; or mprpc's log is not started or not in use.
pub fn set_level(filter: &str) -> Result<(), Error> {
    let log = LOG.get().ok_or_else(|| Error::new(ErrorKind::Log, "the log of mprpc is not started"))?;
    let filter: Filter = filter.parse().map_err(|what: String| Error::new(ErrorKind::Log, what))?;
    log.filter.store(Arc::new(filter));
    tracing_core::callsite::rebuild_interest_cache();
    Ok(())
}

/// Returns the filter in force; `None` if mprpc's log is not started or not in use.
pub fn level() -> Option<Filter> {
    LOG.get().map(|log| log.filter.load().as_ref().clone())
}

/// Waits until every line logged before is written or counted as lost. Returns false if `timeout` ends first.
///
/// Blocks the thread: never call it on an event loop.
pub fn flush(timeout: Duration) -> bool {
    LOG.get().is_none_or(|log| log.queue.flush(timeout))
}

/// Returns how many lines were dropped since the start because the queue was full.
pub fn dropped_lines() -> u64 {
    LOG.get().map_or(0, |log| log.queue.dropped_total())
}

const THREAD_NAME: &str = "mprpc-log";

/// The log of the process.
struct Log {
    queue: Arc<Queue>,
    filter: Arc<ArcSwap<Filter>>,
}

static LOG: OnceLock<Log> = OnceLock::new();

thread_local! {
    static FLUSH_AT_END: RefCell<Option<FlushAtEnd>> = const { RefCell::new(None) };
}

/// Flushes the log when its thread ends.
struct FlushAtEnd(Duration);

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        flush(self.0);
    }
}

/// Reports a failure of the log itself on standard error. If standard error is closed too, the report is lost.
fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests;
