//! The calls of one connection, in every protocol that carries many calls: admits them, begins them, polls them, and ends
//! them. A [`ReplyWriter`] encodes their replies.

mod in_flight;
mod lifetime;
mod reply_writer;

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{self, Poll};
use std::time::Instant;

use self::in_flight::InFlight;
pub(super) use self::lifetime::{Due, Lifetime};
pub(super) use self::reply_writer::{
    CallTimes, ReplyWriter, Room, check_metadata, check_reply, check_reply_metadata, failed, failure_trailer, fitting,
    too_long,
};
use super::call::{FirstPoll, RunningCall};
use super::executor::{Flow, QueuedCall, RemoteCall};
use super::memory::{Account, compact};
use super::placement::{PollMeter, RunOn};
use super::router::Route;
use super::served_call::ServedCall;
use super::shared::Shared;
use crate::context::{Context, Peer};
use crate::deadline::Deadline;
use crate::inbox::{Inbox, Receiving};
use crate::metadata::Metadata;
use crate::net::clock;
use crate::protocol::Message;
use crate::protocol::flow::Windows;
use crate::service::Body;
use crate::status::{Phase, Ran, Status};
use crate::streaming::Streaming;

/// The calls of one connection.
pub(super) struct Calls {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    in_flight: InFlight,
    /// The flow of this connection's calls, for a fair queue between callers.
    flow: Flow,
    meter: PollMeter,
    /// The handlers polled in this turn as their requests arrived.
    polls: u32,
    /// The calls that arrived in this turn.
    arrived: u64,
    /// The context of the last call that ended at its first poll. The next call reuses its memory.
    spare: Option<Context>,
    memory: Arc<Account>,
    pressure: Pressure,
    /// Whether the peer may name the callers of its requests.
    may_forward: bool,
}

/// What the held memory means for the frames that come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pressure {
    None,
    /// No more frames are taken for now.
    Pause,
    /// New calls are refused.
    Shed,
}

/// A call that may begin.
pub(super) struct NewCall {
    pub(super) id: u32,
    pub(super) deadline: Deadline,
    pub(super) metadata: Metadata,
    pub(super) admission: Admission,
}

/// Where an admitted call runs, and in which flow it queues.
pub(super) struct Admission {
    run_on: RunOn,
    flow: Flow,
    /// The caller, if a trusted proxy names it in the request. Otherwise the caller is the peer of the connection.
    caller: Option<Arc<Peer>>,
}

impl Calls {
    /// Creates the state of a connection that begins at `now`.
    pub(super) fn new(shared: Arc<Shared>, peer: Arc<Peer>, memory: Arc<Account>, now: Instant) -> Calls {
        Calls {
            in_flight: InFlight::new(),
            flow: Flow::of(&peer),
            meter: PollMeter::new(now),
            polls: 0,
            arrived: 0,
            spare: None,
            memory,
            pressure: Pressure::None,
            may_forward: shared.proxies.trust_to_forward(&peer),
            shared,
            peer,
        }
    }

    /// Whether there is no call.
    pub(super) fn len(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether a call with this id is in flight.
    #[inline]
    pub(super) fn contains(&self, id: u32) -> bool {
        self.in_flight.contains(id)
    }

    /// The ids of all calls.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.in_flight.ids()
    }

    /// Bytes of request streams that have arrived and that no handler has read.
    #[inline]
    pub(super) fn unread_bytes(&self) -> usize {
        self.in_flight.unread_bytes()
    }

    /// Reads the memory pressure, before the frames of a turn are taken.
    pub(super) fn begin_turn(&mut self) {
        self.pressure = if self.memory.is_shedding() { Pressure::Shed } else { Pressure::None };
    }

