//! The log: `tracing` outside, and an asynchronous writer of our own behind it. Not what is logged: any crate may.
//!
//! A thread that logs makes the line and puts it into a bounded queue; one thread, `mprpc-log`, writes what has
//! gathered in one write. The thread that logs makes no system call but, after a pause, the one that wakes the writer.
//!
//! - Under load: beyond [`LogConfig::queue_bytes_max`] lines below ERROR are dropped and counted, and a line says how
//!   many. An ERROR takes their place; only in a queue full of errors it waits, [`LogConfig::error_wait`] and once a
//!   stall, and is then counted as well.
//! - Disk full, folder not writable: said on standard error once; lines are counted, errors are kept (up to
//!   `queue_bytes_max`), and as soon as it works again a line says what was lost, before the errors. It is tried once a
//!   second. The program neither waits nor ends. A file or folder that was removed is made again.
//! - At the end: the thread that called [`start`] flushes when it ends, that is when `main` returns or calls
//!   `std::process::exit`, within [`LogConfig::flush_timeout`]. Other threads call [`flush`] before `exit`.
//! - On a panic: it is logged at ERROR with its backtrace, and the log flushed, within the same time.
//! - A line is a line: control characters, line ends and marks of writing direction in values are escaped. Only at a
//!   terminal values of several lines stay so, indented.
//! - At most about three times `queue_bytes_max` is held: the queue, the batch being written, and errors kept.
//!
//! A line costs its caller 0.19 us in text (0.31 us with three fields in a span; under 1 ns where its level is off), and
//! 40 us after more than a second of silence, when it wakes the writer: 2026-11-22, `docs/guide/logging.md`.

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

/// What is logged, in which form, where to, and the bounds of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Which events are logged.
    pub level: Filter,
    /// The form of a line.
    pub format: LogFormat,
    /// The folder of the log files, made where it is missing; without one the log goes to standard error.
    pub folder: Option<PathBuf>,
    /// How the names of text and JSON files begin: `NAME.2026-01-31.log`. Empty is `mprpc`.
    pub name: String,
    /// When a new file is begun.
    pub rotation: LogRotation,
    /// A file of this size is closed and the next begun, `NAME.2026-01-31.1.log`; 0 is never.
    pub file_bytes_max: usize,
    /// Files kept; the oldest beyond them are deleted when a new one is begun. 0 keeps all.
    pub files_max: usize,
    /// Bytes of lines waiting to be written. Beyond it lines below ERROR are dropped and counted; an ERROR takes the
    /// place of those that wait.
    pub queue_bytes_max: usize,
    /// Bytes of the values in a line. What is longer is cut, and the line says by how much.
    pub line_bytes_max: usize,
    /// How long an ERROR waits for room in a queue full of errors before it is lost and counted; once a stall.
    pub error_wait: Duration,
    /// How long the end of the program and a panic wait for the log to be written.
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

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `2026-01-31T12:34:56.000123Z  INFO mprpc::net: message key=value`, in UTC.
    Text,
    /// An object a line: `{"time":"2026-01-31T12:34:56.000123Z","level":"INFO",…}`, in UTC.
    Json,
    /// As the C++ MPRPC writes it: `12:34:56->[info]message key=value`, in a file `2026-1-31-log.txt`, in local time.
    Classic,
}

/// When a new file is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRotation {
    /// With each day of the clock that the lines show.
    Daily,
    /// Not for the time.
    Never,
}

/// Starts the log; [`crate::init`] does. The second call in a process changes nothing.
///
/// Where the program has installed a `tracing` subscriber of its own, that stays, and nothing is started. Call it on
/// the thread that lives longest: when that ends, the log is flushed.
///
/// # Errors
/// The machine refuses a thread. A folder that cannot be written is none: it may become so.
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

/// Changes what is logged, from the next event on: `debug`, or `info,mprpc::net=debug`.
///
/// # Errors
/// The text is no filter; or the log is not ours, or not started.
pub fn set_level(filter: &str) -> Result<(), Error> {
    let log = LOG.get().ok_or_else(|| Error::new(ErrorKind::Log, "the log of mprpc is not started"))?;
    let filter: Filter = filter.parse().map_err(|what: String| Error::new(ErrorKind::Log, what))?;
    log.filter.store(Arc::new(filter));
    tracing_core::callsite::rebuild_interest_cache();
    Ok(())
}

/// What is logged now; `None` where the log is not ours, or not started.
pub fn level() -> Option<Filter> {
    LOG.get().map(|log| log.filter.load().as_ref().clone())
}

/// Waits until every line logged before is written, or counted as lost; false where `timeout` was over before that.
///
/// Blocks the thread: not for an event loop.
pub fn flush(timeout: Duration) -> bool {
    LOG.get().is_none_or(|log| log.queue.flush(timeout))
}

/// Lines that found no room in the queue since the start.
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

/// The log's own failure has only one other place to go to; where that is closed too, there is none.
fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests;
