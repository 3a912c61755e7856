//! The two halves of a connected stream: TCP, Unix, in memory, or TLS over one of these. Knows no buffers and no time.
//!
//! A reader has one owner. A writer can be shared: whoever has bytes for an idle connection writes them.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream as StdTcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

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

/// A connected stream, and the addresses of its ends.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) peer: Arc<Peer>,
}

/// The half that is read.
#[derive(Debug)]
pub(crate) enum Reader {
    /// See [`Stream::fresh`].
    Fresh(Arc<StdTcpStream>),
    Tcp(OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
    Memory(PipeReader),
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there is no TLS without the feature"))]
    Tls(TlsReader),
}

/// The half that is written.
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
    /// A TCP stream that was opened here to `peer`. Nobody asks which end this is: it goes by the address of the other.
    pub(crate) fn tcp(stream: TcpStream, peer: SocketAddr) -> Stream {
        let (reader, writer) = stream.into_split();
        Stream { reader: Reader::Tcp(reader), writer: Writer::Tcp(writer), peer: Arc::new(tcp_peer(peer, peer)) }
    }

    /// A connected TCP stream that no reactor knows. Where it would have to wait, reading is pending without a wake-up and
    /// writing fails with `WouldBlock`; [`Stream::registered`] makes it one that waits. So a stream that never waits costs
    /// the reactor nothing, and any loop may take it.
    pub(crate) fn fresh(stream: StdTcpStream, peer: SocketAddr, local: SocketAddr) -> Stream {
        Stream::of_fresh(stream, Arc::new(tcp_peer(peer, local)))
    }

    fn of_fresh(stream: StdTcpStream, peer: Arc<Peer>) -> Stream {
        let stream = Arc::new(stream);
        Stream { reader: Reader::Fresh(stream.clone()), writer: Writer::Fresh(stream), peer }
    }

    /// Registers a fresh stream with the reactor of the loop that this runs on; others are registered.
    pub(crate) fn registered(self) -> io::Result<Stream> {
        let (reader, writer) = registered(self.reader, self.writer)?;
        Ok(Stream { reader, writer, peer: self.peer })
    }

    /// The reverse, for TCP: a stream that another loop may take.
    pub(crate) fn unregistered(self) -> io::Result<Stream> {
        match self {
            Stream { reader: Reader::Tcp(reader), writer: Writer::Tcp(writer), peer } => {
                let socket = reader.reunite(writer).map_err(io::Error::other)?;
                Ok(Stream::of_fresh(socket.into_std()?, peer))
            }
            unregistered => Ok(unregistered),
        }
    }

    /// For a stream that was opened here for many calls, or for more than its socket takes at once: registers it and turns
    /// Nagle's algorithm off, as writes are batched already.
    pub(crate) fn for_many_writes(self) -> io::Result<Stream> {
        let stream = self.registered()?;
        if let Writer::Tcp(writer) = &stream.writer {
            writer.as_ref().set_nodelay(true)?;
        }
        Ok(stream)
    }

    /// A Unix stream. The end that connected has no path; it goes by the path of the end that listens.
    pub(crate) fn unix(stream: UnixStream, address: Address) -> Stream {
        let (reader, writer) = stream.into_split();
        let peer = Peer { address: address.clone(), local: address, identity: None };
        Stream { reader: Reader::Unix(reader), writer: Writer::Unix(writer), peer: Arc::new(peer) }
    }

    /// An accepted stream: fresh if it is one of TCP, otherwise registered with the reactor of the loop that this runs on.
    pub(crate) fn accepted(accepted: Accepted) -> io::Result<Stream> {
        match accepted {
            Accepted::Tcp { stream, peer, local } => Ok(Stream::fresh(stream, peer, local)),
            Accepted::Unix(stream, address) => Ok(Stream::unix(UnixStream::from_std(stream)?, address)),
            Accepted::Memory(stream) => Ok(stream),
        }
    }

    /// Two ends in memory, each direction holding `capacity` bytes. Both go by the address of the end that listens.
    pub(crate) fn pair(address: Address, capacity: usize) -> (Stream, Stream) {
        let (a, b) = (Pipe::new(capacity, None), Pipe::new(capacity, None));
        let peer = Arc::new(Peer { address: address.clone(), local: address, identity: None });
        (Stream::memory(&a, &b, peer.clone()), Stream::memory(&b, &a, peer))
    }

    /// The end in memory that reads `input` and writes `output`.
    pub(crate) fn memory(input: &Arc<Pipe>, output: &Arc<Pipe>, peer: Arc<Peer>) -> Stream {
        let (reader, writer) = Pipe::halves(input, output);
        Stream { reader: Reader::Memory(reader), writer: Writer::Memory(writer), peer }
    }
}

/// [`Stream::registered`], for the two halves of a stream.
pub(super) fn registered(reader: Reader, writer: Writer) -> io::Result<(Reader, Writer)> {
    let Reader::Fresh(socket) = reader else { return Ok((reader, writer)) };
    drop(writer);
    let socket = Arc::into_inner(socket).ok_or(io::ErrorKind::ResourceBusy)?;
    let (reader, writer) = TcpStream::from_std(socket)?.into_split();
    Ok((Reader::Tcp(reader), Writer::Tcp(writer)))
}

