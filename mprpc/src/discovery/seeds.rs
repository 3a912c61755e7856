//! Runs a test for many seeds on all cores, and says which seed fails.

use std::panic::{RefUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Runs `test` for the seeds that once failed and for those below `count`. `MPRPC_SEED` chooses one seed instead.
pub(super) fn run(failed_once: &[u64], count: u64, test: fn(u64)) {
    if let Some(seed) = std::env::var("MPRPC_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return test(seed);
    }
    failed_once.iter().for_each(|seed| test_seed(test, *seed));
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < count
                {
                    test_seed(test, seed);
                }
            });
        }
    });
}

fn test_seed(test: impl Fn(u64) + RefUnwindSafe, seed: u64) {
    if let Err(panic) = catch_unwind(|| test(seed)) {
        eprintln!("MPRPC_SEED={seed} repeats the failure");
        resume_unwind(panic);
    }
}
