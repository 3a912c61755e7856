//! Which cores a process runs on.

use std::io;

use rustix::thread::{CpuSet, sched_setaffinity};

/// Keeps this process on one core. Call it before the first thread is started: threads take it over from who starts them.
pub fn pin(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// The cores that this process may use: one, once it is pinned.
pub fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
