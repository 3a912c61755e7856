//! TLS over any stream: the read half, the write half, and the records between them. `handshake` establishes connections;
//! `files` loads the certificates to present and to trust.
//!
//! Both halves share one rustls connection behind a lock. The lock is held while a socket takes or gives what it has at
//! once, and never across a wait.

mod errors;
mod files;
mod handshake;
mod identity;

#[cfg(test)]
pub(crate) mod tests;

use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufRead, IoSlice, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;

use super::stream::{Reader, Writer};
pub(crate) use errors::is_refusal;
pub(crate) use handshake::{Acceptor, Connector, HandshakeOutcome};

/// The read half.
pub(crate) struct TlsReader {
    inner: Box<Reader>,
    shared: Arc<Shared>,
    /// Plaintext that arrived together with the end of the handshake.
    early: BytesMut,
    /// Whether plaintext has arrived, which means that the peer has accepted the handshake.
    heard: bool,
    /// The peer has announced that it sends nothing more.
    closed: bool,
}

/// The write half. Drop sends close_notify, if the socket takes it at once.
pub(crate) struct TlsWriter(Arc<Shared>);

struct Shared {
    writer: Writer,
    state: Mutex<State>,
}

struct State {
    tls: rustls::Connection,
    /// Whether the last encrypted byte is not counted as written yet, because the socket has not taken all ciphertext.
    ///
    /// The writer then still has a byte to write until no ciphertext is left, so ciphertext never waits without a task that
    /// waits for the socket. The peer provably cannot read bytes that are not counted, because the end of their record has
    /// not left.
    held_back: bool,
}

/// Plaintext that is encrypted before the socket is asked to take it: four records in one system call.
const WRITE_BYTES_MAX: usize = 64 << 10;
/// Ciphertext that one system call reads.
const READ_BYTES: usize = 64 << 10;

thread_local! {
    /// The buffer that ciphertext is read into, shared by all connections of a loop. It is empty between two reads.
    static CIPHERTEXT: RefCell<BytesMut> = RefCell::default();
}

/// The two halves of a connection before its handshake.
fn halves(reader: Reader, writer: Writer, mut tls: rustls::Connection) -> (TlsReader, TlsWriter) {
    tls.set_buffer_limit(Some(WRITE_BYTES_MAX));
    let shared = Arc::new(Shared { writer, state: Mutex::new(State { tls, held_back: false }) });
    let reader = TlsReader {
        inner: Box::new(reader),
        shared: shared.clone(),
        early: BytesMut::new(),
        heard: false,
        closed: false,
    };
    (reader, TlsWriter(shared))
}

impl TlsReader {
    /// Appends the received plaintext. 0 bytes mean the end that the peer announced. An end without announcement is an
    /// error, because the stream may have been truncated.
    pub(crate) fn poll_read(&mut self, cx: &mut task::Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            buffer.extend_from_slice(&early);
            return Poll::Ready(Ok(early.len()));
        }
        let before = buffer.len();
        while buffer.len() == before {
            if self.closed {
                return Poll::Ready(Ok(0));
            }
            if let Err(error) = ready!(self.poll_receive(cx, buffer)) {
                // Connections share buffers, so the plaintext before the fault must not stay in the buffer.
                buffer.truncate(before);
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(buffer.len() - before))
    }

    /// Reads the socket once and appends the plaintext of the complete records.
    fn poll_receive(&mut self, cx: &mut task::Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<()>> {
        let mut ciphertext = CIPHERTEXT.take();
        ciphertext.reserve(READ_BYTES);
        let received = match self.inner.poll_read(cx, &mut ciphertext) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0)) => {
                let what = "cut short: the connection ended without the end that TLS announces";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, what)))
            }
            Poll::Ready(Ok(_)) => Poll::Ready(self.received(cx, &ciphertext, buffer)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        };
        ciphertext.clear();
        CIPHERTEXT.replace(ciphertext);
        received
    }

    fn received(&mut self, cx: &mut task::Context<'_>, ciphertext: &[u8], buffer: &mut BytesMut) -> io::Result<()> {
        let before = buffer.len();
        let mut state = self.shared.lock();
        let decrypted = state.decrypt(ciphertext, buffer);
        // TLS itself has answers to send, alerts among them. They do not wait for plaintext to travel with.
        let flushed = state.flush(&self.shared.writer);
        self.heard |= buffer.len() > before;
        self.closed = decrypted.map_err(|error| errors::of_connection(&state.tls, self.heard, &error))?;
        match flushed {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.shared.writer.poll_write_ready(cx)?.is_ready() {
                    cx.waker().wake_by_ref();
                }
                Ok(())
            }
            // The next write reports the error. Bytes that arrived before it are still read.
            _ => Ok(()),
        }
    }
}

