//! The caller's half of a native connection: many calls at a time over one connection, each completed by its reply.
//!
//! Whoever calls on an idle connection writes the request itself. While calls are in flight the driver writes for all,
//! so that many requests leave in one system call; it alone reads.

mod driver;
mod in_flight;

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};

use bytes::Bytes;
use tokio::sync::Notify;

use self::driver::Driver;
use self::in_flight::{InFlight, Outcome, State};
use super::call::within;
use super::transport::Request;
use crate::endpoint::Address;
use crate::limits::Limits;
use crate::net::{Stream, Writer, clock};
use crate::protocol::native::{self, Header, PREFACE, Settings, kind};
use crate::status::{Code, Phase, Ran, Status};

/// A connection that takes calls. Dropping it closes the connection once its calls are done.
pub(crate) struct Multiplexed {
    shared: Arc<Shared>,
}

struct Shared {
    writer: Writer,
    address: Address,
    limits: Limits,
    state: Mutex<State>,
    /// Told when the send buffer has room again.
    room: Notify,
    /// Told when the peer has greeted, or the connection has ended before that.
    greeting: Notify,
}

impl Multiplexed {
    /// Greets the peer, and drives the connection on the runtime that this is called on.
    pub(crate) fn open(stream: Stream, address: &Address, limits: &Limits) -> Multiplexed {
        let mut state = State::default();
        state.output.tail().extend_from_slice(&PREFACE);
        Settings::of(limits).encode(state.output.tail());
        state.queued = state.output.len() as u64;
        let shared = Arc::new(Shared {
            writer: stream.writer,
            address: address.clone(),
            limits: limits.clone(),
            state: Mutex::new(state),
            room: Notify::new(),
            greeting: Notify::new(),
        });
        let driver = Driver::new(shared.clone(), stream.reader);
        tokio::spawn(driver.run());
        Multiplexed { shared }
    }

    /// Whether new calls may be made on it.
    pub(crate) fn takes_calls(&self) -> bool {
        self.shared.lock().ended.is_none()
    }

    /// Returns once the peer has greeted: there is a server, and it is awake. Bounded by `connect_timeout`.
    pub(crate) async fn greeted(&self) -> Result<(), Status> {
        loop {
            let told = self.shared.greeting.notified();
            if let Some(greeted) = self.shared.lock().greeting() {
                return greeted;
            }
            told.await;
        }
    }

    /// Whether the peer has greeted.
    pub(crate) fn has_greeted(&self) -> bool {
        self.shared.lock().greeted
    }

    /// Why the connection ended, where the endpoint is to blame for that: it is better passed over for a while. Says it
    /// once.
    pub(crate) fn take_fault(&self) -> Option<Status> {
        self.shared.lock().fault.take()
    }

    /// Makes one call. Expires with its deadline; dropping the future cancels the call at the server.
    pub(crate) async fn call(&self, request: &Request) -> Result<Bytes, Status> {
        loop {
            match self.shared.begin(request)? {
                Begun::Call(call) => return call.await,
                Begun::NoRoom(room) => {
                    if within(request.deadline, room).await.is_none() {
                        let message = "the send buffer stayed full up to the deadline: the peer does not read";
                        return Err(self.shared.failed(Code::DeadlineExceeded, message, Phase::Send, Ran::No));
                    }
                }
            }
        }
    }
}

impl Drop for Multiplexed {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.released = true;
        state.wake_driver();
    }
}

