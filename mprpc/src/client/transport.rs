//! `Request`: one encoded call, which any transport can send, and `Outgoing`, the part of a request that one attempt
//! sends.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
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

/// A call that is encoded once and may be sent several times.
pub(crate) struct Request {
    pub(crate) context: Context,
    /// The request message. `None` if the request is a stream.
    pub(crate) message: Option<Bytes>,
    /// The request stream, until a connection takes it. Without the stream the call cannot be retried, unless the
    /// connection gives the stream back.
    stream: Mutex<Option<Streaming<Bytes>>>,
    /// How messages are compressed, if the server accepts the algorithm.
    pub(crate) compression: Option<Compression>,
    /// The hash of the key by which a policy may pick an endpoint.
    pub(crate) hash_key: Option<u64>,
    /// The deadline for having a connection. A stream itself may take longer.
    pub(crate) opening: Deadline,
    /// Whether the call may run twice, so that it may be ended and made elsewhere while its peer does not answer.
    pub(crate) may_leave: bool,
    /// How often the request was given to a connection.
    sent: AtomicU32,
    /// Microseconds that all attempts together spent waiting for a connection.
    connecting: AtomicU64,
    /// Whether bytes decode as a complete reply. Used for peers that do not mark the end of a reply.
    pub(crate) is_reply: fn(&[u8]) -> bool,
}

/// The part of a request that a connection sends.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a Method,
    pub(crate) metadata: &'a Metadata,
    pub(crate) deadline: Deadline,
    /// The time from `now` to `deadline`.
    pub(crate) remaining: Option<Duration>,
    /// Receives reply metadata and trailer, if the caller asked for them.
    pub(crate) context: Option<&'a Context>,
    /// The request message. `None` if the request begins a stream.
    pub(crate) message: Option<&'a Bytes>,
    /// How messages are compressed, if the server accepts the algorithm.
    pub(crate) compression: Option<Compression>,
    /// Whether the call may be ended and made elsewhere while the peer does not answer.
    pub(crate) may_leave: bool,
    pub(crate) now: Instant,
}

/// So many attempts of a call leave a peer that does not answer. The next one waits up to its deadline, so that a method
/// that blocks each of its servers does not run everywhere.
const LEAVING_ATTEMPTS_MAX: u32 = 2;

impl Request {
    /// What an attempt at `now` sends, over any connection.
    pub(crate) fn outgoing(&self, now: Instant) -> Outgoing<'_> {
        Outgoing {
            method: self.context.method(),
            metadata: self.context.metadata(),
            deadline: self.context.deadline(),
            remaining: self.context.deadline().remaining(now),
            context: Some(&self.context),
            message: self.message.as_ref(),
            compression: self.compression,
            may_leave: self.may_leave && self.sent.fetch_add(1, Ordering::Relaxed) < LEAVING_ATTEMPTS_MAX,
            now,
        }
    }

    pub(crate) fn new(context: Context, body: Body, opening: Deadline, is_reply: fn(&[u8]) -> bool) -> Request {
        let (message, stream) = match body {
            Body::Message(message) => (Some(message), None),
            Body::Stream(stream) => (None, Some(stream)),
        };
        Request {
            may_leave: context.method().idempotency.may_run_twice(),
            context,
            message,
            stream: Mutex::new(stream),
            compression: None,
            hash_key: None,
            opening,
            sent: AtomicU32::new(0),
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

    /// The time that all attempts together spent waiting for a connection.
    pub(crate) fn connecting(&self) -> Duration {
        Duration::from_micros(self.connecting.load(Ordering::Relaxed))
    }

    /// Adds to the time spent waiting for a connection.
    pub(crate) fn waited_for_connection(&self, time: Duration) {
        self.connecting.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Takes the request stream, for the connection that sends it.
    pub(crate) fn take_stream(&self) -> Option<Streaming<Bytes>> {
        if self.message.is_some() {
            return None;
        }
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns the whole request stream, so that another attempt can send it.
    pub(crate) fn put_stream(&self, stream: Streaming<Bytes>) {
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    }

    /// Whether the request can be sent. A request stream can be sent only while `Request` still holds it.
    pub(crate) fn can_be_sent(&self) -> bool {
        self.message.is_some() || self.stream.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The name of the service without its package. The classic protocol uses this name.
    pub(crate) fn short_service(&self) -> &str {
        let service = self.method().service();
        service.rsplit('.').next().unwrap_or(service)
    }
}

pub(super) fn expired(message: String, phase: Phase) -> Status {
    Status::deadline_exceeded(message).with_phase(phase).with_ran(Ran::No)
}

/// Returns the output of `future`, or `None` if the deadline passes first.
pub(super) async fn within<F: Future>(deadline: Deadline, future: F) -> Option<F::Output> {
    match deadline.instant() {
        Some(at) => timeout_at(at.into(), future).await.ok(),
        None => Some(future.await),
    }
}

/// The status of a failed connection attempt: UNAVAILABLE, `Ran::No`, with address, phase and cause.
pub(super) fn connect_failed(address: &Address, error: &std::io::Error) -> Status {
    Status::unavailable(error.to_string()).with_phase(Phase::Connect).with_peer(address).with_ran(Ran::No)
}
