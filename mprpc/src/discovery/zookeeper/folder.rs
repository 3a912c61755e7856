//! A node and the data of its children, kept up to date by a watch: one change costs one read. It knows no layout.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mprpc_zookeeper::{Client, Error, EventKind, WatchEvent, WatchMode, Watcher};

/// A node whose children are followed.
#[derive(Debug)]
pub(super) struct Folder {
    path: String,
    watcher: Option<Watcher>,
    /// The data of each child.
    children: BTreeMap<String, Bytes>,
    /// The children that changed since they were read.
    stale: BTreeSet<String>,
    /// Whether anything may have changed.
    is_stale: bool,
}

impl Folder {
    pub(super) fn new(path: String) -> Folder {
        Folder { path, watcher: None, children: BTreeMap::new(), stale: BTreeSet::new(), is_stale: true }
    }

    /// Reads the node once, without a watch.
    pub(super) async fn read_once(client: &Client, path: String) -> Result<Folder, Error> {
        let children = read_children(client, &path).await?;
        Ok(Folder { children, ..Folder::new(path) })
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The children with their data, in the order of their names.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.children.iter().map(|(name, data)| (name.as_str(), data))
    }

    /// Sets the watch if there is none yet, and reads every child. A missing node has no children.
    pub(super) async fn read_all(&mut self, client: &Client) -> Result<(), Error> {
        // The watch precedes the read and keeps the events that happen during the read, so no change is lost.
        match &mut self.watcher {
            Some(watcher) => watcher.clear(),
            none => *none = Some(client.watch(&self.path, WatchMode::Recursive).await?),
        }
        self.is_stale = true;
        self.stale.clear();
        self.children = read_children(client, &self.path).await?;
        self.is_stale = false;
        Ok(())
    }

    /// Reads the children that changed according to the events so far.
    pub(super) async fn read_changed(&mut self, client: &Client) -> Result<(), Error> {
        while let Some(event) = self.watcher.as_mut().and_then(Watcher::try_next) {
            self.note(event);
        }
        if self.is_stale || self.stale.len() > READS_MAX {
            return self.read_all(client).await;
        }
        let stale: Vec<String> = self.stale.iter().cloned().collect();
        let read = read_nodes(client, &self.path, &stale).await?;
        for name in self.stale.iter() {
            self.children.remove(name);
        }
        self.stale.clear();
        self.children.extend(read);
        Ok(())
    }

    /// Returns at the next change. Without a watch, it never returns.
    pub(super) async fn changed(&mut self) {
        let event = match &mut self.watcher {
            Some(watcher) => watcher.next().await,
            None => None,
        };
        match event {
            Some(event) => self.note(event),
            // The session has ended, and its user ends with it.
            None => std::future::pending().await,
        }
    }

    fn note(&mut self, event: WatchEvent) {
        let below = event.path.strip_prefix(self.path.as_str()).and_then(|rest| rest.strip_prefix('/'));
        match below {
            // A node below a child is nobody's.
            Some(name) if name.contains('/') => {}
            Some(name) if event.kind != EventKind::Missed => drop(self.stale.insert(name.to_owned())),
            _ => self.is_stale = true,
        }
    }
}

/// Returns the names of a node's children in order. A missing node has no children.
pub(super) async fn child_names(client: &Client, path: &str) -> Result<Vec<String>, Error> {
    let mut names = match client.children(path).await {
        Ok((names, _)) => names,
        Err(Error::NoNode) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    names.sort();
    names.truncate(CHILDREN_MAX);
    Ok(names)
}

/// Returns the children of a node with their data.
async fn read_children(client: &Client, path: &str) -> Result<BTreeMap<String, Bytes>, Error> {
    let names = child_names(client, path).await?;
    read_nodes(client, path, &names).await
}

async fn read_nodes(client: &Client, path: &str, names: &[String]) -> Result<BTreeMap<String, Bytes>, Error> {
    let mut nodes = BTreeMap::new();
    for batch in names.chunks(READS_MAX) {
        // Requests are sent by the call, so a batch takes one round trip.
        let reads: Vec<_> = batch.iter().map(|name| client.get(&format!("{path}/{name}"))).collect();
        for (name, read) in batch.iter().zip(reads) {
            match read.await {
                Ok((data, _)) => drop(nodes.insert(name.clone(), data)),
                // The node went away after the listing; its event follows.
                Err(Error::NoNode) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(nodes)
}

/// The maximum number of children of a node that are read; the rest is ignored.
const CHILDREN_MAX: usize = 16 << 10;
/// The maximum number of reads in flight.
const READS_MAX: usize = 256;
