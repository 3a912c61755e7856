//! Responses in the dialects: heads, messages, and the end of a call as body, trailers or an error in JSON.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::fields::HttpMethod;
use super::json_stream::JsonStream;
use super::page::Page;
use super::writer::{Field, ResponseWriter};
use crate::codec::{Codec, Compression};
use crate::context::Context;
use crate::metadata::Metadata;
use crate::net::clock;
use crate::protocol::http::content_type::{ContentType, Dialect};
use crate::protocol::http::date::encode_date;
use crate::protocol::http::{connect, grpc, grpc_web, metadata};
use crate::protocol::{Compressed, Message};
use crate::server::call::Step;
use crate::server::calls::{check_reply, check_reply_metadata, failure_trailer, fitting};
use crate::server::cors::AllowedOrigin;
use crate::server::rest::Mapping;
use crate::server::shared::Shared;
use crate::status::{Code, Phase, Status};

/// The response to one request.
pub(in crate::server) struct Response {
    content: ContentType,
    /// The form of a stream of replies to a call by an HTTP path.
    json_stream: Option<JsonStream>,
    /// How messages are compressed.
    compression: Option<Compression>,
    method: HttpMethod,
    origin: Option<AllowedOrigin>,
    /// The head of a stream was sent.
    is_opened: bool,
    /// Everything was sent.
    is_complete: bool,
    is_unknown_method: bool,
    lists_compressions: bool,
    /// What is answered of the reply to a call by an HTTP path.
    mapping: Option<Arc<Mapping>>,
    /// The one message of a response whose body is the message.
    message: Option<Message>,
}

/// The most fields that a response has beside metadata.
const FIELDS: usize = 8;

impl Response {
    pub(super) fn new(method: HttpMethod, origin: Option<AllowedOrigin>) -> Response {
        Response {
            content: ContentType { dialect: Dialect::ConnectUnary, codec: Codec::Json },
            json_stream: None,
            compression: None,
            method,
            origin,
            is_opened: false,
            is_complete: false,
            is_unknown_method: false,
            lists_compressions: false,
            mapping: None,
            message: None,
        }
    }

    /// Sets the dialect.
    pub(super) fn speaks(&mut self, content: ContentType) {
        self.content = content;
    }

    /// Sets the form of the replies, which are a stream in JSON. No message of it is compressed by itself.
    pub(super) fn streams(&mut self, form: JsonStream) {
        self.json_stream = Some(form);
        self.compression = None;
    }

    /// Sets how messages are compressed, if the caller accepts it.
    pub(super) fn may_compress(&mut self, compression: Option<Compression>) {
        self.compression = compression;
    }

    /// Notes that the response says which compressions are known here.
    pub(super) fn lists_compressions(&mut self) {
        self.lists_compressions = true;
    }

    /// Notes that the request is for a method that is not here.
    pub(super) fn method_is_unknown(&mut self) {
        self.is_unknown_method = true;
    }

    /// Sets what is answered of the reply.
    pub(super) fn answers(&mut self, mapping: Arc<Mapping>) {
        self.mapping = Some(mapping);
    }

    /// Whether the body of the response is one message.
    fn is_one_message(&self) -> bool {
        self.json_stream.is_none() && matches!(self.content.dialect, Dialect::ConnectUnary | Dialect::Json)
    }

    /// Begins a stream of replies. The error is the status with which the call ends instead.
    pub(in crate::server) fn open(
        &mut self,
        context: &Context,
        shared: &Shared,
        out: &mut impl ResponseWriter,
    ) -> Result<(), Status> {
        let reply_metadata = context.reply_metadata().clone();
        check_reply_metadata(&reply_metadata, shared.limits.metadata_bytes_max)?;
        if !self.is_one_message() {
            self.open_with(&reply_metadata, out);
        }
        Ok(())
    }

    /// Sends the head of a stream of replies.
    fn open_with(&mut self, reply_metadata: &Metadata, out: &mut impl ResponseWriter) {
        if std::mem::replace(&mut self.is_opened, true) {
            return;
        }
        let content_type = self.json_stream.map_or_else(|| self.content.name(), JsonStream::content_type);
        let mut fields = self.fields(content_type);
        if let Some(algorithm) = self.compression {
            let name = match self.content.dialect {
                Dialect::ConnectStream => "connect-content-encoding",
                _ => "grpc-encoding",
            };
            fields.push((name.into(), algorithm.name().as_bytes().into()));
        }
        self.list_compressions(&mut fields);
        push_metadata(&mut fields, reply_metadata);
        self.head(200, fields, None, out);
    }

    /// Encodes a message of the reply, within the limits.
    pub(in crate::server) fn encode(&mut self, message: Bytes, shared: &Shared) -> Result<Message, Status> {
        check_reply(&message, shared.limits.message_bytes_max)?;
        if self.message.is_some() {
            let text = "the method returns a stream, and the request has no type for streams";
            return Err(Status::unimplemented(text).with_phase(Phase::Reply));
        }
        let message = match &self.mapping {
            Some(mapping) => mapping.response(message)?,
            None => message,
        };
        let message = match self.json_stream {
            Some(form) => form.encode(&message),
            None => message,
        };
        Ok(Message::encode_by(message, self.compression, &shared.limits))
    }

