//! A stream behind tokio's traits, for protocol libraries that take any stream. It knows no protocol.

use std::io;
use std::pin::Pin;
use std::task::{self, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// A connected stream as `AsyncRead` and `AsyncWrite`.
#[derive(Debug)]
pub(crate) struct ByteStream {
    stream: Stream,
    /// Bytes that were read and did not fit the caller's buffer.
    unread: BytesMut,
}

impl ByteStream {
    /// Registers the stream with the reactor of the current loop.
    pub(crate) fn new(stream: Stream) -> io::Result<ByteStream> {
        Ok(ByteStream { stream: stream.for_many_writes()?, unread: BytesMut::new() })
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut task::Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let ByteStream { stream, unread } = self.get_mut();
        if unread.is_empty() {
            unread.reserve(READ_BYTES);
            ready!(stream.reader.poll_read(cx, unread))?;
        }
        let taken = unread.len().min(buffer.remaining());
        buffer.put_slice(&unread[..taken]);
        unread.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut task::Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.writer.poll_write_ready(cx))?;
            match self.stream.writer.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.stream.writer.finish();
        Poll::Ready(Ok(()))
    }
}

/// The room for one read.
const READ_BYTES: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_pass_however_small_the_buffers_are() {
        let (near, far) = Stream::pair("memory:x".parse().unwrap(), 10);
        let (mut near, mut far) = (ByteStream::new(near).unwrap(), ByteStream::new(far).unwrap());
        let sent: Vec<u8> = (0..200).collect();
        let expected = sent.clone();
        let writing = tokio::spawn(async move {
            near.write_all(&sent).await.unwrap();
            near.shutdown().await.unwrap();
            near
        });
        let mut received = Vec::new();
        let mut chunk = [0; 3];
        while let read @ 1.. = far.read(&mut chunk).await.unwrap() {
            received.extend_from_slice(&chunk[..read]);
        }
        assert_eq!(received, expected);
        writing.await.unwrap();
    }
}
