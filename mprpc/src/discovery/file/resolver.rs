//! Follows the folder of a service: reads it after each inotify event, and periodically in any case.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::super::outage::Outage;
use super::super::{Resolution, Resolver, skip};
use super::folder::{self, Scan};
use super::folder_watch;

/// A resolver that reads the file registry.
#[derive(Debug)]
pub struct FileResolver {
    root: PathBuf,
}

impl FileResolver {
    /// Makes a resolver for the registry in this folder. The folder may be missing at first.
    pub fn new(root: PathBuf) -> FileResolver {
        FileResolver { root }
    }
}

impl Resolver for FileResolver {
    fn watch(&self, service: &str) -> watch::Receiver<Resolution> {
        let folder = match super::service_folder(&self.root, service) {
            Ok(folder) => folder,
            Err(why) => return watch::channel(Resolution::pending(&why)).1,
        };
        let reading = format!("reading file:{}", folder.display());
        let (sender, receiver) = watch::channel(Resolution::pending(&reading));
        crate::net::background().spawn(follow(folder, sender));
        receiver
    }
}

/// Publishes the content of the folder until nobody listens.
async fn follow(folder: PathBuf, sender: watch::Sender<Resolution>) {
    let place = format!("file:{}", folder.display());
    let mut told_bad = HashSet::new();
    let mut outage = Outage::default();
    let mut follow_up = false;
    let mut last_watch = None;
    loop {
        let path = folder.clone();
        // The new watch is set before the folder is read, and the old one goes away afterwards, so no event is lost
        // between them.
        let read = tokio::task::spawn_blocking(move || (folder_watch::watch(&path), folder::scan(&path)));
        let Ok((watch, scan)) = read.await else { return };
        drop(last_watch.take());
        match scan {
            Ok(scan) => {
                outage.over(&place);
                tell_bad(&folder, &scan, &mut told_bad);
                let note = if scan.exists { "" } else { " (no such folder yet)" };
                Resolution::current(scan.endpoints, &format!("{place}{note}")).publish(&sender);
            }
            Err(error) => {
                let why = outage.failed(&place, &error.to_string(), SystemTime::now());
                Resolution::publish_failed(&sender, &format!("{place}: {why}"));
            }
        }

        let pause = match &watch {
            _ if follow_up => FOLLOW_UP,
            Ok(_) => RESCAN,
            Err(_) => POLL,
        };
        let changed = async {
            match &watch {
                Ok(watch) => watch.changed().await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(pause) => follow_up = false,
            () = changed => {
                tokio::time::sleep(COALESCE).await;
                follow_up = true;
            }
        }
        last_watch = Some(watch);
    }
}

/// Logs and counts each bad file once for as long as it exists.
fn tell_bad(folder: &Path, scan: &Scan, told: &mut HashSet<OsString>) {
    told.retain(|name| scan.bad.iter().any(|(bad, _)| bad == name));
    for (name, why) in &scan.bad {
        if told.insert(name.clone()) {
            skip(&folder.join(name).display().to_string(), why);
        }
    }
}

/// The pause after an event, so that many events cause one reading.
const COALESCE: Duration = Duration::from_millis(5);
/// The delay until the folder is read once more after an event: Linux reports that a dying process closed a file
/// shortly before it releases the lock.
const FOLLOW_UP: Duration = Duration::from_millis(30);
/// The interval of readings without an event, in case an event is lost.
const RESCAN: Duration = Duration::from_secs(5);
/// The interval of readings if the system cannot report changes.
const POLL: Duration = Duration::from_millis(100);
