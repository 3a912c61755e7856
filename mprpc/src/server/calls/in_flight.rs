//! The in-flight calls of a connection at the server. Polls the calls that were woken, keeps replies within the caller's
//! windows, cancels calls, and expires calls at their deadlines. Knows no frames; a [`ReplyWriter`] encodes the steps of the
//! calls.

use std::collections::{BTreeSet, VecDeque};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Wake, Waker};
use std::time::Instant;

use bytes::Bytes;

use super::reply_writer::{CallTimes, ReplyWriter, Room};
use crate::id_map::IdMap;
use crate::inbox::{Inbox, Source};
use crate::net::clock;
use crate::net::timer::Timer;
use crate::protocol::Message;
use crate::protocol::flow::{Flow, Windows};
use crate::server::call::Step;
use crate::server::placement::PollMeter;
use crate::server::served_call::ServedCall;
use crate::server::shared::Shared;
use crate::status::Status;

/// Messages that one stream may send before other calls are polled.
const MESSAGES_PER_POLL: usize = 32;

/// Above this capacity, the table of calls shrinks after a peak.
const KEPT_PLACES: usize = 1024;

/// The calls whose end has not been sent.
pub(super) struct InFlight {
    calls: IdMap<Call>,
    ready_queue: Arc<ReadyQueue>,
    /// The connection's waker, as stored in `ready_queue`.
    connection: Option<Waker>,
    /// The waker of the next call. A call keeps the waker only if the call does not end at its first poll.
    next: CallWaker,
    /// The deadlines of all calls that have one.
    deadlines: BTreeSet<(Instant, u32)>,
    timer: Timer,
    /// Flow control: reply messages that the caller has not read, and request messages that the handlers have not read.
    sent: Flow,
    received: Flow,
    /// Streams that wait for room in the connection's window, while their own window has room.
    stalled: VecDeque<u32>,
}

struct Call {
    served: ServedCall,
    begun: Instant,
    expires_at: Option<Instant>,
    waker: CallWaker,
    /// Outstanding bytes: of replies sent, and of requests received.
    sent: u64,
    received: u64,
    /// The next message of the reply stream, if the windows have no room for it.
    held: Option<Message>,
    requests: Option<Arc<Inbox>>,
    requests_ended: bool,
    /// Whether the call is in `InFlight::stalled`.
    is_stalled: bool,
}

/// The calls that are ready to be polled, and the requests that were read. Any thread may add to this queue.
#[derive(Default)]
pub(super) struct ReadyQueue {
    state: Mutex<State>,
    /// Whether the queue has an entry.
    is_any: AtomicBool,
}

#[derive(Default)]
struct State {
    calls: Vec<u32>,
    read: Vec<Read>,
    connection: Option<Waker>,
}

/// Requests that were read: the call, its inbox, and the number of bytes.
type Read = (u32, Arc<Inbox>, u64);

