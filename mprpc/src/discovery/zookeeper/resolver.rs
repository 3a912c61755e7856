//! Follows a service in ZooKeeper in both layouts: lists the nodes after every connect and every event. Writes nothing.

use std::collections::HashSet;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use zookeeper_client::{AddWatchMode, Client, Error, EventType, PersistentWatcher};

use super::super::backoff::Backoff;
use super::super::outage::Outage;
use super::super::target::Ensemble;
use super::super::{Resolution, Resolver, is_service_name, skip};
use super::layout;
use super::session::{ConnectionState, LINK_PATIENCE, Session, is_link_lost};
use crate::endpoint::Endpoint;

/// A resolver that reads the registry in ZooKeeper, in the native and the classic layout.
#[derive(Debug)]
pub struct ZooKeeperResolver {
    ensemble: Ensemble,
}

impl ZooKeeperResolver {
    /// Makes a resolver for this ensemble, which may be unreachable at first. Needs ZooKeeper 3.6 or newer.
    pub fn new(ensemble: Ensemble) -> ZooKeeperResolver {
        ZooKeeperResolver { ensemble }
    }
}

impl Resolver for ZooKeeperResolver {
    fn watch(&self, service: &str) -> watch::Receiver<Resolution> {
        if !is_service_name(service) {
            let why = format!("'{service}' is no name of a service; it would be package.Service");
            return watch::channel(Resolution::pending(&why)).1;
        }
        let session = Session::shared(&self.ensemble);
        let (sender, receiver) = watch::channel(Resolution::pending(&format!("connecting to {}", session.name)));
        let service = Followed {
            name: service.to_owned(),
            native: layout::service_path(&self.ensemble.chroot, service),
            classic: layout::classic_service_path(&self.ensemble.chroot, service),
            place: format!("zookeeper://{}", self.ensemble.cluster()),
            bad: HashSet::new(),
            outage: Outage::default(),
            backoff: Backoff::default(),
        };
        crate::net::background().spawn(follow(service, session, sender));
        receiver
    }
}

/// A service that a resolver follows.
struct Followed {
    name: String,
    native: String,
    classic: String,
    /// The prefix of every place: `zookeeper://` and the servers of the ensemble.
    place: String,
    /// Nodes that could not be read and are already logged.
    bad: HashSet<String>,
    outage: Outage,
    backoff: Backoff,
}

/// Publishes the endpoints of the service until nobody listens.
async fn follow(mut service: Followed, session: Arc<Session>, sender: watch::Sender<Resolution>) {
    let mut links = session.link();
    loop {
        let link = links.borrow_and_update().clone();
        tokio::select! {
            () = sender.closed() => return,
            // The connection is lost or new, or the session is new: a listing in progress belongs to the old
            // connection, so drop it.
            changed = links.changed() => if changed.is_err() { return },
            () = service.follow_link(&session.name, &link, &sender) => {}
        }
    }
}

impl Followed {
    /// Publishes the endpoints for as long as the connection state stays the same. Returns after a failure and a pause;
    /// the caller then starts again.
    async fn follow_link(&mut self, session: &str, link: &ConnectionState, sender: &watch::Sender<Resolution>) {
        let connected = match link {
            ConnectionState::Connecting => return pending().await,
            ConnectionState::Down(why) => {
                Resolution::publish_failed(sender, &format!("{session}: {why}"));
                return pending().await;
            }
            ConnectionState::Up(connected) => connected,
        };
        let Err(error) = self.follow_client(&connected.client, sender).await;
        if is_link_lost(&error) {
            // The session reports the loss. This task starts again at the session's next state, or after
            // `LINK_PATIENCE` at the latest.
            return tokio::time::sleep(LINK_PATIENCE).await;
        }
        let why = self.outage.failed(&format!("{session}: {}", self.native), &error.to_string(), SystemTime::now());
        Resolution::publish_failed(sender, &format!("{session}: {}: {why}", self.native));
        tokio::time::sleep(self.backoff.next(fastrand::f64())).await;
    }

