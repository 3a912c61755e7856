//! Keeps providers announced in ZooKeeper: creates their nodes, checks who owns them, creates them again, withdraws
//! them.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mprpc_zookeeper::{Acl, Client, CreateMode, Error, Op, Stat, WatchMode, Watcher};
use tokio::sync::{oneshot, watch};

use super::super::backoff::Backoff;
use super::super::outage::Outage;
use super::super::target::Ensemble;
use super::super::{Registered, Registration, RegistrationState, Registry, invalid_service_name, is_service_name};
use super::connector::Connector;
use super::layout;
use super::owner::{Found, Layout, Step, decide};
use super::session::{ConnectionState, LINK_PATIENCE, Session, SessionIds, SessionSource};

/// A registry that announces providers in ZooKeeper: in the native layout, and also in the classic one if
/// [`Ensemble::classic`] is set.
#[derive(Debug)]
pub struct ZooKeeperRegistry {
    ensemble: Ensemble,
    source: SessionSource,
}

impl ZooKeeperRegistry {
    /// Makes a registry in this ensemble, which may be unreachable at first. Needs ZooKeeper 3.6 or newer.
    ///
    /// # Errors
    /// A file of [`Ensemble::tls`] cannot be read or used, or the feature `tls` is off.
    pub fn new(ensemble: Ensemble) -> Result<ZooKeeperRegistry, crate::Error> {
        let source = SessionSource::Shared(Connector::new(&ensemble)?);
        Ok(ZooKeeperRegistry { ensemble, source })
    }

    #[cfg(test)]
    pub(super) fn over(ensemble: Ensemble, session: Arc<Session>) -> ZooKeeperRegistry {
        ZooKeeperRegistry { ensemble, source: SessionSource::Own(session) }
    }
}

impl Registry for ZooKeeperRegistry {
    fn register(&self, registration: Registration) -> Registered {
        if !is_service_name(registration.service.name) {
            return Registered::failed(&invalid_service_name(registration.service.name));
        }
        let session = self.source.session(&self.ensemble);
        let announcement = Announcement::new(&self.ensemble, registration);
        let waiting = format!("connecting to {}", session.name);
        let (sender, state) = watch::channel(RegistrationState::Pending(waiting.into()));
        let (withdraw, withdrawn) = oneshot::channel();
        let runtime = session.runtime.clone();
        runtime.spawn(keep(announcement, session, sender, withdrawn));
        Registered::new(state, withdraw)
    }
}

/// The nodes of one provider of one service in ZooKeeper, present or still to be created.
struct Announcement {
    registration: Registration,
    /// The native node first, then the nodes of the methods in the classic layout.
    nodes: Vec<Node>,
    /// A watch of each node, set once there is a connection.
    watchers: Vec<Watcher>,
    /// The place of the native node, for states and log lines.
    place: String,
    outage: Outage,
    backoff: Backoff,
}

/// One node of an announcement.
struct Node {
    layout: Layout,
    folder: String,
    path: String,
    data: Vec<u8>,
    /// The version of the data that this process has seen: 0 is its own.
    version: i32,
    /// Whether this process owned the node at the last check.
    stands: bool,
    /// Whether this process may have created the node.
    tried: bool,
    /// Whether this process has owned the node before. Any other owner then took the node later.
    stood: bool,
    /// Whether the log already says that another provider owns the node.
    told: bool,
}

impl Announcement {
    fn new(ensemble: &Ensemble, registration: Registration) -> Announcement {
        let Registration { service, endpoint, .. } = &registration;
        let folder = layout::service_path(&ensemble.chroot, service.name);
        let path = format!("{folder}/{}", layout::node_name(&endpoint.address));
        let place = format!("zookeeper://{}{path}", ensemble.cluster());
        let mut nodes = vec![Node::new(Layout::Native, folder, path, layout::node_data(endpoint))];
        if ensemble.classic {
            match layout::classic_node_data(&endpoint.address) {
                Ok(data) => nodes.extend(service.methods.iter().map(|method| {
                    let folder = layout::classic_service_path(&ensemble.chroot, service.name);
                    let path = format!("{folder}/{}", method.name);
                    Node::new(Layout::Classic, folder, path, data.clone().into_bytes())
                })),
                Err(why) => tracing::warn!("{place} is not announced in the classic layout: {why}"),
            }
        }
        let (outage, backoff) = (Outage::default(), Backoff::default());
        Announcement { registration, nodes, watchers: Vec::new(), place, outage, backoff }
    }
}

