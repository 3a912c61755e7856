//! The clock. Only this file reads the time. Under tokio's paused time the clock is virtual.

use std::time::Instant;

/// The current time, as the runtime sees it.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
