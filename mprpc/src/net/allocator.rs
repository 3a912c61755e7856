//! Memory that the process has freed and its allocator still keeps: given back to the system. Not the counting of it.

/// Gives back what the allocator keeps. Blocks the thread: 55 ms for 450 MiB, during which other threads wait where they
/// allocate from the same heap. Does nothing where the C library is not glibc, or the program has another allocator.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back_memory() {
    // SAFETY: the declaration is that of malloc_trim(3), which may be called at any time by any thread. Measured: a server
    // that had parked 40,000 calls with 16 KB of metadata each keeps 456 MiB without it, and 6 MiB with it.
    #[allow(unsafe_code, reason = "std has no name for it, and 450 MiB are worth it; see above")]
    unsafe extern "C" {
        safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    malloc_trim(0);
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back_memory() {}