impl Node {
    fn new(layout: Layout, folder: String, path: String, data: Vec<u8>) -> Node {
        Node { layout, folder, path, data, version: 0, stands: false, tried: false, stood: false, told: false }
    }
}

/// Keeps the announcement in place until it is withdrawn.
async fn keep(
    mut announcement: Announcement,
    session: Arc<Session>,
    state: watch::Sender<RegistrationState>,
    mut withdrawn: oneshot::Receiver<()>,
) {
    let mut links = session.link();
    loop {
        let link = links.borrow_and_update().clone();
        tokio::select! {
            // A message and a dropped sender both withdraw the announcement.
            _ = &mut withdrawn => break,
            changed = links.changed() => if changed.is_err() { return },
            () = announcement.stand(&session, &link, &state) => {}
        }
    }
    loop {
        let link = links.borrow_and_update().clone();
        tokio::select! {
            changed = links.changed() => if changed.is_err() { return },
            () = announcement.withdraw(&session.client, &link) => break,
        }
    }
    state.send_replace(RegistrationState::Withdrawn);
}

impl Announcement {
    /// Keeps the announcement in place for as long as the connection state stays the same. Returns after a failure and
    /// a pause; the caller then starts again.
    async fn stand(&mut self, session: &Session, link: &ConnectionState, state: &watch::Sender<RegistrationState>) {
        let ids = match link {
            ConnectionState::Connecting => return pending().await,
            ConnectionState::Down(why) => {
                RegistrationState::Pending(format!("{}: {why}", session.name).into()).publish(state);
                return pending().await;
            }
            ConnectionState::Up(ids) => ids,
        };
        let Err(error) = self.stand_connected(&session.client, ids, state).await;
        if error.is_connection_lost() {
            // The session reports the loss. This task starts again at the session's next state, or after
            // `LINK_PATIENCE` at the latest.
            return tokio::time::sleep(LINK_PATIENCE).await;
        }
        let why = self.outage.failed(&self.place, &error.to_string(), SystemTime::now());
        RegistrationState::Pending(format!("{}: {why}", self.place).into()).publish(state);
        tokio::time::sleep(self.backoff.next(fastrand::f64())).await;
    }

    async fn stand_connected(
        &mut self,
        client: &Client,
        ids: &SessionIds,
        state: &watch::Sender<RegistrationState>,
    ) -> Result<Infallible, Error> {
        while let Some(node) = self.nodes.get(self.watchers.len()) {
            self.watchers.push(client.watch(&node.path, WatchMode::Persistent).await?);
        }
        let mut due: Vec<usize> = (0..self.nodes.len()).collect();
        loop {
            for index in due.drain(..) {
                // The check covers the events so far.
                self.watchers[index].clear();
                let found = self.nodes[index].settle(client, ids).await?;
                self.tell_waiting(index, found);
            }
            self.outage.over(&self.place);
            self.backoff.reset();
            self.state().publish(state);
            let mut changes: FuturesUnordered<_> = self.watchers.iter_mut().enumerate().map(changed).collect();
            tokio::select! {
                Some(index) = changes.next() => due.push(index),
                () = tokio::time::sleep(CHECK) => due.extend(0..self.nodes.len()),
            }
        }
    }

    fn state(&self) -> RegistrationState {
        match self.nodes.first() {
            Some(native) if native.stands => RegistrationState::Registered(self.place.as_str().into()),
            _ => {
                let who = if self.registration.is_taken_over() { "the next" } else { "another" };
                RegistrationState::Pending(format!("{}: {who} process announces this address", self.place).into())
            }
        }
    }

    /// Logs once that the node is another's, for as long as it is.
    fn tell_waiting(&mut self, index: usize, found: Found) {
        let node = &mut self.nodes[index];
        if node.stands || std::mem::replace(&mut node.told, true) {
            return;
        }
        let path = &node.path;
        match (node.layout, found) {
            (Layout::Native, _) if self.registration.is_taken_over() => {
                tracing::info!("{path}: the next process announces this address; it takes over from this one");
            }
            (Layout::Native, _) => tracing::error!("{path}: another process announces this address"),
            (Layout::Classic, Found::Persistent) => {
                tracing::warn!("{path} was made by hand and is left alone; classic callers use what it says");
            }
            (Layout::Classic, _) => {
                tracing::info!("{path} is another provider's; it is taken over when that one goes");
            }
        }
    }

