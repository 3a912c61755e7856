//! Accepts connections, chooses the loop that serves each connection, and counts the open connections.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{AbortHandle, AbortRegistration, Abortable};
use slab::Slab;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::transport::Transport;
use super::{Shared, ended, proxies, serve_session, tls};
use crate::endpoint::Address;
use crate::error::{Error, ErrorKind};
use crate::net::connection::{Close, Driven, TransferredStream, drive_here};
use crate::net::handover::NamedSocket;
use crate::net::{Accepted, Incoming, Listener, Loops, Place, Stream, clock};

/// How long a handshake takes at most, within a data centre. A peer that begins one in this time connects a second later.
const HANDSHAKE_TIME: Duration = Duration::from_millis(1);

/// The accept tasks of a server, and their listeners.
pub(super) struct Acceptors {
    incoming_connections: IncomingConnections,
    listeners: Vec<Listener>,
    tasks: Vec<JoinHandle<()>>,
}

impl Acceptors {
    /// Accepts from `listeners`. With `by_loops`, each loop accepts TCP connections for itself, provided that the kernel
    /// spreads connections over several listeners and that there is no TLS: TLS handshakes are spread round robin.
    /// `acceptor` accepts everything else.
    pub(super) fn start(
        listeners: Vec<Listener>,
        acceptor: &Handle,
        by_loops: bool,
        incoming_connections: &IncomingConnections,
    ) -> Result<Acceptors, Error> {
        let by_loops = by_loops && incoming_connections.shared.tls.is_none();
        let mut acceptors =
            Acceptors { incoming_connections: incoming_connections.clone(), listeners: Vec::new(), tasks: Vec::new() };
        let others = incoming_connections.loops.places().count() - 1;
        for mut listener in listeners {
            let address = listener.address().clone();
            let inherited = listener.take_inherited();
            let siblings = if by_loops { listener.siblings(others.saturating_sub(inherited.len())) } else { None };
            let all = [listener].into_iter().chain(inherited);
            let accepts = match siblings {
                Some(siblings) => acceptors.accept_on_loops(all.chain(siblings)),
                None => all.into_iter().try_for_each(|listener| acceptors.accept_on(acceptor, None, listener)),
            };
            accepts
                .map_err(|error| Error::with_source(ErrorKind::Listen, format!("cannot accept at {address}"), error))?;
        }
        Ok(acceptors)
    }

    fn accept_on_loops(&mut self, listeners: impl Iterator<Item = Listener>) -> io::Result<()> {
        let loops = self.incoming_connections.loops.clone();
        // The process before may have had more loops.
        for (listener, at) in listeners.zip((0..loops.places().count()).cycle()) {
            let Some((handle, place)) = loops.places().nth(at) else { break };
            self.accept_on(handle, Some(place), listener)?;
        }
        Ok(())
    }

    /// The sockets for the next process. While `is_shared` is true, this process closes nothing but its copies.
    pub(super) fn offer(&mut self, is_shared: &Arc<AtomicBool>) -> io::Result<Vec<NamedSocket>> {
        let offers = self.listeners.iter_mut().map(|listener| listener.offer(is_shared));
        offers.filter_map(Result::transpose).collect()
    }

    fn accept_on(&mut self, handle: &Handle, place: Option<Place>, mut listener: Listener) -> io::Result<()> {
        self.tasks.push(handle.spawn(accept(listener.incoming()?, self.incoming_connections.clone(), place)));
        self.listeners.push(listener);
        Ok(())
    }

    /// Lets no more handshakes begin, and waits for the end of those that have begun.
    pub(super) async fn finish_handshakes(&self) {
        let ignoring = self.listeners.iter().filter(|listener| listener.ignore_new_handshakes());
        if ignoring.count() > 0 {
            tokio::time::sleep(HANDSHAKE_TIME).await;
        }
    }

    /// Accepts the connections that wait in the kernel, and then no more. The addresses are free once the returned future
    /// has resolved.
    pub(super) fn stop(&mut self) -> impl Future<Output = ()> + use<> {
        self.abort();
        for listener in self.listeners.drain(..) {
            listener.drain(|accepted| self.incoming_connections.take(accepted));
        }
        let tasks = std::mem::take(&mut self.tasks);
        async move {
            for task in tasks {
                // An error says that the task was aborted.
                let _ = task.await;
            }
        }
    }

