//! The memory that a server holds for its callers, counted for the server, each connection and each call. Says when a
//! connection is not to be read from. Reads nothing itself, and knows no frames.
//!
//! A connection is paused when it holds more than its share, or at least as much as the server has left. So the largest
//! holders are paused first, and each of N connections that take all they can gets 1/(N+1) of the budget: the dynamic
//! threshold of Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998.

use std::collections::HashMap;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::context::Context;
use crate::limits::Limits;
use crate::net;
use crate::net::timer::Timer;
use crate::status::{Phase, Ran, Status};

/// What a parked call takes beside its message and its metadata: its future, its context, its places in the tables.
const CALL_BYTES: usize = 1 << 10;
/// A longer frame asks for its memory before it is read.
const FRAME_BYTES_MIN: usize = 64 << 10;
/// What a frame reserves at most before it is read. It takes the rest as that comes, so that a caller cannot take memory
/// by a header alone.
const RESERVED_BYTES_MAX: usize = 1 << 20;
/// A message below this may be a slice of the buffer that its loop reads into, and is copied where it is kept.
const SLICE_BYTES_MAX: usize = 64 << 10;
/// A paused connection that holds less counts as if it held this, so that the first free byte does not resume them all.
const RESUME_BYTES_MIN: usize = 64 << 10;

/// A server that held so much, and holds less than a quarter of that now, has its allocator give memory back to the system
/// after a moment: what is released in that moment goes with it, and one peak is one such call.
const GIVE_BACK_BYTES_MIN: usize = 64 << 20;
const GIVE_BACK_DELAY: Duration = Duration::from_secs(1);

/// The memory of a server.
pub(crate) struct MemoryBudget {
    bytes_max: usize,
    connection_bytes_max: usize,
    pause_max: Duration,
    held: AtomicUsize,
    peak: AtomicUsize,
    /// The most since memory was last given back to the system.
    recent_peak: AtomicUsize,
    pauses: AtomicU64,
    /// Some paused connection may resume once the server holds less than this; 0 where none is paused.
    resumes_below: AtomicUsize,
    /// The connections that are paused, by the address of their account.
    paused: Mutex<HashMap<usize, Paused>>,
}

struct Paused {
    account: Arc<Account>,
    waker: Waker,
}

impl MemoryBudget {
    /// The budget under `limits`, in which nothing is left to derive.
    pub(crate) fn new(limits: &Limits) -> Arc<MemoryBudget> {
        Arc::new(MemoryBudget {
            bytes_max: limits.memory_bytes_max.unwrap_or(usize::MAX),
            connection_bytes_max: limits.connection_memory_bytes_max.unwrap_or(usize::MAX),
            pause_max: limits.memory_pause_max,
            held: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            recent_peak: AtomicUsize::new(0),
            pauses: AtomicU64::new(0),
            resumes_below: AtomicUsize::new(0),
            paused: Mutex::default(),
        })
    }

    /// Bytes held now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// The most bytes that were held at a time.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// How often a connection was paused.
    pub(crate) fn pauses(&self) -> u64 {
        self.pauses.load(Ordering::Relaxed)
    }

    /// Whether `held` bytes are so few, after a peak, that memory goes back to the system. True once a peak.
    fn is_past_a_peak(&self, held: usize) -> bool {
        let peak = self.recent_peak.load(Ordering::Relaxed);
        let is_past = |peak| peak >= GIVE_BACK_BYTES_MIN && held < peak / 4;
        is_past(peak) && is_past(self.recent_peak.swap(held, Ordering::Relaxed))
    }

    fn free(&self) -> usize {
        self.bytes_max.saturating_sub(self.held.load(Ordering::SeqCst))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Paused>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the paused connections that may resume, and notes when the next one may.
    #[cold]
    fn wake_paused(&self) {
        let mut resumed = Vec::new();
        let mut paused = self.lock();
        loop {
            resumed.extend(paused.extract_if(|_, paused| paused.account.may_resume()).map(|(_, paused)| paused));
            let next = || paused.values().map(|paused| paused.account.resumes_below()).max().unwrap_or(0);
            let noted = next();
            self.resumes_below.store(noted, Ordering::SeqCst);
            // What was released up to here may have looked at what was noted before.
            if next() == noted && (noted == 0 || self.held.load(Ordering::SeqCst) >= noted) {
                break;
            }
        }
        drop(paused);
        for Paused { account, waker } in resumed {
            account.is_paused.store(false, Ordering::SeqCst);
            waker.wake();
        }
    }
}

#[cold]
fn give_back_soon() {
    net::background().spawn(async {
        tokio::time::sleep(GIVE_BACK_DELAY).await;
        tokio::task::spawn_blocking(net::give_back_memory).await
    });
}

/// What one connection and its calls hold. Any thread may charge it, and release.
pub(super) struct Account {
    budget: Arc<MemoryBudget>,
    held: AtomicUsize,
    /// It stands in `paused` of the budget.
    is_paused: AtomicBool,
    /// Bytes that the frame needs with which it is paused; 0 where it is paused without one.
    wanted: AtomicUsize,
    /// It was paused for `memory_pause_max`: it is read from, and new calls are refused.
    is_shedding: AtomicBool,
}

impl Account {
    fn new(budget: &Arc<MemoryBudget>) -> Arc<Account> {
        Arc::new(Account {
            budget: budget.clone(),
            held: AtomicUsize::new(0),
            is_paused: AtomicBool::new(false),
            wanted: AtomicUsize::new(0),
            is_shedding: AtomicBool::new(false),
        })
    }

