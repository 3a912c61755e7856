//! Counts the memory that a server holds for its callers, by server, connection and call, and pauses the reads of
//! connections that hold too much. Reads no socket and knows no frames.
//!
//! A connection is paused when it holds more than its share, or at least as many bytes as the server has left. So the
//! largest holders are paused first, and each of N connections that take all they can gets 1/(N+1) of the budget. This is
//! the dynamic threshold of Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998.

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

/// The assumed size of a parked call beside its message and metadata: its future, its context, its table entries.
pub(super) const CALL_BYTES: usize = 1 << 10;
/// A longer frame reserves its memory before it is read.
const FRAME_BYTES_MIN: usize = 64 << 10;
/// The most bytes that a frame reserves before it is read. The frame takes the rest as the bytes arrive, so that a caller
/// cannot take memory with a header alone.
const RESERVED_BYTES_MAX: usize = 1 << 20;
/// A shorter message may be a slice of its loop's read buffer, and is copied if it is kept.
const SLICE_BYTES_MAX: usize = 64 << 10;
/// The least that a paused connection counts as holding, so that the first free byte does not resume all small connections.
const RESUME_BYTES_MIN: usize = 64 << 10;

/// A server that held at least this, and now holds less than a quarter of its peak, has its allocator give memory back to
/// the system, once for each peak. It waits `GIVE_BACK_DELAY` first, so that memory released meanwhile goes back too.
const GIVE_BACK_BYTES_MIN: usize = 64 << 20;
const GIVE_BACK_DELAY: Duration = Duration::from_secs(1);

/// The memory budget of a server. Any thread may use it.
pub(crate) struct MemoryBudget {
    bytes_max: usize,
    connection_bytes_max: usize,
    pause_max: Duration,
    held: AtomicUsize,
    peak: AtomicUsize,
    /// The most bytes held since memory last went back to the system.
    recent_peak: AtomicUsize,
    pauses: AtomicU64,
    /// A paused connection may resume once the server holds less than this; 0 if none is paused.
    resumes_below: AtomicUsize,
    /// The paused connections, by the address of their account.
    paused: Mutex<HashMap<usize, Paused>>,
}

struct Paused {
    account: Arc<Account>,
    waker: Waker,
}

impl MemoryBudget {
    /// Creates the budget from `limits`, whose derived values must be set.
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

    /// The most bytes that were ever held at the same time.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// How many times a connection was paused.
    pub(crate) fn pauses(&self) -> u64 {
        self.pauses.load(Ordering::Relaxed)
    }

    /// Whether `held` bytes are few enough after a peak to give memory back to the system. Returns true once for each peak.
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

