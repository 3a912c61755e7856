//! The scripted ensemble: its sessions, its faults, and what the test does as its operator.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::connection::{self, Outgoing};
use super::tree::{Change, Tree};
use crate::acl::Acl;
use crate::connect::Connect;
use crate::jute::put_string;

/// A scripted ensemble. Clones are the same ensemble.
#[derive(Clone)]
pub struct Ensemble {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes the connections after a change of the faults.
    pub(super) changed: watch::Sender<()>,
}

/// What goes wrong. By default nothing does.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The whole ensemble is down: connections end, new ones are refused, and no session expires.
    pub down: bool,
    /// These servers are down, `host:port`.
    pub servers_down: BTreeSet<String>,
    /// These clients are cut off: nothing arrives in either direction, and new connections hang.
    pub partitioned: BTreeSet<String>,
    /// Each answer takes this long. Answers do not wait for each other.
    pub latency: Duration,
    /// Events of watches are lost.
    pub drop_events: bool,
    /// Lists of children are empty.
    pub empty_lists: bool,
    /// The ephemeral nodes of a session stay this long after its end.
    pub reap_delay: Duration,
    /// Requests for these paths, and for those below, fail with `NOAUTH`.
    pub no_auth: BTreeSet<String>,
    /// Each write is done, and the connection ends instead of an answer.
    pub lose_answers_of_writes: bool,
    /// Credentials are refused.
    pub refuse_credentials: bool,
    /// Connections are to a server that is cut off from its ensemble and takes reads only.
    pub read_only: bool,
}

/// A state of the tree to return to.
#[derive(Clone, Debug)]
pub struct Snapshot(Tree);

/// The deletion of an ephemeral node by a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The path of the node.
    pub path: String,
    /// The session that owned the node.
    pub owner: i64,
    /// The session that deleted the node.
    pub by: i64,
}

pub(super) struct State {
    pub(super) tree: Tree,
    pub(super) faults: Faults,
    pub(super) sessions: BTreeMap<i64, SessionEntry>,
    pub(super) connections: BTreeMap<u64, ConnectionEntry>,
    /// The ends of sessions whose nodes are still there.
    reaping: Vec<(Instant, i64)>,
    connects: Vec<Instant>,
    pub(super) requests: u64,
    pub(super) credentials: Vec<Vec<u8>>,
    deletions: Vec<Deletion>,
    /// When each node was removed, by whomever.
    removals: Vec<(Instant, String)>,
    /// The client of each session so far.
    clients: BTreeMap<i64, String>,
    killed: BTreeSet<String>,
    last_session: i64,
    last_connection: u64,
}

pub(super) struct SessionEntry {
    pub(super) password: [u8; 16],
    pub(super) timeout: Duration,
    pub(super) last_heard: Instant,
    pub(super) connection: u64,
}

pub(super) struct ConnectionEntry {
    pub(super) output: mpsc::UnboundedSender<Outgoing>,
    pub(super) client: String,
    /// Sends nothing and hears nothing any more.
    pub(super) is_silent: bool,
    pub(super) persistent: BTreeSet<String>,
    pub(super) recursive: BTreeSet<String>,
}