    /// Counts a call that has not ended at its first poll, up to the drop of what is returned.
    #[inline(never)]
    pub(super) fn charge_call(self: &Arc<Self>, message_bytes: usize, context: &Context) -> Charge {
        let bytes = CALL_BYTES + message_bytes + context.metadata().memory_bytes();
        self.add(bytes);
        Charge(Some(Box::new(Charged { account: self.clone(), bytes, unsent: 0 })))
    }

    /// Counts nothing yet: what [`Charge::set_unsent`] says later.
    pub(super) fn charge_nothing(self: &Arc<Self>) -> Charge {
        Charge(Some(Box::new(Charged { account: self.clone(), bytes: 0, unsent: 0 })))
    }

    /// Whether nothing more is to be read from the connection.
    #[inline]
    pub(super) fn is_beyond(&self) -> bool {
        let held = self.held.load(Ordering::SeqCst);
        held > self.budget.connection_bytes_max || held >= self.budget.free()
    }

    /// Whether new calls are refused.
    pub(super) fn is_shedding(&self) -> bool {
        self.is_shedding.load(Ordering::Relaxed)
    }

    /// What a call is refused with meanwhile, so that its caller makes it elsewhere. Names the limit and what is held.
    #[cold]
    pub(super) fn refusal(&self) -> Status {
        let MemoryBudget { connection_bytes_max, bytes_max, .. } = *self.budget;
        let (held, of_all) = (self.held.load(Ordering::Relaxed), self.budget.held());
        let message = if held > connection_bytes_max / 4 * 3 {
            format!("the connection holds {held} bytes: connection_memory_bytes_max {connection_bytes_max}")
        } else {
            format!("the server holds {of_all} bytes: memory_bytes_max {bytes_max}")
        };
        let status = Status::resource_exhausted(message).with_retry_after(self.budget.pause_max);
        status.with_phase(Phase::Queue).with_ran(Ran::No)
    }

    /// The most that one connection may hold.
    pub(super) fn connection_bytes_max(&self) -> usize {
        self.budget.connection_bytes_max
    }

    fn add(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::SeqCst);
        let of_all = self.budget.held.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if of_all > self.budget.recent_peak.load(Ordering::Relaxed) {
            self.budget.recent_peak.fetch_max(of_all, Ordering::Relaxed);
            self.budget.peak.fetch_max(of_all, Ordering::Relaxed);
        }
    }

    /// Gives back without waking who may resume. How much of the server's is left.
    fn subtract(&self, bytes: usize) -> usize {
        self.held.fetch_sub(bytes, Ordering::SeqCst);
        self.budget.held.fetch_sub(bytes, Ordering::SeqCst) - bytes
    }

    fn release(&self, bytes: usize) {
        let of_all = self.subtract(bytes);
        if self.budget.is_past_a_peak(of_all) {
            give_back_soon();
        }
        let others_resume = of_all < self.budget.resumes_below.load(Ordering::SeqCst);
        if others_resume || (self.is_paused.load(Ordering::SeqCst) && self.resumes_earlier()) {
            self.budget.wake_paused();
        }
    }

    /// It is paused and holds less: whether it may resume now. If not, it may resume earlier than was noted.
    fn resumes_earlier(&self) -> bool {
        self.budget.resumes_below.fetch_max(self.resumes_below(), Ordering::SeqCst);
        self.may_resume()
    }

    /// Whether a paused connection may be read from again: with a quarter to spare, so that it does not pause at once, or
    /// with room for the frame that it waits with.
    fn may_resume(&self) -> bool {
        self.budget.held.load(Ordering::SeqCst) < self.resumes_below()
    }

    /// The server has to hold less than this for it to resume; 0 where it holds too much of its own.
    fn resumes_below(&self) -> usize {
        let MemoryBudget { bytes_max, connection_bytes_max: share, .. } = *self.budget;
        let (held, wanted) = (self.held.load(Ordering::SeqCst), self.wanted.load(Ordering::Relaxed));
        if held > if wanted > 0 { share.saturating_sub(wanted) } else { share / 4 * 3 } {
            return 0;
        }
        let counted = held.max(RESUME_BYTES_MIN.min(bytes_max / 4));
        bytes_max.saturating_sub((counted / 3).saturating_mul(4).max(held + 2 * wanted))
    }
}

