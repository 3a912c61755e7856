//! Requests in the dialects of the web, gRPC-Web, Connect and JSON, and their responses, on every version of HTTP. Also the
//! few requests that ask for no call. Plain gRPC is in `http2`, as it needs HTTP/2.

mod body;
mod fields;
mod index;
mod json_stream;
mod page;
mod reply;
mod request;
mod writer;

use std::time::Instant;

use bytes::Bytes;

use self::body::RequestBody;
pub(super) use self::body::Taken;
pub(super) use self::fields::{Accepts, Encoding, FORWARDED_FOR, HttpMethod, WebFields, is_of_browser};
use self::page::Page;
use self::reply::Response;
pub(super) use self::request::{Head, HttpVersion};
pub(super) use self::writer::{Field, ResponseWriter};
use super::call::not_begun;
use super::calls::{Calls, NewCall, ReplyWriter, refused};
use super::rest::RestRequest;
use super::router::Route;
use super::shared::Shared;
use crate::codec::Codec;
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::protocol::Message;
use crate::service::Body;
use crate::status::{Phase, Ran, Status};
use crate::streaming::Streaming;

/// One request and its response.
pub(super) struct Exchange {
    stage: Stage,
    body: RequestBody,
    response: Response,
    /// The bytes of the body that nobody needed.
    discarded: u64,
}

/// More bytes of a body that nobody needs are not taken.
pub(super) const DISCARDED_BYTES_MAX: u64 = 256 << 10;

/// How far the request has come.
enum Stage {
    /// The request asks for no call.
    Page(Box<Page>),
    /// The call is refused.
    Refused(Status),
    /// The call begins once its one message has arrived.
    Waiting(Box<Start>),
    /// The call begins before its messages arrive.
    Opening(Box<Start>),
    /// The call has begun, or was answered.
    Begun,
}

/// A call that may begin.
pub(super) struct Start {
    route: Route,
    codec: Codec,
    deadline: Deadline,
    metadata: Metadata,
    /// The values of `x-forwarded-for`.
    forwarded_for: Option<Box<[u8]>>,
    message: Option<Message>,
    /// What makes the message of a call by an HTTP path out of the body.
    rest: Option<Box<RestRequest>>,
}

/// What follows the head of a request.
pub(super) enum AfterHead {
    /// The answer, by [`Exchange::answer`].
    Answer,
    /// A call that begins before its messages arrive.
    Stream(Start),
    /// The body.
    Body,
}

impl Exchange {
    /// Whether the request asks for a call.
    pub(super) fn is_call(&self) -> bool {
        !matches!(self.stage, Stage::Page(_))
    }

    /// Says what follows the head.
    pub(super) fn after_head(&mut self) -> AfterHead {
        match std::mem::replace(&mut self.stage, Stage::Begun) {
            Stage::Opening(start) => AfterHead::Stream(*start),
            Stage::Begun => AfterHead::Body,
            stage @ Stage::Waiting(_) => {
                self.stage = stage;
                AfterHead::Body
            }
            stage @ (Stage::Page(_) | Stage::Refused(_)) => {
                self.stage = stage;
                AfterHead::Answer
            }
        }
    }

    /// Refuses the call, which has not begun.
    pub(super) fn refuse(&mut self, status: Status) {
        self.stage = Stage::Refused(status);
    }

    /// Whether [`Exchange::answer`] answers the request, whatever its body is.
    pub(super) fn has_answer(&self) -> bool {
        matches!(self.stage, Stage::Page(_) | Stage::Refused(_))
    }

    /// Takes a part of the body that nobody needs. Returns whether no more of it should be taken.
    pub(super) fn discards(&mut self, bytes: usize) -> bool {
        self.discarded += bytes as u64;
        self.discarded > DISCARDED_BYTES_MAX
    }

    /// Answers a request that asks for no call, or whose call is refused.
    pub(super) fn answer(&mut self, shared: &Shared, out: &mut impl ResponseWriter) {
        match std::mem::replace(&mut self.stage, Stage::Begun) {
            Stage::Page(page) => self.response.page(*page, out),
            Stage::Refused(status) => self.response.fail(None, status, shared, out),
            other => self.stage = other,
        }
    }

    /// Fails a call that has not begun, or whose connection gives it up.
    pub(super) fn fail(&mut self, status: Status, shared: &Shared, out: &mut impl ResponseWriter) {
        if self.has_answer() {
            return self.answer(shared, out);
        }
        self.stage = Stage::Begun;
        self.response.fail(None, status, shared, out);
    }

