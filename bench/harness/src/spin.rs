//! Work for a handler that computes.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

/// Keeps the core busy until so much time has passed; also by the clock where other threads have had the core meanwhile.
pub fn spin(time: Duration) {
    if time.is_zero() {
        return;
    }
    let begin = Instant::now();
    while begin.elapsed() < time {
        spin_loop();
    }
}