    /// Sends a message of the reply.
    pub(in crate::server) fn message(&mut self, message: Message, out: &mut impl ResponseWriter) {
        if self.is_one_message() {
            self.message = Some(message);
            return;
        }
        if self.json_stream.is_some() {
            return out.data(&[], message.bytes, false);
        }
        let flags = if message.compressed == Compressed::No { 0 } else { grpc::flag::COMPRESSED };
        self.framed(flags, message.bytes, false, out);
    }

    /// Sends a message with its prefix.
    fn framed(&self, flags: u8, message: Bytes, is_end: bool, out: &mut impl ResponseWriter) {
        let prefix = grpc::encode_prefix(flags, message.len());
        if self.content.dialect != Dialect::GrpcWebText {
            return out.data(&prefix, message, is_end);
        }
        let mut bytes = BytesMut::with_capacity(prefix.len() + message.len());
        grpc::encode_message(&mut bytes, flags, &message);
        let mut text = BytesMut::new();
        grpc_web::encode_text(&mut text, &bytes);
        out.data(&[], text.freeze(), is_end);
    }

    /// Ends a call that has begun, with its last step.
    pub(in crate::server) fn end(
        &mut self,
        context: &Context,
        step: Step,
        shared: &Shared,
        out: &mut impl ResponseWriter,
    ) {
        if let Err(status) = self.succeed(context, step, shared, out) {
            self.fail(Some(context), status, shared, out);
        }
    }

    /// Sends the successful end of a call. The error is the status with which the call ends instead; nothing is sent then.
    fn succeed(
        &mut self,
        context: &Context,
        step: Step,
        shared: &Shared,
        out: &mut impl ResponseWriter,
    ) -> Result<(), Status> {
        let (mut trailer, mut reply_metadata) = (Metadata::new(), Metadata::new());
        if context.has_metadata() {
            (trailer, reply_metadata) = (context.trailer().clone(), context.reply_metadata().clone());
            check_reply_metadata(&trailer, shared.limits.metadata_bytes_max)?;
            check_reply_metadata(&reply_metadata, shared.limits.metadata_bytes_max)?;
        }
        match step {
            Step::Failed(status) => return Err(status),
            Step::Reply(message) => {
                let message = self.encode(message, shared)?;
                if !self.is_one_message() {
                    self.open_with(&reply_metadata, out);
                }
                self.message(message, out);
            }
            _ => {}
        }
        if !self.is_one_message() {
            self.open_with(&reply_metadata, out);
            self.end_stream(None, &trailer, out);
            return Ok(());
        }
        let Some(message) = self.message.take() else {
            return Err(
                Status::unimplemented("the method returned a stream without a message").with_phase(Phase::Reply)
            );
        };
        let mut fields = self.fields(self.content.name());
        if let Compressed::By(algorithm) = message.compressed {
            fields.push(("content-encoding".into(), algorithm.name().as_bytes().into()));
        }
        if self.method == HttpMethod::Get && self.compression.is_some() {
            fields.push(("vary".into(), (&b"accept-encoding"[..]).into()));
        }
        push_metadata(&mut fields, &reply_metadata);
        fields.extend(connect::unary_trailers(&trailer).map(|(name, value)| (Cow::Owned(name), value)));
        self.whole(200, fields, message.bytes, out);
        Ok(())
    }

    /// Sends the failure of a call. `context` is that of a call that has begun.
    pub(in crate::server) fn fail(
        &mut self,
        context: Option<&Context>,
        status: Status,
        shared: &Shared,
        out: &mut impl ResponseWriter,
    ) {
        if self.is_complete {
            return;
        }
        shared.counters.ended(&status);
        let trailer = fitting(failure_trailer(&status, context), shared.limits.metadata_bytes_max);
        // A handler that returns OK as its error has failed nevertheless.
        let status = match status.code() {
            Code::Ok => Status::unknown(status.message().to_owned()),
            _ => status,
        };
        // Before its head is sent, a stream in JSON fails as one message does: with an HTTP status.
        let is_whole = self.is_one_message() || (self.json_stream.is_some() && !self.is_opened);
        if !is_whole {
            self.open_with(&Metadata::new(), out);
            return self.end_stream(Some(&status), &trailer, out);
        }
        let mut json = Vec::new();
        connect::encode_error(&mut json, &status);
        let mut fields = self.fields("application/json");
        self.list_compressions(&mut fields);
        if let Some(pause) = status.retry_after() {
            let seconds = pause.as_millis().div_ceil(1000);
            fields.push(("retry-after".into(), seconds.to_string().into_bytes().into()));
        }
        fields.extend(connect::unary_trailers(&trailer).map(|(name, value)| (Cow::Owned(name), value)));
        let http_status = if self.is_unknown_method { 404 } else { connect::http_status(status.code()) };
        self.whole(http_status, fields, json.into(), out);
    }