    /// The deadline of a request that waits for the rest of its body, and the metadata that it holds. `None` if the request
    /// waits for nothing.
    pub(super) fn waits(&self) -> Option<(Deadline, &Metadata)> {
        const NOTHING: &Metadata = &Metadata::new();
        match &self.stage {
            Stage::Waiting(start) => Some((start.deadline, &start.metadata)),
            Stage::Page(_) | Stage::Refused(_) => Some((Deadline::NONE, NOTHING)),
            Stage::Opening(_) | Stage::Begun => None,
        }
    }

    /// Takes a piece of the body, and passes the messages of a request stream on. The error fails the call.
    pub(super) fn received(
        &mut self,
        piece: Bytes,
        mut pass_on: impl FnMut(Message) -> Result<(), Status>,
    ) -> Result<Taken, Status> {
        let Exchange { stage, body, .. } = self;
        body.take(piece, &mut |message| match stage {
            Stage::Waiting(start) => start.take(message),
            _ => pass_on(message),
        })
    }

    /// Takes the end of the body. Returns the call that begins now. The error fails the call.
    pub(super) fn ended(&mut self) -> Result<Option<Start>, Status> {
        let message = self.body.end()?;
        let Stage::Waiting(start) = &mut self.stage else { return Ok(None) };
        if let Some(message) = message {
            start.take(message)?;
        }
        match std::mem::replace(&mut self.stage, Stage::Begun) {
            Stage::Waiting(start) => Ok(Some(*start)),
            _ => Ok(None),
        }
    }

    /// Whether the peer owes the rest of a message.
    pub(super) fn is_incomplete(&self) -> bool {
        matches!(self.stage, Stage::Waiting(_)) || self.body.is_inside_a_message()
    }

    /// Bytes of the request that are held until their message is complete.
    pub(super) fn held_bytes(&self) -> usize {
        self.body.held_bytes()
    }

    /// Copies what is held out of the shared read buffer.
    pub(super) fn compact(&mut self) {
        self.body.compact();
    }

    /// The response.
    pub(super) fn response(&mut self) -> &mut Response {
        &mut self.response
    }
}

impl Start {
    /// Takes a message of a call that has one.
    fn take(&mut self, message: Message) -> Result<(), Status> {
        if self.message.replace(message).is_none() {
            return Ok(());
        }
        refused(Status::invalid_argument("the method takes one message, and more were sent"))
    }

    /// Admits the call. The error is the status with which the call is refused.
    fn admit(self, id: u32, calls: &Calls, now: Instant) -> Result<(NewCall, Route, Option<Message>), Status> {
        let Start { route, codec, deadline, metadata, forwarded_for, message, .. } = self;
        calls.check_room()?;
        let caller = forwarded_for.and_then(|list| calls.forwarded(&list));
        let admission = calls.admit(caller, &route, &metadata, now)?;
        Ok((NewCall { id, deadline, metadata, admission }, route.with_codec(codec), message))
    }

    /// Begins a call whose one message has arrived. The error is the status with which the call is refused.
    pub(super) fn begin<W: ReplyWriter>(
        mut self,
        id: u32,
        calls: &mut Calls,
        now: Instant,
        message_bytes_max: usize,
        replies: &mut W,
    ) -> Result<(), Status> {
        if self.deadline.has_passed(now) {
            return Err(not_begun());
        }
        let rest = self.rest.take();
        let (call, route, message) = self.admit(id, calls, now)?;
        let Some(message) = message else {
            return refused(Status::invalid_argument("the method takes one message, and none was sent"));
        };
        let mut message = message.decode(message_bytes_max).or_else(refused)?;
        if let Some(rest) = rest {
            message = rest.join(message).or_else(refused)?;
        }
        let message_bytes = message.len();
        calls.begin(now, call, &route, Body::Message(message), message_bytes, replies);
        Ok(())
    }

    /// Begins a call whose request is a stream. `is_end` says that the stream is empty. The error is the status with which
    /// the call is refused.
    pub(super) fn begin_stream<W: ReplyWriter>(
        self,
        id: u32,
        calls: &mut Calls,
        now: Instant,
        is_end: bool,
        window: u64,
        replies: &mut W,
    ) -> Result<(), Status> {
        let (call, route, _) = self.admit(id, calls, now)?;
        if is_end {
            calls.begin(now, call, &route, Body::Stream(Streaming::empty()), 0, replies);
        } else {
            calls.begin_stream(now, call, &route, window, replies);
        }
        Ok(())
    }
}

/// The status of a call whose request broke off after the call may have begun.
pub(super) fn broken(status: Status) -> Status {
    if status.phase().is_some() { status } else { status.with_phase(Phase::Handle).with_ran(Ran::Maybe) }
}
