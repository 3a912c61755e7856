//! Why a compilation failed, and where. Not a panic, and not the error of a running service.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a compilation failed, with the place in the source where there is one: `proto/user.proto:7:12: message`.
pub struct Error {
    message: String,
    help: Option<String>,
    file: Option<PathBuf>,
    place: Option<Place>,
}

/// A place in a file; line and column count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Error {
        Error { message: message.into(), help: None, file: None, place: None }
    }

    pub(crate) fn at(file: &Path, place: Option<Place>, message: impl Into<String>) -> Error {
        Error { file: Some(file.to_owned()), place, ..Error::new(message) }
    }

    pub(crate) fn with_help(self, help: Option<String>) -> Error {
        Error { help, ..self }
    }

    /// The file at fault, by the path it was opened with.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line at fault, from 1.
    pub fn line(&self) -> Option<usize> {
        self.place.map(|place| place.line)
    }

    /// The column at fault, from 1.
    pub fn column(&self) -> Option<usize> {
        self.place.map(|place| place.column)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some(Place { line, column }) = self.place {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// As [`fmt::Display`], because `unwrap()` in a build script prints this.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