/// What a call holds of its connection's memory. Dropping it gives that back, on any thread. In a box, as it travels with
/// every call, and most hold nothing.
#[derive(Default)]
pub(super) struct Charge(Option<Box<Charged>>);

struct Charged {
    account: Arc<Account>,
    bytes: usize,
    /// Of these: the message of a reply stream that waits for the windows.
    unsent: usize,
}

impl Charge {
    /// The call holds so many bytes of its reply stream, which the caller has no room for.
    pub(super) fn set_unsent(&mut self, bytes: usize) {
        let Some(charged) = self.0.as_deref_mut().filter(|charged| charged.unsent != bytes) else { return };
        let before = mem::replace(&mut charged.unsent, bytes);
        charged.bytes = charged.bytes - before + bytes;
        charged.account.add(bytes);
        charged.account.release(before);
    }
}

impl Drop for Charged {
    #[cold]
    fn drop(&mut self) {
        self.account.release(self.bytes);
    }
}

/// A connection's part of the budget, on its loop: what its buffers hold, and whether it is read from.
pub(super) struct ConnectionMemory {
    account: Arc<Account>,
    state: State,
    /// What is charged for the buffers.
    buffers: usize,
    /// Nothing is, for this turn: what is in them goes over to calls.
    lent: bool,
    /// Of an incomplete frame: what is there of it, what is reserved for it, and what it has to wait for.
    incomplete: usize,
    reserved: usize,
    wanted: usize,
    timer: Timer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// Not read from, since then.
    Paused(Instant),
    /// Read from again, though it holds too much; new calls are refused.
    Shedding,
}

impl ConnectionMemory {
    /// Of a connection that holds nothing.
    pub(super) fn new(budget: &Arc<MemoryBudget>) -> ConnectionMemory {
        ConnectionMemory {
            account: Account::new(budget),
            state: State::Reading,
            buffers: 0,
            lent: false,
            incomplete: 0,
            reserved: 0,
            wanted: 0,
            timer: Timer::default(),
        }
    }

    /// What its calls are charged to.
    pub(super) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Whether the connection is not read from.
    pub(super) fn is_paused(&self) -> bool {
        matches!(self.state, State::Paused(_))
    }

    /// Whether the connection may be read from, without a look at what is rare.
    #[inline]
    pub(super) fn may_read(&self) -> bool {
        self.state == State::Reading && self.wanted == 0 && !self.account.is_beyond()
    }

    /// Whether it may be read from after all; if not, it is woken when it may. Where it was paused up to now, how long.
    #[cold]
    pub(super) fn poll_resume(&mut self, cx: &mut task::Context<'_>, now: Instant) -> (bool, Duration) {
        if self.state == State::Reading {
            // Its room is reserved: what is read brings it to its end.
            if self.reserved > self.incomplete {
                return (true, Duration::ZERO);
            }
            self.account.budget.pauses.fetch_add(1, Ordering::Relaxed);
            self.state = State::Paused(now);
        }
        let since = if let State::Paused(since) = self.state { since } else { now };
        if self.is_paused() {
            // Before the look, so that no release in between is missed.
            self.register(cx);
        }
        if self.account.may_resume() {
            self.change(State::Reading);
            return (true, now.saturating_duration_since(since));
        }
        if self.state == State::Shedding {
            return (true, Duration::ZERO);
        }
        let pause_max = self.account.budget.pause_max;
        let Some(until) = since.checked_add(pause_max) else { return (false, Duration::ZERO) };
        if until > now && Pin::new(&mut self.timer).poll(cx, until).is_pending() {
            return (false, Duration::ZERO);
        }
        self.change(State::Shedding);
        (true, pause_max)
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.wanted = 0;
        self.account.wanted.store(0, Ordering::Relaxed);
        self.account.is_shedding.store(state == State::Shedding, Ordering::Relaxed);
        self.deregister();
    }

    fn key(&self) -> usize {
        Arc::as_ptr(&self.account).addr()
    }

    fn register(&self, cx: &task::Context<'_>) {
        let account = &self.account;
        let mut paused = account.budget.lock();
        paused.insert(self.key(), Paused { account: account.clone(), waker: cx.waker().clone() });
        account.wanted.store(self.wanted, Ordering::Relaxed);
        account.is_paused.store(true, Ordering::SeqCst);
        account.budget.resumes_below.fetch_max(account.resumes_below(), Ordering::SeqCst);
    }

    fn deregister(&self) {
        if self.account.is_paused.swap(false, Ordering::SeqCst) {
            self.account.budget.lock().remove(&self.key());
        }
    }

