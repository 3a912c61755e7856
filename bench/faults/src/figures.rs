//! What a row has measured, beside what it asks for.

use std::fmt;
use std::time::Duration;

use crate::caller::Calls;

/// The calls of a part of a row, what else is worth saying, and what is asked of them.
pub(crate) struct Figures {
    what: String,
    calls: Calls,
    note: String,
    requirements: Vec<Requirement>,
}

/// A bound that a row has to keep, beside what was measured.
struct Requirement {
    asked: String,
    measured: String,
    is_met: bool,
}

impl Figures {
    pub(crate) fn new(what: impl Into<String>, calls: Calls, note: impl Into<String>) -> Figures {
        Figures { what: what.into(), calls, note: note.into(), requirements: Vec::new() }
    }

    /// Asks for what is not a figure of the calls alone.
    pub(crate) fn ask(mut self, asked: impl Into<String>, measured: impl Into<String>, is_met: bool) -> Figures {
        self.requirements.push(Requirement { asked: asked.into(), measured: measured.into(), is_met });
        self
    }

    /// Asks that at most so many of the calls fail.
    pub(crate) fn ask_failed_at_most(self, bound: usize) -> Figures {
        let (failed, count) = (self.calls.failed(), self.calls.count());
        self.ask(format!("at most {bound} failed"), format!("{failed} of {count}"), failed <= bound && count > 0)
    }

    /// Asks that the 99th percentile is at most this.
    pub(crate) fn ask_p99_at_most(self, bound: Duration) -> Figures {
        let p99 = self.calls.quantile(0.99);
        self.ask(format!("p99 at most {} ms", millis(bound)), format!("{} ms", millis(p99)), p99 <= bound)
    }

    /// Whether every requirement is met.
    pub(crate) fn are_met(&self) -> bool {
        self.requirements.iter().all(|requirement| requirement.is_met)
    }

    /// The heads of the columns.
    pub(crate) fn heads() -> String {
        format!(
            "{:<34} {:>6} {:>6} {:>9} {:>9} {:>9} {:>9}",
            "", "calls", "failed", "p50 ms", "p99 ms", "p99.9 ms", "max ms"
        )
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { what, calls, note, requirements } = self;
        write!(f, "{what:<34} {:>6} {:>6}", calls.count(), calls.failed())?;
        for share in [0.5, 0.99, 0.999, 1.0] {
            write!(f, " {:>9}", millis(calls.quantile(share)))?;
        }
        write!(f, "  {note}")?;
        if let Some(failure) = calls.first_failure() {
            write!(f, "\n  the first failure: {failure}")?;
        }
        for Requirement { asked, measured, is_met } in requirements {
            let verdict = if *is_met { "met" } else { "MISSED" };
            write!(f, "\n  asked: {asked}; measured: {measured}; {verdict}")?;
        }
        Ok(())
    }
}

fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
