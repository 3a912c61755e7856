//! gRPC-Web, Connect and HTTP paths, over HTTP/1.1 and HTTP/2.

use std::sync::LazyLock;

use super::*;
use crate::method::HttpBody;
use crate::protocol::http::connect;
use crate::protocol::http::content_type::{ContentType, Dialect};
use crate::server::tests::dialects::{
    self, CONNECT_PROTO, CONNECT_STREAM, CONNECT_STREAM_JSON, GRPC_WEB, GRPC_WEB_TEXT, JSON,
};
use crate::server::tests::http::{Answer, Ask, answer};
use crate::server::tests::http2_client::{Http2Client, VERSIONS, Version};
use crate::server::tests::raw::{Peer, peer_of};
use crate::server::tests::rest::{field, message, message_type, rule};

/// Each form over each version of HTTP.
pub(super) fn protocols() -> impl Iterator<Item = Open> {
    let forms = VERSIONS.into_iter().flat_map(|version| FORMS.map(|form| (version, form)));
    forms.map(|(version, form)| -> Open {
        Box::new(move |shared| {
            let connection = Connection::open(shared, version);
            Box::new(Web { form, version, shared: shared.clone(), connection })
        })
    })
}

/// How calls and replies look.
#[derive(Clone, Copy)]
enum Form {
    /// The dialect of unary methods, and the dialect of methods with streams.
    Dialects(ContentType, ContentType),
    /// HTTP paths; a stream of replies is a line for each reply.
    Lines,
    /// HTTP paths; a stream of replies is Server-Sent Events.
    Events,
}

const FORMS: [Form; 6] = [
    Form::Dialects(GRPC_WEB, GRPC_WEB),
    Form::Dialects(GRPC_WEB_TEXT, GRPC_WEB_TEXT),
    Form::Dialects(CONNECT_PROTO, CONNECT_STREAM),
    Form::Dialects(JSON, CONNECT_STREAM_JSON),
    Form::Lines,
    Form::Events,
];

struct Web {
    form: Form,
    version: Version,
    shared: Arc<Shared>,
    connection: Connection,
}

impl Caller for Web {
    fn protocol(&self) -> Protocol {
        let form = match self.form {
            Form::Dialects(content, _) => content.name(),
            Form::Lines => "paths and lines",
            Form::Events => "paths and events",
        };
        let everything = Protocol::new(format!("{form} over {:?}", self.version));
        match self.form {
            Form::Dialects(content, _) if dialects::is_framed(content) => everything,
            Form::Dialects(..) => Protocol { has_http_status: |method| method == "One", ..everything },
            Form::Lines | Form::Events => Protocol {
                methods: &["One", "Down"],
                names_methods: false,
                streams_have_trailers: false,
                has_http_status: |_| true,
                ..everything
            },
        }
    }

    fn call(&mut self, call: Call) -> Making<'_> {
        Box::pin(async move {
            let ask = self.form.ask(&call);
            let answer = self.connection.ask(&ask, &self.shared).await;
            self.form.read(call.method, &answer)
        })
    }

    fn close(self: Box<Self>) -> JoinHandle<Close> {
        match self.connection {
            Connection::Http1(peer) => peer.expect("an open connection").server,
            Connection::Http2(client) => client.peer.server,
        }
    }
}

impl Form {
    fn content(self, method: &str) -> ContentType {
        match self {
            Form::Dialects(of_unary, of_streams) => {
                if method == "One" || method == "Nothing" {
                    of_unary
                } else {
                    of_streams
                }
            }
            Form::Lines | Form::Events => JSON,
        }
    }

    fn ask(self, call: &Call) -> Ask {
        let content = self.content(call.method);
        let path = match self {
            Form::Dialects(..) => format!("test.All/{}", call.method),
            Form::Lines | Form::Events => format!("v1/{}", call.method),
        };
        let messages: Vec<&[u8]> = call.requests.iter().map(|message| &message[..]).collect();
        let mut ask = dialects::call(content, &path, &messages);
        if let Form::Events = self {
            ask = ask.with("accept", "text/event-stream");
        }
        ask.fields.extend(grpc::fields_of(&call.metadata()));
        ask.fields.extend(call.timeout.map(|timeout| match content.dialect {
            Dialect::GrpcWeb | Dialect::GrpcWebText => grpc::timeout_field(timeout),
            _ => ("connect-timeout-ms".to_owned(), connect::encode_timeout(timeout)),
        }));
        ask
    }

    fn read(self, method: &str, answer: &Answer) -> Outcome {
        let is_stream = method == "Down" && answer.status == 200;
        match self {
            Form::Lines if is_stream => lines(answer),
            Form::Events if is_stream => events(answer),
            _ => dialects::read(self.content(method), answer),
        }
    }
}