/// What became of the attempt to begin a call.
enum Begun<'a> {
    Call(PendingCall),
    /// The send buffer is full: try again when this is told.
    NoRoom(tokio::sync::futures::Notified<'a>),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, code: Code, message: impl Into<std::borrow::Cow<'static, str>>, phase: Phase, ran: Ran) -> Status {
        Status::new(code, message).with_phase(phase).with_peer(&self.address).with_ran(ran)
    }

    fn begin<'a>(self: &'a Arc<Self>, request: &Request) -> Result<Begun<'a>, Status> {
        let now = clock::now();
        if request.deadline.has_passed(now) {
            let message = "the deadline passed before the call was sent";
            return Err(self.failed(Code::DeadlineExceeded, message, Phase::Send, Ran::No));
        }
        let mut state = self.lock();
        if let Some(why) = &state.ended {
            return Err(unsent(why));
        }
        let in_flight_max = self.limits.in_flight_max.min(state.peer.in_flight_max as usize);
        if state.calls.len() >= in_flight_max {
            let message = format!("{in_flight_max} calls in flight: in_flight_max {in_flight_max}");
            return Err(self.failed(Code::ResourceExhausted, message, Phase::Queue, Ran::No));
        }
        let (size, max) = (request.message.len(), state.peer.message_bytes_max as usize);
        if size > max {
            let message = format!("a message of {size} bytes is beyond the peer's message_bytes_max {max}");
            return Err(self.failed(Code::ResourceExhausted, message, Phase::Send, Ran::No));
        }
        let metadata =
            if request.metadata.is_empty() { Bytes::new() } else { native::encode_metadata(&request.metadata) };
        let (size, max) = (metadata.len(), self.limits.metadata_bytes_max.min(state.peer.metadata_bytes_max as usize));
        if size > max {
            let message = format!("metadata of {size} bytes is beyond metadata_bytes_max {max}");
            return Err(self.failed(Code::ResourceExhausted, message, Phase::Send, Ran::No));
        }
        if state.output.len() > self.limits.send_buffer_bytes_max {
            return Ok(Begun::NoRoom(self.room.notified()));
        }
        let idle = state.calls.is_empty() && state.output.is_empty() && !state.writing;
        let method = state.method_number(request.method);
        let deadline = request.deadline;
        let call = InFlight { outcome: Outcome::Awaited(None), deadline, ends_at: 0, answered: false };
        let key = state.calls.insert(call);
        state.request(key, method, request, &metadata, now);
        let looks = state.looks_after_the_peer(now, self.limits.keepalive_interval);
        if state.expects(deadline) || looks {
            state.wake_driver();
        }
        let call = PendingCall { shared: self.clone(), key, taken: false };
        if idle {
            // Why the socket takes nothing any more is the driver's to find.
            let (mut state, _) = self.flush(state);
            if !state.output.is_empty() {
                state.wake_driver();
            }
        } else {
            state.wake_driver();
        }
        Ok(Begun::Call(call))
    }

    /// Writes what waits, without holding the lock. What the socket does not take is the driver's to write.
    fn flush<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, io::Result<()>) {
        state.writing = true;
        let mut output = mem::take(&mut state.output);
        // Counted before they are written: if the connection is lost meanwhile, the peer may have read them.
        state.written += output.len() as u64;
        drop(state);
        let mut outcome = Ok(());
        while !output.is_empty() && outcome.is_ok() {
            outcome = output.write_to(&self.writer).map(drop);
        }
        let mut state = self.lock();
        state.writing = false;
        state.written -= output.len() as u64;
        output.append(&mut state.output);
        state.output = output;
        if state.output.len() <= self.limits.send_buffer_bytes_max {
            self.room.notify_waiters();
        }
        (state, outcome)
    }
}

/// The failure of a call whose request was not written, on a connection that ended so.
fn unsent(why: &Status) -> Status {
    let phase = if why.phase() == Some(Phase::Connect) { Phase::Connect } else { Phase::Send };
    why.clone().with_phase(phase).with_ran(Ran::No)
}

/// A call that was begun; its outcome. Dropping it cancels the call.
struct PendingCall {
    shared: Arc<Shared>,
    key: usize,
    taken: bool,
}

impl Future for PendingCall {
    type Output = Result<Bytes, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        let call = &mut state.calls[self.key];
        match mem::replace(&mut call.outcome, Outcome::Abandoned) {
            Outcome::Known(outcome) => {
                self.taken = true;
                if call.answered {
                    state.calls.remove(self.key);
                }
                if state.ended.is_some() {
                    state.wake_driver();
                }
                Poll::Ready(outcome)
            }
            Outcome::Awaited(_) | Outcome::Abandoned => {
                call.outcome = Outcome::Awaited(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut state = self.shared.lock();
        let call = &mut state.calls[self.key];
        let known = matches!(call.outcome, Outcome::Known(_));
        call.outcome = Outcome::Abandoned;
        if call.answered {
            state.calls.remove(self.key);
        } else if !known {
            let header = Header {
                kind: kind::CANCEL,
                word: Code::Cancelled as u16,
                id: self.key as u32 + 1,
                ..Header::default()
            };
            state.frame(header, &[]);
        }
        state.wake_driver();
    }
}
