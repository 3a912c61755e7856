//! Follows a service in ZooKeeper in both layouts: reads everything after every connect, and what changed after every
//! event. Writes nothing.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mprpc_zookeeper::Error;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::super::backoff::Backoff;
use super::super::outage::Outage;
use super::super::target::Ensemble;
use super::super::{Resolution, Resolver, invalid_service_name, is_service_name, skip};
use super::connector::Connector;
use super::folder::Folder;
use super::layout;
use super::session::{ConnectionState, LINK_PATIENCE, Session, SessionSource};
use crate::endpoint::Endpoint;
use crate::net::clock;

/// A resolver that reads the registry in ZooKeeper, in the native and the classic layout.
#[derive(Debug)]
pub struct ZooKeeperResolver {
    ensemble: Ensemble,
    source: SessionSource,
}

impl ZooKeeperResolver {
    /// Makes a resolver for this ensemble, which may be unreachable at first. Needs ZooKeeper 3.6 or newer.
    ///
    /// # Errors
    /// A file of [`Ensemble::tls`] cannot be read or used, or the feature `tls` is off.
    pub fn new(ensemble: Ensemble) -> Result<ZooKeeperResolver, crate::Error> {
        let source = SessionSource::Shared(Connector::new(&ensemble)?);
        Ok(ZooKeeperResolver { ensemble, source })
    }

    #[cfg(test)]
    pub(super) fn over(ensemble: Ensemble, session: Arc<Session>) -> ZooKeeperResolver {
        ZooKeeperResolver { ensemble, source: SessionSource::Own(session) }
    }
}

impl Resolver for ZooKeeperResolver {
    fn watch(&self, service: &str) -> watch::Receiver<Resolution> {
        if !is_service_name(service) {
            return watch::channel(Resolution::pending(&invalid_service_name(service))).1;
        }
        let session = self.source.session(&self.ensemble);
        let (sender, receiver) = watch::channel(Resolution::pending(&format!("connecting to {}", session.name)));
        let followed = Followed {
            name: service.to_owned(),
            native: Folder::new(layout::service_path(&self.ensemble.chroot, service)),
            classic: Folder::new(layout::classic_service_path(&self.ensemble.chroot, service)),
            place: format!("zookeeper://{}", self.ensemble.cluster()),
            bad: HashSet::new(),
            outage: Outage::default(),
            backoff: Backoff::default(),
        };
        let runtime = session.runtime.clone();
        runtime.spawn(follow(followed, session, sender));
        receiver
    }
}

/// A service that a resolver follows.
struct Followed {
    name: String,
    native: Folder,
    classic: Folder,
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
            () = service.follow_link(&session, &link, &sender) => {}
        }
    }
}

impl Followed {
    /// Publishes the endpoints for as long as the connection state stays the same. Returns after a failure and a pause;
    /// the caller then starts again.
    async fn follow_link(&mut self, session: &Session, link: &ConnectionState, sender: &watch::Sender<Resolution>) {
        match link {
            ConnectionState::Connecting => return pending().await,
            ConnectionState::Down(why) => {
                Resolution::publish_failed(sender, &format!("{}: {why}", session.name));
                return pending().await;
            }
            ConnectionState::Up(_) => {}
        }
        let Err(error) = self.follow_connected(session, sender).await;
        if error.is_connection_lost() {
            // The session reports the loss. This task starts again at the session's next state, or after
            // `LINK_PATIENCE` at the latest.
            return sleep(LINK_PATIENCE).await;
        }
        let place = format!("{}: {}", session.name, self.native.path());
        let why = self.outage.failed(&place, &error.to_string(), SystemTime::now());
        Resolution::publish_failed(sender, &format!("{place}: {why}"));
        sleep(self.backoff.next(fastrand::f64())).await;
    }

    async fn follow_connected(
        &mut self,
        session: &Session,
        sender: &watch::Sender<Resolution>,
    ) -> Result<Infallible, Error> {
        let client = &session.client;
        let mut rescan = clock::now();
        loop {
            let begun = clock::now();
            if begun >= rescan {
                self.native.read_all(client).await?;
                self.classic.read_all(client).await?;
                // Many callers that started together do not list together for ever.
                rescan = clock::now() + RESCAN.mul_f64(0.5 + fastrand::f64() / 2.0);
            } else {
                self.native.read_changed(client).await?;
                self.classic.read_changed(client).await?;
            }
            self.publish(sender);
            tokio::select! {
                () = self.native.changed() => {}
                () = self.classic.changed() => {}
                () = sleep_until(rescan.into()) => {}
            }
            // Many events cause one read, and callers that watch the same service do not all read at once.
            sleep(COALESCE.mul_f64(fastrand::f64())).await;
            sleep_until((begun + READS_APART).into()).await;
        }
    }

    fn publish(&mut self, sender: &watch::Sender<Resolution>) {
        self.outage.over(self.native.path());
        self.backoff.reset();
        let (endpoints, bad) = parse(&self.native, &self.classic);
        self.tell_bad(bad);
        Resolution::current(endpoints, &format!("{}{}", self.place, self.native.path())).publish(sender);
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

/// Returns the endpoints of both layouts, and the nodes that cannot be parsed: path and reason.
pub(super) fn parse(native: &Folder, classic: &Folder) -> (Vec<Endpoint>, Vec<(String, String)>) {
    let mut bad = Vec::new();
    let mut endpoints = Vec::new();
    for (name, data) in native.nodes() {
        match layout::parse_node(name, data) {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(why) => bad.push((format!("{}/{name}", native.path()), why)),
        }
    }
    let mut methods = Vec::new();
    for (name, data) in classic.nodes() {
        match layout::parse_classic_node(data) {
            Ok(address) => methods.push((name.to_owned(), address)),
            Err(why) => bad.push((format!("{}/{name}", classic.path()), why)),
        }
    }
    (layout::merge_layouts(endpoints, methods), bad)
}

/// The longest pause after an event; the pause is random. Many events then cause one read.
const COALESCE: Duration = Duration::from_millis(20);
/// Two reads of a service begin at least this far apart.
const READS_APART: Duration = Duration::from_millis(100);
/// The longest interval of listings without an event, in case an event is lost.
const RESCAN: Duration = Duration::from_secs(60);