impl TlsWriter {
    /// Encrypts and writes as much as the socket takes at once, up to `WRITE_BYTES_MAX`. Fails with `WouldBlock` if the
    /// socket takes nothing.
    ///
    /// The caller must offer the same bytes again until they are taken, because they may be encrypted already.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.0.lock();
        state.flush(&self.0.writer)?;
        if std::mem::take(&mut state.held_back) {
            return Ok(1);
        }
        let taken = state.tls.writer().write_vectored(slices)?;
        match state.flush(&self.0.writer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken > 0 => {
                state.held_back = true;
                if taken == 1 { Err(error) } else { Ok(taken - 1) }
            }
            flushed => flushed.map(|()| taken),
        }
    }

    /// Like [`TlsWriter::try_write_vectored`], from one buffer.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(bytes)])
    }

    /// Ready when the socket may take bytes. Only one task may wait.
    pub(crate) fn poll_write_ready(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.0.writer.poll_write_ready(cx)
    }

    /// Sends close_notify. Ready once the socket has taken it.
    pub(crate) fn poll_finish(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        state.tls.send_close_notify();
        self.0.poll_flush(&mut state, cx)
    }

    /// See [`Writer::probe_peer`].
    pub(crate) fn probe_peer(&self, interval: Duration, timeout: Duration, write_timeout: Duration) {
        self.0.writer.probe_peer(interval, timeout, write_timeout);
    }

    /// Sends close_notify, if the socket takes it at once, and ends this direction.
    pub(crate) fn finish(&self) {
        self.0.finish_at_once();
        self.0.writer.finish();
    }

    /// Sends close_notify, if the socket takes it at once, and closes both directions.
    pub(crate) fn shutdown(&self) {
        self.0.finish_at_once();
        self.0.writer.shutdown();
    }
}

impl Drop for TlsWriter {
    fn drop(&mut self) {
        self.0.finish_at_once();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish_at_once(&self) {
        let mut state = self.lock();
        state.tls.send_close_notify();
        // An error means that the peer closed first or does not read. The peer then sees an end without announcement.
        let _ = state.flush(&self.writer);
    }

    fn poll_flush(&self, state: &mut State, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match state.flush(&self.writer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.writer.poll_write_ready(cx))?,
                flushed => return Poll::Ready(flushed),
            }
        }
    }
}

impl State {
    /// Appends the plaintext of `ciphertext`. Returns whether the peer has announced its end; bytes behind the end are
    /// dropped.
    fn decrypt(&mut self, mut ciphertext: &[u8], plaintext: &mut BytesMut) -> Result<bool, rustls::Error> {
        let mut closed = false;
        while !ciphertext.is_empty() && !closed {
            // Each round reads all available plaintext before it adds ciphertext, so rustls' own buffers are never full.
            let given =
                self.tls.read_tls(&mut ciphertext).map_err(|error| rustls::Error::General(error.to_string()))?;
            closed = self.tls.process_new_packets()?.peer_has_closed() || given == 0;
            let mut reader = self.tls.reader();
            // An error means that there is no more plaintext for now.
            while let Ok(bytes) = reader.fill_buf()
                && !bytes.is_empty()
            {
                let taken = bytes.len();
                plaintext.extend_from_slice(bytes);
                reader.consume(taken);
            }
        }
        Ok(closed)
    }

    /// Writes the pending ciphertext. Fails with `WouldBlock` while some is left.
    fn flush(&mut self, writer: &Writer) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut Socket(writer))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

/// Adapts a [`Writer`] to the trait that rustls requires.
struct Socket<'a>(&'a Writer);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for TlsReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsReader").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsWriter").field("inner", &self.0.writer).finish_non_exhaustive()
    }
}
