//! The operations of a session: those that wait to be sent, and those that wait for their answer. Bounded.

use std::collections::VecDeque;
use std::time::Instant;

use crate::error::{Error, Why};
use crate::options::Options;
use crate::request::Request;

/// Operations in their order. `T` stands for whoever waits for the result.
#[derive(Debug)]
pub(super) struct Operations<T> {
    unsent: VecDeque<Unsent<T>>,
    unsent_bytes: usize,
    sent: VecDeque<Sent<T>>,
    /// The first operations of `sent` that have ended without their answer. The answers still come, in order.
    given_up: usize,
}

#[derive(Debug)]
struct Unsent<T> {
    request: Request,
    deadline: Instant,
    waiter: T,
}

#[derive(Debug)]
struct Sent<T> {
    xid: i32,
    deadline: Instant,
    waiter: Option<T>,
}

/// The end of an operation.
pub(super) type Ended<T> = (T, Error);

impl<T> Operations<T> {
    pub(super) fn new() -> Operations<T> {
        Operations { unsent: VecDeque::new(), unsent_bytes: 0, sent: VecDeque::new(), given_up: 0 }
    }

    /// Queues an operation, or returns it with the bound that it would exceed.
    pub(super) fn push(
        &mut self,
        request: Request,
        deadline: Instant,
        waiter: T,
        options: &Options,
    ) -> Result<(), Ended<T>> {
        let bytes = 8 + request.body.len();
        if bytes > options.packet_bytes_max {
            return Err((waiter, Error::RequestTooLarge { bytes, limit: options.packet_bytes_max }));
        }
        let is_full = self.unsent.len() + self.sent.len() >= options.requests_max
            || self.unsent_bytes + bytes > options.request_bytes_max;
        if is_full {
            return Err((waiter, Error::NotSent(Why::QueueFull)));
        }
        self.unsent_bytes += bytes;
        self.unsent.push_back(Unsent { request, deadline, waiter });
        Ok(())
    }

    /// Takes the next operation to send. The caller sends it under `xid`.
    pub(super) fn send_next(&mut self, xid: impl FnOnce() -> i32) -> Option<(i32, Request)> {
        let Unsent { request, deadline, waiter } = self.unsent.pop_front()?;
        self.unsent_bytes -= 8 + request.body.len();
        let xid = xid();
        self.sent.push_back(Sent { xid, deadline, waiter: Some(waiter) });
        Some((xid, request))
    }

    /// Takes the operation that an answer with this `xid` ends. The waiter is absent if the operation was given up.
    pub(super) fn answered(&mut self, xid: i32) -> Result<Option<T>, String> {
        match self.sent.front() {
            Some(sent) if sent.xid == xid => {
                self.given_up = self.given_up.saturating_sub(1);
                Ok(self.sent.pop_front().and_then(|sent| sent.waiter))
            }
            Some(sent) => Err(format!("an answer to request {xid} came, and {} was due", sent.xid)),
            None => Err(format!("an answer to request {xid} came, and none was due")),
        }
    }

    /// When the next operation is too late.
    pub(super) fn deadline(&self) -> Option<Instant> {
        // Every operation has the same time, so the oldest ends first.
        let sent = self.sent.get(self.given_up).map(|sent| sent.deadline);
        let unsent = self.unsent.front().map(|unsent| unsent.deadline);
        sent.into_iter().chain(unsent).min()
    }

    /// Ends the operations that are too late.
    pub(super) fn expire(&mut self, now: Instant, ended: &mut Vec<Ended<T>>) {
        while let Some(late) = self.sent.get_mut(self.given_up).filter(|sent| sent.deadline <= now) {
            self.given_up += 1;
            ended.extend(late.waiter.take().map(|waiter| (waiter, Error::Lost(Why::Deadline))));
        }
        while let Some(late) = self.unsent.pop_front_if(|unsent| unsent.deadline <= now) {
            self.unsent_bytes -= 8 + late.request.body.len();
            ended.push((late.waiter, Error::NotSent(Why::Deadline)));
        }
    }

    /// Ends the operations that were sent: their answers cannot come any more.
    pub(super) fn lose_sent(&mut self, why: Why, ended: &mut Vec<Ended<T>>) {
        self.given_up = 0;
        let lost = self.sent.drain(..).filter_map(|sent| sent.waiter);
        ended.extend(lost.map(|waiter| (waiter, Error::Lost(why))));
    }

    /// Ends the operations that were not sent.
    pub(super) fn drop_unsent(&mut self, why: Why, ended: &mut Vec<Ended<T>>) {
        self.unsent_bytes = 0;
        ended.extend(self.unsent.drain(..).map(|unsent| (unsent.waiter, Error::NotSent(why))));
    }
}