    /// Removes the nodes that this process owns. Returns once none is left, or if a node cannot be removed: that node
    /// goes away with the session. Waits for the next connection while the session is not connected.
    async fn withdraw(&mut self, client: &Client, link: &ConnectionState) {
        if self.nodes.iter().all(|node| !node.tried) {
            return;
        }
        let ConnectionState::Up(ids) = link else { return pending().await };
        // Removes the classic nodes first: the native entry of an address counts as long as it exists.
        for node in self.nodes.iter().rev() {
            while let Err(error) = node.remove(client, ids).await {
                if !error.is_connection_lost() {
                    tracing::warn!("{} stays until the session ends: {error}", node.path);
                    break;
                }
                tokio::time::sleep(LINK_PATIENCE).await;
            }
        }
    }
}

impl Node {
    /// Checks the owner of the node and takes the next step. Returns what it found; the node is another's if it does not
    /// `stand` afterwards.
    async fn settle(&mut self, client: &Client, ids: &SessionIds) -> Result<Found, Error> {
        for _ in 0..RACES_MAX {
            let stat = client.exists(&self.path).await?;
            let found = self.found(client, ids, stat).await?;
            let step = decide(self.layout, found, self.stood);
            self.stands = step == Step::Keep;
            let done = match step {
                Step::Keep => self.take_note(client, stat).await,
                Step::Wait => return Ok(found),
                Step::Create => self.create(client).await,
                Step::Replace => self.replace(client, stat.map(|stat| stat.version)).await,
            };
            match done {
                Ok(()) => {
                    (self.stands, self.stood, self.told) = (true, true, false);
                    return Ok(found);
                }
                // Another process was faster, or the parent is missing: check again.
                Err(Error::NodeExists | Error::BadVersion) => {}
                Err(Error::NoNode) => client.create_all(&self.folder, Acl::ANYONE).await?,
                Err(error) => return Err(error),
            }
        }
        Err(Error::NodeExists)
    }

    /// Takes note of the weight that an operator has given the node, so that a node that is made anew has it too.
    async fn take_note(&mut self, client: &Client, stat: Option<Stat>) -> Result<(), Error> {
        if self.layout != Layout::Native || stat.is_none_or(|stat| stat.version == self.version) {
            return Ok(());
        }
        let (data, stat) = client.get(&self.path).await?;
        self.version = stat.version;
        if layout::is_node(&data) {
            self.data = data.to_vec();
        }
        Ok(())
    }

    async fn found(&self, client: &Client, ids: &SessionIds, stat: Option<Stat>) -> Result<Found, Error> {
        let owner = stat.map(|stat| stat.ephemeral_owner);
        let found = |ours| Found::by_owner(owner, ids.current, &ids.past, ours);
        if self.layout == Layout::Native || found(false) != Found::OtherWithItsAddress {
            return Ok(found(true));
        }
        match client.get(&self.path).await {
            Ok((data, _)) => Ok(found(data == self.data)),
            Err(Error::NoNode) => Ok(Found::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Creates the node: it goes away with the session. Everybody may read and write it, as in the C++ MPRPC.
    async fn create(&mut self, client: &Client) -> Result<(), Error> {
        (self.tried, self.version) = (true, 0);
        client.create(&self.path, &self.data, CreateMode::Ephemeral, Acl::ANYONE).await.map(drop)
    }

    /// Deletes the existing node and creates the own node in one transaction, so that callers never see the service
    /// without it.
    async fn replace(&mut self, client: &Client, version: Option<i32>) -> Result<(), Error> {
        (self.tried, self.version) = (true, 0);
        let create = Op::create(&self.path, &self.data, CreateMode::Ephemeral, Acl::ANYONE);
        client.multi(&[Op::delete(&self.path, version), create]).await.map(drop).map_err(Error::from)
    }

    async fn remove(&self, client: &Client, ids: &SessionIds) -> Result<(), Error> {
        let Some(stat) = client.exists(&self.path).await? else { return Ok(()) };
        let owner = stat.ephemeral_owner;
        if owner != ids.current && !ids.past.contains(&owner) {
            return Ok(());
        }
        match client.delete(&self.path, Some(stat.version)).await {
            Ok(()) | Err(Error::NoNode) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Returns the index of a watcher at its next event.
async fn changed((index, watcher): (usize, &mut Watcher)) -> usize {
    if watcher.next().await.is_none() {
        // The session has ended, and its users end with it.
        pending::<()>().await;
    }
    index
}

/// How often a provider checks its nodes without an event, in case an event is lost.
const CHECK: Duration = Duration::from_secs(10);
/// How many times a node may change between check and step before this is an error.
const RACES_MAX: usize = 8;