impl InFlight {
    pub(super) fn new() -> InFlight {
        let ready_queue = Arc::default();
        InFlight {
            calls: IdMap::default(),
            next: CallWaker::new(&ready_queue),
            ready_queue,
            connection: None,
            deadlines: BTreeSet::new(),
            timer: Timer::default(),
            sent: Flow::default(),
            received: Flow::default(),
            stalled: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Bytes of request streams that have arrived and that no handler has read.
    #[inline]
    pub(super) fn unread_bytes(&self) -> usize {
        self.received.outstanding() as usize
    }

    #[inline]
    pub(super) fn contains(&self, id: u32) -> bool {
        self.calls.contains_key(&id)
    }

    /// Creates the source through which the reader of a request stream reports what it has read.
    pub(super) fn source(&self, id: u32, message_bytes_max: usize) -> RequestSource {
        RequestSource { id, ready_queue: self.ready_queue.clone(), message_bytes_max }
    }

    /// Returns the waker for the first poll of the call with this id.
    pub(super) fn waker(&mut self, id: u32) -> &Waker {
        if self.next.is_kept() {
            self.next = CallWaker::new(&self.ready_queue);
        }
        self.next.begin(id);
        &self.next.waker
    }

    /// Adds a call that has not ended at its first poll. `polled` is the result of that poll, which used
    /// [`InFlight::waker`]. A call that was not polled, or that has begun a stream, is polled again in this turn.
    pub(super) fn insert<W: ReplyWriter>(
        &mut self,
        id: u32,
        begun: Instant,
        served: ServedCall,
        requests: Option<Arc<Inbox>>,
        polled: Poll<Step>,
        replies: &mut W,
    ) {
        let opened = match &polled {
            Poll::Ready(Step::Opened) => replies.open(id, served.context()),
            _ => Ok(()),
        };
        if requests.is_some() {
            self.waker(id);
        }
        let waker = mem::replace(&mut self.next, CallWaker::new(&self.ready_queue));
        if requests.is_some() || polled.is_ready() {
            waker.waker.wake_by_ref();
        }
        let expires_at = served.context().deadline().instant();
        self.deadlines.extend(expires_at.map(|at| (at, id)));
        let call = Call {
            served,
            begun,
            expires_at,
            waker,
            sent: 0,
            received: 0,
            held: None,
            requests,
            requests_ended: false,
            is_stalled: false,
        };
        self.calls.insert(id, call);
        if let Err(status) = opened {
            self.end(id, begun, Step::Failed(status), replies);
        }
    }

    /// Takes a message of a request stream, or its end. Returns the bytes of a message that no reader wants, for an
    /// immediate credit. The error says how the caller broke the protocol.
    pub(super) fn request(
        &mut self,
        id: u32,
        message: Option<Message>,
        end: bool,
        windows: Windows,
    ) -> Result<u64, String> {
        let Some(call) = self.calls.get_mut(&id) else { return Ok(0) };
        let Some(requests) = call.requests.as_ref().filter(|_| !call.requests_ended) else {
            return Err(format!("a message for call {id}, whose requests have ended"));
        };
        let mut unwanted = 0;
        let mut wakers = [None, None];
        if let Some(message) = message {
            let cost = message.cost();
            self.received.check(call.received, cost, windows)?;
            let (wanted, waker) = requests.push(message);
            wakers[0] = waker;
            if wanted {
                self.received.sent(&mut call.received, cost);
            } else {
                unwanted = cost;
            }
        }
        if end {
            wakers[1] = requests.end(Ok(()));
            call.requests_ended = true;
        }
        wakers.into_iter().flatten().for_each(Waker::wake);
        Ok(unwanted)
    }

    /// Takes the caller's credit: the caller has read so many bytes of a reply stream.
    pub(super) fn credit(&mut self, id: u32, bytes: u64) {
        if let Some(call) = self.calls.get_mut(&id) {
            self.sent.credited(&mut call.sent, bytes);
            if call.held.is_some() {
                call.waker.waker.wake_by_ref();
            }
        }
    }

    /// Cancels a call that the caller gave up. Returns whether the call was in flight.
    pub(super) fn cancel(&mut self, id: u32, why: Status, shared: &Shared) -> bool {
        let Some(call) = self.remove(id) else { return false };
        call.end_requests(why);
        call.served.cancel(shared);
        true
    }

    /// The ids of all calls.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.calls.keys().copied().collect()
    }

    /// Cancels all calls, as the connection is lost.
    pub(super) fn cancel_all(&mut self, why: &Status, shared: &Shared) {
        for id in self.ids() {
            self.cancel(id, why.clone(), shared);
            shared.counters.given_up();
        }
    }

    fn remove(&mut self, id: u32) -> Option<Call> {
        let mut call = self.calls.remove(&id)?;
        if let Some(at) = call.expires_at {
            self.deadlines.remove(&(at, id));
        }
        self.sent.ended(&mut call.sent);
        self.received.ended(&mut call.received);
        if self.calls.capacity() > KEPT_PLACES && self.calls.len() < self.calls.capacity() / 8 {
            // After a peak the table gives its memory back.
            self.calls.shrink_to(self.calls.len() * 2);
        }
        Some(call)
    }

    /// Polls the calls that were woken, gives credit for requests that were read, and ends the calls that have expired.
    pub(super) fn poll<W: ReplyWriter>(
        &mut self,
        cx: &mut task::Context<'_>,
        now: Instant,
        meter: &mut PollMeter,
        shared: &Shared,
        replies: &mut W,
    ) {
        let (calls, read) = self.take_ready(cx.waker());
        let polls = calls.len() as u32;
        let mut calls = calls.into_iter();
        while let Some(id) = calls.next() {
            if replies.is_full() {
                self.ready_queue.add(|state| state.calls.extend(std::iter::once(id).chain(calls)));
                break;
            }
            self.poll_call(id, now, meter, replies);
        }
        if polls > 0 {
            meter.turn_ended(now, polls, clock::now());
        }
        for (id, inbox, bytes) in read {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            // The id may belong to a later call by now.
            if call.requests.as_ref().is_some_and(|requests| Arc::ptr_eq(requests, &inbox)) {
                self.received.credited(&mut call.received, bytes);
                replies.credit(id, bytes);
            }
        }
        self.wake_stalled(replies);
        self.expire(cx, now, shared, replies);
    }

    /// Takes what became ready. Takes no lock if nothing did.
    fn take_ready(&mut self, connection: &Waker) -> (Vec<u32>, Vec<Read>) {
        let is_known = self.connection.as_ref().is_some_and(|known| known.will_wake(connection));
        if is_known && !self.ready_queue.is_any.load(Ordering::Acquire) {
            return Default::default();
        }
        if !is_known {
            self.connection = Some(connection.clone());
        }
        self.ready_queue.take(connection)
    }

    fn poll_call<W: ReplyWriter>(&mut self, id: u32, now: Instant, meter: &mut PollMeter, replies: &mut W) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.waker.wakes.queued.store(false, Ordering::Release);
        let mut cx = task::Context::from_waker(&call.waker.waker);
        for _ in 0..MESSAGES_PER_POLL {
            if call.held.is_none() {
                match call.served.poll(&mut cx, meter) {
                    Poll::Pending => return self.note_deadline(id),
                    Poll::Ready(Step::Opened) => {
                        if let Err(status) = replies.open(id, call.served.context()) {
                            return self.end(id, now, Step::Failed(status), replies);
                        }
                    }
                    Poll::Ready(Step::Message(message)) => match replies.encode(id, message) {
                        Ok(message) => call.held = Some(message),
                        Err(status) => return self.end(id, now, Step::Failed(status), replies),
                    },
                    Poll::Ready(step) => return self.end(id, now, step, replies),
                }
            }
            let Some(held) = call.held.take() else { continue };
            let cost = held.cost();
            if replies.room(id, &self.sent, call.sent, cost) != Room::Free {
                call.held = Some(held);
                call.served.set_unsent(cost as usize);
                // A call is queued once, no matter how often it is polled while stalled.
                if !std::mem::replace(&mut call.is_stalled, true) {
                    self.stalled.push_back(id);
                }
                return self.note_deadline(id);
            }
            self.sent.sent(&mut call.sent, cost);
            call.served.set_unsent(0);
            replies.message(id, held);
            if replies.is_full() {
                break;
            }
        }
        call.waker.waker.wake_by_ref();
        self.note_deadline(id);
    }