    /// Wakes the paused connections that may resume, and stores in `resumes_below` when the next one may.
    #[cold]
    fn wake_paused(&self) {
        let mut resumed = Vec::new();
        let mut paused = self.lock();
        loop {
            resumed.extend(paused.extract_if(|_, paused| paused.account.may_resume()).map(|(_, paused)| paused));
            let next = || paused.values().map(|paused| paused.account.resumes_below()).max().unwrap_or(0);
            let noted = next();
            self.resumes_below.store(noted, Ordering::SeqCst);
            // A release up to this point may have compared itself with the previous value of `resumes_below`.
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

/// The memory that one connection and its calls hold. Any thread may charge and release it.
pub(super) struct Account {
    budget: Arc<MemoryBudget>,
    held: AtomicUsize,
    /// Whether the account is in `MemoryBudget::paused`.
    is_paused: AtomicBool,
    /// Bytes that the paused connection needs for its incomplete frame; 0 if it is paused without one.
    wanted: AtomicUsize,
    /// Whether the connection was paused for `memory_pause_max`: it is read from again, and new calls are refused.
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

    /// Charges a call that has not ended at its first poll, until the returned charge is dropped.
    #[inline(never)]
    pub(super) fn charge_call(self: &Arc<Self>, message_bytes: usize, context: &Context) -> Charge {
        let bytes = CALL_BYTES + message_bytes + context.metadata().memory_bytes();
        self.add(bytes);
        Charge(Some(Box::new(Charged { account: self.clone(), bytes, unsent: 0 })))
    }

    /// Charges a request that is not complete, and holds `bytes`, in place of what `charge` had charged for it.
    pub(super) fn charge_incomplete(self: &Arc<Self>, charge: &mut Charge, bytes: usize) {
        match &mut charge.0 {
            Some(charged) if charged.bytes >= bytes => {
                charged.account.release(charged.bytes - bytes);
                charged.bytes = bytes;
            }
            Some(charged) => {
                charged.account.add(bytes - charged.bytes);
                charged.bytes = bytes;
            }
            None if bytes > 0 => {
                self.add(bytes);
                charge.0 = Some(Box::new(Charged { account: self.clone(), bytes, unsent: 0 }));
            }
            None => {}
        }
    }

    /// Returns an empty charge, for a later [`Charge::set_unsent`].
    pub(super) fn charge_nothing(self: &Arc<Self>) -> Charge {
        Charge(Some(Box::new(Charged { account: self.clone(), bytes: 0, unsent: 0 })))
    }

    /// Whether the connection must not be read from now.
    #[inline]
    pub(super) fn is_beyond(&self) -> bool {
        let held = self.held.load(Ordering::SeqCst);
        held > self.budget.connection_bytes_max || held >= self.budget.free()
    }

    /// Whether new calls are refused.
    pub(super) fn is_shedding(&self) -> bool {
        self.is_shedding.load(Ordering::Relaxed)
    }

    /// The status of a call that is refused while the connection sheds, so that the caller makes the call at another
    /// endpoint. The message names the limit and the bytes held.
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

    /// The most bytes that one connection may hold.
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

    /// Releases bytes without waking paused connections. Returns the bytes that the server still holds.
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

    /// Called when a paused connection holds less than before. Returns whether the connection may resume now, and otherwise
    /// raises `resumes_below` to match.
    fn resumes_earlier(&self) -> bool {
        self.budget.resumes_below.fetch_max(self.resumes_below(), Ordering::SeqCst);
        self.may_resume()
    }

    /// Whether a paused connection may be read from again. It needs a quarter to spare, so that it does not pause again at
    /// once, or room for its incomplete frame.
    fn may_resume(&self) -> bool {
        self.budget.held.load(Ordering::SeqCst) < self.resumes_below()
    }

    /// The bound for the server's held bytes below which this connection resumes; 0 while the connection itself holds too
    /// much.
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

/// The memory that a call holds on its connection's account. Dropping the charge releases the memory, on any thread. The
/// content is boxed, as a charge is part of every call and most charges are empty.
#[derive(Default)]
pub(super) struct Charge(Option<Box<Charged>>);

struct Charged {
    account: Arc<Account>,
    bytes: usize,
    /// The part of `bytes` that is a message of the reply stream, waiting for the flow-control windows.
    unsent: usize,
}

impl Charge {
    /// Whether nothing was charged.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Charges so many bytes of the call's reply stream, for which the caller's window has no room.
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

/// A connection's share of the budget, on the connection's loop: counts its buffers and decides whether it is read from.
pub(super) struct ConnectionMemory {
    account: Arc<Account>,
    state: State,
    /// Bytes charged for the buffers.
    buffers: usize,
    /// Whether the buffers are uncharged during this turn, because their content moves to calls.
    lent: bool,
    /// Bytes of an incomplete frame: those that have arrived, those reserved, and those that the frame waits for.
    incomplete: usize,
    reserved: usize,
    wanted: usize,
    timer: Timer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// Paused since this time: the connection is not read from.
    Paused(Instant),
    /// Read from again although the connection holds too much; new calls are refused.
    Shedding,
}

impl ConnectionMemory {
    /// Creates the memory of a connection that holds nothing.
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

    /// The account to which the connection's calls are charged.
    pub(super) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Whether the connection is paused.
    pub(super) fn is_paused(&self) -> bool {
        matches!(self.state, State::Paused(_))
    }

    /// Whether the connection may be read from, in the common case. If not, [`ConnectionMemory::poll_resume`] decides.
    #[inline]
    pub(super) fn may_read(&self) -> bool {
        self.state == State::Reading && self.wanted == 0 && !self.account.is_beyond()
    }

    /// Decides whether the connection may be read from after all; otherwise wakes `cx` once it may. The duration is the
    /// length of the pause that ends here, or zero.
    #[cold]
    pub(super) fn poll_resume(&mut self, cx: &mut task::Context<'_>, now: Instant) -> (bool, Duration) {
        if self.state == State::Reading {
            // The frame has its reservation, and reading completes the frame.
            if self.reserved > self.incomplete {
                return (true, Duration::ZERO);
            }
            self.account.budget.pauses.fetch_add(1, Ordering::Relaxed);
            self.state = State::Paused(now);
        }
        let since = if let State::Paused(since) = self.state { since } else { now };
        if self.is_paused() {
            // Registers before the check, so that no release in between is missed.
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

    /// Admits an incomplete frame after a read: `length` bytes of the frame have arrived, `missing` bytes have not; both
    /// are 0 if no frame is incomplete. `is_new` says that an earlier frame has ended. Returns false if the frame has no
    /// room; the connection then pauses until there is room.
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
        // The budget must have the same amount left beside, so that frames of many connections do not displace small
        // callers.
        if others + reserved <= share && others + 2 * reserved <= budget.free() + self.buffers {
            self.reserved = reserved;
            return true;
        }
        self.reserved = 0;
        self.wanted = reserved.saturating_sub(length).max(1);
        false
    }

    /// Charges the buffers of the connection at the end of a turn: incomplete or unread input, and unsent output.
    #[inline]
    pub(super) fn set_buffers(&mut self, bytes: usize) {
        let bytes = bytes + self.reserved.saturating_sub(self.incomplete);
        if bytes != self.buffers || self.lent {
            self.recount(bytes);
        }
    }

    /// Uncharges large buffers until the end of the turn, so that a message does not count in its buffer and in its call.
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

/// Whether an incomplete frame must reserve memory before it is read. `length` bytes have arrived, `missing` have not.
pub(super) fn needs_reservation(length: usize, missing: usize) -> bool {
    length + missing > FRAME_BYTES_MIN
}

/// Copies a short message that is kept into its own buffer: a slice would keep the whole read buffer alive.
#[inline(never)]
pub(super) fn compact(message: Bytes) -> Bytes {
    if message.len() < SLICE_BYTES_MAX { Bytes::copy_from_slice(&message) } else { message }
}

/// Records, for one connection, which methods have calls that wait. Messages of these methods are compacted before the
/// handler gets them, as they cannot be moved afterwards. Methods that answer at once are spared the copy.
#[derive(Default)]
pub(super) struct WaitingMethods(Vec<u8>);

/// How many calls of a method are compacted after one of its calls has waited. Each compacted call counts down, and each
/// call that waits starts the count anew. In the worst case one call in 17 waits, and the other 16 are copied for nothing.
const COMPACTED_CALLS: u8 = 16;

impl WaitingMethods {
    /// Adds the next method of the connection. Its first calls are assumed to wait.
    pub(super) fn add(&mut self) {
        self.0.push(COMPACTED_CALLS);
    }

    /// Whether to compact the message of this method's next call.
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

    /// Records that a call of this method waits.
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
