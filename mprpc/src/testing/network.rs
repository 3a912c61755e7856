//! A network of hosts in memory: who is connected to whom, what stands between them, and what is done to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use super::host::Host;
use crate::client::{Channel, Connect};
use crate::context::Peer;
use crate::endpoint::Address;
use crate::net::memory::{BACKLOG, PIPE_BYTES};
use crate::net::pipe::Pipe;
use crate::net::simulated::{LinkConditions, LinkFaults, SimulatedWire, Trace, up_to};
use crate::net::{Listener, Stream, within_limit};
use crate::server::{Server, ServerHandle, ServerStats, Shared as ServerShared};
use crate::service::BoxFuture;

/// The host that [`Network::channel`] leads out of.
const CLIENT: &str = "client";

/// A simulated network: servers and callers of one test, with delays, lost connections, partitions, and hosts that die,
/// freeze or are slow.
///
/// Every random choice comes from the seed, those of callers too (which endpoint is first, how long a pause is): on a
/// current-thread runtime under tokio's paused clock, `#[tokio::test(start_paused = true)]`, the same seed gives the same
/// run, down to the instant of every byte. [`Network::fingerprint`] tells whether it did. Delays cost no time there; they
/// are as fine as tokio's timers, 1 ms.
///
/// A host is known by its name: a server by its address, a caller by any name that is given to [`Network::host`]. Bytes
/// take no time unless the test says otherwise. Connections do not lose or reorder bytes, as TCP does not.
///
/// Cheap to clone; the clones are one network. What it serves lives until it is stopped or killed, or its runtime ends.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when a way may be open again.
    opened: Notify,
    trace: Arc<Trace>,
}

struct State {
    rng: fastrand::Rng,
    delay: RangeInclusive<Duration>,
    jitter: Duration,
    /// Drawn from `delay`, once for each two hosts.
    delays: BTreeMap<(String, String), Duration>,
    slow: BTreeMap<String, u64>,
    /// What listens, by the host's name.
    listening: BTreeMap<String, mpsc::Sender<Stream>>,
    running: BTreeMap<String, ServerHandle>,
    /// What each server has counted; outlives it.
    served: BTreeMap<String, Arc<ServerShared>>,
    frozen: BTreeSet<String>,
    partitions: Vec<[BTreeSet<String>; 2]>,
    connections: Vec<Connection>,
    /// To connect.
    attempts: usize,
}

/// A connection, as the network knows it.
struct Connection {
    from: String,
    to: String,
    out: Link,
    back: Link,
}

/// One direction of it.
struct Link {
    pipe: Weak<Pipe>,
    wire: Arc<SimulatedWire>,
}

impl Network {
    /// A network without hosts. Also seeds the random choices that callers on this thread make.
    pub fn from_seed(seed: u64) -> Network {
        fastrand::seed(seed);
        let state = State {
            rng: fastrand::Rng::with_seed(seed),
            delay: Duration::ZERO..=Duration::ZERO,
            jitter: Duration::ZERO,
            delays: BTreeMap::new(),
            slow: BTreeMap::new(),
            listening: BTreeMap::new(),
            running: BTreeMap::new(),
            served: BTreeMap::new(),
            frozen: BTreeSet::new(),
            partitions: Vec::new(),
            connections: Vec::new(),
            attempts: 0,
        };
        let shared = Shared { state: Mutex::new(state), opened: Notify::new(), trace: Arc::new(Trace::begin()) };
        Network { shared: Arc::new(shared) }
    }

    /// Serves at `address` on the runtime that this is called on; `listen` and `loops` of the server say nothing here.
    ///
    /// # Panics
    /// Outside a tokio runtime; if `address` does not read, or a server is there; if the server cannot start.
    pub fn serve(&self, address: &str, server: Server) -> Host {
        let incoming = self.listen(address);
        let host = self.host(address);
        let listener = Listener::fed(parse(address), incoming, None);
        let running = server.serve_from(listener).unwrap_or_else(|error| panic!("{error}"));
        let mut state = self.lock();
        state.served.insert(host.name.clone(), running.shared().clone());
        state.running.insert(host.name.clone(), running);
        drop(state);
        host
    }

    /// The host of this name: for channels that lead out of a server, or out of one caller among several.
    pub fn host(&self, name: &str) -> Host {
        Host { network: self.clone(), name: name_of(name) }
    }

    /// A channel out of the host `client`, as [`Channel::new`]: `10.0.0.1:8000`, `list:10.0.0.1:8000,10.0.0.2:8000`.
    /// [`Host`] has more.
    ///
    /// # Panics
    /// If `target` does not say where services are.
    pub fn channel(&self, target: &str) -> Channel {
        self.host(CLIENT).channel(target)
    }

    /// How long bytes travel one way: drawn for each two hosts from `delay`. Connecting takes there and back. Holds for
    /// open connections, too.
    pub fn set_delay(&self, delay: RangeInclusive<Duration>) {
        self.change(|state| {
            state.delay = delay;
            state.delays.clear();
        });
    }