    fn end<W: ReplyWriter>(&mut self, id: u32, now: Instant, step: Step, replies: &mut W) {
        let Some(call) = self.remove(id) else { return };
        let spent = now.saturating_duration_since(call.begun);
        replies.end(id, CallTimes { spent, queued: call.served.queued() }, call.served.context(), step);
        call.end_requests(Status::cancelled("the call has ended"));
    }

    /// Updates the expiry of the call, as the handler may have brought its deadline forward.
    fn note_deadline(&mut self, id: u32) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let at = call.served.context().deadline().instant();
        if at == call.expires_at {
            return;
        }
        if let Some(before) = mem::replace(&mut call.expires_at, at) {
            self.deadlines.remove(&(before, id));
        }
        self.deadlines.extend(at.map(|at| (at, id)));
    }

    /// Wakes stalled streams, first come, first served, while the connection's window has room.
    fn wake_stalled<W: ReplyWriter>(&mut self, replies: &W) {
        while let Some(id) = self.stalled.front() {
            if let Some(call) = self.calls.get_mut(id) {
                let cost = call.held.as_ref().map_or(0, Message::cost);
                match replies.room(*id, &self.sent, call.sent, cost) {
                    Room::Free => call.waker.waker.wake_by_ref(),
                    Room::ConnectionIsFull => return,
                    Room::StreamIsFull => {}
                }
                // A call that waits for its own window is woken by the credit for that window.
                call.is_stalled = false;
            }
            self.stalled.pop_front();
        }
    }

    fn expire<W: ReplyWriter>(
        &mut self,
        cx: &mut task::Context<'_>,
        mut now: Instant,
        shared: &Shared,
        replies: &mut W,
    ) {
        while let Some((at, id)) = self.deadlines.first().copied() {
            if at > now {
                if Pin::new(&mut self.timer).poll(cx, at).is_pending() {
                    return;
                }
                now = at;
            }
            let Some(call) = self.remove(id) else { continue };
            let status = call.served.expired();
            let spent = now.saturating_duration_since(call.begun);
            let served = CallTimes { spent, queued: call.served.queued() };
            replies.end(id, served, call.served.context(), Step::Failed(status.clone()));
            call.end_requests(status);
            call.served.cancel(shared);
        }
    }
}

