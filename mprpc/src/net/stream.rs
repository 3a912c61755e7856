//! The two halves of a connected stream: TCP, Unix, in-memory, or TLS over one of these. They know neither buffers nor
//! time.
//!
//! A reader has one owner. A writer can be shared: whoever has bytes for an idle connection writes them.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream as StdTcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::Interest;
#[cfg(feature = "tls")]
use tokio::io::ReadBuf;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UnixStream, unix};
use tokio_util::io::poll_read_buf;

use super::pipe::{Pipe, PipeReader, PipeWriter};
use super::tcp;
use super::tls::{TlsReader, TlsWriter};
use crate::context::Peer;
use crate::endpoint::Address;

/// A connected stream and the addresses of its two ends.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) peer: Arc<Peer>,
}

/// The read half.
#[derive(Debug)]
pub(crate) enum Reader {
    /// See [`Stream::fresh`].
    Fresh(Arc<StdTcpStream>),
    Tcp(OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
    Memory(PipeReader),
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there is no TLS without the feature"))]
    Tls(TlsReader),
    Unread(Box<UnreadBytes>),
}

/// Bytes that were read and handed back, and the reader of what follows.
#[derive(Debug)]
pub(crate) struct UnreadBytes {
    bytes: BytesMut,
    reader: Reader,
}

/// The write half.
#[derive(Debug)]
pub(crate) enum Writer {
    /// See [`Stream::fresh`].
    Fresh(Arc<StdTcpStream>),
    Tcp(OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
    Memory(PipeWriter),
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there is no TLS without the feature"))]
    Tls(TlsWriter),
}

impl Stream {
    /// A TCP stream that this process opened to `peer`. No caller needs the local address, so both addresses are that of
    /// `peer`.
    pub(crate) fn tcp(stream: TcpStream, peer: SocketAddr) -> Stream {
        let (reader, writer) = stream.into_split();
        Stream { reader: Reader::Tcp(reader), writer: Writer::Tcp(writer), peer: Arc::new(tcp_peer(peer, peer)) }
    }

    /// A connected TCP stream that is not registered with a reactor.
    ///
    /// Where the stream would have to wait, a read is pending without a wake-up and a write fails with `WouldBlock`.
    /// [`Stream::registered`] turns it into a stream that can wait. So a stream that never waits costs the reactor nothing,
    /// and any loop may take it.
    pub(crate) fn fresh(stream: StdTcpStream, peer: SocketAddr, local: SocketAddr) -> Stream {
        Stream::of_fresh(stream, Arc::new(tcp_peer(peer, local)))
    }

    fn of_fresh(stream: StdTcpStream, peer: Arc<Peer>) -> Stream {
        let stream = Arc::new(stream);
        Stream { reader: Reader::Fresh(stream.clone()), writer: Writer::Fresh(stream), peer }
    }

    /// Registers a fresh stream with the reactor of the current loop. All other streams are registered already.
    pub(crate) fn registered(self) -> io::Result<Stream> {
        let (reader, writer) = registered(self.reader, self.writer)?;
        Ok(Stream { reader, writer, peer: self.peer })
    }

    /// The same stream, which reads `bytes` first.
    pub(crate) fn unread(self, bytes: BytesMut) -> Stream {
        Stream { reader: Reader::Unread(Box::new(UnreadBytes { bytes, reader: self.reader })), ..self }
    }

    /// Removes a TCP stream from its reactor, so that another loop may take it.
    pub(crate) fn unregistered(self) -> io::Result<Stream> {
        let reader = match self.reader {
            Reader::Unread(unread) if unread.bytes.is_empty() => unread.reader,
            reader => reader,
        };
        match (Stream { reader, ..self }) {
            Stream { reader: Reader::Tcp(reader), writer: Writer::Tcp(writer), peer } => {
                let socket = reader.reunite(writer).map_err(io::Error::other)?;
                Ok(Stream::of_fresh(socket.into_std()?, peer))
            }
            unregistered => Ok(unregistered),
        }
    }