    /// Up to how much longer a segment, 1,460 bytes at most, travels; drawn anew for each, from nothing to this. None
    /// overtakes another of its connection.
    pub fn set_jitter(&self, jitter: Duration) {
        self.change(|state| state.jitter = jitter);
    }

    /// Lets so many bytes a second to and from this host, each connection and each direction by itself.
    pub fn slow(&self, host: &str, bytes_per_second: u64) {
        let host = name_of(host);
        self.shared.trace.note(("slow", &host, bytes_per_second));
        self.change(|state| {
            state.slow.insert(host, bytes_per_second);
        });
    }

    /// Cuts every connection to and from this host, whatever is on its way: both ends see a reset. New ones are taken.
    pub fn cut(&self, host: &str) {
        let host = name_of(host);
        self.shared.trace.note(("cut", &host));
        self.lose(|connection| connection.from == host || connection.to == host);
    }

    /// Ends this host as kill -9 does: handlers are dropped, connections closed, new ones refused. Callers learn of it
    /// when the news has travelled. Serve at the address again to bring it back.
    pub fn kill(&self, host: &str) {
        let host = name_of(host);
        self.shared.trace.note(("kill", &host));
        let mut state = self.lock();
        let of_host = state.connections.iter().filter(|connection| connection.to == host);
        of_host.for_each(|connection| connection.back.wire.forget_what_is_held());
        state.frozen.remove(&host);
        state.listening.remove(&host);
        let running = state.running.remove(&host);
        drop(state);
        drop(running);
        self.lose(|connection| connection.from == host);
        self.change(|_| {});
    }

    /// Freezes this host as SIGSTOP does, seen from outside: connections are accepted, bytes taken up to what a socket
    /// holds, nothing is answered. Handlers that run go on; what they answer leaves once the host thaws.
    pub fn freeze(&self, host: &str) {
        let host = name_of(host);
        self.shared.trace.note(("freeze", &host));
        self.change(|state| {
            state.frozen.insert(host);
        });
    }

    /// Lets a frozen host go on.
    pub fn thaw(&self, host: &str) {
        let host = name_of(host);
        self.shared.trace.note(("thaw", &host));
        self.change(|state| {
            state.frozen.remove(&host);
        });
    }

    /// Lets nothing pass between the hosts of `here` and those of `there`, in either direction, and says so to nobody:
    /// bytes are held, connecting waits. [`Network::channel`] leads out of the host `client`.
    pub fn partition(&self, here: &[&str], there: &[&str]) {
        let names = |hosts: &[&str]| hosts.iter().map(|host| name_of(host)).collect();
        self.shared.trace.note(("partition", here, there));
        self.change(|state| state.partitions.push([names(here), names(there)]));
    }

    /// Ends every partition: what was held travels on.
    pub fn heal(&self) {
        self.shared.trace.note("heal");
        self.change(|state| state.partitions.clear());
    }

    /// What has happened so far as one number: who connected, which bytes were sent when, over which connection, and what
    /// was done to the hosts. Equal for equal runs of the same program.
    pub fn fingerprint(&self) -> u64 {
        self.shared.trace.fingerprint()
    }

    /// What connects to `address`, for peers by hand, too.
    pub(crate) fn listen(&self, address: &str) -> mpsc::Receiver<Stream> {
        let (connected, incoming) = mpsc::channel(BACKLOG);
        let name = parse(address).to_string();
        let mut state = self.lock();
        assert!(!state.is_listening(&name), "a server is at {name} already");
        state.listening.insert(name, connected);
        incoming
    }

    /// How often somebody has tried to connect.
    #[cfg(test)]
    pub(crate) fn attempts(&self) -> usize {
        self.lock().attempts
    }

    /// Opens connections out of the host of this name.
    pub(crate) fn connector(&self, from: &str, timeout: Duration) -> Connect {
        let (network, from) = (self.clone(), from.to_owned());
        Arc::new(move |address: Address| -> BoxFuture<io::Result<Stream>> {
            network.lock().attempts += 1;
            let (network, from) = (network.clone(), from.clone());
            Box::pin(async move { within_limit(timeout, network.connect(&from, address)).await })
        })
    }

    pub(super) fn stats(&self, host: &str) -> ServerStats {
        self.lock().served.get(host).map(|shared| shared.stats()).unwrap_or_default()
    }

    pub(super) fn take_running(&self, host: &str) -> Option<ServerHandle> {
        self.lock().running.remove(host)
    }

    /// There, to whoever listens, and back.
    async fn connect(&self, from: &str, address: Address) -> io::Result<Stream> {
        let to = address.to_string();
        self.travel(from, &to).await;
        let connected = self.lock().open(from, &to, &address, &self.shared.trace);
        self.shared.trace.note((from, &to, connected.is_ok()));
        self.travel(&to, from).await;
        connected
    }

