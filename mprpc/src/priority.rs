//! How much a call matters to its caller: what decides which calls are refused first where there are too many.

use std::fmt;

use crate::metadata::Metadata;

/// How much a call matters. It travels in the metadata, and a handler's own calls inherit it.
///
/// A server with too much to do refuses `Sheddable` calls first and `Critical` calls last. The priority is the caller's word:
/// it changes the shares of callers, and lets none of them starve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Work that may wait or be left out: a prefetch, a batch job.
    Sheddable,
    /// What is not said to be anything else.
    #[default]
    Normal,
    /// A user waits for it, and notices its failure.
    Critical,
}

impl Priority {
    /// The key in the metadata of a call.
    pub const KEY: &str = "mprpc-priority";

    /// The name on the wire, `critical`.
    pub fn name(self) -> &'static str {
        match self {
            Priority::Sheddable => "sheddable",
            Priority::Normal => "normal",
            Priority::Critical => "critical",
        }
    }

    /// The priority of a call with this metadata. What no version of mprpc knows is [`Priority::Normal`].
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
    fn priority_is_what_the_metadata_says_and_normal_otherwise() {
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
