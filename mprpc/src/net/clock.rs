//! The clock: the one place that reads it. Under tokio's paused time it is virtual.

use std::time::Instant;

/// Now, as the runtime sees it.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