fn tcp_peer(address: SocketAddr, local: SocketAddr) -> Peer {
    Peer { address: Address::Tcp(address), local: Address::Tcp(local), identity: None }
}

/// An accepted socket on its way to the loop it will live on.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// It has inherited from its listener that Nagle's algorithm is off.
    Tcp {
        stream: StdTcpStream,
        peer: SocketAddr,
        local: SocketAddr,
    },
    Unix(std::os::unix::net::UnixStream, Address),
    Memory(Stream),
}

impl Reader {
    /// Reads once into the spare room of `buffer`; 0 bytes are the end of the stream.
    ///
    /// tokio forgets the socket's readiness after a read that did not fill the room, so the next poll costs no system
    /// call.
    pub(crate) fn poll_read(&mut self, cx: &mut task::Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self {
            Reader::Fresh(socket) => read_fresh(socket, buffer),
            Reader::Tcp(reader) => poll_read_buf(Pin::new(reader), cx, buffer),
            Reader::Unix(reader) => poll_read_buf(Pin::new(reader), cx, buffer),
            Reader::Memory(reader) => reader.poll_read(cx, buffer),
            Reader::Tls(reader) => reader.poll_read(cx, buffer),
        }
    }

    /// Reads once; how many bytes, and whether the stream is known to end behind them. 0 bytes are the end.
    ///
    /// Where the end came with the bytes, that spares the read that would find it.
    pub(crate) async fn read_up_to_end(&mut self, buffer: &mut BytesMut) -> io::Result<(usize, bool)> {
        let Reader::Tcp(reader) = self else {
            let read = poll_fn(|cx| self.poll_read(cx, buffer)).await?;
            return Ok((read, read == 0));
        };
        loop {
            reader.readable().await?;
            // A reset is an end too, and none that a reply may be taken from: an error comes with it.
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

    /// Ready when a read may find something; said too often rather than too rarely.
    pub(crate) fn poll_read_ready(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Reader::Tcp(reader) => reader.as_ref().poll_read_ready(cx),
            Reader::Unix(reader) => reader.as_ref().poll_read_ready(cx),
            Reader::Fresh(_) | Reader::Memory(_) | Reader::Tls(_) => Poll::Ready(Ok(())),
        }
    }

    /// The first byte that the next read will give, left where it is; `None` at the end. For registered TCP, and in memory.
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
            Reader::Fresh(_) | Reader::Unix(_) | Reader::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }
}

impl Writer {
    /// Writes what the socket takes at once; `WouldBlock` when that is nothing. Bytes that were offered are offered again
    /// until they are taken, before any others: TLS may have encrypted them.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Writer::Fresh(socket) => (&**socket).write(bytes),
            Writer::Tcp(writer) => writer.try_write(bytes),
            Writer::Unix(writer) => writer.try_write(bytes),
            Writer::Memory(writer) => writer.try_write(bytes),
            Writer::Tls(writer) => writer.try_write(bytes),
        }
    }

    /// The same, from several buffers in one system call.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Writer::Fresh(socket) => (&**socket).write_vectored(slices),
            Writer::Tcp(writer) => writer.try_write_vectored(slices),
            Writer::Unix(writer) => writer.try_write_vectored(slices),
            Writer::Memory(writer) => writer.try_write_vectored(slices),
            Writer::Tls(writer) => writer.try_write_vectored(slices),
        }
    }

    /// [`Writer::try_write`] for the last bytes before [`Writer::close`]: over TCP they travel with the end.
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

    /// Closes both directions now, whoever else holds the writer. Closing what is closed already does nothing.
    pub(crate) fn shutdown(&self) {
        // An error says that the peer was faster.
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

    /// Ends this direction: the peer reads what was written, and then the end. The other direction goes on.
    pub(crate) fn finish(&self) {
        // An error says that the peer was faster.
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

    /// Drops the writer where its reader goes with it: closing the socket says all there is to say.
    pub(crate) fn close(self) {
        match self {
            Writer::Tcp(writer) => writer.forget(),
            Writer::Unix(writer) => writer.forget(),
            Writer::Fresh(_) | Writer::Memory(_) | Writer::Tls(_) => {}
        }
    }

    /// Says to the peer that nothing more comes, where the stream has a word for it that must not be lost: ready once
    /// the socket has taken it. Dropping the writer then ends the stream.
    pub(crate) fn poll_finish(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Writer::Fresh(_) | Writer::Tcp(_) | Writer::Unix(_) | Writer::Memory(_) => Poll::Ready(Ok(())),
            Writer::Tls(writer) => writer.poll_finish(cx),
        }
    }

    /// Ready when a write may take bytes. Only one task may wait; a fresh stream does not wake it.
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

/// What a read of a fresh stream takes at most: the request of nearly every classic call.
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
