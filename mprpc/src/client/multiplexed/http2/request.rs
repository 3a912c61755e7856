//! The head of a gRPC request: its fields, encoded as short as the calls before it allow.

use std::mem;
use std::time::Duration;

use crate::codec::Compression;
use crate::metadata::Metadata;
use crate::method::MethodDescriptor;
use crate::protocol::Message;
use crate::protocol::http::grpc::{self, TimeoutText};
use crate::protocol::http::metadata;
use crate::protocol::http2::FieldWriter;
use crate::protocol::http2::hpack::{Remembered, RememberedPart};

/// The request that a stream begins with.
pub(in crate::client::multiplexed) struct StreamHead<'a> {
    pub(in crate::client::multiplexed) method: &'a MethodDescriptor,
    /// The address of the method's descriptor, if it is a static one.
    pub(in crate::client::multiplexed) place: Option<usize>,
    pub(in crate::client::multiplexed) metadata: &'a Metadata,
    pub(in crate::client::multiplexed) granted: Option<Duration>,
    pub(in crate::client::multiplexed) compression: Option<Compression>,
    pub(in crate::client::multiplexed) message: Option<Message>,
}

/// Writes the heads of a connection's requests.
pub(in crate::client::multiplexed) struct RequestHeads {
    usual: UsualFields,
    /// The methods that were called first.
    recent: Vec<RecentMethod>,
}

/// Where the encoder of the connection holds the fields that most requests have.
#[derive(Default)]
struct UsualFields {
    /// The value of `:authority`.
    authority_text: Box<str>,
    is_secure: bool,
    authority: Remembered,
    path: Remembered,
    te: Remembered,
    content_type: Remembered,
    user_agent: Remembered,
    accept_encoding: Remembered,
    encoding: Remembered,
    timeout: TimeoutField,
}

/// What is remembered for the calls of a method.
struct RecentMethod {
    /// The address of the method's descriptor.
    place: usize,
    path: Remembered,
    /// What the encoded fields depend on beside the method.
    call: (Option<Compression>, Option<TimeoutText>, bool),
    /// The fields before the metadata.
    encoded: RememberedPart,
}

/// So many methods have their own place among the remembered fields.
const RECENT_METHODS: usize = 16;

/// How `grpc-timeout` is encoded: a value enters the table of the peer if many calls in a row have it.
#[derive(Default)]
struct TimeoutField {
    name: Remembered,
    value: Remembered,
    last: Option<TimeoutText>,
    /// How many calls in a row had the last value.
    calls: u32,
}

/// So many calls in a row make a timeout a usual one.
const USUAL_CALLS: u32 = 16;

const USER_AGENT: &str = concat!("mprpc/", env!("CARGO_PKG_VERSION"));

impl RequestHeads {
    pub(in crate::client::multiplexed) fn new(authority: String, is_secure: bool) -> RequestHeads {
        let usual = UsualFields { authority_text: authority.into(), is_secure, ..UsualFields::default() };
        RequestHeads { usual, recent: Vec::new() }
    }

    /// Writes the head of a request.
    #[inline]
    pub(in crate::client::multiplexed) fn write(&mut self, fields: &mut FieldWriter<'_>, head: &StreamHead<'_>) {
        let RequestHeads { usual, recent } = self;
        let timeout = head.granted.map(grpc::encode_timeout);
        usual.timeout.note(timeout);
        match head.place.and_then(|place| RecentMethod::of(recent, place)) {
            Some(RecentMethod { path, call, encoded, .. }) => {
                let this = (head.compression, timeout, usual.timeout.is_usual());
                if mem::replace(call, this) != this {
                    *encoded = RememberedPart::default();
                }
                fields.remembered_part(encoded, |fields| usual.write(fields, head, Some(path), timeout));
            }
            None => usual.write(fields, head, None, timeout),
        }
        if !head.metadata.is_empty() {
            for (name, value) in metadata::fields(head.metadata) {
                fields.field(name.as_bytes(), &value);
            }
        }
    }
}

impl UsualFields {
    /// Writes the fields of a request before its metadata.
    fn write(
        &mut self,
        fields: &mut FieldWriter<'_>,
        head: &StreamHead<'_>,
        path_slot: Option<&mut Remembered>,
        timeout: Option<TimeoutText>,
    ) {
        fields.post(self.is_secure);
        fields.remembered(&mut self.authority, b":authority", self.authority_text.as_bytes());
        let mut path = [0; PATH_BYTES_MAX];
        let path = path_of(head.method, &mut path);
        match path_slot {
            Some(slot) => fields.remembered(slot, b":path", &path),
            None => fields.remembered_name(&mut self.path, b":path", &path),
        }
        fields.remembered(&mut self.te, b"te", b"trailers");
        fields.remembered(&mut self.content_type, b"content-type", b"application/grpc");
        fields.remembered(&mut self.user_agent, b"user-agent", USER_AGENT.as_bytes());
        if let Some(accepted) = accepted_encodings() {
            fields.remembered(&mut self.accept_encoding, b"grpc-accept-encoding", accepted.as_bytes());
        }
        if let Some(algorithm) = head.compression {
            fields.remembered(&mut self.encoding, b"grpc-encoding", algorithm.name().as_bytes());
        }
        if let Some(timeout) = timeout {
            self.timeout.write(fields, timeout);
        }
    }
}