    /// Whether no more frames are taken in this turn.
    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        self.pressure == Pressure::Pause
    }

    /// Whether new calls are refused to save memory.
    #[inline]
    pub(super) fn is_shedding(&self) -> bool {
        self.pressure == Pressure::Shed
    }

    /// The memory account of the connection.
    pub(super) fn memory(&self) -> &Arc<Account> {
        &self.memory
    }

    /// Counts a call that has arrived.
    #[inline]
    pub(super) fn arrived(&mut self) {
        self.arrived += 1;
    }

    /// Counts the calls that arrived in this turn, and takes the time of those that were polled. Returns whether any
    /// arrived.
    pub(super) fn end_turn(&mut self, begun: Instant) -> bool {
        let arrived = mem::take(&mut self.arrived);
        if arrived > 0 {
            self.shared.counters.calls.fetch_add(arrived, Ordering::Relaxed);
        }
        let polls = mem::take(&mut self.polls);
        if polls > 0 {
            self.meter.turn_ended(begun, polls, clock::now());
        }
        arrived > 0
    }

    /// Checks whether there is room for another call. The error is the status with which the call is refused.
    #[inline]
    pub(super) fn check_room(&self) -> Result<(), Status> {
        if self.pressure == Pressure::Shed {
            return Err(self.memory.refusal());
        }
        let max = self.shared.limits.in_flight_max;
        if self.in_flight.len() >= max {
            return refused(Status::resource_exhausted(format!("{max} calls in flight: in_flight_max {max}")));
        }
        Ok(())
    }

    /// Admits a call with this metadata to its method, unless the server is overloaded. `caller` is the caller that a trusted
    /// proxy names; `None` stands for the peer of the connection.
    #[inline(always)]
    pub(super) fn admit(
        &self,
        caller: Option<Arc<Peer>>,
        route: &Route,
        metadata: &Metadata,
        now: Instant,
    ) -> Result<Admission, Status> {
        let run_on = route.placement.run_on();
        let flow = caller.as_ref().map_or(self.flow, |caller| Flow::of_forwarded(caller)).with(metadata);
        match self.shared.refuses(route, run_on, flow, now) {
            Some(overloaded) => Err(overloaded),
            None => Ok(Admission { run_on, flow, caller }),
        }
    }

    /// The caller that the peer names in the values of `x-forwarded-for`, if the peer is a trusted proxy.
    pub(super) fn forwarded(&self, list: &[u8]) -> Option<Arc<Peer>> {
        if self.may_forward { self.shared.proxies.forwarded(&self.peer, list) } else { None }
    }

    /// Begins a call whose request is complete: one message of `message_bytes`, or an empty stream. Returns whether the
    /// call waits in its handler on this loop.
    #[inline]
    pub(super) fn begin<W: ReplyWriter>(
        &mut self,
        now: Instant,
        call: NewCall,
        route: &Route,
        request: Body,
        message_bytes: usize,
        replies: &mut W,
    ) -> bool {
        let NewCall { id, deadline, metadata, admission: Admission { run_on, flow, caller } } = call;
        let is_forwarded = caller.is_some();
        if run_on != RunOn::Loop || is_forwarded {
            let peer = caller.unwrap_or_else(|| self.peer.clone());
            let context = Context::new(route.method.clone(), peer, deadline, metadata);
            if run_on != RunOn::Loop {
                self.begin_elsewhere(now, id, run_on, flow, route.clone(), context, request, None, replies);
                return false;
            }
            self.spare = Some(context);
        } else {
            match &mut self.spare {
                Some(spare) => spare.renew(&route.method, deadline, metadata),
                none => *none = Some(Context::new(route.method.clone(), self.peer.clone(), deadline, metadata)),
            }
        }
        let mut cx = task::Context::from_waker(self.in_flight.waker(id));
        self.polls += u32::from(route.placement.is_measured());
        let (shared, spare) = (&self.shared, &mut self.spare);
        let poll = || RunningCall::first_poll(shared, route, spare, request, &mut cx);
        match self.meter.measured(&route.placement, poll) {
            FirstPoll::Ended(step) => {
                if let Some(context) = &self.spare {
                    replies.end(id, CallTimes::default(), context, step);
                }
                if is_forwarded || self.spare.as_mut().is_some_and(|context| !context.clear()) {
                    self.spare = None;
                }
                false
            }
            FirstPoll::Running(call, Poll::Ready(step)) if step.is_end() => {
                replies.end(id, CallTimes::default(), call.context(), step);
                false
            }
            FirstPoll::Running(mut call, polled) => {
                call.waits(route, flow.caller, now);
                call.memory = self.memory.charge_call(message_bytes, call.context());
                let served = ServedCall::Here(call, route.placement.clone());
                self.in_flight.insert(id, now, served, None, polled, replies);
                self.note_pressure();
                true
            }
        }
    }

    /// Begins a call whose request stream is open, with a flow-control window of `window` bytes. The handler is polled
    /// later in the turn, with the other calls: more of the stream may have arrived by then.
    pub(super) fn begin_stream<W: ReplyWriter>(
        &mut self,
        now: Instant,
        call: NewCall,
        route: &Route,
        window: u64,
        replies: &mut W,
    ) {
        let NewCall { id, deadline, metadata, admission: Admission { run_on, flow, caller } } = call;
        let peer = caller.unwrap_or_else(|| self.peer.clone());
        let context = Context::new(route.method.clone(), peer, deadline, metadata);
        let requests = Inbox::new(window);
        let source = self.in_flight.source(id, self.shared.limits.message_bytes_max);
        let request = Body::Stream(Streaming::new(Receiving::new(requests.clone(), source)));
        if run_on != RunOn::Loop {
            let route = route.clone();
            return self.begin_elsewhere(now, id, run_on, flow, route, context, request, Some(requests), replies);
        }
        let mut call = RunningCall::new(&self.shared, route, context);
        if let Err(status) = call.begin(&self.shared, route, request) {
            return replies.refuse(id, status);
        }
        call.memory = self.memory.charge_call(0, call.context());
        let served = ServedCall::Here(call, route.placement.clone());
        self.in_flight.insert(id, now, served, Some(requests), Poll::Pending, replies);
        self.note_pressure();
    }

    /// Queues a call for another thread; the loop goes on reading.
    #[expect(clippy::too_many_arguments, reason = "a call and its parts, handed on once")]
    fn begin_elsewhere<W: ReplyWriter>(
        &mut self,
        now: Instant,
        id: u32,
        run_on: RunOn,
        flow: Flow,
        route: Route,
        context: Context,
        request: Body,
        requests: Option<Arc<Inbox>>,
        replies: &mut W,
    ) {
        // A queued message must not keep a read buffer alive.
        let (request, bytes) = match request {
            Body::Message(message) => (Body::Message(compact(message.clone())), message.len()),
            stream => (stream, 0),
        };
        let mut running = RunningCall::new(&self.shared, &route, context);
        running.memory = self.memory.charge_call(bytes, running.context());
        let call = RemoteCall::new(&running, self.in_flight.waker(id).clone());
        let served = ServedCall::Elsewhere(call.clone(), self.memory.charge_nothing());
        self.in_flight.insert(id, now, served, requests, Poll::Pending, replies);
        let queued = QueuedCall { call, running, route, request, caller: flow.caller, arrived: now };
        self.shared.run_elsewhere(run_on, flow, queued, now);
        self.note_pressure();
    }

    /// Stops taking frames if a parked call has brought the connection beyond its memory.
    pub(super) fn note_pressure(&mut self) {
        if self.memory.is_beyond() {
            self.pressure = Pressure::Pause;
        }
    }

    /// Takes a message of a request stream, or its end. Returns the cost of a message that no reader wants, for an
    /// immediate credit. The error says how the caller broke the protocol.
    pub(super) fn request(
        &mut self,
        id: u32,
        message: Option<Message>,
        end: bool,
        windows: Windows,
    ) -> Result<u64, String> {
        self.in_flight.request(id, message, end, windows)
    }

    /// Takes the credit for so many bytes of a reply stream.
    pub(super) fn credit(&mut self, id: u32, bytes: u64) {
        self.in_flight.credit(id, bytes);
    }

    /// Cancels a call. Returns whether the call was in flight.
    pub(super) fn cancel(&mut self, id: u32, why: Status) -> bool {
        self.in_flight.cancel(id, why, &self.shared)
    }

    /// Polls the calls that were woken, gives credit for requests that were read, and ends the calls that have expired.
    pub(super) fn poll<W: ReplyWriter>(&mut self, cx: &mut task::Context<'_>, now: Instant, replies: &mut W) {
        self.in_flight.poll(cx, now, &mut self.meter, &self.shared, replies);
    }
}

impl Drop for Calls {
    /// Cancels the calls in flight: the connection is closed or lost, and nobody waits for them.
    fn drop(&mut self) {
        self.in_flight.cancel_all(&Status::unavailable("the connection to the caller was lost"), &self.shared);
    }
}

/// Marks the status of a call whose handler does not run.
pub(super) fn refused<T>(status: Status) -> Result<T, Status> {
    Err(status.with_phase(Phase::Queue).with_ran(Ran::No))
}
