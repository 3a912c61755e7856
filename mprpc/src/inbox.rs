//! Received, unread messages of a stream: the receiving end of flow control. It knows no frames.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};

use bytes::Bytes;
use futures_util::Stream;

use crate::protocol::Message;
use crate::status::Status;

/// The unread messages of one stream. The connection fills the inbox, and a [`Receiving`] empties it.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// The flow-control window in bytes. The reader returns credit once half of it has been read, or once no message is
    /// left.
    window: u64,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Message>,
    /// Bytes that are read but not yet credited.
    read: u64,
    end: Option<Result<(), Status>>,
    reader: Option<Waker>,
    abandoned: bool,
}

/// Shorter messages are copied. A slice of a read buffer would keep the whole buffer in memory until somebody reads the
/// message.
const SHARED_MESSAGE_BYTES_MIN: usize = 32 << 10;

fn compact(mut message: Message) -> Message {
    if message.bytes.len() < SHARED_MESSAGE_BYTES_MIN {
        message.bytes = Bytes::copy_from_slice(&message.bytes);
    }
    message
}

/// The connection, as the reader of a stream sees it.
pub(crate) trait Source: Send + Sync + 'static {
    /// The reader has read `bytes`, so the peer may send as many again. Implementations ignore this if the call has ended,
    /// because its id may belong to another call.
    fn credit(&self, inbox: &Arc<Inbox>, bytes: u64);
    /// Nobody reads the stream any more; `bytes` of it were not credited. Implementations ignore this if the call has ended.
    fn abandon(&self, inbox: &Arc<Inbox>, bytes: u64);
    /// Decodes a message, up to `message_bytes_max`.
    fn decode(&self, message: Message) -> Result<Bytes, Status>;
}

impl Inbox {
    /// Creates an empty inbox with a window of `window` bytes.
    pub(crate) fn new(window: u64) -> Arc<Inbox> {
        Arc::new(Inbox { state: Mutex::default(), window })
    }

    /// Adds a message. Returns false if nobody will read it. Wake the returned waker without holding a lock.
    pub(crate) fn push(&self, message: Message) -> (bool, Option<Waker>) {
        let mut state = self.lock();
        if state.abandoned || state.end.is_some() {
            return (false, None);
        }
        state.messages.push_back(compact(message));
        (true, state.reader.take())
    }

    /// Ends the stream. Only the first end counts.
    pub(crate) fn end(&self, end: Result<(), Status>) -> Option<Waker> {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        state.reader.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads an [`Inbox`]. Dropping it tells the source that nobody reads any more.
pub(crate) struct Receiving<S: Source> {
    inbox: Arc<Inbox>,
    source: S,
}

impl<S: Source> Receiving<S> {
    pub(crate) fn new(inbox: Arc<Inbox>, source: S) -> Receiving<S> {
        Receiving { inbox, source }
    }
}

impl<S: Source + Unpin> Stream for Receiving<S> {
    type Item = Result<Bytes, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.inbox.lock();
        let Some(message) = state.messages.pop_front() else {
            return match &state.end {
                Some(end) => Poll::Ready(end.clone().err().map(Err)),
                None => {
                    state.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        };
        state.read += message.cost();
        // If nothing is left to read, all credit is returned: the sender may wait for exactly that.
        let due = state.messages.is_empty() || state.read >= self.inbox.window / 2;
        let credit = if due { mem::take(&mut state.read) } else { 0 };
        drop(state);
        if credit > 0 {
            self.source.credit(&self.inbox, credit);
        }
        Poll::Ready(Some(self.source.decode(message)))
    }
}

impl<S: Source> Drop for Receiving<S> {
    fn drop(&mut self) {
        let mut state = self.inbox.lock();
        state.abandoned = true;
        let unread: u64 = state.messages.iter().map(Message::cost).sum();
        let bytes = unread + mem::take(&mut state.read);
        let messages = mem::take(&mut state.messages);
        drop(state);
        drop(messages);
        self.source.abandon(&self.inbox, bytes);
    }
}
