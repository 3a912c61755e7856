//! Notices that a folder changed: one inotify for the process. It tells that something
//! happened, never what: whoever is told reads the folder.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

/// A watch on a folder, or on the nearest one above it while it is missing. Events since its creation are not lost.
#[derive(Debug)]
pub(super) struct FolderWatch {
    changed: Arc<Notify>,
    #[cfg(target_os = "linux")]
    watch: i32,
}

impl FolderWatch {
    /// Returns once something has happened in the folder; at once where that was before the call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// Watches the folder, or while it is missing the nearest one above it that is there.
///
/// # Errors
/// The system refuses (too many watches, no permission) or has no inotify: the folder must be polled.
#[cfg(target_os = "linux")]
pub(super) fn watch(folder: &Path) -> io::Result<FolderWatch> {
    for _ in 0..APPEARANCES_MAX {
        match linux::add(folder, linux::ENTRIES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        for above in folder.ancestors().skip(1) {
            // The parent of a relative path's first part is here.
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            match linux::add(above, linux::APPEARANCE) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
                // It may have appeared before the watch above it stood.
                Ok(_) if folder.exists() => break,
                Ok(watch) => return Ok(watch),
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "the folder comes and goes"))
}

/// There is no inotify here: the folder must be polled.
#[cfg(not(target_os = "linux"))]
pub(super) fn watch(_folder: &Path) -> io::Result<FolderWatch> {
    Err(io::ErrorKind::Unsupported.into())
}

/// How often a folder may appear and vanish again while a watch is set.
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

    /// What matters in the folder of a service. A provider that dies closes its file, which it had open for writing.
    pub(super) const ENTRIES: WatchFlags = WatchFlags::CLOSE_WRITE
        .union(WatchFlags::MOVED_TO)
        .union(WatchFlags::MOVED_FROM)
        .union(WatchFlags::DELETE)
        .union(APPEARANCE);
    /// What matters in a folder above it: that the next one appears, or that it goes itself.
    pub(super) const APPEARANCE: WatchFlags = WatchFlags::CREATE
        .union(WatchFlags::MOVED_TO)
        .union(WatchFlags::DELETE_SELF)
        .union(WatchFlags::MOVE_SELF)
        .union(WatchFlags::ONLYDIR)
        .union(WatchFlags::MASK_ADD);

    struct SharedWatcher {
        inotify: OwnedFd,
        /// Who is told of which watch. Two watches of one folder are one to the kernel.
        watchers: Mutex<HashMap<i32, Vec<Arc<Notify>>>>,
    }

    impl SharedWatcher {
        fn watchers(&self) -> MutexGuard<'_, HashMap<i32, Vec<Arc<Notify>>>> {
            self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// The hub, or why the system refused one when it was first asked for.
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
        // Under the lock, so that no drop of another removes the kernel's watch between adding and noting it.
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
                // It fails where the folder, and the watch with it, is gone.
                let _ = inotify::remove_watch(&hub.inotify, self.watch);
            }
        }
    }

    /// Reads events for as long as the process lives. It has a thread of the background loop's pool, since tokio
    /// lets a descriptor of ours into its reactor by `unsafe` alone.
    fn read(inotify: OwnedFd) {
        let mut buffer = [MaybeUninit::uninit(); EVENT_BUFFER_BYTES];
        let mut events = inotify::Reader::new(inotify, &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(rustix::io::Errno::INTR) => continue,
                // Nobody is told any more: everything is still read now and then.
                Err(error) => return tracing::error!("inotify cannot be read: {error}"),
            };
            // The hub is stored once this thread has been started, possibly after its first event.
            let Ok(hub) = hub() else { return };
            let watchers = hub.watchers();
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                watchers.values().flatten().for_each(|told| told.notify_one());
            } else if let Some(told) = watchers.get(&event.wd()) {
                told.iter().for_each(|told| told.notify_one());
            }
        }
    }

    /// What is read of the kernel's queue at a time; an event is 16 bytes and a file name.
    const EVENT_BUFFER_BYTES: usize = 4096;
}
