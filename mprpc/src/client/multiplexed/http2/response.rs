//! The head of a gRPC response, or its trailers: collects the fields, and makes the status of a failed call.

use std::mem;
use std::time::Duration;

use crate::codec::Compression;
use crate::endpoint::Address;
use crate::metadata::Metadata;
use crate::protocol::http::{binary, grpc, metadata};
use crate::protocol::http2::hpack::{Field, FieldSink, KnownName, PLACES};
use crate::protocol::{STORY_KEY, decode_error};
use crate::status::{Code, Status};

/// The head of a response, or its trailers.
#[derive(Default)]
pub(in crate::client::multiplexed) struct ResponseHead {
    pub(in crate::client::multiplexed) fields: HeadFields,
    message: String,
    details: Option<Vec<u8>>,
    retry_after: Option<Duration>,
    pub(in crate::client::multiplexed) metadata: Metadata,
    /// The beginnings of heads that the connection's decoder remembers.
    saved: [HeadFields; PLACES],
}

/// What the fields of a head say that nearly every response has.
#[derive(Clone, Copy, Default)]
pub(in crate::client::multiplexed) struct HeadFields {
    pub(in crate::client::multiplexed) http_status: u16,
    pub(in crate::client::multiplexed) is_grpc: bool,
    pub(in crate::client::multiplexed) encoding: Option<Result<Compression, ()>>,
    pub(in crate::client::multiplexed) code: Option<Code>,
    /// The head has other fields beside these.
    has_others: bool,
}

impl FieldSink for ResponseHead {
    fn field(&mut self, field: Field<'_>) {
        let Field { name, value, known, .. } = field;
        let fields = &mut self.fields;
        match known {
            KnownName::Status => {
                fields.http_status = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            }
            KnownName::ContentType => fields.is_grpc = value.starts_with(b"application/grpc"),
            KnownName::GrpcEncoding if value == b"identity" => {}
            KnownName::GrpcEncoding => fields.encoding = Some(Compression::named(value).ok_or(())),
            KnownName::GrpcStatus => fields.code = Some(grpc::decode_status(value)),
            _ => self.other(known, name, value),
        }
    }

    fn save(&mut self, place: usize) -> bool {
        let is_plain = !self.fields.has_others;
        if is_plain {
            self.saved[place] = self.fields;
        }
        is_plain
    }

    #[inline]
    fn restore(&mut self, place: usize) {
        self.fields = self.saved[place];
    }
}

impl ResponseHead {
    #[inline(never)]
    fn other(&mut self, known: KnownName, name: &[u8], value: &[u8]) {
        self.fields.has_others = true;
        match known {
            KnownName::GrpcMessage => self.message = grpc::decode_status_message(value).into_owned(),
            KnownName::GrpcStatusDetailsBin => self.details = binary::decode(value),
            KnownName::GrpcRetryPushbackMs => {
                let milliseconds = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                self.retry_after = milliseconds.map(Duration::from_millis);
            }
            // Fields that metadata cannot hold say nothing to a caller.
            _ => drop(metadata::append_field(&mut self.metadata, name, value)),
        }
    }

    /// Is ready for the fields of the next head.
    #[inline]
    pub(in crate::client::multiplexed) fn clear(&mut self) {
        if self.fields.has_others {
            *self = ResponseHead { saved: self.saved, ..ResponseHead::default() };
        }
        self.fields = HeadFields::default();
    }

    /// Takes the metadata of the head.
    #[inline]
    pub(in crate::client::multiplexed) fn take_metadata(&mut self) -> Option<Metadata> {
        self.fields.has_others.then(|| mem::take(&mut self.metadata)).filter(|metadata| !metadata.is_empty())
    }

    /// The status of a call that has failed with `code`.
    pub(in crate::client::multiplexed) fn take_status(&mut self, code: Code, address: &Address) -> Status {
        let mut status = match &self.details {
            Some(details) => decode_error(code as u16, details),
            None => Status::new(code, mem::take(&mut self.message)),
        };
        if let Some(pause) = self.retry_after
            && status.retry_after().is_none()
        {
            status = status.with_retry_after(pause);
        }
        if let Some(story) = self.metadata.value(STORY_KEY) {
            status = status.with_story(&String::from_utf8_lossy(story));
            self.metadata.remove(STORY_KEY);
        }
        let origin = self.metadata.text(grpc::FAILURE_FIELD).map(str::to_owned);
        self.metadata.remove(grpc::FAILURE_FIELD);
        let status = grpc::with_failure_origin(status, origin.as_deref());
        status.with_peer(address).with_trailer(mem::take(&mut self.metadata))
    }
}
