//! An in-memory pipe: one direction of a connection without sockets. Two pipes make a connection.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};

use super::timer::Timer;

/// The read half of a connection. Drop closes its direction, as with a socket.
#[derive(Debug)]
pub(crate) struct PipeReader {
    pipe: Arc<Pipe>,
    timer: Timer,
}

/// The write half of a connection. Drop closes its direction, as with a socket.
#[derive(Debug)]
pub(crate) struct PipeWriter {
    output: Arc<Pipe>,
    /// The other direction, needed to close both.
    input: Arc<Pipe>,
}

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    state: Mutex<State>,
    /// The wire that the bytes travel over. Without one, bytes arrive at once.
    wire: Option<Arc<dyn Wire>>,
}

/// Decides when the bytes of a pipe arrive. The pipe is locked during every call.
pub(crate) trait Wire: fmt::Debug + Send + Sync {
    /// The writer wrote these bytes.
    fn sent(&self, bytes: &[u8]);

    /// The writer ended the stream. The end travels behind the bytes that the writer wrote.
    fn ended(&self);

    /// What has arrived by now.
    fn arrived(&self) -> Arrived;

    /// The reader took this many of the arrived bytes.
    fn taken(&self, bytes: usize);
}

/// The part of a pipe that has arrived and can be read.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// Readable bytes at the front of the pipe.
    pub(crate) bytes: usize,
    /// The stream ends behind these bytes.
    pub(crate) end: bool,
    /// When more arrives, if that is known.
    pub(crate) next: Option<Instant>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that are written and not read yet.
    bytes: BytesMut,
    capacity: usize,
    /// The writer has ended the stream.
    ended: bool,
    /// The reader has gone.
    deaf: bool,
    /// The connection was lost.
    lost: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A read makes room for at least this many bytes, and takes them if they are there.
const READ_BYTES_MIN: usize = 4 << 10;
/// An empty pipe frees a buffer larger than this.
const KEEP_BYTES_MAX: usize = 16 << 10;

impl PipeReader {
    /// Reads once into the spare room of `buffer`. 0 bytes mean the end of the stream.
    pub(crate) fn poll_read(&mut self, cx: &mut task::Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        loop {
            let next = match self.pipe.poll_read(cx, buffer) {
                Ok(read) => return Poll::Ready(read),
                Err(next) => next,
            };
            let Some(at) = next else { return Poll::Pending };
            ready!(Pin::new(&mut self.timer).poll(cx, at));
        }
    }
}