impl Ensemble {
    /// Starts an ensemble with an empty tree.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start() -> Ensemble {
        let state = State {
            tree: Tree::new(),
            faults: Faults::default(),
            sessions: BTreeMap::new(),
            connections: BTreeMap::new(),
            reaping: Vec::new(),
            connects: Vec::new(),
            requests: 0,
            credentials: Vec::new(),
            deletions: Vec::new(),
            removals: Vec::new(),
            clients: BTreeMap::new(),
            killed: BTreeSet::new(),
            last_session: 0x1000,
            last_connection: 0,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: watch::channel(()).0 });
        let weak = Arc::downgrade(&shared);
        tokio::spawn(async move {
            while let Some(shared) = weak.upgrade() {
                let next = Ensemble { shared }.lock().reap(Instant::now());
                sleep(next).await;
            }
        });
        Ensemble { shared }
    }

    /// The connections of one client, which [`Faults::partitioned`] knows by this name.
    pub fn connector(&self, client: &str) -> Connector {
        Connector { ensemble: self.clone(), client: client.to_owned() }
    }

    /// Changes the faults.
    pub fn fault(&self, change: impl FnOnce(&mut Faults)) {
        let mut state = self.lock();
        let was_down = state.faults.down;
        change(&mut state.faults);
        if state.faults.down {
            state.connections.clear();
        } else if was_down {
            // A new leader gives every session its whole time again.
            let now = Instant::now();
            state.sessions.values_mut().for_each(|session| session.last_heard = now);
        }
        drop(state);
        self.shared.changed.send_replace(());
    }

    /// Ends every connection. Sessions stay.
    pub fn cut(&self) {
        self.lock().connections.clear();
    }

    /// Makes a client as good as killed: its connections end, its session does not, and it never connects again.
    pub fn kill(&self, client: &str) {
        let mut state = self.lock();
        state.killed.insert(client.to_owned());
        state.connections.retain(|_, connection| connection.client != client);
    }

    /// Makes every connection half open: the servers are gone from it without an end. New connections work.
    pub fn half_open(&self) {
        self.lock().connections.values_mut().for_each(|connection| connection.is_silent = true);
    }

    /// Ends every session of a client, or all sessions if `client` is `None`.
    pub fn expire(&self, client: Option<&str>) {
        let mut state = self.lock();
        let of_client = |state: &State, session: &SessionEntry| {
            client.is_none_or(|client| state.connections.get(&session.connection).is_some_and(|c| c.client == client))
        };
        let ids: Vec<i64> =
            state.sessions.iter().filter(|(_, session)| of_client(&state, session)).map(|(id, _)| *id).collect();
        for id in ids {
            state.end_session(id, Instant::now());
        }
    }

    /// Creates a node as an operator does, with its missing parents, or sets its data.
    pub fn put(&self, path: &str, data: &[u8]) {
        let mut state = self.lock();
        let mut changes = Vec::new();
        for (at, _) in path.match_indices('/').skip(1) {
            let _ = state.tree.create(&path[..at], Bytes::new(), Acl::ANYONE.to_vec(), 0, false, &mut changes);
        }
        let data = Bytes::copy_from_slice(data);
        if state.tree.set(path, data.clone(), -1, &mut changes).is_err() {
            let _ = state.tree.create(path, data, Acl::ANYONE.to_vec(), 0, false, &mut changes);
        }
        state.announce(changes);
    }

    /// Deletes a node and those below it, as an operator does.
    pub fn delete(&self, path: &str) {
        let mut state = self.lock();
        let below = format!("{path}/");
        let paths = state.tree.nodes.keys().filter(|node| *node == path || node.starts_with(&below));
        let paths: Vec<String> = paths.cloned().collect();
        let mut changes = Vec::new();
        for path in paths.iter().rev() {
            let _ = state.tree.delete(path, -1, &mut changes);
        }
        state.announce(changes);
    }

    /// The data of a node and its ephemeral owner.
    pub fn node(&self, path: &str) -> Option<(Bytes, i64)> {
        self.lock().tree.nodes.get(path).map(|node| (node.data.clone(), node.stat.ephemeral_owner))
    }

    /// The names of a node's children.
    pub fn children(&self, path: &str) -> Vec<String> {
        self.lock().tree.children(path)
    }

    /// Remembers the tree.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.lock().tree.clone())
    }

    /// Rolls the ensemble back: the tree and the transactions since the snapshot are lost, and so are all sessions and
    /// connections. With `None`, the ensemble is built anew.
    pub fn roll_back(&self, snapshot: Option<Snapshot>) {
        let mut state = self.lock();
        let old = std::mem::replace(&mut state.tree, snapshot.map_or_else(Tree::new, |snapshot| snapshot.0));
        let lost = old.nodes.into_keys().filter(|path| !state.tree.nodes.contains_key(path));
        let lost: Vec<(Instant, String)> = lost.map(|path| (Instant::now(), path)).collect();
        state.removals.extend(lost);
        state.connections.clear();
        state.sessions.clear();
        // Nodes of sessions that are gone go with them, after the usual time.
        let at = Instant::now() + Duration::from_secs(10);
        let owners: BTreeSet<i64> = state.tree.nodes.values().map(|node| node.stat.ephemeral_owner).collect();
        state.reaping.extend(owners.into_iter().filter(|owner| *owner != 0).map(|owner| (at, owner)));
    }

    /// The ids of the open sessions.
    pub fn sessions(&self) -> Vec<i64> {
        self.lock().sessions.keys().copied().collect()
    }

    /// When each attempt to connect arrived, refused ones included.
    pub fn connects(&self) -> Vec<Instant> {
        self.lock().connects.clone()
    }

    /// The number of requests so far, without pings.
    pub fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// The credentials that clients have sent, in order.
    pub fn credentials(&self) -> Vec<Vec<u8>> {
        self.lock().credentials.clone()
    }

    /// The ephemeral nodes that clients have deleted.
    pub fn deletions(&self) -> Vec<Deletion> {
        self.lock().deletions.clone()
    }

    /// Whether the node was removed at this time or later, by whomever.
    pub fn was_removed(&self, path: &str, since: Instant) -> bool {
        self.lock().removals.iter().any(|(at, removed)| *at >= since && removed == path)
    }

    /// The name of the client that opened a session.
    pub fn client_of(&self, session: i64) -> Option<String> {
        self.lock().clients.get(&session).cloned()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Numbers a new connection. `None` if it hangs.
    fn accept(&mut self, client: &str, server: &str) -> io::Result<Option<u64>> {
        self.connects.push(Instant::now());
        if self.faults.partitioned.contains(client) || self.killed.contains(client) {
            return Ok(None);
        }
        if self.faults.down || self.faults.servers_down.contains(server) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.last_connection += 1;
        Ok(Some(self.last_connection))
    }

    /// Ends the sessions whose time is over, and deletes the nodes of ended ones. Returns when to look again.
    fn reap(&mut self, now: Instant) -> Duration {
        if self.faults.down {
            return REAP_MAX;
        }
        let late: Vec<i64> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.last_heard + session.timeout <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.end_session(id, now);
        }
        let (due, waiting) = std::mem::take(&mut self.reaping).into_iter().partition(|(at, _)| *at <= now);
        self.reaping = waiting;
        for (_, id) in due {
            self.delete_nodes_of(id);
        }
        let ends = self.sessions.values().map(|session| session.last_heard + session.timeout);
        let next = ends.chain(self.reaping.iter().map(|(at, _)| *at)).min();
        next.map_or(REAP_MAX, |next| next.saturating_duration_since(now).clamp(REAP_MIN, REAP_MAX))
    }

    pub(super) fn end_session(&mut self, id: i64, now: Instant) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.connections.remove(&session.connection);
        if self.faults.reap_delay.is_zero() {
            self.delete_nodes_of(id);
        } else {
            self.reaping.push((now + self.faults.reap_delay, id));
        }
    }

    fn delete_nodes_of(&mut self, session: i64) {
        let owned = self.tree.nodes.iter().filter(|(_, node)| node.stat.ephemeral_owner == session);
        let owned: Vec<String> = owned.map(|(path, _)| path.clone()).collect();
        let mut changes = Vec::new();
        for path in owned {
            let _ = self.tree.delete(&path, -1, &mut changes);
        }
        self.announce(changes);
    }

    pub(super) fn open_session(&mut self, timeout: Duration, connection: u64, now: Instant) -> (i64, [u8; 16]) {
        self.last_session += 1;
        let id = self.last_session;
        let mut password = [7; 16];
        password[..8].copy_from_slice(&id.to_be_bytes());
        let client = self.connections.get(&connection).map(|connection| connection.client.clone());
        self.clients.extend(client.map(|client| (id, client)));
        self.sessions.insert(id, SessionEntry { password, timeout, last_heard: now, connection });
        (id, password)
    }

    pub(super) fn record_deletions(&mut self, changes: &[Change], by: i64) {
        let deleted = changes.iter().filter(|change| change.owner != 0);
        let deletions = deleted.map(|change| Deletion { path: change.path.clone(), owner: change.owner, by });
        self.deletions.extend(deletions);
    }

    /// Sends the events of changes to the connections that watch.
    pub(super) fn announce(&mut self, changes: Vec<Change>) {
        let removed = changes.iter().filter(|change| change.event == super::tree::DELETED);
        self.removals.extend(removed.map(|change| (Instant::now(), change.path.clone())));
        if self.faults.drop_events {
            return;
        }
        let at = Instant::now() + self.faults.latency;
        for change in changes {
            let mut event = BytesMut::new();
            event.put_i32(-1);
            event.put_i64(-1);
            event.put_i32(0);
            event.put_i32(change.event);
            event.put_i32(3);
            put_string(&mut event, &change.path);
            let watching = self.connections.values().filter(|connection| connection.watches(&change));
            for connection in watching {
                let _ = connection.output.send(Outgoing::Packet(at, event.clone().freeze()));
            }
        }
    }
}