    /// Takes as long as a packet does; waits while there is no way.
    async fn travel(&self, from: &str, to: &str) {
        loop {
            let mut opened = pin!(self.shared.opened.notified());
            opened.as_mut().enable();
            let delay = self.lock().packet_delay(from, to);
            let Some(delay) = delay else {
                opened.await;
                continue;
            };
            if !delay.is_zero() {
                sleep(delay).await;
            }
            if !self.lock().is_parted(from, to) {
                return;
            }
        }
    }

    /// Loses these connections, at both ends.
    fn lose(&self, which: impl Fn(&Connection) -> bool) {
        let mut state = self.lock();
        let (lost, kept): (Vec<_>, _) = std::mem::take(&mut state.connections).into_iter().partition(which);
        state.connections = kept;
        drop(state);
        for pipe in lost.iter().flat_map(Connection::pipes) {
            pipe.lose();
        }
    }

    /// Changes the network, and lets every connection feel it.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.connections.retain(|connection| connection.pipes().next().is_some());
        let connections = std::mem::take(&mut state.connections);
        for Connection { from, to, out, back } in &connections {
            let conditions = state.conditions(from, to);
            out.wire.change(conditions.clone(), state.faults(from, to));
            back.wire.change(conditions, state.faults(to, from));
        }
        // Whoever is woken may come back here, so nothing is locked then.
        let pipes: Vec<_> = connections.iter().flat_map(Connection::pipes).collect();
        state.connections = connections;
        drop(state);
        pipes.iter().for_each(|pipe| pipe.wake_reader());
        self.shared.opened.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_listening(&self, host: &str) -> bool {
        self.listening.get(host).is_some_and(|incoming| !incoming.is_closed())
    }

    /// Connects to whoever listens there now.
    fn open(&mut self, from: &str, to: &str, address: &Address, trace: &Arc<Trace>) -> io::Result<Stream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let conditions = self.conditions(from, to);
        let [out, back] = [self.faults(from, to), self.faults(to, from)]
            .map(|faults| Arc::new(SimulatedWire::new(conditions.clone(), faults, self.rng.fork(), trace.clone())));
        let incoming = self.listening.get(to).ok_or_else(refused)?;
        let there = Pipe::new(PIPE_BYTES, Some(out.clone()));
        let here = Pipe::new(PIPE_BYTES, Some(back.clone()));
        let peer = Arc::new(Peer { address: address.clone(), local: address.clone(), identity: None });
        let near = Stream::memory(&here, &there, peer.clone());
        incoming.try_send(Stream::memory(&there, &here, peer)).map_err(|_gone_or_full| refused())?;
        self.connections.retain(|connection| connection.pipes().next().is_some());
        self.connections.push(Connection {
            from: from.to_owned(),
            to: to.to_owned(),
            out: Link { pipe: Arc::downgrade(&there), wire: out },
            back: Link { pipe: Arc::downgrade(&here), wire: back },
        });
        Ok(near)
    }

    /// How long one packet travels; `None` where there is no way.
    fn packet_delay(&mut self, from: &str, to: &str) -> Option<Duration> {
        if self.is_parted(from, to) {
            return None;
        }
        Some(self.delay(from, to) + up_to(self.jitter, &mut self.rng))
    }

    fn conditions(&mut self, from: &str, to: &str) -> LinkConditions {
        let delay = self.delay(from, to);
        let bytes_per_second = [from, to].iter().filter_map(|host| self.slow.get(*host)).min().copied();
        LinkConditions { delay, jitter: self.jitter, bytes_per_second }
    }

    fn delay(&mut self, from: &str, to: &str) -> Duration {
        let both = (from.min(to).to_owned(), from.max(to).to_owned());
        let (least, most) = (*self.delay.start(), *self.delay.end());
        let rng = &mut self.rng;
        *self.delays.entry(both).or_insert_with(|| least + up_to(most.saturating_sub(least), rng))
    }

    fn faults(&self, writer: &str, reader: &str) -> LinkFaults {
        LinkFaults {
            parted: self.is_parted(writer, reader),
            writer_frozen: self.frozen.contains(writer),
            reader_frozen: self.frozen.contains(reader),
        }
    }

    fn is_parted(&self, one: &str, other: &str) -> bool {
        let between = |here: &BTreeSet<String>, there: &BTreeSet<String>| here.contains(one) && there.contains(other);
        self.partitions.iter().any(|[here, there]| between(here, there) || between(there, here))
    }
}

impl Connection {
    /// Those of its pipes that somebody still holds.
    fn pipes(&self) -> impl Iterator<Item = Arc<Pipe>> + use<> {
        [self.out.pipe.upgrade(), self.back.pipe.upgrade()].into_iter().flatten()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let mut network = f.debug_struct("Network");
        network.field("listening", &state.listening.keys()).field("connections", &state.connections.len());
        network.finish_non_exhaustive()
    }
}

/// Addresses as they print, other names as they are.
fn name_of(host: &str) -> String {
    host.parse::<Address>().map_or_else(|_| host.to_owned(), |address| address.to_string())
}

fn parse(address: &str) -> Address {
    address.parse().unwrap_or_else(|why| panic!("{why}"))
}
