//! A connection's life on its loop: read, hand over, poll, write, until it closes. Bytes only; what they mean is the
//! session's business.

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

/// What a connection is for: bytes in, bytes out, polled on the connection's loop.
pub(crate) trait Session {
    /// Takes what it can use out of `input`, and appends its answers to `output`. What it leaves comes again with more.
    fn received(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close>;

    /// Polls what waits in the session, and appends its answers. Called every turn, after `received`.
    fn poll(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close>;

    /// Whether the connection may be read from. If not, the session wakes the connection when it may.
    fn poll_may_read(&mut self, _cx: &mut task::Context<'_>, _now: Instant) -> bool {
        true
    }

    /// The end of a turn: what the connection holds, of input that the session has left and of output that is not written.
    fn left(&mut self, _bytes: usize) {}

    /// Until when the session waits for the peer's bytes, and what it says when they do not come.
    fn waits_until(&self) -> Option<(Instant, Close)>;

    /// The peer ended its side. `Continue` keeps the connection for what is still to be sent.
    fn peer_closed(&mut self, input: &BytesMut) -> ControlFlow<Close>;
}

/// One turn of a connection's loop.
pub(crate) struct Turn<'a, 'w> {
    /// For polling futures; their wake-ups bring the next turn.
    pub(crate) cx: &'a mut task::Context<'w>,
    /// Read once a turn.
    pub(crate) now: Instant,
    /// What will be written at the end of the turn, in one system call.
    pub(crate) output: &'a mut SendBuffer,
    /// Said by `received`: how many bytes the frame it left incomplete is short of, so that room is made at once.
    pub(crate) missing: usize,
    /// Bytes of earlier turns wait for the peer, who does not take them.
    pub(crate) stalled: bool,
    /// It has taken some of what it had not taken at first, since the turn before.
    pub(crate) relieved: bool,
    /// Said by the session: it stopped because the send buffer is full, and goes on once there is room.
    pub(crate) paused: bool,
}

impl<'a, 'w> Turn<'a, 'w> {
    fn new(cx: &'a mut task::Context<'w>, now: Instant, output: &'a mut SendBuffer, stalled: bool) -> Turn<'a, 'w> {
        Turn { cx, now, output, missing: 0, stalled, relieved: false, paused: false }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// As it should: what is in the send buffer still goes out.
    Done,
    /// The same, and the peer has said all that it may say: it is not waited for.
    Answered,
    /// Another loop is to go on with it, the one at this index. The session has taken nothing and written nothing.
    Moves(usize),
    /// The peer went away.
    PeerClosed,
    /// The peer broke the protocol; the session has logged what it did. What is in the send buffer still goes out.
    Protocol,
    /// Nothing came within `first_byte_timeout`.
    FirstByteTimeout,
    /// A frame stayed incomplete for `read_timeout`.
    ReadTimeout,
    /// The peer left its bytes unread for `write_timeout`.
    WriteTimeout,
    /// The peer gave no sign of life within `keepalive_timeout` of being asked for one. Nothing more is written to it.
    KeepaliveTimeout,
    /// The socket failed.
    Io(io::ErrorKind),
}

/// Reads in one poll before others on the loop get their turn.
const READS_PER_POLL: usize = 8;

/// How a loop is done with a connection.
pub(crate) enum Driven {
    /// It is closed.
    Closed(Close),
    /// Another loop goes on with it, the one at this index.
    Moves(usize, TransferredStream),
}

/// A stream that a loop takes over, and what was read of it before.
pub(crate) struct TransferredStream {
    pub(crate) stream: Stream,
    unread: ReadBuffer,
}

impl From<Stream> for TransferredStream {
    fn from(stream: Stream) -> TransferredStream {
        TransferredStream { stream, unread: ReadBuffer::default() }
    }
}

/// Runs a connection until it closes; returns why. Dropping the future closes the connection at once.
pub(crate) async fn drive(stream: Stream, session: impl Session, limits: &Limits) -> Close {
    match drive_here(stream.into(), session, limits).await {
        Driven::Closed(close) => close,
        // Nobody asked for that: it ends here.
        Driven::Moves(to, _) => Close::Moves(to),
    }
}

/// The same, and the session may say that another loop is to go on.
pub(crate) async fn drive_here(arrival: TransferredStream, session: impl Session, limits: &Limits) -> Driven {
    let TransferredStream { stream: Stream { reader, writer, peer }, unread } = arrival;
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
        write_stalled_at: None,
        relieved: false,
        closing: None,
        finished: false,
        peer_closed: false,
    };
    let mut timer = pin!(Timer::default());
    let mut at_once = Poll::Pending;
    if let Reader::Fresh(_) = connection.reader {
        // Most classic calls come with their connection and are answered at once: the reactor never hears of it.
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
    /// Since when the peer has taken nothing of what waits.
    write_stalled_at: Option<Instant>,
    /// It took something after that.
    relieved: bool,
    /// The session has ended; what is in `output` still goes out.
    closing: Option<Close>,
    /// The peer was told that nothing more comes, where there is a way to say so.
    finished: bool,
    peer_closed: bool,
    /// There is something that the peer may not have read yet.
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
            // What wakes the session meanwhile brings a turn of its own.
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
            // Once there is room again, what waits to be read brings no wake-up of its own.
            let room_again = (full || self.paused) && !self.is_full() && self.session.poll_may_read(cx, now);
            if !read && !room_again {
                return self.wait(cx, timer, now);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once and hands it over; whether there may be more.
    fn read(&mut self, cx: &mut task::Context<'_>, now: Instant) -> bool {
        // A peer that does not read is not read from either: its requests wait in its own send buffer.
        if self.closing.is_some() || self.peer_closed || self.is_full() || !self.session.poll_may_read(cx, now) {
            return false;
        }
        let (session, output, closing) = (&mut self.session, &mut self.output, &mut self.closing);
        let stalled = self.write_stalled_at.is_some();
        let mut paused = false;
        let mut take = |cx: &mut task::Context<'_>, input: &mut BytesMut| {
            let mut turn = Turn::new(cx, now, output, stalled);
            *closing = session.received(&mut turn, input).break_value();
            paused = turn.paused;
            turn.missing
        };
        let polled = if std::mem::take(&mut self.paused) {
            self.input.again(|input| take(cx, input));
            Poll::Ready(Ok(1))
        } else {
            self.input.poll_read(cx, &mut self.reader, take)
        };
        self.paused |= paused;
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

    /// It has to wait: its loop's reactor says when it goes on.
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
        // An error says that the peer was faster; why this side closes is known already.
        if self.closing.is_some() && self.writer.poll_finish(cx).is_pending() {
            self.write_stalled_at.get_or_insert(now);
            return Ok(());
        }
        self.finished = self.closing.is_some();
        self.write_stalled_at = None;
        Ok(())
    }

    /// Waits until the peer has ended its side too, for `write_timeout` at most, where it has something to read.
    ///
    /// The kernel answers the close of a socket that holds unread input with an RST, and that destroys what the peer has
    /// not read yet (RFC 2525, 2.17): the last reply, or the reason why.
    async fn linger(self, close: Close) {
        let Connection { reader, writer, session, wrote, peer_closed, write_timeout, .. } = self;
        drop(session);
        // Over TLS the peer still says that it has ended.
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
        // Whoever has not read it by then will not.
        let _ = tokio::time::timeout(write_timeout, surplus).await;
        writer.close();
    }

    /// Nothing to do now: sets the timer for what is being waited for, or closes when it has passed.
    fn wait(&mut self, cx: &mut task::Context<'_>, timer: Pin<&mut Timer>, now: Instant) -> Poll<Close> {
        if let Reader::Fresh(_) = self.reader {
            // It is polled again once it is registered, and waits then.
            return Poll::Pending;
        }
        let write = self.write_stalled_at.and_then(|since| since.checked_add(self.write_timeout));
        let write = write.map(|at| (at, Close::WriteTimeout));
        // Nothing is owed by a peer that is not read from.
        let read = if self.closing.is_none() && !self.is_full() { self.session.waits_until() } else { None };
        let Some((at, close)) = [write, read].into_iter().flatten().min_by_key(|(at, _)| *at) else {
            return Poll::Pending;
        };
        if at <= now || timer.poll(cx, at).is_ready() { Poll::Ready(close) } else { Poll::Pending }
    }
}
