//! The reactor's public face: a server of bytes with a callback for connections and one for messages, as muduo's
//! `TcpServer`. The RPC server stands on the same loops, not on this.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;

use super::acceptor::{Incoming, Listener};
use super::connection::{Close, Session, Turn, drive};
use super::event_loop::{LoopGroup, Loops};
use super::send_buffer::SendBuffer;
use super::stream::{Accepted, Stream};
use crate::context::Peer;
use crate::endpoint::Address;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;

type ConnectionCallback = dyn Fn(&Connection) + Send + Sync;
type MessageCallback = dyn Fn(&Connection, &mut BytesMut) + Send + Sync;

/// A server of bytes: callbacks run on the loop of their connection, so they must not block.
pub struct TcpServer {
    /// Event loops, each a thread; 0 means one for each core.
    pub threads: usize,
    /// Bounds: connections, the send buffer, the write timeout, the pause of the accept loop.
    pub limits: Limits,
    listener: Listener,
    callbacks: Callbacks,
    stop: watch::Sender<bool>,
}

#[derive(Clone)]
struct Callbacks {
    connection: Arc<ConnectionCallback>,
    message: Arc<MessageCallback>,
}

/// One connection of a [`TcpServer`]. Cheap to clone; any thread may use it.
#[derive(Clone)]
pub struct Connection {
    peer: Arc<Peer>,
    outbox: Arc<Outbox>,
}

struct Outbox {
    waiting: Mutex<Waiting>,
    connected: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    output: SendBuffer,
    close: bool,
    loop_waker: Option<Waker>,
}

/// Stops the [`TcpServer`] it came from.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl TcpServer {
    /// Listens at `address` (`127.0.0.1:8000`, port 0 takes a free one, `unix:/path`). Until [`TcpServer::run`] the
    /// kernel keeps what connects.
    pub fn bind(address: &str) -> Result<TcpServer, Error> {
        let address: Address = address.parse().map_err(|text: String| Error::new(ErrorKind::Config, text))?;
        let callbacks = Callbacks { connection: Arc::new(|_| {}), message: Arc::new(|_, input| input.clear()) };
        let (stop, _) = watch::channel(false);
        let listener = Listener::bind(&address)?;
        Ok(TcpServer { threads: 0, limits: Limits::default(), listener, callbacks, stop })
    }

    /// Called when a connection has begun, and again when it has ended ([`Connection::is_connected`] tells which).
    pub fn on_connection(&mut self, callback: impl Fn(&Connection) + Send + Sync + 'static) {
        self.callbacks.connection = Arc::new(callback);
    }

    /// Called with all that was read and not yet taken. What the callback leaves comes again with what follows.
    pub fn on_message(&mut self, callback: impl Fn(&Connection, &mut BytesMut) + Send + Sync + 'static) {
        self.callbacks.message = Arc::new(callback);
    }

    /// Where it listens: the real port where 0 was asked for.
    pub fn address(&self) -> &Address {
        self.listener.address()
    }

    /// What stops the server from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Serves on this thread and its loops until it is stopped. Connections that are open then are closed.
    pub fn run(mut self) -> Result<(), Error> {
        let group = LoopGroup::start(self.threads)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::with_source(ErrorKind::System, "cannot start the accept loop", error))?;
        let mut stopped = self.stop.subscribe();
        let incoming = self.listener.incoming().map_err(|error| {
            Error::with_source(ErrorKind::System, format!("cannot accept at {}", self.listener.address()), error)
        })?;
        let accepting = accept(incoming, group.loops().clone(), self.callbacks, Arc::new(self.limits));
        runtime.block_on(async {
            tokio::select! {
                error = accepting => Err(Error::with_source(ErrorKind::System, "the accept loop ended", error)),
                _ = stopped.wait_for(|stop| *stop) => Ok(()),
            }
        })
    }
}

impl Stopper {
    /// Stops the server: [`TcpServer::run`] returns.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

async fn accept(incoming: Incoming, loops: Loops, callbacks: Callbacks, limits: Arc<Limits>) -> std::io::Error {
    let open = Arc::new(());
    let backoff = limits.accept_backoff;
    incoming
        .accept(backoff, move |accepted| {
            if Arc::strong_count(&open) > limits.connections_max {
                tracing::warn!(limit = limits.connections_max, "connections_max reached: a new connection is closed");
                return;
            }
            let (callbacks, limits, open) = (callbacks.clone(), limits.clone(), open.clone());
            loops.next().spawn(async move {
                serve(accepted, callbacks, &limits).await;
                drop(open);
            });
        })
        .await
}

async fn serve(accepted: Accepted, callbacks: Callbacks, limits: &Limits) {
    let stream = match Stream::accepted(accepted) {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%error, "a connection ended before it was served"),
    };
    let outbox = Outbox { waiting: Mutex::default(), connected: AtomicBool::new(true) };
    let connection = Connection { peer: stream.peer.clone(), outbox: Arc::new(outbox) };
    (callbacks.connection)(&connection);
    drive(stream, CallbackSession { connection, callbacks }, limits).await;
}

impl Connection {
    /// The address of the other end.
    pub fn peer(&self) -> &Address {
        &self.peer.address
    }

    /// The address of this end.
    pub fn local(&self) -> &Address {
        &self.peer.local
    }

    /// Whether it is open; false in the callback that says that it has ended.
    pub fn is_connected(&self) -> bool {
        self.outbox.connected.load(Ordering::Acquire)
    }

    /// Sends bytes. Everything sent during a callback leaves in one write when the callback has returned. On a
    /// connection that has ended it does nothing.
    pub fn send(&self, bytes: impl Into<Bytes>) {
        let mut waiting = self.outbox.lock();
        waiting.output.push(bytes.into());
        waiting.wake();
    }

    /// Closes once everything sent so far is written.
    pub fn close(&self) {
        let mut waiting = self.outbox.lock();
        waiting.close = true;
        waiting.wake();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({} -> {})", self.peer.address, self.peer.local)
    }
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn wake(&mut self) {
        if let Some(waker) = self.loop_waker.take() {
            waker.wake();
        }
    }
}

struct CallbackSession {
    connection: Connection,
    callbacks: Callbacks,
}

impl Drop for CallbackSession {
    /// Says that the connection has ended, also when its loop is stopped.
    fn drop(&mut self) {
        self.connection.outbox.connected.store(false, Ordering::Release);
        (self.callbacks.connection)(&self.connection);
    }
}

impl Session for CallbackSession {
    fn received(&mut self, _turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close> {
        (self.callbacks.message)(&self.connection, input);
        ControlFlow::Continue(())
    }

    fn poll(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close> {
        let mut waiting = self.connection.outbox.lock();
        turn.output.append(&mut waiting.output);
        waiting.loop_waker = Some(turn.cx.waker().clone());
        if waiting.close { ControlFlow::Break(Close::Done) } else { ControlFlow::Continue(()) }
    }

    fn waits_until(&self) -> Option<(Instant, Close)> {
        None
    }

    fn peer_closed(&mut self, _input: &BytesMut) -> ControlFlow<Close> {
        ControlFlow::Break(Close::PeerClosed)
    }
}
