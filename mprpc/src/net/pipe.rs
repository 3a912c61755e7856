//! A pipe in memory: the bytes of one direction of a connection without sockets. Two of them are a connection.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};

use super::timer::Timer;

/// The half of a connection that is read. Closes its direction when dropped, as a socket does.
#[derive(Debug)]
pub(crate) struct PipeReader {
    pipe: Arc<Pipe>,
    timer: Timer,
}

/// The half of a connection that is written. Closes its direction when dropped, as a socket does.
#[derive(Debug)]
pub(crate) struct PipeWriter {
    output: Arc<Pipe>,
    /// The other direction, for closing both.
    input: Arc<Pipe>,
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Pipe {
    state: Mutex<State>,
    /// What the bytes travel over; `None`: they are there at once.
    wire: Option<Arc<dyn Wire>>,
}

/// What decides when the bytes of a pipe arrive. The pipe is locked where it is asked.
pub(crate) trait Wire: fmt::Debug + Send + Sync {
    /// These bytes were written.
    fn sent(&self, bytes: &[u8]);

    /// The writer has ended: its end travels behind what it wrote.
    fn ended(&self);

    /// What is there now.
    fn arrived(&self) -> Arrived;

    /// So many of the bytes that have arrived were read.
    fn taken(&self, bytes: usize);
}

/// What is there to be read.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// Bytes at the front of the pipe.
    pub(crate) bytes: usize,
    /// Behind them comes nothing more.
    pub(crate) end: bool,
    /// When more arrives, as far as is known.
    pub(crate) next: Option<Instant>,
}

#[derive(Debug, Default)]
struct State {
    /// Written, and not read yet.
    bytes: BytesMut,
    capacity: usize,
    /// The writer has ended.
    ended: bool,
    /// The reader has gone.
    deaf: bool,
    /// The connection was lost.
    lost: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What a read takes at least where it is there, and makes room for.
const READ_BYTES_MIN: usize = 4 << 10;
/// An empty pipe larger than this gives its memory back.
const KEEP_BYTES_MAX: usize = 16 << 10;

impl PipeReader {
    /// Reads once into the spare room of `buffer`; 0 bytes are the end of the stream.
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
    /// The first byte, left where it is; `None` at the end. Not for pipes with a wire, on which bytes take their time.
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
    /// Writes what the pipe takes at once; `WouldBlock` when that is nothing.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.output.try_write(&[IoSlice::new(bytes)])
    }

    /// The same, from several buffers.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.output.try_write(slices)
    }

    /// Ready when a write may take bytes. Only one task may wait.
    pub(crate) fn poll_write_ready(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_write_ready(cx)
    }

    /// Ends this direction: what was written can still be read.
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
    /// A pipe that holds `capacity` bytes before its writer has to wait.
    pub(crate) fn new(capacity: usize, wire: Option<Arc<dyn Wire>>) -> Arc<Pipe> {
        Arc::new(Pipe { state: Mutex::new(State { capacity, ..State::default() }), wire })
    }

    /// The halves of the end that reads `input` and writes `output`.
    pub(crate) fn halves(input: &Arc<Pipe>, output: &Arc<Pipe>) -> (PipeReader, PipeWriter) {
        let reader = PipeReader { pipe: input.clone(), timer: Timer::default() };
        (reader, PipeWriter { output: output.clone(), input: input.clone() })
    }

    /// The error says when to ask again, where that is known; the reader is woken otherwise.
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
        // What comes over a wire comes in the same pieces however much room a thread's buffer happens to have.
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
            // That nobody reads is not known here before the news has travelled.
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

    /// The writer ends: what it wrote can still be read.
    fn end(&self) {
        self.change(|state| {
            if let (false, Some(wire)) = (state.ended, &self.wire) {
                wire.ended();
            }
            state.ended = true;
        });
    }

    /// The reader goes: what was written is of no use any more.
    fn turn_deaf(&self) {
        self.change(|state| {
            state.deaf = true;
            state.bytes = BytesMut::new();
        });
    }

    /// Loses the connection: whoever reads or writes gets an error, whatever was on its way.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn lose(&self) {
        self.change(|state| state.lost = true);
    }

    /// Has the reader look again: its wire has changed.
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

/// Wakes, with the pipe unlocked: a waker may do as it likes.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// The ends of a connection whose directions hold ten bytes.
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
    async fn what_was_written_before_the_end_is_read() {
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
    async fn lost_connection_is_an_error_at_both_ends_also_for_what_was_written() {
        let (pipe, back) = (Pipe::new(10, None), Pipe::new(10, None));
        let ((mut reader, _), (_, writer)) = (Pipe::halves(&pipe, &back), Pipe::halves(&back, &pipe));
        writer.try_write(b"x").unwrap();
        pipe.lose();
        assert_eq!(read(&mut reader).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(writer.try_write(b"y").unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
