//! Watches: which paths are watched, and whom an event of a node concerns. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Error;

/// Which nodes a watch covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchMode {
    /// The node itself and the list of its children.
    Persistent,
    /// The node and everything below it. It reports no [`EventKind::ChildrenChanged`].
    Recursive,
}

/// A change of a watched node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchEvent {
    /// What changed.
    pub kind: EventKind,
    /// The path of the node that changed. For [`EventKind::Missed`] it is the watched path.
    pub path: Arc<str>,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The node was created.
    Created,
    /// The node was deleted.
    Deleted,
    /// The data of the node was set.
    DataChanged,
    /// A child of the node was created or deleted.
    ChildrenChanged,
    /// Changes may have been missed: the connection was lost and is back, or more than
    /// [`Options::watch_events_max`](crate::Options::watch_events_max) events waited. Read again.
    Missed,
}

impl EventKind {
    /// The kind of an event of the protocol. `None` for notices about watches.
    pub(crate) fn of_code(code: i32) -> Option<EventKind> {
        match code {
            1 => Some(EventKind::Created),
            2 => Some(EventKind::Deleted),
            3 => Some(EventKind::DataChanged),
            4 => Some(EventKind::ChildrenChanged),
            _ => None,
        }
    }
}

/// Identifies one watcher of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WatcherId(u64);

/// The watched paths of a session.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    paths: BTreeMap<Arc<str>, Watched>,
    next: u64,
}

#[derive(Debug)]
struct Watched {
    mode: WatchMode,
    watchers: Vec<WatcherId>,
}

impl Watches {
    /// Adds a watcher. Fails if the path is watched in the other mode: the servers would drop the first watch.
    pub(crate) fn add(&mut self, path: &str, mode: WatchMode) -> Result<WatcherId, Error> {
        let watched = self.paths.entry(path.into()).or_insert_with(|| Watched { mode, watchers: Vec::new() });
        if watched.mode != mode {
            return Err(Error::WatchModeConflict);
        }
        let id = WatcherId(self.next);
        self.next += 1;
        watched.watchers.push(id);
        Ok(id)
    }

    /// Removes a watcher. Returns whether it was the last one of its path.
    pub(crate) fn remove(&mut self, path: &str, id: WatcherId) -> bool {
        let Some(watched) = self.paths.get_mut(path) else { return false };
        watched.watchers.retain(|watcher| *watcher != id);
        let last = watched.watchers.is_empty();
        if last {
            self.paths.remove(path);
        }
        last
    }

    /// The watchers that an event of the node `path` concerns.
    pub(crate) fn concerned(&self, path: &str, kind: EventKind) -> Vec<WatcherId> {
        let mut concerned = Vec::new();
        if let Some(watched) = self.paths.get(path)
            && (watched.mode == WatchMode::Persistent || kind != EventKind::ChildrenChanged)
        {
            concerned.extend(&watched.watchers);
        }
        if kind == EventKind::ChildrenChanged {
            return concerned;
        }
        let mut below = path;
        while below.len() > 1 {
            let at = below.rfind('/').unwrap_or(0);
            below = if at == 0 { "/" } else { &below[..at] };
            let watched = self.paths.get(below).filter(|watched| watched.mode == WatchMode::Recursive);
            concerned.extend(watched.into_iter().flat_map(|watched| &watched.watchers));
        }
        concerned
    }

    /// Every watched path with its mode and its watchers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, WatchMode, &[WatcherId])> {
        self.paths.iter().map(|(path, watched)| (path, watched.mode, &watched.watchers[..]))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    #[test]
    fn events_reach_the_watchers_of_the_node_and_the_recursive_ones_above() {
        let mut watches = Watches::default();
        let root = watches.add("/", WatchMode::Recursive).unwrap();
        let a = watches.add("/a", WatchMode::Persistent).unwrap();
        let b = watches.add("/a/b", WatchMode::Recursive).unwrap();
        assert_eq!(watches.add("/a/b", WatchMode::Persistent), Err(Error::WatchModeConflict));
        assert_eq!(watches.concerned("/a/b/c", EventKind::Created), [b, root]);
        assert_eq!(watches.concerned("/a/b", EventKind::Deleted), [b, root]);
        assert_eq!(watches.concerned("/a", EventKind::ChildrenChanged), [a]);
        assert_eq!(watches.concerned("/a", EventKind::DataChanged), [a, root]);
        assert_eq!(watches.concerned("/ab", EventKind::Created), [root]);
        assert_eq!(watches.concerned("/", EventKind::DataChanged), [root]);
        assert!(watches.remove("/a/b", b) && !watches.remove("/a/b", b));
        watches.add("/a/b", WatchMode::Persistent).unwrap();
    }
}