    pub(super) fn abort(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Acceptors {
    fn drop(&mut self) {
        self.abort();
    }
}

async fn accept(incoming: Incoming, incoming_connections: IncomingConnections, place: Option<Place>) {
    let backoff = incoming_connections.shared.limits.accept_backoff;
    let address = incoming.address().clone();
    let error = match place {
        Some(place) => incoming.accept(backoff, |accepted| incoming_connections.take_here(accepted, &place)).await,
        None => incoming.accept(backoff, |accepted| incoming_connections.take(accepted)).await,
    };
    tracing::error!(%address, %error, "the accept loop ended: the runtime refused the socket");
}

/// Assigns accepted connections to loops. Cheap to clone.
#[derive(Clone)]
pub(super) struct IncomingConnections {
    pub(super) loops: Loops,
    pub(super) shared: Arc<Shared>,
    pub(super) open: Arc<OpenConnections>,
}

impl IncomingConnections {
    /// Serves a connection on the next loop; closes the connection if `connections_max` are open.
    pub(super) fn take(&self, accepted: Accepted) {
        if let Some((accepted, counted, abort)) = self.admit(accepted) {
            let serving = serve(accepted, self.shared.clone(), counted);
            self.loops.next().spawn(Abortable::new(serving, abort));
        }
    }

    /// Serves a connection on the current loop. A connection that turns out to be multiplexed moves on round robin.
    fn take_here(&self, accepted: Accepted, place: &Place) {
        if let Some((accepted, counted, abort)) = self.admit(accepted) {
            let serving = serve_here(accepted, self.clone(), place.clone(), counted);
            drop(tokio::spawn(Abortable::new(serving, abort)));
        }
    }

    fn admit(&self, accepted: Accepted) -> Option<(Accepted, Counted, AbortRegistration)> {
        let IncomingConnections { shared, open, .. } = self;
        if let Some((counted, abort)) = Counted::new(shared, open) {
            return Some((accepted, counted, abort));
        }
        // An error says that the peer has closed the connection already.
        if let Ok(stream) = Stream::accepted(accepted) {
            let bound = format!("connections_max {}", shared.limits.connections_max);
            shared.reject_because(&stream.peer, "connections_max reached", &bound);
        }
        None
    }
}

async fn serve(accepted: Accepted, shared: Arc<Shared>, _counted: Counted) {
    match Stream::accepted(accepted) {
        Ok(stream) => drop(serve_accepted(stream, shared).await),
        Err(error) => gone(&error),
    }
}

/// Serves an accepted connection from its first byte on.
pub(super) async fn serve_accepted(stream: Stream, shared: Arc<Shared>) -> Close {
    let begun = clock::now();
    let speaks_tls = matches!(stream.peer.address, Address::Tcp(_));
    let stream = match behind_proxy(stream, &shared).await {
        Ok(stream) => stream,
        Err(close) => return close,
    };
    match &shared.tls {
        Some(acceptor) if speaks_tls => match stream.registered() {
            Ok(stream) => tls::serve(stream, acceptor, &shared).await,
            Err(error) => {
                gone(&error);
                Close::Io(error.kind())
            }
        },
        _ => {
            let transport = Transport::new(shared.clone(), stream.peer.clone(), begun);
            serve_session(stream, transport, &shared).await
        }
    }
}

/// Reads the PROXY header, if the peer is a trusted proxy.
async fn behind_proxy(stream: Stream, shared: &Shared) -> Result<Stream, Close> {
    if !shared.proxies.trust(&stream.peer.address) {
        return Ok(stream);
    }
    let peer = stream.peer.clone();
    // Few connections come from proxies, and the others need no memory for this.
    let read = Box::pin(proxies::read_header(stream, shared)).await;
    read.inspect_err(|close| ended(*close, &peer, shared))
}

async fn serve_here(accepted: Accepted, incoming_connections: IncomingConnections, place: Place, counted: Counted) {
    let stream = match Stream::accepted(accepted) {
        Ok(stream) => stream,
        Err(error) => return gone(&error),
    };
    let shared = &incoming_connections.shared;
    let begun = clock::now();
    let Ok(stream) = behind_proxy(stream, shared).await else { return };
    let peer = stream.peer.clone();
    let transport = Transport::new(shared.clone(), peer.clone(), begun).at(place);
    match drive_here(stream.into(), transport, &shared.limits).await {
        Driven::Closed(close) => ended(close, &peer, shared),
        Driven::Moves(to, stream) => {
            if let Some(abort) = counted.again() {
                let serving = go_on(stream, shared.clone(), counted);
                incoming_connections.loops.at(to).spawn(Abortable::new(serving, abort));
            }
        }
    }
}

/// Serves a connection that another loop has accepted.
async fn go_on(transferred: TransferredStream, shared: Arc<Shared>, _counted: Counted) {
    let peer = transferred.stream.peer.clone();
    let transport = Transport::new(shared.clone(), peer.clone(), clock::now());
    if let Driven::Closed(close) = drive_here(transferred, transport, &shared.limits).await {
        ended(close, &peer, &shared);
    }
}

fn gone(error: &io::Error) {
    tracing::debug!(%error, "a connection ended before it was served");
}

/// The open connections of a server.
#[derive(Default)]
pub(super) struct OpenConnections {
    pub(super) count: watch::Sender<usize>,
    /// The handles that abort each connection at once.
    aborts: Mutex<Slab<AbortHandle>>,
}

impl OpenConnections {
    pub(super) fn aborts(&self) -> MutexGuard<'_, Slab<AbortHandle>> {
        self.aborts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a connection as open until it is dropped.
struct Counted {
    shared: Arc<Shared>,
    open: Arc<OpenConnections>,
    key: usize,
}

impl Counted {
    /// Returns `None` if `connections_max` are open. Checks and counts in one step, as loops accept at the same time.
    fn new(shared: &Arc<Shared>, open: &Arc<OpenConnections>) -> Option<(Counted, AbortRegistration)> {
        let max = shared.limits.connections_max;
        let has_room = open.count.send_if_modified(|open| {
            let has_room = *open < max;
            *open += usize::from(has_room);
            has_room
        });
        if !has_room {
            return None;
        }
        shared.counters.connections_accepted.fetch_add(1, Ordering::Relaxed);
        shared.counters.connections_open.fetch_add(1, Ordering::Relaxed);
        let (abort, registration) = AbortHandle::new_pair();
        let key = open.aborts().insert(abort);
        Some((Counted { shared: shared.clone(), open: open.clone(), key }, registration))
    }

    /// Registers a new abort handle, for the task that goes on with the connection; `None` if the connection is aborted
    /// already.
    fn again(&self) -> Option<AbortRegistration> {
        let (abort, registration) = AbortHandle::new_pair();
        let before = std::mem::replace(&mut self.open.aborts()[self.key], abort);
        (!before.is_aborted()).then_some(registration)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.counters.connections_open.fetch_sub(1, Ordering::Relaxed);
        self.open.aborts().remove(self.key);
        self.open.count.send_modify(|open| *open -= 1);
    }
}
