//! The priority of a call. Under overload it decides which calls a server refuses first.

use std::fmt;

use crate::metadata::Metadata;

/// How much a call matters. The priority travels in the metadata, and a handler's own calls inherit it.
///
/// An overloaded server refuses `Sheddable` calls first and `Critical` calls last. The server does not verify the priority:
/// it changes the shares of callers, but starves none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Work that may wait or be left out: a prefetch, a batch job.
    Sheddable,
    /// The priority of a call that sets none.
    #[default]
    Normal,
    /// A user waits for the call and notices its failure.
    Critical,
}

impl Priority {
    /// The key in the metadata of a call.
    pub const KEY: &str = "mprpc-priority";

    /// The name on the wire, such as `critical`.
    pub fn name(self) -> &'static str {
        match self {
            Priority::Sheddable => "sheddable",
            Priority::Normal => "normal",
            Priority::Critical => "critical",
        }
    }

    /// The priority in this metadata. Unknown values are [`Priority::Normal`].
    pub fn of(metadata: &Metadata) -> Priority {
        match metadata.value(Priority::KEY) {
            Some(b"critical") => Priority::Critical,
            Some(b"sheddable") => Priority::Sheddable,
            _ => Priority::Normal,
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_is_read_from_metadata_and_defaults_to_normal() {
        for priority in [Priority::Sheddable, Priority::Normal, Priority::Critical] {
            let mut metadata = Metadata::new();
            metadata.set(Priority::KEY, priority.name()).unwrap();
            assert_eq!(Priority::of(&metadata), priority);
            assert_eq!(Priority::of(&metadata.passed_on()), priority, "a handler's own calls inherit it");
        }
        let mut unknown = Metadata::new();
        assert_eq!(Priority::of(&unknown), Priority::Normal);
        unknown.set(Priority::KEY, "urgent").unwrap();
        assert_eq!(Priority::of(&unknown), Priority::Normal);
    }
}
