//! A simulated network of hosts in memory: the connections between hosts, and the faults that a test injects.

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

/// The host from which [`Network::channel`] connects.
const CLIENT: &str = "client";

/// A simulated network of servers and callers, with delays, lost connections, partitions, and hosts that die, freeze or
/// are slow.
///
/// Every random choice comes from the seed, including the choices of callers (the first endpoint, the length of a
/// pause). On a current-thread runtime under tokio's paused clock, `#[tokio::test(start_paused = true)]`, the same seed
/// gives the same run, down to the instant of every byte. Compare [`Network::fingerprint`] of two runs to check this.
/// Under the paused clock, delays cost no real time. Their resolution is that of tokio's timers, 1 ms.
///
/// A host has a name: a server's name is its address, a caller's is any name given to [`Network::host`]. Bytes take no
/// time to travel unless the test sets a delay. Like TCP, connections do not lose or reorder bytes.
///
/// A network is cheap to clone, and its clones share one state. A server lives until the test stops or kills it, or until
/// its runtime ends.
///
/// ```no_run
/// # async fn test(service: impl mprpc::Service) {
/// let network = mprpc::testing::Network::from_seed(1);
/// network.serve("10.0.0.1:8000", mprpc::Server::default().add(service));
/// let client = mprpc::RawClient::new(network.channel("10.0.0.1:8000"), "test.Echo");
/// network.cut("10.0.0.1:8000");
/// assert_eq!(client.unary("Echo", "hello").await.unwrap(), "hello");
/// # }
/// ```
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Notified whenever the network changes, since a partition may have healed.
    opened: Notify,
    trace: Arc<Trace>,
}

struct State {
    rng: fastrand::Rng,
    delay: RangeInclusive<Duration>,
    jitter: Duration,
    /// The delay between each pair of hosts, drawn once from `delay`.
    delays: BTreeMap<(String, String), Duration>,
    slow: BTreeMap<String, u64>,
    /// The servers that listen, by the host's name.
    listening: BTreeMap<String, mpsc::Sender<Stream>>,
    running: BTreeMap<String, ServerHandle>,
    /// The counters of each server, which outlive the server.
    served: BTreeMap<String, Arc<ServerShared>>,
    frozen: BTreeSet<String>,
    partitions: Vec<[BTreeSet<String>; 2]>,
    connections: Vec<Connection>,
    /// How many times a host has tried to connect.
    attempts: usize,
}

/// A connection between two hosts.
struct Connection {
    from: String,
    to: String,
    out: Link,
    back: Link,
}

/// One direction of a connection.
struct Link {
    pipe: Weak<Pipe>,
    wire: Arc<SimulatedWire>,
}

impl Network {
    /// Creates a network without hosts. Also seeds the random choices that callers on this thread make.
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

    /// Serves at `address` on the current tokio runtime. The fields `listen` and `loops` of `server` have no effect.
    ///
    /// # Panics
    /// Outside a tokio runtime; if `address` does not parse or is in use; if the server cannot start.
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

    /// The host of this name, from which to open channels: a server that makes calls, or one of several callers.
    pub fn host(&self, name: &str) -> Host {
        Host { network: self.clone(), name: name_of(name) }
    }

    /// Opens a channel from the host `client`, as [`Channel::new`] does.
    ///
    /// Examples of targets: `10.0.0.1:8000`, `list:10.0.0.1:8000,10.0.0.2:8000`. [`Host`] opens channels with options.
    ///
    /// # Panics
    /// If `target` is not a valid target.
    pub fn channel(&self, target: &str) -> Channel {
        self.host(CLIENT).channel(target)
    }

    /// Sets how long bytes travel in one direction. The network draws one value from `delay` for each pair of hosts.
    ///
    /// Connecting takes one round trip. The delay also applies to open connections.
    pub fn set_delay(&self, delay: RangeInclusive<Duration>) {
        self.change(|state| {
            state.delay = delay;
            state.delays.clear();
        });
    }

    /// Sets the maximum extra time that a segment travels. A segment holds at most 1,460 bytes.
    ///
    /// The network draws a value from zero to `jitter` for each segment. Segments of one connection stay in order.
    pub fn set_jitter(&self, jitter: Duration) {
        self.change(|state| state.jitter = jitter);
    }

    /// Limits the bandwidth to and from this host, for each connection and each direction separately.
    pub fn slow(&self, host: &str, bytes_per_second: u64) {
        let host = name_of(host);
        self.shared.trace.note(("slow", &host, bytes_per_second));
        self.change(|state| {
            state.slow.insert(host, bytes_per_second);
        });
    }

    /// Resets every connection to and from this host, at both ends. Bytes in transit are lost. New connections succeed.
    pub fn cut(&self, host: &str) {
        let host = name_of(host);
        self.shared.trace.note(("cut", &host));
        self.lose(|connection| connection.from == host || connection.to == host);
    }

