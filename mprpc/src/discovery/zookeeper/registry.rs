//! Keeps providers announced in ZooKeeper: makes their nodes, looks whose they are, makes them again, withdraws them.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{oneshot, watch};
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions, Error, OneshotWatcher, Stat};

use super::super::backoff::Backoff;
use super::super::outage::Outage;
use super::super::target::Ensemble;
use super::super::{Registered, Registration, RegistrationState, Registry, is_service_name};
use super::layout;
use super::owner::{Found, Layout, Step, decide};
use super::session::{Connected, ConnectionState, LINK_PATIENCE, Session, is_link_lost};

/// Announces in ZooKeeper: in the native layout, and in the classic one where [`Ensemble::classic`] says so.
#[derive(Debug)]
pub struct ZooKeeperRegistry {
    ensemble: Ensemble,
}

impl ZooKeeperRegistry {
    /// Of this ensemble, which need not be there yet. Needs ZooKeeper 3.6 or newer.
    pub fn new(ensemble: Ensemble) -> ZooKeeperRegistry {
        ZooKeeperRegistry { ensemble }
    }
}

impl Registry for ZooKeeperRegistry {
    fn register(&self, registration: Registration) -> Registered {
        if !is_service_name(registration.service.name) {
            return Registered::failed(&format!("'{}' is no name of a service", registration.service.name));
        }
        let session = Session::shared(&self.ensemble);
        let announcement = Announcement::new(&self.ensemble, &registration);
        let waiting = format!("connecting to {}", session.name);
        let (sender, state) = watch::channel(RegistrationState::Pending(waiting.into()));
        let (withdraw, withdrawn) = oneshot::channel();
        crate::net::background().spawn(keep(announcement, session, sender, withdrawn));
        Registered::new(state, withdraw)
    }
}

/// What stands, or should stand, in ZooKeeper for one provider of one service.
struct Announcement {
    /// The native node first; those of the methods in the classic layout after it.
    nodes: Vec<Node>,
    /// The native node as a state and a log name it.
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
    /// Whether it is ours, as of the last look.
    stands: bool,
    /// Whether it may have been made.
    tried: bool,
    /// Whether it has been ours, so that whoever has it now took it after us.
    stood: bool,
    /// Whether it has been told that another provider has it.
    told: bool,
}

impl Announcement {
    fn new(ensemble: &Ensemble, registration: &Registration) -> Announcement {
        let Registration { service, endpoint } = registration;
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
        Announcement { nodes, place, outage: Outage::default(), backoff: Backoff::default() }
    }
}

impl Node {
    fn new(layout: Layout, folder: String, path: String, data: Vec<u8>) -> Node {
        Node { layout, folder, path, data, stands: false, tried: false, stood: false, told: false }
    }
}

/// Keeps the announcement until it is withdrawn.
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
            // Sent to or dropped: both withdraw.
            _ = &mut withdrawn => break,
            changed = links.changed() => if changed.is_err() { return },
            () = announcement.stand(&session.name, &link, &state) => {}
        }
    }
    loop {
        let link = links.borrow_and_update().clone();
        tokio::select! {
            changed = links.changed() => if changed.is_err() { return },
            () = announcement.withdraw(&link) => break,
        }
    }
    state.send_replace(RegistrationState::Withdrawn);
}

impl Announcement {
    /// Keeps it standing for as long as the link stays as it is; returns to begin anew after a failure, and a pause.
    async fn stand(&mut self, session: &str, link: &ConnectionState, state: &watch::Sender<RegistrationState>) {
        let connected = match link {
            ConnectionState::Connecting => return pending().await,
            ConnectionState::Down(why) => {
                show(state, RegistrationState::Pending(format!("{session}: {why}").into()));
                return pending().await;
            }
            ConnectionState::Up(connected) => connected,
        };
        let Err(error) = self.stand_connected(connected, state).await;
        if is_link_lost(&error) {
            // The session tells of it; this begins anew with its next word, or in a while at the latest.
            return tokio::time::sleep(LINK_PATIENCE).await;
        }
        let why = self.outage.failed(&self.place, &error.to_string(), SystemTime::now());
        show(state, RegistrationState::Pending(format!("{}: {why}", self.place).into()));
        tokio::time::sleep(self.backoff.next(fastrand::f64())).await;
    }

    async fn stand_connected(
        &mut self,
        connected: &Connected,
        state: &watch::Sender<RegistrationState>,
    ) -> Result<Never, Error> {
        // A watch for each node, which tells of one change; the next look at the node sets it again.
        let mut watches = FuturesUnordered::new();
        let mut due: Vec<usize> = (0..self.nodes.len()).collect();
        loop {
            for index in due.drain(..) {
                let watcher = self.nodes[index].settle(connected).await?;
                watches.push(async move {
                    watcher.changed().await;
                    index
                });
            }
            self.outage.over(&self.place);
            self.backoff.reset();
            show(state, self.state());
            tokio::select! {
                Some(index) = watches.next() => due.push(index),
                () = tokio::time::sleep(CHECK) => {
                    watches.clear();
                    due.extend(0..self.nodes.len());
                }
            }
        }
    }