    /// Registers the stream and turns off Nagle's algorithm, because mprpc batches its writes itself. For a stream that
    /// this process opened for many calls, or for more bytes than the socket takes at once.
    pub(crate) fn for_many_writes(self) -> io::Result<Stream> {
        let stream = self.registered()?;
        if let Writer::Tcp(writer) = &stream.writer {
            writer.as_ref().set_nodelay(true)?;
        }
        Ok(stream)
    }

    /// A Unix stream. The connecting end has no path, so both ends use the path of the listening end.
    pub(crate) fn unix(stream: UnixStream, address: Address) -> Stream {
        let (reader, writer) = stream.into_split();
        let peer = Peer { address: address.clone(), local: address, identity: None, proxy: None };
        Stream { reader: Reader::Unix(reader), writer: Writer::Unix(writer), peer: Arc::new(peer) }
    }

    /// An accepted stream. A TCP stream is fresh; all others are registered with the reactor of the current loop.
    pub(crate) fn accepted(accepted: Accepted) -> io::Result<Stream> {
        match accepted {
            Accepted::Tcp { stream, peer, local } => Ok(Stream::fresh(stream, peer, local)),
            Accepted::Unix(stream, address) => Ok(Stream::unix(UnixStream::from_std(stream)?, address)),
            Accepted::Memory(stream) => Ok(stream),
        }
    }

    /// Two connected in-memory ends. Each direction holds `capacity` bytes. Both ends use the address of the listening end.
    pub(crate) fn pair(address: Address, capacity: usize) -> (Stream, Stream) {
        let (a, b) = (Pipe::new(capacity, None), Pipe::new(capacity, None));
        let peer = Arc::new(Peer { address: address.clone(), local: address, identity: None, proxy: None });
        (Stream::memory(&a, &b, peer.clone()), Stream::memory(&b, &a, peer))
    }

    /// The in-memory end that reads `input` and writes `output`.
    pub(crate) fn memory(input: &Arc<Pipe>, output: &Arc<Pipe>, peer: Arc<Peer>) -> Stream {
        let (reader, writer) = Pipe::halves(input, output);
        Stream { reader: Reader::Memory(reader), writer: Writer::Memory(writer), peer }
    }
}

/// Like [`Stream::registered`], for the two halves of a stream.
pub(super) fn registered(reader: Reader, writer: Writer) -> io::Result<(Reader, Writer)> {
    let Reader::Fresh(socket) = reader else { return Ok((reader, writer)) };
    drop(writer);
    let socket = Arc::into_inner(socket).ok_or(io::ErrorKind::ResourceBusy)?;
    let (reader, writer) = TcpStream::from_std(socket)?.into_split();
    Ok((Reader::Tcp(reader), Writer::Tcp(writer)))
}

fn tcp_peer(address: SocketAddr, local: SocketAddr) -> Peer {
    Peer { address: Address::Tcp(address), local: Address::Tcp(local), identity: None, proxy: None }
}

/// An accepted socket, before it reaches the loop that will run it.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// Nagle's algorithm is off: the socket inherits that from its listener.
    Tcp {
        stream: StdTcpStream,
        peer: SocketAddr,
        local: SocketAddr,
    },
    Unix(std::os::unix::net::UnixStream, Address),
    Memory(Stream),
}

impl Reader {
    /// Reads once into the spare room of `buffer`. 0 bytes mean the end of the stream.
    ///
    /// tokio clears the socket's readiness after a read that did not fill the room, so the next poll costs no system call.
    pub(crate) fn poll_read(&mut self, cx: &mut task::Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self {
            Reader::Fresh(socket) => read_fresh(socket, buffer),
            Reader::Tcp(reader) => poll_read_buf(Pin::new(reader), cx, buffer),
            Reader::Unix(reader) => poll_read_buf(Pin::new(reader), cx, buffer),
            Reader::Memory(reader) => reader.poll_read(cx, buffer),
            Reader::Tls(reader) => reader.poll_read(cx, buffer),
            Reader::Unread(unread) if unread.bytes.is_empty() => unread.reader.poll_read(cx, buffer),
            Reader::Unread(unread) => {
                let bytes = std::mem::take(&mut unread.bytes);
                buffer.extend_from_slice(&bytes);
                Poll::Ready(Ok(bytes.len()))
            }
        }
    }

