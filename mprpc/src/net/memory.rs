//! A connection in memory: two byte pipes. For tests of everything above the sockets.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};

use bytes::{Buf, BytesMut};

/// One direction.
#[derive(Debug)]
pub(crate) struct Pipe(Mutex<State>);

#[derive(Debug)]
struct State {
    bytes: BytesMut,
    capacity: usize,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    /// A pipe that holds `capacity` bytes before its writer has to wait.
    #[cfg(test)]
    pub(crate) fn new(capacity: usize) -> std::sync::Arc<Pipe> {
        let state = State { bytes: BytesMut::new(), capacity, closed: false, reader: None, writer: None };
        std::sync::Arc::new(Pipe(Mutex::new(state)))
    }

    pub(crate) fn poll_read(&self, cx: &mut task::Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if state.bytes.is_empty() {
            if state.closed {
                return Poll::Ready(Ok(0));
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = buffer.len().min(state.bytes.len());
        state.bytes.copy_to_slice(&mut buffer[..length]);
        let writer = state.writer.take();
        drop(state);
        wake(writer);
        Poll::Ready(Ok(length))
    }

    /// The first byte, left where it is; `None` at the end.
    #[cfg(feature = "tls")]
    pub(crate) fn poll_first_byte(&self, cx: &mut task::Context<'_>) -> Poll<Option<u8>> {
        let mut state = self.lock();
        match state.bytes.first() {
            Some(first) => Poll::Ready(Some(*first)),
            None if state.closed => Poll::Ready(None),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.lock();
        if state.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let length = bytes.len().min(state.capacity - state.bytes.len());
        if length == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.bytes.extend_from_slice(&bytes[..length]);
        let reader = state.reader.take();
        drop(state);
        wake(reader);
        Ok(length)
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.closed || state.bytes.len() < state.capacity {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ends the pipe: what was written can still be read.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let (reader, writer) = (state.reader.take(), state.writer.take());
        drop(state);
        wake(reader);
        wake(writer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes, with the pipe unlocked: a waker may do as it likes.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
