//! gRPC over HTTP/2, by frames that are made by hand.

use super::*;
use crate::protocol::http::grpc::{decode_status, decode_status_message, encode_timeout};
use crate::protocol::http::{binary, metadata};
use crate::protocol::http2::frame::flag;
use crate::protocol::http2::tests::reset;
use crate::protocol::native::decode_error;

pub(super) fn open(shared: &Arc<Shared>) -> Box<dyn Caller> {
    Box::new(Grpc(http2::caller_of(shared)))
}

struct Grpc(http2::Caller);

impl Caller for Grpc {
    fn protocol(&self) -> Protocol {
        Protocol::new("gRPC")
    }

    fn call(&mut self, call: Call) -> Making<'_> {
        Box::pin(async move {
            let mut fields = fields_of(&call.metadata());
            if let Some(timeout) = call.timeout {
                fields.push(timeout_field(timeout));
            }
            let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
            let path = format!("/test.All/{}", call.method);
            let flags = if call.requests.is_empty() { flag::END_STREAM } else { 0 };
            let id = self.0.open_with(&path, &fields, flags);
            let ends = ResetsStream { caller: &mut self.0, id };
            let count = call.requests.len();
            for (index, request) in call.requests.iter().enumerate() {
                ends.caller.body(id, &http2::message(request), index + 1 == count);
            }
            while !ends.caller.reply(id).is_ended {
                let is_open = ends.caller.listen().await;
                assert!(is_open || ends.caller.reply(id).is_ended, "the server closed the connection");
                tokio::task::yield_now().await;
            }
            outcome(&ends.caller.reply(id))
        })
    }

    fn close(self: Box<Self>) -> JoinHandle<Close> {
        self.0.close()
    }
}

/// Resets the stream of a call that is given up.
struct ResetsStream<'a> {
    caller: &'a mut http2::Caller,
    id: u32,
}

impl Drop for ResetsStream<'_> {
    fn drop(&mut self) {
        if !self.caller.reply(self.id).is_ended {
            self.caller.send(&reset(self.id));
        }
    }
}

fn outcome(reply: &http2::Reply) -> Outcome {
    let is_trailers_only = reply.heads.len() == 1;
    let error = failure_of(|name| reply.field(name).map(str::as_bytes));
    let pushback = reply.field("grpc-retry-pushback-ms").map(|pause| Duration::from_millis(pause.parse().unwrap()));
    assert_eq!(pushback, error.as_ref().and_then(Status::retry_after));
    Outcome {
        messages: reply.messages().into_iter().map(|(_, message)| message.to_vec()).collect(),
        error,
        head: metadata_of(reply.heads.first().filter(|_| !is_trailers_only)),
        trailer: metadata_of(reply.heads.last()),
        http_status: reply.field(":status").map(|status| status.parse().unwrap()),
    }
}

/// The failure that the trailers of gRPC and gRPC-Web tell. `value` finds a trailer.
pub(in crate::server::tests) fn failure_of<'a>(value: impl Fn(&str) -> Option<&'a [u8]>) -> Option<Status> {
    let code = decode_status(value("grpc-status").expect("a status"));
    if code == Code::Ok {
        return None;
    }
    let message = decode_status_message(value("grpc-message").unwrap_or_default()).into_owned();
    let mut status = Status::new(code, message);
    if let Some(details) = value("grpc-status-details-bin") {
        let mut decoded = decode_error(code as u16, &binary::decode(details).unwrap());
        status.details_mut().append(decoded.details_mut());
    }
    Some(status)
}

/// The fields that carry this metadata.
pub(super) fn fields_of(sent: &Metadata) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    metadata::fields(sent).map(|(name, value)| (name.to_owned(), text(&value))).collect()
}

pub(super) fn timeout_field(timeout: Duration) -> (String, String) {
    let value = String::from_utf8(encode_timeout(timeout).as_bytes().to_vec()).unwrap();
    ("grpc-timeout".to_owned(), value)
}

fn metadata_of(fields: Option<&Vec<(String, String)>>) -> Metadata {
    let mut metadata = Metadata::new();
    for (name, value) in fields.into_iter().flatten() {
        metadata::append_field(&mut metadata, name.as_bytes(), value.as_bytes()).unwrap();
    }
    metadata
}
