//! A watcher: the stream of changes of a watched path.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::client::Client;
use crate::watch::{EventKind, WatchEvent, WatcherId};

/// Reports the changes of a watched path. Dropping it ends the watch.
pub struct Watcher {
    client: Client,
    id: WatcherId,
    path: Arc<str>,
    feed: Arc<Feed>,
}

impl Watcher {
    pub(crate) fn new(client: Client, id: WatcherId, path: Arc<str>, feed: Arc<Feed>) -> Watcher {
        Watcher { client, id, path, feed }
    }

    /// Returns the next change. `None` once the client is closed. Dropping the future loses no change.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            {
                let mut queue = self.feed.lock();
                if let Some(event) = queue.events.pop_front() {
                    return Some(event);
                }
                if queue.ended {
                    return None;
                }
            }
            self.feed.wake.notified().await;
        }
    }

    /// Returns the next change, if one waits.
    pub fn try_next(&mut self) -> Option<WatchEvent> {
        self.feed.lock().events.pop_front()
    }

    /// Drops the changes that wait. Call it before a read that covers all of them.
    pub fn clear(&mut self) {
        self.feed.lock().events.clear();
    }

    /// The watched path.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.client.unwatch(&self.path, self.id);
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The changes that a watcher has not taken yet. Bounded: the driver of the session never waits for a watcher.
#[derive(Debug)]
pub(crate) struct Feed {
    queue: Mutex<Queue>,
    wake: Notify,
    events_max: usize,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<WatchEvent>,
    ended: bool,
}

impl Feed {
    pub(crate) fn new(events_max: usize) -> Feed {
        Feed { queue: Mutex::default(), wake: Notify::new(), events_max }
    }

    /// Adds a change of the node. If too many wait, all of them become one [`EventKind::Missed`] of the path `watched`.
    pub(crate) fn push(&self, event: WatchEvent, watched: &Arc<str>) {
        let mut queue = self.lock();
        if queue.events.len() >= self.events_max {
            queue.events.clear();
            queue.events.push_back(WatchEvent { kind: EventKind::Missed, path: watched.clone() });
        } else {
            queue.events.push_back(event);
        }
        drop(queue);
        self.wake.notify_one();
    }

    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.wake.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
