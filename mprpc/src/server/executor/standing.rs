//! Whether the queue of one flow stands: CoDel's question. Reads no clock.

use std::time::{Duration, Instant};

use crate::limits::Limits;

/// A queue that forms for a moment is what a queue is for; one that stands only adds its length to every call.
///
/// The queue stands once every call that left it in `queue_time_max` had waited longer than `queue_time_target`. Then new
/// calls are refused while the oldest has waited longer than the target, until the queue was empty, or a call has waited less
/// than half of it.
///
/// Source: Nichols, Jacobson, "Controlling Queue Delay", ACM Queue 2012, here applied to arrivals.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Since when every call that left has waited longer than the target.
    late_since: Option<Instant>,
    stands: bool,
}

impl Standing {
    /// How long the oldest call may have waited for another one to be let in.
    pub(super) fn bound(&self, limits: &Limits) -> Duration {
        if self.stands { limits.queue_time_target } else { limits.queue_time_max }
    }

    /// A call left the queue after this wait, and `is_last` that waited.
    pub(super) fn left(&mut self, waited: Duration, is_last: bool, now: Instant, limits: &Limits) {
        let target = limits.queue_time_target;
        if is_last || waited < target / 2 {
            *self = Standing::default();
        } else if waited < target {
            self.late_since = None;
        } else {
            let since = *self.late_since.get_or_insert(now);
            self.stands |= now.saturating_duration_since(since) >= limits.queue_time_max;
        }
    }
}
