//! Calls to frames on one connection: one encoded request, and the two ways to carry it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout_at;

use crate::codec::Compression;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::endpoint::Address;
use crate::metadata::Metadata;
use crate::method::Method;
use crate::service::Body;
use crate::status::{Phase, Ran, Status};
use crate::streaming::Streaming;

/// A call, encoded once, however often it is sent.
pub(crate) struct Request {
    pub(crate) context: Context,
    /// The one message; `None` where the request is a stream.
    pub(crate) message: Option<Bytes>,
    /// The stream, until a connection has taken it: then the call cannot be made again, unless that gives it back.
    stream: Mutex<Option<Streaming<Bytes>>>,
    /// How messages are compressed, where the server accepts it.
    pub(crate) compression: Option<Compression>,
    /// Until when a connection has to be there. A stream itself may take longer.
    pub(crate) opening: Deadline,
    /// Microseconds spent waiting for a connection, all attempts together.
    connecting: AtomicU64,
    /// Whether bytes are a complete reply, as far as decoding can tell: for peers that do not say where one ends.
    pub(crate) is_reply: fn(&[u8]) -> bool,
}

/// What a connection sends of a request.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a Method,
    pub(crate) metadata: &'a Metadata,
    pub(crate) deadline: Deadline,
    /// What is left up to that, `now`.
    pub(crate) remaining: Option<Duration>,
    /// Where what comes beside the reply is told, if anybody wants to know.
    pub(crate) context: Option<&'a Context>,
    /// `None` where it is the begin of a stream.
    pub(crate) message: Option<&'a Bytes>,
    pub(crate) now: Instant,
}

impl Request {
    /// What is sent of it at `now`, over whatever connection.
    pub(crate) fn outgoing(&self, now: Instant) -> Outgoing<'_> {
        Outgoing {
            method: self.context.method(),
            metadata: self.context.metadata(),
            deadline: self.context.deadline(),
            remaining: self.context.deadline().remaining(now),
            context: Some(&self.context),
            message: self.message.as_ref(),
            now,
        }
    }

    pub(crate) fn new(context: Context, body: Body, opening: Deadline, is_reply: fn(&[u8]) -> bool) -> Request {
        let (message, stream) = match body {
            Body::Message(message) => (Some(message), None),
            Body::Stream(stream) => (None, Some(stream)),
        };
        Request {
            context,
            message,
            stream: Mutex::new(stream),
            compression: None,
            opening,
            connecting: AtomicU64::new(0),
            is_reply,
        }
    }

    pub(crate) fn method(&self) -> &Method {
        self.context.method()
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.context.deadline()
    }

    /// Time that was spent waiting for a connection.
    pub(crate) fn connecting(&self) -> Duration {
        Duration::from_micros(self.connecting.load(Ordering::Relaxed))
    }

    /// Adds to it.
    pub(crate) fn waited_for_connection(&self, time: Duration) {
        self.connecting.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The stream of requests, for the connection that carries it.
    pub(crate) fn take_stream(&self) -> Option<Streaming<Bytes>> {
        if self.message.is_some() {
            return None;
        }
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Gives the stream back, whole: nobody has read it.
    pub(crate) fn put_stream(&self, stream: Streaming<Bytes>) {
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    }

    /// Whether it can be sent: a stream is there only once.
    pub(crate) fn can_be_sent(&self) -> bool {
        self.message.is_some() || self.stream.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The name of the service without its package, as classic peers know it.
    pub(crate) fn short_service(&self) -> &str {
        let service = self.method().service();
        service.rsplit('.').next().unwrap_or(service)
    }
}

pub(super) fn expired(message: String, phase: Phase) -> Status {
    Status::deadline_exceeded(message).with_phase(phase).with_ran(Ran::No)
}

/// The output, or `None` when the deadline passed first.
pub(super) async fn within<F: Future>(deadline: Deadline, future: F) -> Option<F::Output> {
    match deadline.instant() {
        Some(at) => timeout_at(at.into(), future).await.ok(),
        None => Some(future.await),
    }
}

/// UNAVAILABLE, did not run: with address, phase and cause.
pub(super) fn connect_failed(address: &Address, error: &std::io::Error) -> Status {
    Status::unavailable(error.to_string()).with_phase(Phase::Connect).with_peer(address).with_ran(Ran::No)
}
