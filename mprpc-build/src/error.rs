//! The error of a compilation: the reason and the place in the source. Not a panic, and not the error of a running service.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a compilation failed, with the place in the source if there is one: `proto/user.proto:7:12: message`.
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

    /// The faulty file, with the path by which it was opened.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The faulty line, from 1.
    pub fn line(&self) -> Option<usize> {
        self.place.map(|place| place.line)
    }

    /// The faulty column, from 1.
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

/// Prints the same text as [`fmt::Display`], because `unwrap()` in a build script prints `Debug`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
