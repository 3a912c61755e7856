//! An allocator that counts, for test programs that hold memory to a bound. Each has to be a program of its own.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, counted. It moves every allocation that grows, as the worst allocator would, so that both
/// the old one and the new one count.
pub(crate) struct Counting {
    live: AtomicUsize,
    peak: AtomicUsize,
    before: AtomicUsize,
}

impl Counting {
    pub(crate) const fn new() -> Counting {
        Counting { live: AtomicUsize::new(0), peak: AtomicUsize::new(0), before: AtomicUsize::new(0) }
    }

    /// Counts from here on.
    pub(crate) fn begin(&self) {
        let live = self.live.load(Ordering::Relaxed);
        self.before.store(live, Ordering::Relaxed);
        self.peak.store(live, Ordering::Relaxed);
    }

    /// The most bytes that were allocated at a time since then, beyond those of before.
    pub(crate) fn most_since_begin(&self) -> usize {
        self.peak.load(Ordering::Relaxed).saturating_sub(self.before.load(Ordering::Relaxed))
    }
}

thread_local! {
    static OF_THIS_THREAD: Cell<usize> = const { Cell::new(0) };
}

/// How often this thread has allocated; what grows has allocated again.
pub(crate) fn of_this_thread() -> usize {
    OF_THIS_THREAD.get()
}

#[allow(unsafe_code, reason = "an allocator is; it only counts and hands on")]
// SAFETY: the system's allocator keeps the contract; the counters are beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending counts no more.
        let _ = OF_THIS_THREAD.try_with(|count| count.set(count.get() + 1));
        let live = self.live.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        self.peak.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.live.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}