fn lines(answer: &Answer) -> Outcome {
    let mut outcome = dialects::head(JSON, answer);
    let text = answer.text();
    assert_eq!(answer.field("content-type"), Some("application/x-ndjson"));
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    for line in text.lines() {
        assert!(outcome.error.is_none(), "a line behind the end: {text}");
        match line.strip_prefix("{\"result\":") {
            Some(reply) => outcome.messages.push(reply.strip_suffix('}').unwrap().into()),
            None => outcome.error = Some(error_of(line)),
        }
    }
    outcome
}

fn events(answer: &Answer) -> Outcome {
    let mut outcome = dialects::head(JSON, answer);
    let text = answer.text();
    assert_eq!(answer.field("content-type"), Some("text/event-stream"));
    let (replies, end) = text.split_once("event: end\ndata: ").unwrap_or_else(|| panic!("no end: {text}"));
    for event in replies.split_terminator("\n\n") {
        outcome.messages.push(event.strip_prefix("data: ").unwrap().into());
    }
    let end = end.strip_suffix("\n\n").unwrap();
    outcome.error = (end != "{}").then(|| error_of(end));
    outcome
}

fn error_of(json: &str) -> Status {
    let error =
        json.strip_prefix("{\"error\":").and_then(|rest| rest.strip_suffix('}')).unwrap_or_else(|| panic!("{json}"));
    connect::decode_error(error.as_bytes()).unwrap()
}

enum Connection {
    /// `None` once a call was given up, which closes the connection.
    Http1(Option<Peer>),
    Http2(Box<Http2Client>),
}

impl Connection {
    fn open(shared: &Arc<Shared>, version: Version) -> Connection {
        let peer = peer_of(shared.clone(), 8 << 20);
        match version {
            Version::Http1 => Connection::Http1(Some(peer)),
            Version::Http2 => Connection::Http2(Box::new(Http2Client::new(peer))),
        }
    }

    async fn ask(&mut self, ask: &Ask, shared: &Arc<Shared>) -> Answer {
        match self {
            Connection::Http1(kept) => {
                let mut peer = kept.take().unwrap_or_else(|| peer_of(shared.clone(), 8 << 20));
                peer.send(&ask.http1());
                let mut input = BytesMut::new();
                let answer = answer(&mut peer, &mut input, false).await;
                assert!(input.is_empty(), "bytes behind the answer: {input:?}");
                *kept = Some(peer);
                answer
            }
            Connection::Http2(client) => {
                let stream = client.open(ask, true);
                let mut ends = ResetsStream { client, stream, is_answered: false };
                let answer = ends.client.answer(stream).await;
                ends.is_answered = true;
                answer
            }
        }
    }
}

/// Resets the stream of a call that is given up.
struct ResetsStream<'a> {
    client: &'a mut Http2Client,
    stream: u32,
    is_answered: bool,
}

impl Drop for ResetsStream<'_> {
    fn drop(&mut self) {
        if !self.is_answered && !std::thread::panicking() {
            self.client.reset(self.stream);
        }
    }
}

/// The service, with its description and with HTTP paths for the methods that can have them.
#[derive(Clone)]
pub(super) struct Bound(pub(super) All);

impl Service for Bound {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &BOUND
    }

    fn call(&self, method: usize, context: Context, request: Body, codec: Codec) -> BoxFuture<Result<Body, Status>> {
        self.0.call(method, context, request, codec)
    }
}

static BOUND: LazyLock<ServiceDescriptor> =
    LazyLock::new(|| ServiceDescriptor { name: ALL.name, methods: &BOUND_METHODS, files: files().leak() });

static BOUND_METHODS: [MethodDescriptor; 4] = [
    unary("One", "test.All/One").bound(&[rule("POST", "/v1/One", HttpBody::Whole)]),
    stream("Up", "test.All/Up", MethodKind::ClientStreaming),
    stream("Down", "test.All/Down", MethodKind::ServerStreaming).bound(&[rule("POST", "/v1/Down", HttpBody::Whole)]),
    stream("Talk", "test.All/Talk", MethodKind::Bidirectional),
];

fn files() -> Vec<u8> {
    let text = message_type("Text", &[field("text", 1, 9, "")]);
    let method = |name: &str| message(&[(1, name.as_bytes()), (2, b".test.Text"), (3, b".test.Text")]);
    let methods = METHODS.iter().flat_map(|name| message(&[(2, &method(name))])).collect();
    let service = [message(&[(1, b"All")]), methods].concat();
    message(&[(1, &message(&[(1, b"test/all.proto"), (2, b"test"), (4, &text), (6, &service)]))])
}
