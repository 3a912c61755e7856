//! The error of building, configuring and starting, for whoever runs the program. Not the outcome of a call, which is
//! [`crate::Status`].

use std::fmt;
use std::io;

/// The subject of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A conf file, an environment variable, a flag or an address is wrong.
    Config,
    /// A listening socket could not be opened.
    Listen,
    /// A registry cannot be used as configured.
    Registry,
    /// The log cannot be written.
    Log,
    /// The system refused a thread, a runtime or another resource.
    System,
}

/// Why something could not be built, configured or started. `Display` names the subject, the place, and the limit or cause.
///
/// `Debug` prints the same text, because a `main` that returns an error prints `Debug`.
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<io::Error>,
}

impl Error {
    /// Creates an error without an underlying cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), source: None }
    }

    /// Creates an error caused by a system error, which `Display` appends.
    pub fn with_source(kind: ErrorKind, message: impl Into<String>, source: io::Error) -> Error {
        Error { kind, message: message.into(), source: Some(source) }
    }

    /// The subject of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{}: {source}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
