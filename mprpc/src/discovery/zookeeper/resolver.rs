//! Follows a service in ZooKeeper, in both layouts: lists after every connect and at every event. It writes nothing.

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

/// Reads the registry in ZooKeeper, in the native and the classic layout.
#[derive(Debug)]
pub struct ZooKeeperResolver {
    ensemble: Ensemble,
}

impl ZooKeeperResolver {
    /// Of this ensemble, which need not be there yet. Needs ZooKeeper 3.6 or newer.
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

/// A service that is followed.
struct Followed {
    name: String,
    native: String,
    classic: String,
    /// The ensemble as the places of nodes begin.
    place: String,
    /// Nodes that could not be read and have been told of.
    bad: HashSet<String>,
    outage: Outage,
    backoff: Backoff,
}

/// Publishes where the service runs until nobody listens.
async fn follow(mut service: Followed, session: Arc<Session>, sender: watch::Sender<Resolution>) {
    let mut links = session.link();
    loop {
        let link = links.borrow_and_update().clone();
        tokio::select! {
            () = sender.closed() => return,
            // A lost connection, a new one or a new session: whatever was under way began under the last.
            changed = links.changed() => if changed.is_err() { return },
            () = service.follow_link(&session.name, &link, &sender) => {}
        }
    }
}

impl Followed {
    /// Publishes for as long as the link stays as it is; returns to begin anew after a failure, and a pause.
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
            // The session tells of it; this begins anew with its next word, or in a while at the latest.
            return tokio::time::sleep(LINK_PATIENCE).await;
        }
        let why = self.outage.failed(&format!("{session}: {}", self.native), &error.to_string(), SystemTime::now());
        Resolution::publish_failed(sender, &format!("{session}: {}: {why}", self.native));
        tokio::time::sleep(self.backoff.next(fastrand::f64())).await;
    }

    async fn follow_client(&mut self, client: &Client, sender: &watch::Sender<Resolution>) -> Result<Never, Error> {
        // The watches stand before the first listing, and hold what happens during one: nothing falls between.
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

    /// Logs and counts each bad node once for as long as it is there.
    fn tell_bad(&mut self, bad: Vec<(String, String)>) {
        self.bad.retain(|told| bad.iter().any(|(path, _)| path == told));
        for (path, why) in bad {
            if self.bad.insert(path.clone()) {
                skip(&format!("{}{path} of {}", self.place, self.name), &why);
            }
        }
    }
}

/// What never comes: a service is followed until its watch is dropped.
enum Never {}

/// Returns at the next event of a node. Events of the session are the session's matter.
async fn changed(watcher: &mut PersistentWatcher) {
    loop {
        let event = watcher.changed().await;
        if event.event_type != EventType::Session {
            return;
        }
        if event.session_state.is_terminated() {
            // Nothing follows it, and asking once more is a panic.
            return pending().await;
        }
    }
}

/// Takes the events that have gathered: one listing answers them all.
fn drain(watcher: &mut PersistentWatcher) {
    use futures_util::FutureExt;
    for _ in 0..EVENTS_DRAINED_MAX {
        match watcher.changed().now_or_never() {
            Some(event) if !event.session_state.is_terminated() => {}
            _ => return,
        }
    }
}

/// What stands in both layouts, and the nodes that cannot be read: path and why.
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

/// The names of a node's children, in order. A node that is not there has none.
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

/// The children of a node with their data, by name.
async fn children(client: &Client, path: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let names = child_names(client, path).await?;
    let mut children = Vec::with_capacity(names.len());
    for batch in names.chunks(READS_MAX) {
        // Each is sent when it is made: the batch is one round trip.
        let reads: Vec<_> = batch.iter().map(|name| client.get_data(&format!("{path}/{name}"))).collect();
        for (name, read) in batch.iter().zip(reads) {
            match read.await {
                Ok((data, _)) => children.push((name.clone(), data)),
                // Gone since the listing; its event follows.
                Err(Error::NoNode) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(children)
}

/// What is waited for after an event, so that many of them make one listing.
const COALESCE: Duration = Duration::from_millis(10);
/// When everything is listed without an event, should one get lost.
const RESCAN: Duration = Duration::from_secs(60);
/// Events that are taken at once.
const EVENTS_DRAINED_MAX: usize = 64 << 10;
/// Children of a node that are looked at; more are not.
const CHILDREN_MAX: usize = 16 << 10;
/// Reads that are under way at a time.
const READS_MAX: usize = 256;