    /// A frame is incomplete after a read: `length` bytes of it are there and `missing` are not; 0 and 0 where none is.
    /// `is_new` where a frame before it has ended. Whether it may be read on; if not, the connection is paused until there is room for it.
    #[inline]
    pub(super) fn admits(&mut self, is_new: bool, length: usize, missing: usize) -> bool {
        self.incomplete = length;
        if missing == 0 || !needs_reservation(length, missing) {
            self.reserved = 0;
            return true;
        }
        (self.reserved > 0 && !is_new) || self.reserve(length, missing)
    }

    fn reserve(&mut self, length: usize, missing: usize) -> bool {
        let (account, budget) = (&self.account, &self.account.budget);
        let share = budget.connection_bytes_max;
        let reserved = (length + missing).min(RESERVED_BYTES_MAX).min(share);
        let others = account.held.load(Ordering::SeqCst) - self.buffers;
        // Beside what it then holds, as much is left: frames of many connections do not take the room of small callers.
        if others + reserved <= share && others + 2 * reserved <= budget.free() + self.buffers {
            self.reserved = reserved;
            return true;
        }
        self.reserved = 0;
        self.wanted = reserved.saturating_sub(length).max(1);
        false
    }

    /// What the connection itself holds at the end of a turn: input that is incomplete or not read, output that is not
    /// sent.
    #[inline]
    pub(super) fn set_buffers(&mut self, bytes: usize) {
        let bytes = bytes + self.reserved.saturating_sub(self.incomplete);
        if bytes != self.buffers || self.lent {
            self.recount(bytes);
        }
    }

    /// Counts nothing for large buffers up to the end of the turn, so that a message is not counted with its buffer and with
    /// its call.
    #[inline]
    pub(super) fn lend_buffers(&mut self) {
        if self.buffers > FRAME_BYTES_MIN {
            self.account.subtract(mem::take(&mut self.buffers));
            self.lent = true;
        }
    }

    fn recount(&mut self, bytes: usize) {
        let before = mem::replace(&mut self.buffers, bytes);
        if bytes > before {
            self.account.add(bytes - before);
        } else {
            self.account.release(before - bytes);
        }
        if mem::take(&mut self.lent) {
            self.account.release(0);
        }
    }
}

impl Drop for ConnectionMemory {
    fn drop(&mut self) {
        self.deregister();
        self.recount(0);
    }
}

/// Whether an incomplete frame, of which `length` bytes are there and `missing` are not, asks for its memory first.
pub(super) fn needs_reservation(length: usize, missing: usize) -> bool {
    length + missing > FRAME_BYTES_MIN
}

/// A message that is kept, in a buffer of its own: a short slice would keep all of the read buffer alive.
#[inline(never)]
pub(super) fn compact(message: Bytes) -> Bytes {
    if message.len() < SLICE_BYTES_MAX { Bytes::copy_from_slice(&message) } else { message }
}

/// Which methods have calls that wait, on one connection: the messages of these are compacted before the handler gets them,
/// as they cannot be moved afterwards. Those of methods that are ready at once are spared the copy.
#[derive(Default)]
pub(super) struct WaitingMethods(Vec<u8>);

/// Calls of a method whose messages are compacted after one of them has waited. Counted down by those that do not, so that a
/// method of which one call in 17 waits keeps 16 of 17 calls free of the copy at worst.
const COMPACTED_CALLS: u8 = 16;

impl WaitingMethods {
    /// The next method was given its number. Its first calls are taken to wait.
    pub(super) fn add(&mut self) {
        self.0.push(COMPACTED_CALLS);
    }

    /// Whether a call of this method is to be compacted.
    #[inline]
    pub(super) fn may_wait(&mut self, number: u16) -> bool {
        match self.0.get_mut(usize::from(number)) {
            Some(0) | None => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// A call of this method waits.
    pub(super) fn waits(&mut self, number: u16) {
        if let Some(left) = self.0.get_mut(usize::from(number)) {
            *left = COMPACTED_CALLS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_back_to_the_system_once_for_each_large_peak() {
        let budget = MemoryBudget::new(&Limits::default());
        let account = Account::new(&budget);
        account.add(GIVE_BACK_BYTES_MIN - 1);
        assert!(!budget.is_past_a_peak(account.subtract(GIVE_BACK_BYTES_MIN - 1)), "a small peak");
        account.add(GIVE_BACK_BYTES_MIN);
        assert!(!budget.is_past_a_peak(account.subtract(GIVE_BACK_BYTES_MIN / 2)), "half of the peak is held");
        assert!(budget.is_past_a_peak(account.subtract(GIVE_BACK_BYTES_MIN / 2)));
        assert!(!budget.is_past_a_peak(0), "the memory of that peak went back already");
        assert_eq!(budget.peak(), GIVE_BACK_BYTES_MIN);
    }
}