impl ConnectionEntry {
    fn watches(&self, change: &Change) -> bool {
        if self.persistent.contains(&change.path) {
            return true;
        }
        if change.event == super::tree::CHILDREN_CHANGED {
            return false;
        }
        let is_below = |watched: &String| {
            let rest = change.path.strip_prefix(watched.as_str());
            watched == "/" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.recursive.iter().any(is_below)
    }
}

/// Opens connections to a scripted ensemble.
pub struct Connector {
    ensemble: Ensemble,
    client: String,
}

impl Connect for Connector {
    type Stream = DuplexStream;

    async fn connect(&self, server: &str) -> io::Result<DuplexStream> {
        match self.open(server)? {
            Some(stream) => Ok(stream),
            None => pending().await,
        }
    }
}

impl Connector {
    /// Opens a connection; `None` if it hangs. Not asynchronous: what it spawns is compiled with this crate, and so optimised.
    fn open(&self, server: &str) -> io::Result<Option<DuplexStream>> {
        let Some(number) = self.ensemble.lock().accept(&self.client, server)? else { return Ok(None) };
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let (output, outgoing) = mpsc::unbounded_channel();
        let entry = ConnectionEntry {
            output,
            client: self.client.clone(),
            is_silent: false,
            persistent: BTreeSet::new(),
            recursive: BTreeSet::new(),
        };
        self.ensemble.lock().connections.insert(number, entry);
        tokio::spawn(connection::serve(self.ensemble.clone(), far, number, outgoing));
        Ok(Some(near))
    }
}

/// The bytes that a connection holds in each direction.
const PIPE_BYTES: usize = 64 << 10;
/// The shortest and the longest pause between two looks for sessions whose time is over.
const REAP_MIN: Duration = Duration::from_millis(1);
const REAP_MAX: Duration = Duration::from_secs(1);
