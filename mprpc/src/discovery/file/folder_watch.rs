//! Watches folders for changes: one inotify instance for the process. A watch reports that something changed, not what:
//! its user reads the folder again.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

/// A watch on a folder, or on its nearest existing ancestor while the folder is missing. Keeps every event since its
/// creation.
#[derive(Debug)]
pub(super) struct FolderWatch {
    changed: Arc<Notify>,
    #[cfg(target_os = "linux")]
    watch: i32,
}

impl FolderWatch {
    /// Returns once something has happened in the folder; returns at once if it happened before the call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// Watches the folder, or its nearest existing ancestor while the folder is missing.
///
/// # Errors
/// The system has no inotify or refuses (too many watches, no permission). The caller must poll the folder.
#[cfg(target_os = "linux")]
pub(super) fn watch(folder: &Path) -> io::Result<FolderWatch> {
    for _ in 0..APPEARANCES_MAX {
        match linux::add(folder, linux::ENTRIES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        for above in folder.ancestors().skip(1) {
            // The first part of a relative path has the current folder as its parent.
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            match linux::add(above, linux::APPEARANCE) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
                // The folder may have appeared before the watch on its ancestor was in place.
                Ok(_) if folder.exists() => break,
                Ok(watch) => return Ok(watch),
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "the folder comes and goes"))
}

/// Always fails, because this system has no inotify: the caller must poll the folder.
#[cfg(not(target_os = "linux"))]
pub(super) fn watch(_folder: &Path) -> io::Result<FolderWatch> {
    Err(io::ErrorKind::Unsupported.into())
}

/// How many times a folder may appear and vanish again while a watch is being set.
#[cfg(target_os = "linux")]
const APPEARANCES_MAX: usize = 4;

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::path::Path;
    use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    use tokio::sync::Notify;

    use super::FolderWatch;

    /// The events of a service's folder. A dying provider closes its file, which it had open for writing.
    pub(super) const ENTRIES: WatchFlags = WatchFlags::CLOSE_WRITE
        .union(WatchFlags::MOVED_TO)
        .union(WatchFlags::MOVED_FROM)
        .union(WatchFlags::DELETE)
        .union(APPEARANCE);
    /// The events of an ancestor: the next folder on the path appears, or the ancestor itself goes away.
    pub(super) const APPEARANCE: WatchFlags = WatchFlags::CREATE
        .union(WatchFlags::MOVED_TO)
        .union(WatchFlags::DELETE_SELF)
        .union(WatchFlags::MOVE_SELF)
        .union(WatchFlags::ONLYDIR)
        .union(WatchFlags::MASK_ADD);

    struct SharedWatcher {
        inotify: OwnedFd,
        /// The users of each watch. The kernel sees two watches of one folder as one.
        watchers: Mutex<HashMap<i32, Vec<Arc<Notify>>>>,
    }

    impl SharedWatcher {
        fn watchers(&self) -> MutexGuard<'_, HashMap<i32, Vec<Arc<Notify>>>> {
            self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// Returns the shared watcher, or why the system refused one on first use.
    fn hub() -> io::Result<&'static SharedWatcher> {
        static HUB: OnceLock<Result<SharedWatcher, io::ErrorKind>> = OnceLock::new();
        let hub = HUB.get_or_init(|| {
            let start = || -> io::Result<SharedWatcher> {
                let inotify = inotify::init(CreateFlags::CLOEXEC)?;
                let reader = inotify.try_clone()?;
                crate::net::background().spawn_blocking(|| read(reader));
                Ok(SharedWatcher { inotify, watchers: Mutex::default() })
            };
            start().map_err(|error| error.kind())
        });
        hub.as_ref().map_err(|kind| io::Error::from(*kind))
    }

    pub(super) fn add(folder: &Path, flags: WatchFlags) -> io::Result<FolderWatch> {
        let hub = hub()?;
        let changed = Arc::new(Notify::new());
        // Holds the lock, so that the drop of another `FolderWatch` cannot remove the kernel's watch before this one is
        // noted.
        let mut watchers = hub.watchers();
        let watch = inotify::add_watch(&hub.inotify, folder, flags)?;
        watchers.entry(watch).or_default().push(changed.clone());
        Ok(FolderWatch { changed, watch })
    }

    impl Drop for FolderWatch {
        fn drop(&mut self) {
            let Ok(hub) = hub() else { return };
            let mut watchers = hub.watchers();
            let Some(told) = watchers.get_mut(&self.watch) else { return };
            told.retain(|notify| !Arc::ptr_eq(notify, &self.changed));
            if told.is_empty() {
                watchers.remove(&self.watch);
                // This fails if the folder is gone, and the watch with it.
                let _ = inotify::remove_watch(&hub.inotify, self.watch);
            }
        }
    }

    /// Reads events for as long as the process lives.
    ///
    /// Blocks a thread of the background runtime's pool, because only `unsafe` code could register this descriptor with
    /// tokio's reactor.
    fn read(inotify: OwnedFd) {
        let mut buffer = [MaybeUninit::uninit(); EVENT_BUFFER_BYTES];
        let mut events = inotify::Reader::new(inotify, &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(rustix::io::Errno::INTR) => continue,
                // Watches report nothing from now on. Resolvers still read their folders periodically.
                Err(error) => return tracing::error!("inotify cannot be read: {error}"),
            };
            // The shared watcher is stored after this thread starts, possibly after its first event.
            let Ok(hub) = hub() else { return };
            let watchers = hub.watchers();
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                watchers.values().flatten().for_each(|told| told.notify_one());
            } else if let Some(told) = watchers.get(&event.wd()) {
                told.iter().for_each(|told| told.notify_one());
            }
        }
    }

    /// The bytes read from the kernel's queue at a time. An event has 16 bytes and a file name.
    const EVENT_BUFFER_BYTES: usize = 4096;
}