    fn state(&self) -> RegistrationState {
        match self.nodes.first() {
            Some(native) if native.stands => RegistrationState::Registered(self.place.as_str().into()),
            _ => RegistrationState::Pending(format!("{}: another process announces this address", self.place).into()),
        }
    }

    /// Removes what is ours. Returns once nothing of it is left, or where it cannot be removed: then it goes with the
    /// session. While the connection is away it waits for the next.
    async fn withdraw(&mut self, link: &ConnectionState) {
        if self.nodes.iter().all(|node| !node.tried) {
            return;
        }
        let ConnectionState::Up(connected) = link else { return pending().await };
        // The classic nodes first: what stands in both layouts is native until it is gone.
        for node in self.nodes.iter().rev() {
            while let Err(error) = node.remove(connected).await {
                if !is_link_lost(&error) {
                    tracing::warn!("{} stays until the session ends: {error}", node.path);
                    break;
                }
                tokio::time::sleep(LINK_PATIENCE).await;
            }
        }
    }
}

impl Node {
    /// Looks whose the node is and does what is to be done. The watch stands since before the look.
    async fn settle(&mut self, connected: &Connected) -> Result<OneshotWatcher, Error> {
        let client = &connected.client;
        for _ in 0..RACES_MAX {
            let (stat, watcher) = client.check_and_watch_stat(&self.path).await?;
            let found = self.found(connected, stat).await?;
            let step = decide(self.layout, found, self.stood);
            self.stands = step == Step::Keep;
            let done = match step {
                Step::Keep => Ok(()),
                Step::Wait => {
                    self.tell_waiting(found);
                    return Ok(watcher);
                }
                Step::Create => self.create(client).await,
                Step::Replace => self.replace(client, stat.map(|stat| stat.version)).await,
            };
            match done {
                Ok(()) => {
                    (self.stands, self.stood, self.told) = (true, true, false);
                    return Ok(watcher);
                }
                // Somebody was faster, or the folder is missing: look again.
                Err(Error::NodeExists | Error::BadVersion) => {}
                Err(Error::NoNode) => client.mkdir(&self.folder, &FOLDER).await?,
                Err(error) => return Err(error),
            }
        }
        Err(Error::NodeExists)
    }

    async fn found(&self, connected: &Connected, stat: Option<Stat>) -> Result<Found, Error> {
        let session = connected.client.session_id().0;
        let found = |ours| Found::by_owner(stat.map(|stat| stat.ephemeral_owner), session, &connected.past, ours);
        if self.layout == Layout::Native || found(false) != Found::OtherWithItsAddress {
            return Ok(found(true));
        }
        match connected.client.get_data(&self.path).await {
            Ok((data, _)) => Ok(found(data == self.data)),
            Err(Error::NoNode) => Ok(Found::Nothing),
            Err(error) => Err(error),
        }
    }

    async fn create(&mut self, client: &Client) -> Result<(), Error> {
        self.tried = true;
        client.create(&self.path, &self.data, &NODE).await.map(drop)
    }

    /// Deletes what is there and makes the own node, in one transaction: nobody sees the service without it.
    async fn replace(&mut self, client: &Client, version: Option<i32>) -> Result<(), Error> {
        self.tried = true;
        let mut writer = client.new_multi_writer();
        writer.add_delete(&self.path, version)?;
        writer.add_create(&self.path, &self.data, &NODE)?;
        writer.commit().await.map(drop).map_err(Error::from)
    }

    async fn remove(&self, connected: &Connected) -> Result<(), Error> {
        let client = &connected.client;
        let Some(stat) = client.check_stat(&self.path).await? else { return Ok(()) };
        let owner = stat.ephemeral_owner;
        if owner != client.session_id().0 && !connected.past.contains(&owner) {
            return Ok(());
        }
        match client.delete(&self.path, Some(stat.version)).await {
            Ok(()) | Err(Error::NoNode) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn tell_waiting(&mut self, found: Found) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        match (self.layout, found) {
            (Layout::Native, _) => tracing::error!("{}: another process announces this address", self.path),
            (Layout::Classic, Found::Persistent) => {
                tracing::warn!("{} was made by hand and is left alone; classic callers use what it says", self.path);
            }
            (Layout::Classic, _) => {
                tracing::info!("{} is another provider's; it is taken over when that one goes", self.path);
            }
        }
    }
}

/// What never comes: an announcement is kept until it is withdrawn.
enum Never {}

fn show(state: &watch::Sender<RegistrationState>, shown: RegistrationState) {
    state.send_if_modified(|state| {
        let differs = *state != shown;
        *state = shown;
        differs
    });
}

/// How often a provider looks at its nodes without an event, should one get lost.
const CHECK: Duration = Duration::from_secs(10);
/// How often a node may change between the look at it and the step before that is an error.
const RACES_MAX: usize = 8;
/// A node of ours: it goes with the session. Everybody may read and write it, as in the C++ MPRPC.
const NODE: CreateOptions<'static> = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
/// A folder: it stays.
const FOLDER: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());