    /// Ends this host as kill -9 does: drops its handlers, closes its connections and refuses new ones.
    ///
    /// Callers see the closed connection after the delay. To bring the host back, serve at its address again.
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

    /// Freezes this host. From outside, the host behaves as after SIGSTOP.
    ///
    /// The host accepts connections and takes as many bytes as a socket holds, but answers nothing. Running handlers go
    /// on; their replies leave the host after [`Network::thaw`].
    pub fn freeze(&self, host: &str) {
        let host = name_of(host);
        self.shared.trace.note(("freeze", &host));
        self.change(|state| {
            state.frozen.insert(host);
        });
    }

    /// Resumes a frozen host.
    pub fn thaw(&self, host: &str) {
        let host = name_of(host);
        self.shared.trace.note(("thaw", &host));
        self.change(|state| {
            state.frozen.remove(&host);
        });
    }

    /// Separates the hosts of `here` from those of `there`, in both directions, without an error at either end.
    ///
    /// The network holds bytes back, and attempts to connect wait. [`Network::channel`] connects from the host `client`.
    pub fn partition(&self, here: &[&str], there: &[&str]) {
        let names = |hosts: &[&str]| hosts.iter().map(|host| name_of(host)).collect();
        self.shared.trace.note(("partition", here, there));
        self.change(|state| state.partitions.push([names(here), names(there)]));
    }

    /// Ends every partition. Bytes that the network held back continue to travel.
    pub fn heal(&self) {
        self.shared.trace.note("heal");
        self.change(|state| state.partitions.clear());
    }

    /// A hash of everything that has happened so far. Equal runs of the same program have equal fingerprints.
    ///
    /// The hash covers the connections, the bytes sent on each connection with their times, and the injected faults.
    pub fn fingerprint(&self) -> u64 {
        self.shared.trace.fingerprint()
    }

    /// Listens at `address` and returns its incoming connections. Tests also use this for peers without a [`Server`].
    pub(crate) fn listen(&self, address: &str) -> mpsc::Receiver<Stream> {
        let (connected, incoming) = mpsc::channel(BACKLOG);
        let name = parse(address).to_string();
        let mut state = self.lock();
        assert!(!state.is_listening(&name), "a server is at {name} already");
        state.listening.insert(name, connected);
        incoming
    }

    /// How many times a host has tried to connect.
    #[cfg(test)]
    pub(crate) fn attempts(&self) -> usize {
        self.lock().attempts
    }

    /// Returns a function that opens connections from the host `from`.
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

    /// Connects to the listener at `address`, which takes one round trip.
    async fn connect(&self, from: &str, address: Address) -> io::Result<Stream> {
        let to = address.to_string();
        self.travel(from, &to).await;
        let connected = self.lock().open(from, &to, &address, &self.shared.trace);
        self.shared.trace.note((from, &to, connected.is_ok()));
        self.travel(&to, from).await;
        connected
    }

    /// Waits as long as a packet travels. Also waits while a partition separates the two hosts.
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

    /// Resets the connections that `which` selects, at both ends.
    fn lose(&self, which: impl Fn(&Connection) -> bool) {
        let mut state = self.lock();
        let (lost, kept): (Vec<_>, _) = std::mem::take(&mut state.connections).into_iter().partition(which);
        state.connections = kept;
        drop(state);
        for pipe in lost.iter().flat_map(Connection::pipes) {
            pipe.lose();
        }
    }

    /// Changes the network and applies the change to every open connection.
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
        // A woken reader may call into the network again, so this function wakes readers after it releases the lock.
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

    /// Connects to the current listener of the host `to`. Fails if no server listens or its backlog is full.
    fn open(&mut self, from: &str, to: &str, address: &Address, trace: &Arc<Trace>) -> io::Result<Stream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let conditions = self.conditions(from, to);
        let [out, back] = [self.faults(from, to), self.faults(to, from)]
            .map(|faults| Arc::new(SimulatedWire::new(conditions.clone(), faults, self.rng.fork(), trace.clone())));
        let incoming = self.listening.get(to).ok_or_else(refused)?;
        let there = Pipe::new(PIPE_BYTES, Some(out.clone()));
        let here = Pipe::new(PIPE_BYTES, Some(back.clone()));
        let peer = Arc::new(Peer { address: address.clone(), local: address.clone(), identity: None, proxy: None });
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

    /// How long one packet travels, or `None` if a partition separates the two hosts.
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
    /// The pipes of this connection that are still in use.
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

/// The canonical name of a host: an address in its printed form, any other name unchanged.
fn name_of(host: &str) -> String {
    host.parse::<Address>().map_or_else(|_| host.to_owned(), |address| address.to_string())
}

fn parse(address: &str) -> Address {
    address.parse().unwrap_or_else(|why| panic!("{why}"))
}