impl PipeReader {
    /// Peeks at the first byte; `None` at the end of the stream. Not for pipes with a wire, whose bytes arrive later.
    #[cfg(feature = "tls")]
    pub(crate) fn poll_first_byte(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<Option<u8>>> {
        let mut state = self.pipe.lock();
        if state.lost {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if !state.bytes.is_empty() || state.ended || state.deaf {
            return Poll::Ready(Ok(state.bytes.first().copied()));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl PipeWriter {
    /// Writes as much as the pipe takes at once. Fails with `WouldBlock` if the pipe takes nothing.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.output.try_write(&[IoSlice::new(bytes)])
    }

    /// Like [`PipeWriter::try_write`], from several buffers.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.output.try_write(slices)
    }

    /// Ready when a write may take bytes. Only one task may wait.
    pub(crate) fn poll_write_ready(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_write_ready(cx)
    }

    /// Ends this direction. The peer can still read what was written.
    pub(crate) fn finish(&self) {
        self.output.end();
    }

    /// Closes both directions.
    pub(crate) fn shutdown(&self) {
        self.output.end();
        self.input.turn_deaf();
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.pipe.turn_deaf();
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.output.end();
    }
}

impl Pipe {
    /// A pipe whose writer waits once the pipe holds `capacity` bytes.
    pub(crate) fn new(capacity: usize, wire: Option<Arc<dyn Wire>>) -> Arc<Pipe> {
        Arc::new(Pipe { state: Mutex::new(State { capacity, ..State::default() }), wire })
    }

    /// The two halves of the end that reads `input` and writes `output`.
    pub(crate) fn halves(input: &Arc<Pipe>, output: &Arc<Pipe>) -> (PipeReader, PipeWriter) {
        let reader = PipeReader { pipe: input.clone(), timer: Timer::default() };
        (reader, PipeWriter { output: output.clone(), input: input.clone() })
    }

    /// Reads once. The error holds the time to ask again, if that is known; otherwise the pipe wakes the reader.
    fn poll_read(
        &self,
        cx: &mut task::Context<'_>,
        buffer: &mut BytesMut,
    ) -> Result<io::Result<usize>, Option<Instant>> {
        let mut state = self.lock();
        if state.lost {
            return Ok(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if state.deaf {
            return Ok(Ok(0));
        }
        let arrived = match &self.wire {
            Some(wire) => wire.arrived(),
            None => Arrived { bytes: state.bytes.len(), end: state.ended, next: None },
        };
        if arrived.bytes == 0 {
            if arrived.end {
                return Ok(Ok(0));
            }
            state.reader = Some(cx.waker().clone());
            return Err(arrived.next);
        }
        // Over a wire, the size of a read must not depend on the spare room in a thread's buffer.
        let spare = if self.wire.is_some() { 0 } else { buffer.capacity() - buffer.len() };
        let length = arrived.bytes.min(spare.max(READ_BYTES_MIN));
        buffer.extend_from_slice(&state.bytes[..length]);
        state.bytes.advance(length);
        if state.bytes.is_empty() && state.bytes.capacity() > KEEP_BYTES_MAX {
            state.bytes = BytesMut::new();
        }
        if let Some(wire) = &self.wire {
            wire.taken(length);
        }
        let writer = state.writer.take();
        drop(state);
        wake(writer);
        Ok(Ok(length))
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.lock();
        if state.lost {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if state.deaf && self.wire.is_some() && !state.ended {
            // The writer cannot know that the reader has gone before the news has travelled.
            return Ok(slices.iter().map(|slice| slice.len()).sum());
        }
        if state.ended || state.deaf {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut written = 0;
        for slice in slices {
            let length = slice.len().min(state.capacity - state.bytes.len());
            state.bytes.extend_from_slice(&slice[..length]);
            if let Some(wire) = self.wire.as_ref().filter(|_| length > 0) {
                wire.sent(&slice[..length]);
            }
            written += length;
            if length < slice.len() {
                break;
            }
        }
        if written == 0 && slices.iter().any(|slice| !slice.is_empty()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let reader = state.reader.take();
        drop(state);
        wake(reader);
        Ok(written)
    }

    fn poll_write_ready(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.ended || state.deaf || state.lost || state.bytes.len() < state.capacity {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ends the stream. The reader can still read what was written.
    fn end(&self) {
        self.change(|state| {
            if let (false, Some(wire)) = (state.ended, &self.wire) {
                wire.ended();
            }
            state.ended = true;
        });
    }

    /// The reader leaves. The pipe drops what was written.
    fn turn_deaf(&self) {
        self.change(|state| {
            state.deaf = true;
            state.bytes = BytesMut::new();
        });
    }

    /// Loses the connection. Every later read and write fails, even for bytes that were in transit.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn lose(&self) {
        self.change(|state| state.lost = true);
    }

    /// Wakes the reader to look again, because its wire has changed.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn wake_reader(&self) {
        self.change(|_| {});
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let (reader, writer) = (state.reader.take(), state.writer.take());
        drop(state);
        wake(reader);
        wake(writer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes a task. The caller has unlocked the pipe, because a waker may run any code.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// The two ends of a connection whose directions hold ten bytes each.
    fn ends() -> [(PipeReader, PipeWriter); 2] {
        let (a, b) = (Pipe::new(10, None), Pipe::new(10, None));
        [Pipe::halves(&a, &b), Pipe::halves(&b, &a)]
    }

    async fn read(reader: &mut PipeReader) -> io::Result<BytesMut> {
        let mut bytes = BytesMut::new();
        poll_fn(|cx| reader.poll_read(cx, &mut bytes)).await?;
        Ok(bytes)
    }

    #[tokio::test]
    async fn full_pipe_takes_nothing_until_it_is_read() {
        let [(_, writer), (mut reader, _)] = ends();
        let slices = [IoSlice::new(b"0123456"), IoSlice::new(b""), IoSlice::new(b"789abc")];
        assert_eq!(writer.try_write_vectored(&slices).unwrap(), 10);
        assert_eq!(writer.try_write(b"x").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(writer.try_write(b"").unwrap(), 0);
        let waiting = tokio::spawn(async move {
            poll_fn(|cx| writer.poll_write_ready(cx)).await.unwrap();
            writer
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        assert_eq!(read(&mut reader).await.unwrap(), "0123456789");
        assert_eq!(waiting.await.unwrap().try_write(b"abc").unwrap(), 3);
    }

    #[tokio::test]
    async fn bytes_written_before_the_end_are_read() {
        let [(mut reader, other), (_reader, writer)] = ends();
        writer.try_write(b"last").unwrap();
        drop(writer);
        assert_eq!(read(&mut reader).await.unwrap(), "last");
        assert_eq!(read(&mut reader).await.unwrap(), "");
        assert_eq!(other.try_write(b"the other direction").unwrap(), 10);
    }

    #[tokio::test]
    async fn shutdown_ends_both_directions_at_both_ends() {
        let [(mut near, shut), (mut far, writer)] = ends();
        writer.try_write(b"unread").unwrap();
        shut.shutdown();
        assert_eq!(read(&mut near).await.unwrap(), "");
        assert_eq!(read(&mut far).await.unwrap(), "");
        assert_eq!(shut.try_write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(writer.try_write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn lost_connection_fails_both_ends_and_discards_written_bytes() {
        let (pipe, back) = (Pipe::new(10, None), Pipe::new(10, None));
        let ((mut reader, _), (_, writer)) = (Pipe::halves(&pipe, &back), Pipe::halves(&back, &pipe));
        writer.try_write(b"x").unwrap();
        pipe.lose();
        assert_eq!(read(&mut reader).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(writer.try_write(b"y").unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
