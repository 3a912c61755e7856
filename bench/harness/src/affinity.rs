//! The cores on which a process runs.

use std::io;

use rustix::thread::{CpuSet, sched_setaffinity};

/// Pins this process to one core. Call it before the first thread starts, because a thread inherits the affinity of its
/// creator.
pub fn pin(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// The number of cores that this process may use: one once it is pinned.
pub fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
