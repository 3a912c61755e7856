//! A stream of messages for handlers and callers, and the sender that feeds it. Knows no wire format.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Poll};

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use crate::status::Status;

/// A stream of messages. It ends with `None` on success, or with one [`Status`] on failure, after which there is only
/// `None`.
///
/// It implements [`Stream`]; [`Streaming::next`] spares callers the import. Dropping it tells the other side that nobody
/// reads any more; dropping a caller's reply stream cancels the call.
pub struct Streaming<T>(Option<Messages<T>>);

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl<T: 'static> Streaming<T> {
    /// Wraps any stream of results. It is not polled again after its first error.
    pub fn new(stream: impl Stream<Item = Result<T, Status>> + Send + 'static) -> Streaming<T> {
        Streaming(Some(Box::pin(stream)))
    }

    /// Creates a stream of these messages, which ends successfully.
    pub fn of(messages: impl IntoIterator<Item = T, IntoIter: Send + 'static>) -> Streaming<T> {
        Streaming::new(futures_util::stream::iter(messages.into_iter().map(Ok)))
    }

    /// Creates a stream that ends successfully without a message.
    pub fn empty() -> Streaming<T> {
        Streaming(None)
    }

    /// Returns the next message, or `None` once the stream has ended.
    pub async fn next(&mut self) -> Option<Result<T, Status>> {
        StreamExt::next(self).await
    }

    /// Maps each message with `f`. A failure ends the stream.
    pub fn map<U, F>(self, mut f: F) -> Streaming<U>
    where
        F: FnMut(T) -> Result<U, Status> + Send + 'static,
    {
        Streaming(self.0.map(|stream| Box::pin(stream.map(move |item| item.and_then(&mut f))) as _))
    }
}

impl<T: 'static> Streaming<T> {
    /// Maps the failure of the stream with `f`.
    pub(crate) fn map_err(self, mut f: impl FnMut(Status) -> Status + Send + 'static) -> Streaming<T> {
        Streaming(self.0.map(|stream| Box::pin(stream.map(move |item| item.map_err(&mut f))) as _))
    }
}

impl<T: Send + 'static> Streaming<T> {
    /// Creates a stream and the sender that feeds it. Up to `capacity` messages (at least one) wait between the two.
    pub fn channel(capacity: usize) -> (Sender<T>, Streaming<T>) {
        let (messages, mut received) = mpsc::channel(capacity.max(1));
        let finished = Arc::new(AtomicBool::new(false));
        let ended_well = finished.clone();
        let stream = futures_util::stream::poll_fn(move |cx| {
            let item = std::task::ready!(received.poll_recv(cx));
            let cut_off = item.is_none() && !ended_well.swap(true, Ordering::AcqRel);
            Poll::Ready(if cut_off { Some(Err(cut_short())) } else { item })
        });
        (Sender { messages, finished }, Streaming::new(stream))
    }
}

fn cut_short() -> Status {
    Status::aborted("the sender of the stream was dropped before it finished it")
}

impl<T> Stream for Streaming<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let item = std::task::ready!(stream.as_mut().poll_next(cx));
        if !matches!(item, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(item)
    }
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Streaming" } else { "Streaming(ended)" })
    }
}

/// Feeds a stream. Dropping it without [`Sender::finish`] ends the stream with ABORTED, so that a panic of the sending task
/// never looks like the end of the stream.
#[derive(Debug)]
pub struct Sender<T> {
    messages: mpsc::Sender<Result<T, Status>>,
    finished: Arc<AtomicBool>,
}

impl<T> Sender<T> {
    /// Sends a message. It waits while the stream is full, so a slow reader slows the sender. Returns CANCELLED once nobody
    /// reads any more.
    pub async fn send(&self, message: T) -> Result<(), Status> {
        self.messages.send(Ok(message)).await.map_err(|_| Status::cancelled("nobody reads the stream any more"))
    }

    /// Ends the stream successfully.
    pub fn finish(self) {
        self.finished.store(true, Ordering::Release);
    }

    /// Ends the stream with a failure. It waits while the stream is full.
    pub async fn fail(self, status: Status) {
        // The error means that nobody reads any more, so nobody needs the status.
        let _ = self.messages.send(Err(status)).await;
    }

    /// Returns once nobody reads the stream any more.
    pub async fn closed(&self) {
        self.messages.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Code;

    #[tokio::test]
    async fn finished_stream_ends_successfully_and_stays_ended() {
        let (sender, mut stream) = Streaming::channel(2);
        sender.send(1).await.unwrap();
        sender.finish();
        assert_eq!(stream.next().await.unwrap().unwrap(), 1);
        assert!(stream.next().await.is_none());
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn dropped_sender_ends_stream_with_aborted() {
        let (sender, mut stream) = Streaming::channel(2);
        sender.send(1).await.unwrap();
        drop(sender);
        assert_eq!(stream.next().await.unwrap().unwrap(), 1);
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::Aborted);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn failure_ends_the_stream() {
        let (sender, mut stream) = Streaming::<u8>::channel(0);
        sender.fail(Status::data_loss("gone")).await;
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::DataLoss);
        assert!(stream.next().await.is_none());
        let mut stream = Streaming::of([1, 2]).map(|n| if n == 1 { Ok(n) } else { Err(Status::internal("two")) });
        assert_eq!(stream.next().await.unwrap().unwrap(), 1);
        stream.next().await.unwrap().unwrap_err();
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn sender_learns_that_nobody_reads() {
        let (sender, stream) = Streaming::channel(1);
        drop(stream);
        sender.closed().await;
        assert_eq!(sender.send(1).await.unwrap_err().code(), Code::Cancelled);
    }
}
