//! Returns memory that the process has freed, and the allocator still holds, to the system. It does not count memory.

/// Returns the allocator's free memory to the system. Blocks the thread: 55 ms for 450 MiB. Other threads that allocate
/// from the same heap wait meanwhile. Does nothing if the C library is not glibc or the program has another allocator.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back_memory() {
    // SAFETY: the declaration is that of malloc_trim(3), which any thread may call at any time. Measured: a server that had
    // parked 40,000 calls with 16 KB of metadata each keeps 456 MiB without the call and 6 MiB with it.
    #[allow(unsafe_code, reason = "std has no name for it, and 450 MiB are worth it; see above")]
    unsafe extern "C" {
        safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    malloc_trim(0);
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back_memory() {}
