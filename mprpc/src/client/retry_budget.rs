//! `RetryBudget`: how many retries and hedges a channel may make, as a share of its calls. Not whether a retry is safe.
//!
//! Retries multiply the load of servers that are already in trouble. Therefore all retries and hedges of a channel share one
//! budget: `retry_percent` of the calls of the last `retry_window`, and `retries_min` if that is more.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::Limits;

/// The budget of one channel.
#[derive(Debug)]
pub(super) struct RetryBudget {
    calls: CallCount,
    window: Mutex<Window>,
}

/// The counts of the window, in slices of time.
#[derive(Debug)]
struct Window {
    slices: [Slice; SLICES],
    /// The current slice and its start time.
    current: usize,
    begun: Instant,
    /// The number of calls that the slices have counted, also in slices that are gone.
    counted: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    calls: u64,
    retries: u64,
}

const SLICES: usize = 10;

impl RetryBudget {
    pub(super) fn new(now: Instant) -> RetryBudget {
        let window = Window { slices: [Slice::default(); SLICES], current: 0, begun: now, counted: 0 };
        RetryBudget { calls: CallCount::default(), window: Mutex::new(window) }
    }

    /// Counts a call. Every call of the channel does this once, whatever number of attempts follows.
    #[inline(always)]
    pub(super) fn count_call(&self) {
        self.calls.add();
    }

    /// Takes one retry or hedge out of the budget. Returns false if the budget is used up.
    pub(super) fn take(&self, limits: &Limits, now: Instant) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let may = window.left(self.calls.total(), limits, now) > 0;
        let current = window.current;
        window.slices[current].retries += u64::from(may);
        may
    }

    /// How many retries and hedges are left in the budget.
    pub(super) fn left(&self, limits: &Limits, now: Instant) -> u64 {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).left(self.calls.total(), limits, now)
    }
}

impl Window {
    /// How many retries are left at `now`, after `calls` calls in all.
    fn left(&mut self, calls: u64, limits: &Limits, now: Instant) -> u64 {
        self.turn(calls, now, limits.retry_window);
        let calls: u64 = self.slices.iter().map(|slice| slice.calls).sum();
        let retries: u64 = self.slices.iter().map(|slice| slice.retries).sum();
        let share = calls.saturating_mul(limits.retry_percent as u64) / 100;
        share.max(limits.retries_min as u64).saturating_sub(retries)
    }

    /// Moves on to `now`: forgets what is older than the window, and counts the calls since the last turn. Those calls are
    /// taken to have come evenly.
    fn turn(&mut self, calls: u64, now: Instant, window: Duration) {
        let length = (window / SLICES as u32).max(Duration::from_millis(1));
        let new = calls.saturating_sub(self.counted);
        self.counted = calls;
        let elapsed = now.saturating_duration_since(self.begun);
        let passed = u64::try_from(elapsed.as_nanos() / length.as_nanos()).unwrap_or(u64::MAX - 1);
        let share = new / (passed + 1);
        self.slices[self.current].calls += share + new % (passed + 1);
        for _ in 0..passed.min(SLICES as u64) {
            self.current = (self.current + 1) % SLICES;
            self.slices[self.current] = Slice { calls: share, retries: 0 };
        }
        // The new slice begins where the last one ended, not at `now`.
        let rest = elapsed.as_nanos() % length.as_nanos();
        self.begun = now.checked_sub(Duration::from_nanos(rest as u64)).unwrap_or(now);
    }
}

/// A counter for many threads. Each thread adds to one of several cells, so that threads seldom share a cache line.
#[derive(Debug, Default)]
struct CallCount([Cell64; CELLS]);

#[derive(Debug, Default)]
#[repr(align(64))]
struct Cell64(AtomicU64);

const CELLS: usize = 8;

thread_local! {
    /// The cell of this thread; `CELLS` before the first call.
    static CELL: Cell<usize> = const { Cell::new(CELLS) };
}

impl CallCount {
    #[inline(always)]
    fn add(&self) {
        let cell = self.0.get(CELL.get()).unwrap_or_else(|| &self.0[choose_cell()]);
        cell.0.fetch_add(1, Ordering::Relaxed);
    }

    fn total(&self) -> u64 {
        self.0.iter().map(|cell| cell.0.load(Ordering::Relaxed)).sum()
    }
}

#[cold]
fn choose_cell() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let cell = NEXT.fetch_add(1, Ordering::Relaxed) % CELLS;
    CELL.set(cell);
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(retry_percent: usize, retries_min: usize) -> Limits {
        Limits { retry_percent, retries_min, retry_window: Duration::from_secs(5), ..Limits::default() }
    }

    /// Makes `calls` calls over a second, each of which wants a retry. Returns how many retries the budget allows.
    fn second(budget: &RetryBudget, begin: Instant, second: u32, calls: u32, limits: &Limits) -> u32 {
        let mut allowed = 0;
        for call in 0..calls {
            budget.count_call();
            let now = begin + Duration::from_secs(second.into()) + Duration::from_secs(1) * call / calls;
            allowed += u32::from(budget.take(limits, now));
        }
        allowed
    }

    #[test]
    fn retry_percent_bounds_the_retries_at_any_rate() {
        let (begin, limits) = (Instant::now(), limits(10, 10));
        for rate in [200, 1_000, 20_000] {
            let budget = RetryBudget::new(begin);
            let allowed: u32 = (0..20).map(|at| second(&budget, begin, at, rate, &limits)).sum();
            let calls = 20 * rate;
            assert!(allowed * 10 <= calls, "{allowed} of {calls}");
            assert!(allowed * 11 >= calls, "{allowed} of {calls}");
        }
    }

    #[test]
    fn retries_min_allows_retries_to_a_channel_with_few_calls() {
        let begin = Instant::now();
        for (retries_min, allowed) in [(10, 10), (3, 3)] {
            let budget = RetryBudget::new(begin);
            assert_eq!(second(&budget, begin, 0, 20, &limits(1, retries_min)), allowed);
            assert_eq!(second(&budget, begin, 1, 20, &limits(1, retries_min)), 0);
            assert_eq!(second(&budget, begin, 8, 20, &limits(1, retries_min)), allowed);
        }
    }

    #[test]
    fn retry_window_bounds_how_long_calls_count() {
        let begin = Instant::now();
        for (elapsed, allowed) in [(1, 100), (4, 100), (7, 10)] {
            let budget = RetryBudget::new(begin);
            (0..1000).for_each(|_| budget.count_call());
            let limits = limits(10, 10);
            assert!(budget.take(&limits, begin));
            let now = begin + Duration::from_secs(elapsed);
            let more = (0..200).filter(|_| budget.take(&limits, now)).count();
            let taken_before = usize::from(elapsed < 5);
            assert_eq!(more + taken_before, allowed, "{elapsed} s later");
        }
    }

    #[test]
    fn calls_of_an_old_channel_without_retries_do_not_count_as_calls_of_the_window() {
        let begin = Instant::now();
        let budget = RetryBudget::new(begin);
        (0..36_000).for_each(|_| budget.count_call());
        let limits = limits(10, 1);
        // Ten calls a second: about 50 in the window.
        let now = begin + Duration::from_secs(3600);
        let allowed = (0..100).filter(|_| budget.take(&limits, now)).count();
        assert!((4..=6).contains(&allowed), "{allowed}");
    }

    #[test]
    fn calls_of_all_threads_count() {
        let budget = RetryBudget::new(Instant::now());
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..1000).for_each(|_| budget.count_call()));
            }
        });
        assert_eq!(budget.calls.total(), 20_000);
    }
}
