//! Requests in the dialects of the web on HTTP/2. The dialects themselves are in `server/web`.

use bytes::Bytes;

use super::replies::Replies;
use super::request::RequestHead;
use super::{Exchange, Http2};
use crate::net::connection::Turn;
use crate::protocol::flow::Windows;
use crate::protocol::http::grpc::PREFIX_BYTES;
use crate::server::memory::Charge;
use crate::server::web::{self, AfterHead, Head, HttpVersion, Start, Taken, broken};
use crate::status::Status;

impl Http2 {
    /// Takes the head of a request that is no gRPC request.
    #[inline(never)]
    pub(super) fn web_request(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: u32,
        head: RequestHead,
        is_end: bool,
        is_too_long: bool,
    ) {
        let content_length = if is_end { Some(0) } else { head.fields.content_length };
        let method = head.fields.method;
        let (path, fields, metadata) = head.into_web(&self.paths);
        let path = String::from_utf8_lossy(&path);
        let (path, query) = path.split_once('?').map_or((&*path, None), |(path, query)| (path, Some(query)));
        let request = Head {
            version: HttpVersion::Http2,
            method,
            path,
            query,
            fields,
            metadata,
            content_length,
            is_too_long,
            message_bytes_max: self.message_bytes_max(),
        };
        let mut web = Box::new(web::Exchange::new(&self.shared, request, turn.now));
        if web.is_call() {
            self.calls.arrived();
        }
        let after_head = web.after_head();
        self.slots.has_web = true;
        let Some(exchange) = self.connection.as_mut().and_then(|connection| connection.stream(id)) else { return };
        exchange.web = Some(web);
        let begun = match after_head {
            AfterHead::Answer => Ok(()),
            AfterHead::Stream(start) => self.begin_web_stream(turn, id, start, is_end),
            AfterHead::Body => self.calls.check_room(),
        };
        if let Err(status) = begun {
            self.refuse_web(id, status);
        }
        if is_end {
            self.web_data(turn, id, Bytes::new(), true);
        } else if self.web(id).is_some_and(|web| web.waits().is_some()) {
            self.stalls.begins(id);
        }
    }

    fn web(&mut self, id: u32) -> Option<&mut web::Exchange> {
        self.connection.as_mut()?.stream(id)?.web.as_deref_mut()
    }

    /// Refuses a call that has not begun. The answer waits for the end of the request: many clients lose an answer that
    /// comes before.
    fn refuse_web(&mut self, id: u32, status: Status) {
        if let Some(web) = self.web(id) {
            web.refuse(status);
        }
    }

    fn begin_web_stream(&mut self, turn: &mut Turn<'_, '_>, id: u32, start: Start, is_end: bool) -> Result<(), Status> {
        let Http2 { shared, calls, slots, stalls, connection: Some(connection), .. } = self else { return Ok(()) };
        let mut replies = Replies { output: turn.output, connection, slots, shared, stalls };
        let window = shared.limits.stream_window_bytes as u64;
        start.begin_stream(id, calls, turn.now, is_end, window, &mut replies)
    }

    /// Takes a part of the body of a request that is no gRPC request.
    #[inline(never)]
    pub(super) fn web_data(&mut self, turn: &mut Turn<'_, '_>, id: u32, bytes: Bytes, is_end: bool) {
        let length = bytes.len();
        if !self.web(id).is_some_and(|web| web.has_answer()) {
            let Err(status) = self.web_messages(turn, id, bytes, is_end) else { return };
            if self.calls.cancel(id, status.clone()) {
                return self.refuse(turn.output, id, broken(status));
            }
            self.refuse_web(id, broken(status));
        }
        if self.web(id).is_some_and(|web| web.discards(length)) || is_end {
            if let Some(mut replies) = self.replies(turn.output) {
                replies.answer(id);
            }
        } else if let Some(connection) = &mut self.connection {
            connection.grant(id, length as u64, turn.output);
        }
    }

    /// Cuts messages out of a body, and passes them on. The error fails the call.
    fn web_messages(&mut self, turn: &mut Turn<'_, '_>, id: u32, bytes: Bytes, is_end: bool) -> Result<(), Status> {
        let Http2 { connection: Some(connection), calls, .. } = self else { return Ok(()) };
        let Some(exchange) = connection.stream(id) else { return Ok(()) };
        let Exchange { web: Some(web), unread, .. } = exchange else { return Ok(()) };
        let mut unwanted = 0;
        let taken = web.received(bytes, |message| {
            unread.arrived(message.cost(), (message.bytes.len() + PREFIX_BYTES) as u64);
            // The call may have ended already.
            unwanted += calls.request(id, Some(message), false, Windows::UNBOUNDED).unwrap_or(0);
            Ok(())
        });
        if !is_end {
            web.compact();
        }
        let Taken { early, overhead } = taken?;
        if !is_end {
            self.request_goes_on(turn, id, early, overhead)?;
        }
        self.credit_unwanted(turn.output, id, unwanted);
        if is_end { self.web_ended(turn, id) } else { Ok(()) }
    }

    /// Takes the end of a request.
    fn web_ended(&mut self, turn: &mut Turn<'_, '_>, id: u32) -> Result<(), Status> {
        let Http2 { connection: Some(connection), calls, shared, slots, stalls, .. } = self else { return Ok(()) };
        let Some(exchange) = connection.stream(id) else { return Ok(()) };
        (exchange.memory, exchange.stalls_at) = (Charge::default(), None);
        let Some(web) = &mut exchange.web else { return Ok(()) };
        let Some(start) = web.ended()? else {
            // The call may have ended already.
            let _ = calls.request(id, None, true, Windows::UNBOUNDED);
            return Ok(());
        };
        let mut replies = Replies { output: turn.output, connection, slots, shared, stalls };
        start.begin(id, calls, turn.now, shared.limits.message_bytes_max, &mut replies)
    }
}
