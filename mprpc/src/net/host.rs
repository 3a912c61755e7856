//! Which host this is: what two processes compare before one uses a path that the other has named.

use std::sync::OnceLock;

/// Says which host this is, for as long as it runs: the id that Linux draws at each boot. Containers of one host have the
/// same, and other files; so whoever uses a path of another process expects that it is not there. `None` where the
/// system has no such id.
pub(crate) fn host_id() -> Option<&'static str> {
    static ID: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned()).filter(|id| !id.is_empty())
    };
    ID.get_or_init(read).as_deref()
}
