//! The lifecycle of a connection on its event loop: read, pass the bytes to the session, poll the session, write, close.
//! The session interprets the bytes.

use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::clock;
use super::read_buffer::ReadBuffer;
use super::send_buffer::SendBuffer;
use super::stream::{self, Reader, Stream, Writer};
use super::timer::Timer;
use crate::context::Peer;
use crate::limits::Limits;

/// The user of a connection: takes bytes, returns bytes, and is polled on the connection's loop.
pub(crate) trait Session {
    /// Consumes what it can use of `input` and appends its answers to the output. The rest of `input` comes again with the
    /// next bytes.
    fn received(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close>;

    /// Polls the session's pending work and appends its answers. The loop calls it every turn, after `received`.
    fn poll(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close>;

    /// Whether the connection may read. If not, the session wakes the connection once it may.
    fn poll_may_read(&mut self, _cx: &mut task::Context<'_>, _now: Instant) -> MayRead {
        MayRead::Yes
    }

    /// Receives, at the end of a turn, how many bytes the connection holds: unconsumed input plus unwritten output.
    fn left(&mut self, _bytes: usize) {}

    /// The time until which the session waits for the peer's bytes, and the reason to close once that time has passed.
    fn waits_until(&self) -> Option<(Instant, Close)>;

    /// The peer ended its direction. `Continue` keeps the connection open for the remaining output.
    fn peer_closed(&mut self, input: &BytesMut) -> ControlFlow<Close>;
}

/// Whether a connection may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MayRead {
    No,
    /// Only the first few bytes of a new connection, enough for the greeting of a protocol.
    Beginning,
    Yes,
}

/// One turn of a connection's loop.
pub(crate) struct Turn<'a, 'w> {
    /// For polling futures. A wake-up starts the next turn.
    pub(crate) cx: &'a mut task::Context<'w>,
    /// The time, read once per turn.
    pub(crate) now: Instant,
    /// Output that the loop writes at the end of the turn, in one system call.
    pub(crate) output: &'a mut SendBuffer,
    /// How many bytes an incomplete frame still lacks. `received` sets it, so that the buffer gets enough room at once.
    pub(crate) missing: usize,
    /// The peer does not take output of earlier turns.
    pub(crate) stalled: bool,
    /// The peer has taken some of the stalled output since the previous turn.
    pub(crate) relieved: bool,
    /// Set by the session if its protocol has no PING. The system then probes the peer (TCP keepalive), within
    /// `keepalive_interval` and `keepalive_timeout`.
    pub(crate) probes_peer: bool,
    /// Set by the session when it stopped because the send buffer is full. The session continues once there is room.
    pub(crate) paused: bool,
}

impl<'a, 'w> Turn<'a, 'w> {
    fn new(cx: &'a mut task::Context<'w>, now: Instant, output: &'a mut SendBuffer, stalled: bool) -> Turn<'a, 'w> {
        Turn { cx, now, output, missing: 0, stalled, relieved: false, probes_peer: false, paused: false }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// A regular end. The contents of the send buffer still go out.
    Done,
    /// The reply is sent and the peer may send nothing more. The connection closes without waiting for the peer's FIN.
    Answered,
    /// Nothing is in flight, and the peer waits for nothing. The connection closes without waiting for the peer's FIN.
    Idle,
    /// The loop at this index takes over the connection. The session has consumed nothing and written nothing.
    Moves(usize),
    /// The peer closed the connection.
    PeerClosed,
    /// The peer broke the protocol, and the session has logged how. The contents of the send buffer still go out.
    Protocol,
    /// The peer sent nothing within `first_byte_timeout`.
    FirstByteTimeout,
    /// A frame stayed incomplete for `read_timeout`.
    ReadTimeout,
    /// The peer left its bytes unread for `write_timeout`.
    WriteTimeout,
    /// The peer did not answer a keepalive PING within `keepalive_timeout`. Nothing more is written to the peer.
    KeepaliveTimeout,
    /// The socket failed.
    Io(io::ErrorKind),
}

/// The most reads in one poll, before other tasks of the loop get their turn.
const READS_PER_POLL: usize = 8;

/// How a connection left its loop.
pub(crate) enum Driven {
    /// The connection is closed.
    Closed(Close),
    /// The loop at this index takes over the connection.
    Moves(usize, TransferredStream),
}

/// A stream that another loop takes over, and the bytes that were read from it but not consumed.
pub(crate) struct TransferredStream {
    pub(crate) stream: Stream,
    unread: ReadBuffer,
}

impl From<Stream> for TransferredStream {
    fn from(stream: Stream) -> TransferredStream {
        TransferredStream { stream, unread: ReadBuffer::default() }
    }
}

/// Runs a connection until it closes, and returns why. Dropping the future closes the connection at once.
pub(crate) async fn drive(stream: Stream, session: impl Session, limits: &Limits) -> Close {
    match drive_here(stream.into(), session, limits).await {
        Driven::Closed(close) => close,
        // The caller does not support moves, so the connection ends here.
        Driven::Moves(to, _) => Close::Moves(to),
    }
}

/// Runs a connection until it closes or moves to another loop at the session's request.
pub(crate) async fn drive_here(transferred: TransferredStream, session: impl Session, limits: &Limits) -> Driven {
    let TransferredStream { stream: Stream { reader, writer, peer }, unread } = transferred;
    let mut connection = Connection {
        wrote: false,
        reader,
        writer,
        session,
        paused: !unread.incomplete().is_empty(),
        input: unread,
        output: SendBuffer::default(),
        send_buffer_bytes_max: limits.send_buffer_bytes_max,
        write_timeout: limits.write_timeout,
        keepalive: (limits.keepalive_interval, limits.keepalive_timeout),
        write_stalled_at: None,
        relieved: false,
        closing: None,
        finished: false,
        peer_closed: false,
    };
    let mut timer = pin!(Timer::default());
    let mut at_once = Poll::Pending;
    if let Reader::Fresh(_) = connection.reader {
        // Most classic calls arrive with their connection and are answered at once. These connections never register with
        // the reactor.
        at_once = poll_fn(|cx| Poll::Ready(connection.poll(cx, timer.as_mut()))).await;
        if at_once.is_pending() {
            connection = match connection.registered() {
                Ok(connection) => connection,
                Err(error) => return Driven::Closed(Close::Io(error.kind())),
            };
        }
    }
    let close = match at_once {
        Poll::Ready(close) => close,
        Poll::Pending => poll_fn(|cx| connection.poll(cx, timer.as_mut())).await,
    };
    if let Close::Moves(to) = close {
        return connection.moves(to, peer);
    }
    connection.linger(close).await;
    Driven::Closed(close)
}

struct Connection<S> {
    reader: Reader,
    writer: Writer,
    session: S,
    input: ReadBuffer,
    output: SendBuffer,
    send_buffer_bytes_max: usize,
    write_timeout: Duration,
    /// `keepalive_interval` and `keepalive_timeout`.
    keepalive: (Duration, Duration),
    /// When the peer stopped taking output, if output waits.
    write_stalled_at: Option<Instant>,
    /// The peer took output again after a stall.
    relieved: bool,
    /// The session has ended. The contents of `output` still go out.
    closing: Option<Close>,
    /// The peer knows that nothing more comes, if the stream has a message for that.
    finished: bool,
    peer_closed: bool,
    /// Some output may still be unread by the peer.
    wrote: bool,
    /// The session has more to do once the send buffer has room.
    paused: bool,
}

impl<S: Session> Connection<S> {
    fn poll(&mut self, cx: &mut task::Context<'_>, timer: Pin<&mut Timer>) -> Poll<Close> {
        let now = clock::now();
        for round in 0..READS_PER_POLL {
            let full = self.is_full();
            let read = self.read(cx, now);
            // If something wakes the session meanwhile, the wake-up starts a turn of its own.
            if self.closing.is_none() && (read || round == 0) {
                let mut turn = Turn::new(cx, now, &mut self.output, self.write_stalled_at.is_some());
                turn.relieved = std::mem::take(&mut self.relieved);
                self.closing = self.session.poll(&mut turn).break_value();
                self.paused |= turn.paused;
            }
            if self.closing == Some(Close::KeepaliveTimeout) {
                self.output = SendBuffer::default();
            }
            if let Err(error) = self.write(cx, now) {
                return Poll::Ready(Close::Io(error.kind()));
            }
            self.session.left(self.input.incomplete().len() + self.output.len());
            if let Some(close) = self.closing
                && self.finished
            {
                return Poll::Ready(close);
            }
            // When the send buffer has room again, bytes that wait to be read cause no wake-up of their own.
            let room_again =
                (full || self.paused) && !self.is_full() && self.session.poll_may_read(cx, now) == MayRead::Yes;
            if !read && !room_again {
                return self.wait(cx, timer, now);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once and passes the bytes to the session. Returns whether there may be more.
    fn read(&mut self, cx: &mut task::Context<'_>, now: Instant) -> bool {
        // Backpressure: this side does not read from a peer that does not read. The peer's requests wait in its own send
        // buffer.
        if self.closing.is_some() || self.peer_closed || self.is_full() {
            return false;
        }
        let may_read = self.session.poll_may_read(cx, now);
        if may_read == MayRead::No {
            return false;
        }
        let (session, output, closing) = (&mut self.session, &mut self.output, &mut self.closing);
        let stalled = self.write_stalled_at.is_some();
        let (mut paused, mut probes_peer) = (false, false);
        let mut take = |cx: &mut task::Context<'_>, input: &mut BytesMut| {
            let mut turn = Turn::new(cx, now, output, stalled);
            *closing = session.received(&mut turn, input).break_value();
            (paused, probes_peer) = (turn.paused, turn.probes_peer);
            turn.missing
        };
        let polled = if std::mem::take(&mut self.paused) {
            self.input.again(|input| take(cx, input));
            Poll::Ready(Ok(1))
        } else if may_read == MayRead::Beginning {
            self.input.poll_read_beginning(cx, &mut self.reader, take)
        } else {
            self.input.poll_read(cx, &mut self.reader, take)
        };
        self.paused |= paused;
        if probes_peer {
            let (interval, timeout) = self.keepalive;
            self.writer.probe_peer(interval, timeout, self.write_timeout);
        }
        match polled {
            Poll::Pending => false,
            Poll::Ready(Ok(0)) => {
                self.peer_closed = true;
                self.closing = self.session.peer_closed(self.input.incomplete()).break_value();
                false
            }
            Poll::Ready(Ok(_)) => true,
            Poll::Ready(Err(error)) => {
                self.output = SendBuffer::default();
                self.closing = Some(Close::Io(error.kind()));
                false
            }
        }
    }

    /// Registers the stream with the loop's reactor, because the connection has to wait.
    fn registered(self) -> io::Result<Connection<S>> {
        let (reader, writer) = stream::registered(self.reader, self.writer)?;
        Ok(Connection { reader, writer, ..self })
    }

    /// Leaves this loop.
    fn moves(self, to: usize, peer: Arc<Peer>) -> Driven {
        match (Stream { reader: self.reader, writer: self.writer, peer }).unregistered() {
            Ok(stream) => Driven::Moves(to, TransferredStream { stream, unread: self.input }),
            Err(error) => Driven::Closed(Close::Io(error.kind())),
        }
    }

    fn is_full(&self) -> bool {
        self.output.len() > self.send_buffer_bytes_max
    }

    fn write(&mut self, cx: &mut task::Context<'_>, now: Instant) -> io::Result<()> {
        while !self.output.is_empty() {
            let written = match self.closing {
                Some(Close::Answered) => self.output.write_last_to(&self.writer),
                _ => self.output.write_to(&self.writer),
            };
            match written {
                Ok(_) => {
                    self.relieved |= self.write_stalled_at.take().is_some();
                    self.wrote = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.write_stalled_at.get_or_insert(now);
                    match self.writer.poll_write_ready(cx) {
                        Poll::Ready(ready) => ready?,
                        Poll::Pending => return Ok(()),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        // An error means that the peer closed first. The reason for closing on this side is known already.
        if self.closing.is_some() && self.writer.poll_finish(cx).is_pending() {
            self.write_stalled_at.get_or_insert(now);
            return Ok(());
        }
        self.finished = self.closing.is_some();
        self.write_stalled_at = None;
        Ok(())
    }

    /// Waits until the peer has ended its direction too, for at most `write_timeout`. Does not wait if nothing was written.
    ///
    /// The kernel answers the close of a socket that holds unread input with an RST. The RST destroys what the peer has not
    /// read yet (RFC 2525, 2.17): the last reply, or the reason for closing.
    async fn linger(self, close: Close) {
        let Connection { reader, writer, session, wrote, peer_closed, write_timeout, .. } = self;
        drop(session);
        // A TLS peer still sends its close_notify.
        let waits = match close {
            Close::Answered => matches!(writer, Writer::Tls(_)),
            close => matches!(close, Close::Done | Close::Protocol),
        };
        if !wrote || peer_closed || !waits {
            return writer.close();
        }
        let Ok((mut reader, writer)) = stream::registered(reader, writer) else { return };
        writer.finish();
        let surplus = async {
            let mut bytes = BytesMut::new();
            while let Ok(1..) = poll_fn(|cx| reader.poll_read(cx, &mut bytes)).await {
                bytes.clear();
            }
        };
        // A peer that has not read its bytes by then never will.
        let _ = tokio::time::timeout(write_timeout, surplus).await;
        writer.close();
    }

    /// Waits: sets the timer for the next timeout, or closes if that timeout has passed.
    fn wait(&mut self, cx: &mut task::Context<'_>, timer: Pin<&mut Timer>, now: Instant) -> Poll<Close> {
        if let Reader::Fresh(_) = self.reader {
            // The connection registers with the reactor, then this function runs again and waits.
            return Poll::Pending;
        }
        let write = self.write_stalled_at.and_then(|since| since.checked_add(self.write_timeout));
        let write = write.map(|at| (at, Close::WriteTimeout));
        // The peer cannot be late while this side does not read from it.
        let read = if self.closing.is_none() && !self.is_full() { self.session.waits_until() } else { None };
        let Some((at, close)) = [write, read].into_iter().flatten().min_by_key(|(at, _)| *at) else {
            return Poll::Pending;
        };
        if at <= now || timer.poll(cx, at).is_ready() { Poll::Ready(close) } else { Poll::Pending }
    }
}