    /// Sends the end of a stream of replies.
    fn end_stream(&mut self, error: Option<&Status>, trailer: &Metadata, out: &mut impl ResponseWriter) {
        self.is_complete = true;
        if let Some(form) = self.json_stream {
            let end = form.encode_end(error);
            return if end.is_empty() { out.end() } else { out.data(&[], end, true) };
        }
        if self.content.dialect == Dialect::ConnectStream {
            let mut json = Vec::new();
            connect::encode_end(&mut json, error, trailer);
            return self.framed(grpc::flag::END_STREAM, json.into(), true, out);
        }
        let mut fields: Vec<Field<'_>> = Vec::with_capacity(FIELDS);
        let code = error.map_or(Code::Ok, Status::code);
        fields.push(("grpc-status".into(), grpc::encode_status(code).as_bytes().into()));
        if let Some(status) = error {
            fields.extend(grpc::failure_fields(status).into_iter().map(|(name, value)| (name.into(), value)));
        }
        push_metadata(&mut fields, trailer);
        let mut block = BytesMut::new();
        if let Err(fault) = grpc_web::encode_trailers(&mut block, fields) {
            // Metadata is checked when it is appended, so this cannot happen.
            tracing::error!(why = fault.message(), "the trailers of a reply are left out");
        }
        let payload = block.split_off(block.len().min(grpc::PREFIX_BYTES)).freeze();
        self.framed(grpc::flag::TRAILERS, payload, true, out);
    }

    /// Sends a response that answers no call.
    pub(super) fn page(&mut self, mut page: Page, out: &mut impl ResponseWriter) {
        let mut fields = match page.content_type() {
            Some(content_type) => self.fields(content_type),
            None => self.fields_of_all(),
        };
        // A text may show a part of the request, which no browser should take for HTML.
        fields.push(("x-content-type-options".into(), (&b"nosniff"[..]).into()));
        fields.append(&mut page.fields);
        let (status, has_body) = (page.status, page.content_type().is_some());
        let body = if has_body { page.into_body() } else { Bytes::new() };
        self.whole(status, fields, body, out);
    }

    /// Sends a response whose length is known.
    fn whole(&mut self, status: u16, fields: Vec<Field<'_>>, body: Bytes, out: &mut impl ResponseWriter) {
        self.is_complete = true;
        self.head(status, fields, Some(body.len() as u64), out);
        if self.method == HttpMethod::Head || body.is_empty() {
            return out.end();
        }
        out.data(&[], body, true);
    }

    /// Sends the head of a response.
    fn head(&self, status: u16, mut fields: Vec<Field<'_>>, length: Option<u64>, out: &mut impl ResponseWriter) {
        if let Some(origin) = &self.origin {
            push_cors(&mut fields, origin);
        }
        out.head(status, &fields, length);
    }

    /// The fields that every response has.
    fn fields_of_all<'a>(&self) -> Vec<Field<'a>> {
        let mut fields: Vec<Field<'a>> = Vec::with_capacity(FIELDS);
        fields.push(("date".into(), encode_date(clock::unix_seconds()).to_vec().into()));
        fields
    }

    /// The fields that every response with a body has.
    fn fields<'a>(&self, content_type: &'static str) -> Vec<Field<'a>> {
        let mut fields = self.fields_of_all();
        fields.push(("content-type".into(), content_type.as_bytes().into()));
        fields
    }

    /// Says which compressions are known here, if a request had another one.
    fn list_compressions(&self, fields: &mut Vec<Field<'_>>) {
        if !self.lists_compressions {
            return;
        }
        let name = match self.content.dialect {
            Dialect::ConnectStream => "connect-accept-encoding",
            Dialect::ConnectUnary | Dialect::Json => "accept-encoding",
            _ => "grpc-accept-encoding",
        };
        let known = Compression::available().iter().map(|algorithm| algorithm.name());
        let names: Vec<&str> = std::iter::once("identity").chain(known).collect();
        fields.push((name.into(), names.join(", ").into_bytes().into()));
    }
}

fn push_metadata<'a>(fields: &mut Vec<Field<'a>>, pairs: &'a Metadata) {
    fields.extend(metadata::fields(pairs).map(|(name, value)| (Cow::Borrowed(name), value)));
}

/// Lets the page of another origin read the response, with all its fields.
fn push_cors(fields: &mut Vec<Field<'_>>, origin: &AllowedOrigin) {
    let is_always_readable = |name: &str| matches!(name, "content-type" | "date" | "vary" | "x-content-type-options");
    let names: Vec<&str> = fields
        .iter()
        .map(|(name, _)| &**name)
        .filter(|name| !is_always_readable(name) && !name.starts_with("access-"))
        .collect();
    let exposed = names.join(", ");
    fields.push(("access-control-allow-origin".into(), origin.text().as_bytes().to_vec().into()));
    if !exposed.is_empty() {
        fields.push(("access-control-expose-headers".into(), exposed.into_bytes().into()));
    }
    if *origin != AllowedOrigin::Any {
        fields.push(("vary".into(), (&b"origin"[..]).into()));
    }
}
