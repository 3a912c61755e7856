//! The public interface of the reactor: a byte server with one callback for connections and one for messages, like muduo's
//! `TcpServer`. The RPC server uses the same event loops, but not this type.

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

/// A byte server. Callbacks run on the loop of their connection, so they must not block.
pub struct TcpServer {
    /// The number of event loops, each on its own thread; 0 means one per core.
    pub threads: usize,
    /// The limits: connections, send buffer, write timeout, and the pause of the accept loop after an error.
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

/// A connection of a [`TcpServer`]. Cheap to clone; any thread may use it.
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

/// Stops the [`TcpServer`] that created it.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl TcpServer {
    /// Listens at `address` (`127.0.0.1:8000` or `unix:/path`; port 0 picks a free port). Until [`TcpServer::run`] the
    /// kernel queues incoming connections.
    pub fn bind(address: &str) -> Result<TcpServer, Error> {
        let address: Address = address.parse().map_err(|text: String| Error::new(ErrorKind::Config, text))?;
        let callbacks = Callbacks { connection: Arc::new(|_| {}), message: Arc::new(|_, input| input.clear()) };
        let (stop, _) = watch::channel(false);
        let listener = Listener::bind(&address)?;
        Ok(TcpServer { threads: 0, limits: Limits::default(), listener, callbacks, stop })
    }

    /// Sets the callback for the beginning and the end of a connection. [`Connection::is_connected`] tells which of the two
    /// it is.
    pub fn on_connection(&mut self, callback: impl Fn(&Connection) + Send + Sync + 'static) {
        self.callbacks.connection = Arc::new(callback);
    }

    /// Sets the callback for received bytes. The callback gets all unconsumed bytes. Bytes that it leaves come again with
    /// the next ones.
    pub fn on_message(&mut self, callback: impl Fn(&Connection, &mut BytesMut) + Send + Sync + 'static) {
        self.callbacks.message = Arc::new(callback);
    }

    /// The address it listens at, with the real port if port 0 was asked for.
    pub fn address(&self) -> &Address {
        self.listener.address()
    }

    /// A handle that stops the server from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Serves on this thread and on the event loops until [`Stopper::stop`]. Then it closes the open connections.
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
    /// The address of the peer.
    pub fn peer(&self) -> &Address {
        &self.peer.address
    }

    /// The local address.
    pub fn local(&self) -> &Address {
        &self.peer.local
    }

    /// Whether the connection is open. `false` in the callback that reports the end of the connection.
    pub fn is_connected(&self) -> bool {
        self.outbox.connected.load(Ordering::Acquire)
    }

    /// Sends bytes. All bytes that a callback sends leave in one write after the callback returns. Does nothing if the
    /// connection has ended.
    pub fn send(&self, bytes: impl Into<Bytes>) {
        let mut waiting = self.outbox.lock();
        waiting.output.push(bytes.into());
        waiting.wake();
    }

    /// Closes the connection once everything sent so far is written.
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
    /// Reports the end of the connection, even if its loop is stopped.
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
