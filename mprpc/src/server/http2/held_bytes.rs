//! Bytes that a stream holds, counted for its connection until the stream is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The part of a connection's count that one stream holds. Dropping it releases the bytes.
#[derive(Default)]
pub(super) struct HeldBytes {
    bytes: usize,
    /// The count of the connection. `None` as long as the stream has held nothing.
    count: Option<Arc<AtomicUsize>>,
}

impl HeldBytes {
    /// Sets how many bytes the stream holds.
    #[inline]
    pub(super) fn set(&mut self, bytes: usize, count: &Arc<AtomicUsize>) {
        if bytes != self.bytes {
            self.change(bytes, count);
        }
    }

    #[cold]
    fn change(&mut self, bytes: usize, count: &Arc<AtomicUsize>) {
        let count = self.count.get_or_insert_with(|| count.clone());
        // One thread counts, so the difference of two wrapping steps is exact.
        count.fetch_add(bytes, Ordering::Relaxed);
        count.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        if let Some(count) = &self.count {
            count.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}
