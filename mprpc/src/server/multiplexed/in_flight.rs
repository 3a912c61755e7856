//! The calls of a native connection at the server whose end has not been said: polled when woken, held to the caller's
//! windows, cancelled, expired. Knows no frames; what they come to goes to [`Replies`].

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Wake, Waker};
use std::time::Instant;

use bytes::Bytes;

use super::replies::{CallTimes, Replies};
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

/// Messages that one stream sends before others get their turn.
const MESSAGES_PER_POLL: usize = 32;

/// Places for calls that are kept when they are free.
const KEPT_PLACES: usize = 1024;

/// The calls whose end has not been said.
pub(super) struct InFlight {
    calls: HashMap<u32, Call, IdHasher>,
    ready_queue: Arc<ReadyQueue>,
    /// The connection's, as `woken` has it.
    connection: Option<Waker>,
    /// That of the next call, which takes it along only if it does not end at once.
    next: CallWaker,
    /// Of all calls that have a deadline.
    deadlines: BTreeSet<(Instant, u32)>,
    timer: Timer,
    /// Replies on their way, and requests that have not been read.
    sent: Flow,
    received: Flow,
    /// Streams that wait for room in the window of the connection, not in their own.
    stalled: VecDeque<u32>,
}

struct Call {
    served: ServedCall,
    begun: Instant,
    expires_at: Option<Instant>,
    waker: CallWaker,
    /// Bytes outstanding: of replies sent, and of requests received.
    sent: u64,
    received: u64,
    /// The next message of the reply stream, for which there is no room in the windows yet.
    held: Option<Message>,
    requests: Option<Arc<Inbox>>,
    requests_ended: bool,
    /// It stands in `stalled`.
    is_stalled: bool,
}

/// What became ready, told from any thread.
#[derive(Default)]
pub(super) struct ReadyQueue {
    state: Mutex<State>,
    /// There is something in it.
    is_any: AtomicBool,
}

#[derive(Default)]
struct State {
    calls: Vec<u32>,
    read: Vec<Read>,
    connection: Option<Waker>,
}

/// Requests that were read: of which call, out of which inbox, how many bytes.
type Read = (u32, Arc<Inbox>, u64);

impl InFlight {
    pub(super) fn new() -> InFlight {
        let ready_queue = Arc::default();
        InFlight {
            calls: HashMap::with_hasher(IdHasher(fastrand::u64(..))),
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

    /// Bytes of streams of requests that have come and are not read.
    #[inline]
    pub(super) fn unread_bytes(&self) -> usize {
        self.received.outstanding() as usize
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        self.calls.contains_key(&id)
    }

    /// What a reader of requests tells that it has read.
    pub(super) fn source(&self, id: u32, message_bytes_max: usize) -> RequestSource {
        RequestSource { id, ready_queue: self.ready_queue.clone(), message_bytes_max }
    }

    /// What the call of this id is polled with at first.
    pub(super) fn waker(&mut self, id: u32) -> &Waker {
        if self.next.is_kept() {
            self.next = CallWaker::new(&self.ready_queue);
        }
        self.next.begin(id);
        &self.next.waker
    }

    /// Takes a call that has not ended at once, with what its first poll came to, which was with [`InFlight::waker`]. One
    /// that was not polled, or has begun a stream, is polled again in this turn.
    pub(super) fn insert(
        &mut self,
        id: u32,
        begun: Instant,
        served: ServedCall,
        requests: Option<Arc<Inbox>>,
        polled: Poll<Step>,
        replies: &mut Replies<'_>,
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

    /// A message of a request stream came, or its end. The error is what the caller did against the protocol.
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

    /// The caller has read this much of a reply stream.
    pub(super) fn credit(&mut self, id: u32, bytes: u64) {
        if let Some(call) = self.calls.get_mut(&id) {
            self.sent.credited(&mut call.sent, bytes);
            if call.held.is_some() {
                call.waker.waker.wake_by_ref();
            }
        }
    }

    /// Ends a call that the caller gave up; whether there was one.
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

    /// Ends all calls: the connection is lost.
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
            // After a peak its room goes back.
            self.calls.shrink_to(self.calls.len() * 2);
        }
        Some(call)
    }

    /// Polls what was woken, ends what has expired, gives credit for what was read.
    pub(super) fn poll(
        &mut self,
        cx: &mut task::Context<'_>,
        now: Instant,
        meter: &mut PollMeter,
        replies: &mut Replies<'_>,
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
            // The id may be that of a later call by now.
            if call.requests.as_ref().is_some_and(|requests| Arc::ptr_eq(requests, &inbox)) {
                self.received.credited(&mut call.received, bytes);
                replies.credit(id, bytes);
            }
        }
        self.wake_stalled(replies.windows());
        self.expire(cx, now, replies);
    }

    /// What became ready; without a lock where that is nothing.
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

