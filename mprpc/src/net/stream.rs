//! The two halves of a connected stream: TCP, Unix, in memory, or TLS over one of these. Knows no buffers and no time.
//!
//! A reader has one owner. A writer can be shared: whoever has bytes for an idle connection writes them.

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream as StdTcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use bytes::BytesMut;
use socket2::SockRef;
#[cfg(feature = "tls")]
use tokio::io::ReadBuf;
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio_util::io::poll_read_buf;

use super::memory::Pipe;
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
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
    #[cfg_attr(not(test), expect(dead_code, reason = "the transport in memory is for tests so far"))]
    Memory(MemoryReader),
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there is no TLS without the feature"))]
    Tls(TlsReader),
}

/// The half that is written.
#[derive(Debug)]
pub(crate) enum Writer {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
    #[cfg_attr(not(test), expect(dead_code, reason = "the transport in memory is for tests so far"))]
    Memory(MemoryWriter),
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there is no TLS without the feature"))]
    Tls(TlsWriter),
}

/// Closes its direction when dropped, as a socket does.
#[derive(Debug)]
pub(crate) struct MemoryReader(Arc<Pipe>);

/// Closes its direction when dropped, as a socket does.
#[derive(Debug)]
pub(crate) struct MemoryWriter(Arc<Pipe>);

impl Stream {
    /// A TCP stream; turns Nagle's algorithm off, as writes are batched already.
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Stream> {
        stream.set_nodelay(true)?;
        let (address, local) = (Address::Tcp(stream.peer_addr()?), Address::Tcp(stream.local_addr()?));
        let peer = Peer { address, local, identity: None };
        let (reader, writer) = stream.into_split();
        Ok(Stream { reader: Reader::Tcp(reader), writer: Writer::Tcp(writer), peer: Arc::new(peer) })
    }

    /// A Unix stream. The end that connected has no path; it goes by the path of the end that listens.
    pub(crate) fn unix(stream: UnixStream, address: Address) -> Stream {
        let (reader, writer) = stream.into_split();
        let peer = Peer { address: address.clone(), local: address, identity: None };
        Stream { reader: Reader::Unix(reader), writer: Writer::Unix(writer), peer: Arc::new(peer) }
    }

    /// An accepted stream, registered with the reactor of the loop that this runs on.
    pub(crate) fn accepted(accepted: Accepted) -> io::Result<Stream> {
        match accepted {
            Accepted::Tcp(stream) => Stream::tcp(TcpStream::from_std(stream)?),
            Accepted::Unix(stream, address) => Ok(Stream::unix(UnixStream::from_std(stream)?, address)),
        }
    }

    /// Two ends in memory, each direction holding `capacity` bytes.
    #[cfg(test)]
    pub(crate) fn pair(capacity: usize) -> (Stream, Stream) {
        let (a, b) = (Pipe::new(capacity), Pipe::new(capacity));
        let end = |input: &Arc<Pipe>, output: &Arc<Pipe>| Stream {
            reader: Reader::Memory(MemoryReader(input.clone())),
            writer: Writer::Memory(MemoryWriter(output.clone())),
            peer: Arc::new(Peer { address: Address::Memory, local: Address::Memory, identity: None }),
        };
        (end(&a, &b), end(&b, &a))
    }
}

/// An accepted socket on its way to the loop it will live on.
#[derive(Debug)]
pub(crate) enum Accepted {
    Tcp(StdTcpStream),
    Unix(std::os::unix::net::UnixStream, Address),
}

impl Reader {
    /// Reads once into the spare room of `buffer`; 0 bytes are the end of the stream.
    ///
    /// tokio forgets the socket's readiness after a read that did not fill the room, so the next poll costs no system
    /// call.
    pub(crate) fn poll_read(&mut self, cx: &mut task::Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self {
            Reader::Tcp(reader) => poll_read_buf(Pin::new(reader), cx, buffer),
            Reader::Unix(reader) => poll_read_buf(Pin::new(reader), cx, buffer),
            Reader::Memory(MemoryReader(pipe)) => {
                let mut room = [0; 4096];
                let read = task::ready!(pipe.poll_read(cx, &mut room))?;
                buffer.extend_from_slice(&room[..read]);
                Poll::Ready(Ok(read))
            }
            Reader::Tls(reader) => reader.poll_read(cx, buffer),
        }
    }

    /// The first byte that the next read will give, left where it is; `None` at the end. For TCP, and in memory.
    #[cfg(feature = "tls")]
    pub(crate) fn poll_first_byte(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<Option<u8>>> {
        match self {
            Reader::Tcp(reader) => {
                let mut byte = [0];
                let mut byte = ReadBuf::new(&mut byte);
                task::ready!(reader.poll_peek(cx, &mut byte))?;
                Poll::Ready(Ok(byte.filled().first().copied()))
            }
            Reader::Memory(MemoryReader(pipe)) => pipe.poll_first_byte(cx).map(Ok),
            Reader::Unix(_) | Reader::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }
}

impl Writer {
    /// Writes what the socket takes at once; `WouldBlock` when that is nothing. Bytes that were offered are offered again
    /// until they are taken, before any others: TLS may have encrypted them.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Writer::Tcp(writer) => writer.try_write(bytes),
            Writer::Unix(writer) => writer.try_write(bytes),
            Writer::Memory(MemoryWriter(pipe)) => pipe.try_write(bytes),
            Writer::Tls(writer) => writer.try_write(bytes),
        }
    }

    /// The same, from several buffers in one system call.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Writer::Tcp(writer) => writer.try_write_vectored(slices),
            Writer::Unix(writer) => writer.try_write_vectored(slices),
            Writer::Memory(MemoryWriter(pipe)) => slices.first().map_or(Ok(0), |first| pipe.try_write(first)),
            Writer::Tls(writer) => writer.try_write_vectored(slices),
        }
    }

    /// Closes both directions now, whoever else holds the writer. Closing what is closed already does nothing.
    pub(crate) fn shutdown(&self) {
        // An error says that the peer was faster.
        let _ = match self {
            Writer::Tcp(writer) => SockRef::from(writer.as_ref()).shutdown(Shutdown::Both),
            Writer::Unix(writer) => SockRef::from(writer.as_ref()).shutdown(Shutdown::Both),
            Writer::Memory(MemoryWriter(pipe)) => {
                pipe.close();
                Ok(())
            }
            Writer::Tls(writer) => {
                writer.shutdown();
                Ok(())
            }
        };
    }

    /// Says to the peer that nothing more comes, where the stream has a word for it that must not be lost: ready once
    /// the socket has taken it. Dropping the writer then ends the stream.
    pub(crate) fn poll_finish(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Writer::Tcp(_) | Writer::Unix(_) | Writer::Memory(_) => Poll::Ready(Ok(())),
            Writer::Tls(writer) => writer.poll_finish(cx),
        }
    }

    /// Ready when a write may take bytes. Only one task may wait.
    pub(crate) fn poll_write_ready(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Writer::Tcp(writer) => writer.as_ref().poll_write_ready(cx),
            Writer::Unix(writer) => writer.as_ref().poll_write_ready(cx),
            Writer::Memory(MemoryWriter(pipe)) => pipe.poll_write_ready(cx),
            Writer::Tls(writer) => writer.poll_write_ready(cx),
        }
    }
}

impl Drop for MemoryReader {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        self.0.close();
    }
}
