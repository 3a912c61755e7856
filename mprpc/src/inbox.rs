//! Messages of a stream that have come and have not been read: the receiving end of flow control. Knows no frames.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};

use bytes::Bytes;
use futures_util::Stream;

use crate::protocol::Message;
use crate::status::Status;

/// What came of one stream and has not been read. The connection fills it, and a [`Receiving`] empties it.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// Credit is given back when half of this has been read, or when nothing is left to read.
    window: u64,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Message>,
    /// Read, and not credited yet.
    read: u64,
    end: Option<Result<(), Status>>,
    reader: Option<Waker>,
    abandoned: bool,
}

/// A shorter message is copied: a slice of a read buffer would keep all of that in memory, for as long as nobody reads it.
const SHARED_MESSAGE_BYTES_MIN: usize = 32 << 10;

fn compact(mut message: Message) -> Message {
    if message.bytes.len() < SHARED_MESSAGE_BYTES_MIN {
        message.bytes = Bytes::copy_from_slice(&message.bytes);
    }
    message
}

/// The connection, as the reader of a stream knows it.
pub(crate) trait Source: Send + Sync + 'static {
    /// `bytes` have been read and may be sent again. To be ignored where the call has ended, as its id may be another's.
    fn credit(&self, inbox: &Arc<Inbox>, bytes: u64);
    /// Nobody reads the stream any more, `bytes` of which were not credited. To be ignored where the call has ended.
    fn abandon(&self, inbox: &Arc<Inbox>, bytes: u64);
    /// The message itself, within `message_bytes_max`.
    fn decode(&self, message: Message) -> Result<Bytes, Status>;
}

impl Inbox {
    /// An empty one, of which the sender may have `window` bytes unread.
    pub(crate) fn new(window: u64) -> Arc<Inbox> {
        Arc::new(Inbox { state: Mutex::default(), window })
    }

    /// A message came; false where nobody will read it. The waker is to be woken with no lock held.
    pub(crate) fn push(&self, message: Message) -> (bool, Option<Waker>) {
        let mut state = self.lock();
        if state.abandoned || state.end.is_some() {
            return (false, None);
        }
        state.messages.push_back(compact(message));
        (true, state.reader.take())
    }

    /// The stream has ended; what it ended with first counts.
    pub(crate) fn end(&self, end: Result<(), Status>) -> Option<Waker> {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        state.reader.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads an [`Inbox`]. Dropping it tells the source that nobody does any more.
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
        // With nothing left to read all is given back: the sender may be waiting for just that.
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
