//! The identity of the host. Two processes compare it before one of them uses a path that the other has named.

use std::sync::OnceLock;

/// The id that Linux draws at each boot, or `None` if the system has no such id.
///
/// Containers on one host share the id but not their files. So a process that uses a path of another process must expect
/// that the path does not exist.
pub(crate) fn host_id() -> Option<&'static str> {
    static ID: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned()).filter(|id| !id.is_empty())
    };
    ID.get_or_init(read).as_deref()
}
