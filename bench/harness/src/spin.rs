//! Work for a handler that computes.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

/// Keeps the core busy until `time` has passed by the clock, which also counts while other threads have the core.
pub fn spin(time: Duration) {
    if time.is_zero() {
        return;
    }
    let begin = Instant::now();
    while begin.elapsed() < time {
        spin_loop();
    }
}