    fn poll_call(&mut self, id: u32, now: Instant, meter: &mut PollMeter, replies: &mut Replies<'_>) {
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
                    Poll::Ready(Step::Message(message)) => match replies.encode(message) {
                        Ok(message) => call.held = Some(message),
                        Err(status) => return self.end(id, now, Step::Failed(status), replies),
                    },
                    Poll::Ready(step) => return self.end(id, now, step, replies),
                }
            }
            let Some(held) = call.held.take() else { continue };
            let cost = held.cost();
            if !self.sent.admits(call.sent, cost, replies.windows()) {
                call.held = Some(held);
                call.served.set_unsent(cost as usize);
                // Once, however often it is polled meanwhile.
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

    fn end(&mut self, id: u32, now: Instant, step: Step, replies: &mut Replies<'_>) {
        let Some(call) = self.remove(id) else { return };
        let spent = now.saturating_duration_since(call.begun);
        replies.end(id, CallTimes { spent, queued: call.served.queued() }, call.served.context(), step);
        call.end_requests(Status::cancelled("the call has ended"));
    }

    /// The handler may have brought its deadline forward.
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

    /// Room in the window of the connection goes to those who wait for it, first come, first served.
    fn wake_stalled(&mut self, windows: Windows) {
        while let Some(id) = self.stalled.front() {
            if let Some(call) = self.calls.get_mut(id) {
                let cost = call.held.as_ref().map_or(0, Message::cost);
                if self.sent.admits(call.sent, cost, windows) {
                    call.waker.waker.wake_by_ref();
                } else if call.sent + cost <= windows.stream {
                    return;
                }
                // What waits for its own window is woken by its credit.
                call.is_stalled = false;
            }
            self.stalled.pop_front();
        }
    }

    fn expire(&mut self, cx: &mut task::Context<'_>, mut now: Instant, replies: &mut Replies<'_>) {
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
            call.served.cancel(replies.shared);
        }
    }
}

impl Call {
    /// The call is over, and whoever still reads its requests learns why.
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

    /// What became ready since the last time; `connection` is woken for what comes from now on.
    fn take(&self, connection: &Waker) -> (Vec<u32>, Vec<Read>) {
        let mut state = self.lock();
        self.is_any.store(false, Ordering::Relaxed);
        match &mut state.connection {
            Some(waker) => waker.clone_from(connection),
            none => *none = Some(connection.clone()),
        }
        (mem::take(&mut state.calls), mem::take(&mut state.read))
    }

    /// For the next turn, which comes anyway, or is brought by the waker that is returned.
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

/// Wakes one call of a connection, and for as long as no call has kept it, one after the other.
struct CallWaker {
    wakes: Arc<WakesCall>,
    /// Of `wakes`.
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

    /// Whether somebody has a clone of it, and will wake the call for which it was cloned.
    fn is_kept(&self) -> bool {
        let is_kept = Arc::strong_count(&self.wakes) > 2;
        // What those did who had one is done.
        fence(Ordering::Acquire);
        is_kept
    }

    /// From now on it wakes this call.
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

/// Hashes the ids of calls, which the caller chooses: by one multiplication with a number that it does not know.
#[derive(Clone, Copy)]
struct IdHasher(u64);

impl BuildHasher for IdHasher {
    type Hasher = IdHash;

    fn build_hasher(&self) -> IdHash {
        IdHash { factor: self.0 | 1, hash: 0 }
    }
}

struct IdHash {
    factor: u64,
    hash: u64,
}

impl Hasher for IdHash {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, id: u32) {
        let product = u128::from(self.hash ^ u64::from(id).rotate_left(32)) * u128::from(self.factor);
        self.hash = product as u64 ^ (product >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

/// Where the reader of a request stream tells that it has read.
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
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;

    fn ready_queue(calls: &mut InFlight) -> Vec<u32> {
        calls.take_ready(Waker::noop()).0
    }

    #[test]
    fn waker_that_a_handler_keeps_wakes_no_later_call() {
        let mut calls = InFlight::new();
        let kept = calls.waker(1).clone();
        calls.waker(2).wake_by_ref();
        assert_eq!(ready_queue(&mut calls), [2]);
        kept.wake_by_ref();
        assert_eq!(ready_queue(&mut calls), [1]);
    }

    #[test]
    fn waker_that_nobody_keeps_is_handed_on_and_forgets_that_it_was_woken() {
        let mut calls = InFlight::new();
        calls.waker(1).wake_by_ref();
        let first = calls.waker(1).data();
        assert_eq!(calls.waker(2).data(), first);
        calls.waker(2).wake_by_ref();
        assert_eq!(ready_queue(&mut calls), [1, 2]);
        assert!(ready_queue(&mut calls).is_empty());
    }

    #[test]
    fn ids_are_spread_also_where_they_differ_in_their_high_bits_alone() {
        let hasher = IdHasher(0x9e37_79b9_7f4a_7c15);
        for shift in [0, 8, 16, 22] {
            let buckets: HashSet<u64> = (0..1024u32).map(|id| hasher.hash_one(id << shift) % 1024).collect();
            assert!(buckets.len() > 500, "{} of 1,024 buckets at shift {shift}", buckets.len());
        }
    }
}