impl TimeoutField {
    /// Takes note that a call has this timeout.
    #[inline]
    fn note(&mut self, timeout: Option<TimeoutText>) {
        if timeout == self.last {
            self.calls = self.calls.saturating_add(1);
        } else {
            (self.last, self.calls, self.value) = (timeout, 1, Remembered::default());
        }
    }

    /// Whether the timeout that was noted last is a usual one.
    #[inline]
    fn is_usual(&self) -> bool {
        self.calls >= USUAL_CALLS
    }

    fn write(&mut self, fields: &mut FieldWriter<'_>, timeout: TimeoutText) {
        const NAME: &[u8] = b"grpc-timeout";
        match self.is_usual() {
            true => fields.remembered(&mut self.value, NAME, timeout.as_bytes()),
            false => fields.remembered_name(&mut self.name, NAME, timeout.as_bytes()),
        }
    }
}

impl RecentMethod {
    /// What is remembered for the method whose descriptor has this address.
    #[inline]
    fn of(recent: &mut Vec<RecentMethod>, place: usize) -> Option<&mut RecentMethod> {
        let at = match recent.iter().position(|method| method.place == place) {
            Some(at) => at,
            None if recent.len() < RECENT_METHODS => {
                let (path, encoded) = (Remembered::default(), RememberedPart::default());
                recent.push(RecentMethod { place, path, call: (None, None, false), encoded });
                recent.len() - 1
            }
            None => return None,
        };
        Some(&mut recent[at])
    }
}

/// A longer path is allocated.
const PATH_BYTES_MAX: usize = 128;

/// The value of `:path` for a method.
fn path_of<'a>(method: &MethodDescriptor, room: &'a mut [u8; PATH_BYTES_MAX]) -> std::borrow::Cow<'a, [u8]> {
    let path = method.path.as_bytes();
    match room.get_mut(..path.len() + 1) {
        Some(room) => {
            room[0] = b'/';
            room[1..].copy_from_slice(path);
            std::borrow::Cow::Borrowed(room)
        }
        None => [b"/", path].concat().into(),
    }
}

/// The value of `grpc-accept-encoding`.
fn accepted_encodings() -> Option<&'static str> {
    static NAMES: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let names: Vec<&str> = Compression::available().iter().map(|algorithm| algorithm.name()).collect();
        names.join(",")
    });
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::method::{Idempotency, MethodKind};
    use crate::protocol::http2::hpack::{Decoder, Encoder, Field};

    static METHOD: MethodDescriptor =
        MethodDescriptor::new("Unary", "echo.Echo/Unary", MethodKind::Unary, Idempotency::Unknown);

    /// A connection's encoder, and the decoder of its peer.
    struct Side {
        heads: RequestHeads,
        encoder: Encoder,
        decoder: Decoder,
    }

    impl Side {
        /// Encodes a head. Returns the length of the block and the fields that the peer reads.
        fn send(&mut self, head: &StreamHead<'_>) -> (usize, Vec<String>) {
            let mut block = BytesMut::new();
            self.encoder.begin_block(&mut block);
            self.heads.write(&mut FieldWriter::encoding(&mut self.encoder, &mut block), head);
            let mut fields = Vec::new();
            let mut take = |field: Field<'_>| {
                fields.push([field.name, field.value].map(String::from_utf8_lossy).join(": "));
            };
            self.decoder.decode(&block, &mut take).unwrap();
            (block.len(), fields)
        }
    }

    fn head(granted: Duration) -> StreamHead<'static> {
        static NONE: std::sync::LazyLock<Metadata> = std::sync::LazyLock::new(Metadata::new);
        let (place, granted) = (Some(7), Some(granted));
        StreamHead { method: &METHOD, place, metadata: &NONE, granted, compression: None, message: None }
    }

    #[test]
    fn repeated_heads_are_short_and_say_what_each_call_says() {
        let heads = RequestHeads::new("users:80".to_owned(), false);
        let mut side = Side { heads, encoder: Encoder::new(), decoder: Decoder::new(4096, 1 << 20) };
        let usual = Duration::from_millis(4_999);
        let mut lengths = Vec::new();
        for call in 0..100u32 {
            let mut metadata = Metadata::new();
            if call % 7 == 3 {
                metadata.set("x-call", call.to_string()).unwrap();
            }
            // A hundred calls with other timeouts and metadata, and a table that changes its size.
            let granted = if call % 41 == 40 { Duration::from_millis(call.into()) } else { usual };
            if call == 60 {
                side.encoder.set_table_bytes_max(0);
                side.encoder.set_table_bytes_max(4096);
            }
            let (length, fields) = side.send(&StreamHead { metadata: &metadata, ..head(granted) });
            let timeout =
                format!("grpc-timeout: {}", if granted == usual { "4999m".into() } else { format!("{call}000u") });
            assert!(fields.contains(&timeout), "{fields:?}");
            assert!(fields.contains(&":path: /echo.Echo/Unary".to_owned()), "{fields:?}");
            assert_eq!(fields.last().is_some_and(|last| *last == format!("x-call: {call}")), call % 7 == 3);
            assert_eq!(fields.iter().filter(|field| field.starts_with(':')).count(), 4);
            lengths.push(length);
        }
        let fields = 8 + usize::from(accepted_encodings().is_some());
        assert_eq!(lengths[30], fields, "every field is an index: {lengths:?}");
        assert_eq!(lengths[98], fields, "again after the changes: {lengths:?}");
    }
}