    async fn follow_client(&mut self, client: &Client, sender: &watch::Sender<Resolution>) -> Result<Never, Error> {
        // The watches are set before the first listing and keep the events that happen during a listing, so no change
        // is lost.
        let mut native = client.watch(&self.native, AddWatchMode::PersistentRecursive).await?;
        let mut classic = client.watch(&self.classic, AddWatchMode::PersistentRecursive).await?;
        loop {
            let (endpoints, bad) = read(client, &self.native, &self.classic).await?;
            self.outage.over(&self.native);
            self.backoff.reset();
            self.tell_bad(bad);
            Resolution::current(endpoints, &format!("{}{}", self.place, self.native)).publish(sender);
            tokio::select! {
                () = changed(&mut native) => {}
                () = changed(&mut classic) => {}
                () = tokio::time::sleep(RESCAN) => {}
            }
            tokio::time::sleep(COALESCE).await;
            drain(&mut native);
            drain(&mut classic);
        }
    }

    /// Logs and counts each bad node once for as long as it exists.
    fn tell_bad(&mut self, bad: Vec<(String, String)>) {
        self.bad.retain(|told| bad.iter().any(|(path, _)| path == told));
        for (path, why) in bad {
            if self.bad.insert(path.clone()) {
                skip(&format!("{}{path} of {}", self.place, self.name), &why);
            }
        }
    }
}

/// A value that never exists: the resolver follows a service until its watch is dropped.
enum Never {}

/// Returns at the next event of a node. The session itself handles events of the session.
async fn changed(watcher: &mut PersistentWatcher) {
    loop {
        let event = watcher.changed().await;
        if event.event_type != EventType::Session {
            return;
        }
        if event.session_state.is_terminated() {
            // The watch has ended, and another call of `watcher.changed()` would panic.
            return pending().await;
        }
    }
}

/// Takes the events that have gathered: one listing covers all of them.
fn drain(watcher: &mut PersistentWatcher) {
    use futures_util::FutureExt;
    for _ in 0..EVENTS_DRAINED_MAX {
        match watcher.changed().now_or_never() {
            Some(event) if !event.session_state.is_terminated() => {}
            _ => return,
        }
    }
}

/// Reads the endpoints of both layouts, and the nodes that cannot be parsed: path and reason.
pub(super) async fn read(
    client: &Client,
    native: &str,
    classic: &str,
) -> Result<(Vec<Endpoint>, Vec<(String, String)>), Error> {
    let mut bad = Vec::new();
    let mut endpoints = Vec::new();
    for (name, data) in children(client, native).await? {
        match layout::parse_node(&name, &data) {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(why) => bad.push((format!("{native}/{name}"), why)),
        }
    }
    let mut methods = Vec::new();
    for (name, data) in children(client, classic).await? {
        match layout::parse_classic_node(&data) {
            Ok(address) => methods.push((name, address)),
            Err(why) => bad.push((format!("{classic}/{name}"), why)),
        }
    }
    Ok((layout::merge_layouts(endpoints, methods), bad))
}

/// Returns the names of a node's children in order. A missing node has no children.
pub(super) async fn child_names(client: &Client, path: &str) -> Result<Vec<String>, Error> {
    let mut names = match client.list_children(path).await {
        Ok(names) => names,
        Err(Error::NoNode) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    names.sort();
    names.truncate(CHILDREN_MAX);
    Ok(names)
}

/// Returns the children of a node with their data, in the order of their names.
async fn children(client: &Client, path: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let names = child_names(client, path).await?;
    let mut children = Vec::with_capacity(names.len());
    for batch in names.chunks(READS_MAX) {
        // `get_data` sends its request at once, so a batch takes one round trip.
        let reads: Vec<_> = batch.iter().map(|name| client.get_data(&format!("{path}/{name}"))).collect();
        for (name, read) in batch.iter().zip(reads) {
            match read.await {
                Ok((data, _)) => children.push((name.clone(), data)),
                // The node went away after the listing; its event follows.
                Err(Error::NoNode) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(children)
}

/// The pause after an event, so that many events cause one listing.
const COALESCE: Duration = Duration::from_millis(10);
/// The interval of listings without an event, in case an event is lost.
const RESCAN: Duration = Duration::from_secs(60);
/// The maximum number of events that are taken at once.
const EVENTS_DRAINED_MAX: usize = 64 << 10;
/// The maximum number of children of a node that are read; the rest is ignored.
const CHILDREN_MAX: usize = 16 << 10;
/// The maximum number of reads in flight.
const READS_MAX: usize = 256;