    /// Reads once. Returns the number of bytes, and whether the stream is known to end behind them. 0 bytes mean the end.
    ///
    /// If the end arrived together with the bytes, the caller saves the read that would find it.
    pub(crate) async fn read_up_to_end(&mut self, buffer: &mut BytesMut) -> io::Result<(usize, bool)> {
        let Reader::Tcp(reader) = self else {
            let read = poll_fn(|cx| self.poll_read(cx, buffer)).await?;
            return Ok((read, read == 0));
        };
        loop {
            reader.readable().await?;
            // A reset is also an end, but an end with an error. A reply must not be taken from it.
            let ready = reader.ready(Interest::READABLE | Interest::ERROR).await?;
            let has_ended = ready.is_read_closed() && !ready.is_error();
            let room = buffer.capacity() - buffer.len();
            match reader.try_read_buf(buffer) {
                Ok(read) => return Ok((read, read == 0 || (has_ended && read < room))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ready when a read may find something. False positives are possible; false negatives are not.
    pub(crate) fn poll_read_ready(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Reader::Tcp(reader) => reader.as_ref().poll_read_ready(cx),
            Reader::Unix(reader) => reader.as_ref().poll_read_ready(cx),
            Reader::Unread(unread) if unread.bytes.is_empty() => unread.reader.poll_read_ready(cx),
            Reader::Fresh(_) | Reader::Memory(_) | Reader::Tls(_) | Reader::Unread(_) => Poll::Ready(Ok(())),
        }
    }

    /// Peeks at the first byte of the next read; `None` at the end. Only for registered TCP and in-memory streams.
    #[cfg(feature = "tls")]
    pub(crate) fn poll_first_byte(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<Option<u8>>> {
        match self {
            Reader::Tcp(reader) => {
                let mut byte = [0];
                let mut byte = ReadBuf::new(&mut byte);
                task::ready!(reader.poll_peek(cx, &mut byte))?;
                Poll::Ready(Ok(byte.filled().first().copied()))
            }
            Reader::Memory(reader) => reader.poll_first_byte(cx),
            Reader::Unread(unread) if unread.bytes.is_empty() => unread.reader.poll_first_byte(cx),
            Reader::Unread(unread) => Poll::Ready(Ok(unread.bytes.first().copied())),
            Reader::Fresh(_) | Reader::Unix(_) | Reader::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }
}

impl Writer {
    /// Writes as much as the socket takes at once. Fails with `WouldBlock` if the socket takes nothing. The caller must
    /// offer the same bytes again until they are taken, before any others: TLS may have encrypted them already.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Writer::Fresh(socket) => (&**socket).write(bytes),
            Writer::Tcp(writer) => writer.try_write(bytes),
            Writer::Unix(writer) => writer.try_write(bytes),
            Writer::Memory(writer) => writer.try_write(bytes),
            Writer::Tls(writer) => writer.try_write(bytes),
        }
    }

    /// Like [`Writer::try_write`], from several buffers in one system call.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Writer::Fresh(socket) => (&**socket).write_vectored(slices),
            Writer::Tcp(writer) => writer.try_write_vectored(slices),
            Writer::Unix(writer) => writer.try_write_vectored(slices),
            Writer::Memory(writer) => writer.try_write_vectored(slices),
            Writer::Tls(writer) => writer.try_write_vectored(slices),
        }
    }

    /// Like [`Writer::try_write`], for the last bytes before [`Writer::close`]. Over TCP the bytes travel together with the
    /// end.
    pub(crate) fn try_write_last(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Writer::Fresh(socket) => tcp::write_last(socket, bytes),
            Writer::Tcp(writer) => {
                let socket: &TcpStream = writer.as_ref();
                socket.try_io(Interest::WRITABLE, || tcp::write_last(socket, bytes))
            }
            other => other.try_write(bytes),
        }
    }

