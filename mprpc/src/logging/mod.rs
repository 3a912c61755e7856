//! The log: what is logged, in which form, and where to.

mod filter;

use std::path::PathBuf;
use std::time::Duration;

pub use self::filter::Filter;

use crate::error::Error;

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

/// Starts the log.
///
/// # Errors
/// None yet.
pub fn start(_config: &LogConfig) -> Result<(), Error> {
    Ok(())
}
