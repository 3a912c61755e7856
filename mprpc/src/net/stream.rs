//! The two halves of a connected stream: TCP, Unix, or in memory. Knows no buffers and no time.
//!
//! A reader has one owner. A writer can be shared: whoever has bytes for an idle connection writes them.

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream as StdTcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio_util::io::poll_read_buf;

use super::pipe::{Pipe, PipeReader, PipeWriter};
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
    Memory(PipeReader),
}

/// The half that is written.
#[derive(Debug)]
pub(crate) enum Writer {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
    Memory(PipeWriter),
}

impl Stream {
    /// A TCP stream; turns Nagle's algorithm off, as writes are batched already.
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Stream> {
        stream.set_nodelay(true)?;
        let peer = Peer { address: Address::Tcp(stream.peer_addr()?), local: Address::Tcp(stream.local_addr()?) };
        let (reader, writer) = stream.into_split();
        Ok(Stream { reader: Reader::Tcp(reader), writer: Writer::Tcp(writer), peer: Arc::new(peer) })
    }

    /// A Unix stream. The end that connected has no path; it goes by the path of the end that listens.
    pub(crate) fn unix(stream: UnixStream, address: Address) -> Stream {
        let (reader, writer) = stream.into_split();
        let peer = Peer { address: address.clone(), local: address };
        Stream { reader: Reader::Unix(reader), writer: Writer::Unix(writer), peer: Arc::new(peer) }
    }

    /// An accepted stream, registered with the reactor of the loop that this runs on.
    pub(crate) fn accepted(accepted: Accepted) -> io::Result<Stream> {
        match accepted {
            Accepted::Tcp(stream) => Stream::tcp(TcpStream::from_std(stream)?),
            Accepted::Unix(stream, address) => Ok(Stream::unix(UnixStream::from_std(stream)?, address)),
            Accepted::Memory(stream) => Ok(stream),
        }
    }

    /// Two ends in memory, each direction holding `capacity` bytes. Both go by the address of the end that listens.
    pub(crate) fn pair(address: Address, capacity: usize) -> (Stream, Stream) {
        let (a, b) = (Pipe::new(capacity, None), Pipe::new(capacity, None));
        let peer = Arc::new(Peer { address: address.clone(), local: address });
        (Stream::memory(&a, &b, peer.clone()), Stream::memory(&b, &a, peer))
    }

    /// The end in memory that reads `input` and writes `output`.
    pub(crate) fn memory(input: &Arc<Pipe>, output: &Arc<Pipe>, peer: Arc<Peer>) -> Stream {
        let (reader, writer) = Pipe::halves(input, output);
        Stream { reader: Reader::Memory(reader), writer: Writer::Memory(writer), peer }
    }
}

/// An accepted socket on its way to the loop it will live on.
#[derive(Debug)]
pub(crate) enum Accepted {
    Tcp(StdTcpStream),
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
            Reader::Tcp(reader) => poll_read_buf(Pin::new(reader), cx, buffer),
            Reader::Unix(reader) => poll_read_buf(Pin::new(reader), cx, buffer),
            Reader::Memory(reader) => reader.poll_read(cx, buffer),
        }
    }
}

impl Writer {
    /// Writes what the socket takes at once; `WouldBlock` when that is nothing.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Writer::Tcp(writer) => writer.try_write(bytes),
            Writer::Unix(writer) => writer.try_write(bytes),
            Writer::Memory(writer) => writer.try_write(bytes),
        }
    }

    /// The same, from several buffers in one system call.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Writer::Tcp(writer) => writer.try_write_vectored(slices),
            Writer::Unix(writer) => writer.try_write_vectored(slices),
            Writer::Memory(writer) => writer.try_write_vectored(slices),
        }
    }

    /// Closes both directions now, whoever else holds the writer. Closing what is closed already does nothing.
    pub(crate) fn shutdown(&self) {
        // An error says that the peer was faster.
        let _ = match self {
            Writer::Tcp(writer) => SockRef::from(writer.as_ref()).shutdown(Shutdown::Both),
            Writer::Unix(writer) => SockRef::from(writer.as_ref()).shutdown(Shutdown::Both),
            Writer::Memory(writer) => {
                writer.shutdown();
                Ok(())
            }
        };
    }

    /// Ends this direction: the peer reads what was written, and then the end. The other direction goes on.
    pub(crate) fn finish(&self) {
        // An error says that the peer was faster.
        let _ = match self {
            Writer::Tcp(writer) => SockRef::from(writer.as_ref()).shutdown(Shutdown::Write),
            Writer::Unix(writer) => SockRef::from(writer.as_ref()).shutdown(Shutdown::Write),
            Writer::Memory(writer) => {
                writer.finish();
                Ok(())
            }
        };
    }

    /// Ready when a write may take bytes. Only one task may wait.
    pub(crate) fn poll_write_ready(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Writer::Tcp(writer) => writer.as_ref().poll_write_ready(cx),
            Writer::Unix(writer) => writer.as_ref().poll_write_ready(cx),
            Writer::Memory(writer) => writer.poll_write_ready(cx),
        }
    }
}
