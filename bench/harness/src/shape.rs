//! The number of connections, and of callers on each.

use std::fmt;
use std::str::FromStr;

/// CONNECTIONS x CALLERS: `8x16` is 8 connections with 16 callers each. Every caller has one call in flight at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Connections, all opened before the measurement.
    pub connections: usize,
    /// Callers on each of them.
    pub callers: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.connections, self.callers)
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Shape, String> {
        let parse = || {
            let (connections, callers) = text.split_once('x')?;
            let shape = Shape { connections: connections.parse().ok()?, callers: callers.parse().ok()? };
            (shape.connections > 0 && shape.callers > 0).then_some(shape)
        };
        parse().ok_or_else(|| format!("'{text}' is no shape; one is CONNECTIONSxCALLERS, as 8x16"))
    }
}