    /// Closes both directions now, even if others hold the writer. Does nothing if the stream is closed already.
    pub(crate) fn shutdown(&self) {
        // An error means that the peer closed first.
        let _ = match self {
            Writer::Fresh(socket) => socket.shutdown(Shutdown::Both),
            Writer::Tcp(writer) => SockRef::from(writer.as_ref()).shutdown(Shutdown::Both),
            Writer::Unix(writer) => SockRef::from(writer.as_ref()).shutdown(Shutdown::Both),
            Writer::Memory(writer) => {
                writer.shutdown();
                Ok(())
            }
            Writer::Tls(writer) => {
                writer.shutdown();
                Ok(())
            }
        };
    }

    /// Ends this direction. The peer reads what was written and then the end. The other direction stays open.
    pub(crate) fn finish(&self) {
        // An error means that the peer closed first.
        let _ = match self {
            Writer::Fresh(socket) => socket.shutdown(Shutdown::Write),
            Writer::Tcp(writer) => SockRef::from(writer.as_ref()).shutdown(Shutdown::Write),
            Writer::Unix(writer) => SockRef::from(writer.as_ref()).shutdown(Shutdown::Write),
            Writer::Memory(writer) => {
                writer.finish();
                Ok(())
            }
            Writer::Tls(writer) => {
                writer.finish();
                Ok(())
            }
        };
    }

    /// Makes the system probe a silent peer, if the stream is TCP: after `interval`, and for `timeout`. Then, or if the peer
    /// acknowledges no byte for the longer of their sum and `write_timeout`, reads and writes fail with `TimedOut`.
    pub(crate) fn probe_peer(&self, interval: Duration, timeout: Duration, write_timeout: Duration) {
        let probed = match self {
            Writer::Fresh(socket) => tcp::probe_peer(&SockRef::from(&**socket), interval, timeout, write_timeout),
            Writer::Tcp(writer) => tcp::probe_peer(&SockRef::from(writer.as_ref()), interval, timeout, write_timeout),
            Writer::Tls(writer) => return writer.probe_peer(interval, timeout, write_timeout),
            Writer::Unix(_) | Writer::Memory(_) => return,
        };
        if let Err(error) = probed {
            tracing::debug!(%error, "the system does not probe the peer");
        }
    }

    /// Drops the writer together with its reader, without a shutdown: closing the socket is enough.
    pub(crate) fn close(self) {
        match self {
            Writer::Tcp(writer) => writer.forget(),
            Writer::Unix(writer) => writer.forget(),
            Writer::Fresh(_) | Writer::Memory(_) | Writer::Tls(_) => {}
        }
    }

    /// Announces the end of the stream to the peer, if the stream type has such a message and must not lose it. Ready once
    /// the socket has taken the message. Dropping the writer then ends the stream.
    pub(crate) fn poll_finish(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Writer::Fresh(_) | Writer::Tcp(_) | Writer::Unix(_) | Writer::Memory(_) => Poll::Ready(Ok(())),
            Writer::Tls(writer) => writer.poll_finish(cx),
        }
    }

    /// Ready when a write may take bytes. Only one task may wait. A fresh stream does not wake the task.
    pub(crate) fn poll_write_ready(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Writer::Fresh(_) => Poll::Pending,
            Writer::Tcp(writer) => writer.as_ref().poll_write_ready(cx),
            Writer::Unix(writer) => writer.as_ref().poll_write_ready(cx),
            Writer::Memory(writer) => writer.poll_write_ready(cx),
            Writer::Tls(writer) => writer.poll_write_ready(cx),
        }
    }
}

/// The most that a read of a fresh stream takes. The request of nearly every classic call fits.
const FRESH_READ_BYTES: usize = 4 << 10;

fn read_fresh(mut socket: &StdTcpStream, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
    let mut bytes = [0; FRESH_READ_BYTES];
    loop {
        return match socket.read(&mut bytes) {
            Ok(read) => {
                buffer.extend_from_slice(&bytes[..read]);
                Poll::Ready(Ok(read))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Poll::Ready(Err(error)),
        };
    }
}