impl Call {
    /// Ends the request stream with `why`, which its reader gets as an error.
    fn end_requests(&self, why: Status) {
        if let Some(waker) = self.requests.as_ref().and_then(|requests| requests.end(Err(why))) {
            waker.wake();
        }
    }
}

impl ReadyQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the entries since the last call. Later entries wake `connection`.
    fn take(&self, connection: &Waker) -> (Vec<u32>, Vec<Read>) {
        let mut state = self.lock();
        self.is_any.store(false, Ordering::Relaxed);
        match &mut state.connection {
            Some(waker) => waker.clone_from(connection),
            none => *none = Some(connection.clone()),
        }
        (mem::take(&mut state.calls), mem::take(&mut state.read))
    }

    /// Adds an entry for the next turn. If no turn is due anyway, the caller must wake the returned waker.
    fn add(&self, add: impl FnOnce(&mut State)) -> Option<Waker> {
        let mut state = self.lock();
        add(&mut state);
        self.is_any.store(true, Ordering::Release);
        state.connection.clone()
    }

    fn notify(&self, add: impl FnOnce(&mut State)) {
        if let Some(connection) = self.add(add) {
            connection.wake();
        }
    }
}

/// The waker of one call. As long as no call has kept a clone, the waker serves one call after another.
struct CallWaker {
    wakes: Arc<WakesCall>,
    /// A waker made of `wakes`.
    waker: Waker,
}

struct WakesCall {
    id: AtomicU32,
    queued: AtomicBool,
    ready_queue: Arc<ReadyQueue>,
}

impl CallWaker {
    fn new(ready_queue: &Arc<ReadyQueue>) -> CallWaker {
        let wakes =
            WakesCall { id: AtomicU32::new(0), queued: AtomicBool::new(false), ready_queue: ready_queue.clone() };
        let wakes = Arc::new(wakes);
        CallWaker { waker: Waker::from(wakes.clone()), wakes }
    }

    /// Whether somebody has kept a clone. The clone must wake only the call for which it was made.
    fn is_kept(&self) -> bool {
        let is_kept = Arc::strong_count(&self.wakes) > 2;
        // The fence orders this thread after all that the dropped clones did.
        fence(Ordering::Acquire);
        is_kept
    }

    /// Assigns the waker to this call.
    fn begin(&self, id: u32) {
        self.wakes.id.store(id, Ordering::Relaxed);
        self.wakes.queued.store(false, Ordering::Relaxed);
    }
}

impl Wake for WakesCall {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            let id = self.id.load(Ordering::Relaxed);
            self.ready_queue.notify(|state| state.calls.push(id));
        }
    }
}

/// The source through which the reader of a request stream reports what it has read.
pub(super) struct RequestSource {
    id: u32,
    ready_queue: Arc<ReadyQueue>,
    message_bytes_max: usize,
}

impl Source for RequestSource {
    fn credit(&self, inbox: &Arc<Inbox>, bytes: u64) {
        self.ready_queue.notify(|state| state.read.push((self.id, inbox.clone(), bytes)));
    }

    fn abandon(&self, inbox: &Arc<Inbox>, bytes: u64) {
        self.credit(inbox, bytes);
    }

    fn decode(&self, message: Message) -> Result<Bytes, Status> {
        message.decode(self.message_bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready_queue(calls: &mut InFlight) -> Vec<u32> {
        calls.take_ready(Waker::noop()).0
    }

    #[test]
    fn waker_kept_by_a_handler_wakes_no_later_call() {
        let mut calls = InFlight::new();
        let kept = calls.waker(1).clone();
        calls.waker(2).wake_by_ref();
        assert_eq!(ready_queue(&mut calls), [2]);
        kept.wake_by_ref();
        assert_eq!(ready_queue(&mut calls), [1]);
    }

    #[test]
    fn waker_that_nobody_keeps_serves_the_next_call() {
        let mut calls = InFlight::new();
        calls.waker(1).wake_by_ref();
        let first = calls.waker(1).data();
        assert_eq!(calls.waker(2).data(), first);
        calls.waker(2).wake_by_ref();
        assert_eq!(ready_queue(&mut calls), [1, 2]);
        assert!(ready_queue(&mut calls).is_empty());
    }
}
