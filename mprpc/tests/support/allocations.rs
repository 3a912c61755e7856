//! A counting allocator for tests that check a memory bound. Each such test must be a separate program.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator with counters. Every growing allocation moves, as with the worst allocator, so that both the old
/// and the new allocation count.
pub(crate) struct Counting {
    live: AtomicUsize,
    peak: AtomicUsize,
    before: AtomicUsize,
}

impl Counting {
    pub(crate) const fn new() -> Counting {
        Counting { live: AtomicUsize::new(0), peak: AtomicUsize::new(0), before: AtomicUsize::new(0) }
    }

    /// Starts to count.
    pub(crate) fn begin(&self) {
        let live = self.live.load(Ordering::Relaxed);
        self.before.store(live, Ordering::Relaxed);
        self.peak.store(live, Ordering::Relaxed);
    }

    /// The peak of allocated bytes since [`Counting::begin`], beyond the bytes allocated before.
    pub(crate) fn most_since_begin(&self) -> usize {
        self.peak.load(Ordering::Relaxed).saturating_sub(self.before.load(Ordering::Relaxed))
    }
}

thread_local! {
    static OF_THIS_THREAD: Cell<usize> = const { Cell::new(0) };
}

/// The number of allocations of this thread. A growing allocation counts again.
pub(crate) fn of_this_thread() -> usize {
    OF_THIS_THREAD.get()
}

#[allow(unsafe_code, reason = "an allocator is; it only counts and hands on")]
// SAFETY: the system's allocator keeps the contract. The counters do not touch its memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // The counter of an ending thread no longer exists.
        let _ = OF_THIS_THREAD.try_with(|count| count.set(count.get() + 1));
        let live = self.live.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        self.peak.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.live.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}
