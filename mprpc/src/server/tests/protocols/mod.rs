//! What calls do whatever the protocol: one list of behaviours, each of which runs over every protocol of [`callers`].
//!
//! Another protocol implements [`Caller`] and joins the list. A case leaves out what a protocol cannot express, and a field of
//! [`Protocol`] says what that is:
//!
//! | protocol | HTTP | cannot express |
//! |---|---|---|
//! | native | | |
//! | gRPC | 2; HTTP/1.1 gets 505: `web.rs` | |
//! | gRPC-Web, gRPC-Web in base64 | 1.1, 2 | |
//! | Connect in protobuf, Connect in JSON | 1.1, 2 | |
//! | HTTP paths with lines, HTTP paths with events | 1.1, 2 | methods that take a stream; the name of an unknown method; trailer metadata of streams |
//!
//! The classic protocol is not in the list: its frame has neither status nor metadata nor deadline. `raw.rs` and
//! `garbage.rs` test it.

mod bounds;
mod codes;
mod contents;
mod endings;
pub(super) mod grpc;
mod native;
#[cfg(feature = "json")]
mod web;

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::interceptors::tests::all::{ALL, All, echo};
use crate::streaming::Streaming;

/// A call of a method of [`ALL`].
#[derive(Clone)]
struct Call {
    method: &'static str,
    requests: Vec<Bytes>,
    metadata: Vec<(&'static str, Vec<u8>)>,
    timeout: Option<Duration>,
}

impl Call {
    fn new(method: &'static str, requests: &[&[u8]]) -> Call {
        let requests = requests.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
        Call { method, requests, metadata: Vec::new(), timeout: None }
    }

    fn with(mut self, key: &'static str, value: &[u8]) -> Call {
        self.metadata.push((key, value.to_vec()));
        self
    }

    fn within(self, timeout: Duration) -> Call {
        Call { timeout: Some(timeout), ..self }
    }

    /// The metadata of the call, as it is sent.
    fn metadata(&self) -> Metadata {
        let mut sent = Metadata::new();
        self.metadata.iter().for_each(|(key, value)| sent.append(key, value.clone()).unwrap());
        sent
    }
}

/// What came of a call.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) messages: Vec<Vec<u8>>,
    /// Why the call failed; `None` if it succeeded.
    pub(super) error: Option<Status>,
    /// The reply metadata.
    pub(super) head: Metadata,
    pub(super) trailer: Metadata,
    /// The HTTP status, in a protocol on HTTP.
    pub(super) http_status: Option<u16>,
}

impl Outcome {
    pub(super) fn code(&self) -> Code {
        self.error.as_ref().map_or(Code::Ok, Status::code)
    }

    pub(super) fn message(&self) -> &str {
        self.error.as_ref().map_or("", Status::message)
    }
}

/// What a protocol is called, and what it can express.
struct Protocol {
    name: String,
    /// The methods of [`ALL`] that the protocol can call.
    methods: &'static [&'static str],
    /// Whether a call names its method. Otherwise no rule has the path of an unknown method, and the answer is a page.
    names_methods: bool,
    /// Whether a stream that succeeds carries trailer metadata.
    streams_have_trailers: bool,
    /// Whether the code of a call that fails before its first reply is also an HTTP status.
    has_http_status: fn(method: &str) -> bool,
}

const METHODS: &[&str] = &["One", "Up", "Down", "Talk"];

impl Protocol {
    /// A protocol that can express everything.
    fn new(name: impl Into<String>) -> Protocol {
        Protocol {
            name: name.into(),
            methods: METHODS,
            names_methods: true,
            streams_have_trailers: true,
            has_http_status: |_| false,
        }
    }

    fn has(&self, method: &str) -> bool {
        self.methods.contains(&method)
    }
}

type Making<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// The caller's end of a connection that speaks one protocol. All calls go over one connection, which fails the test if it
/// closes; only HTTP/1.1 gives up a call by closing its connection, and makes the next call over another.
trait Caller {
    fn protocol(&self) -> Protocol;

    /// Makes a call, and gives it up if this is dropped.
    fn call(&mut self, call: Call) -> Making<'_>;

    /// Closes the connection. Returns the server's end.
    fn close(self: Box<Self>) -> JoinHandle<Close>;
}

/// Opens a connection that speaks one protocol.
type Open = Box<dyn Fn(&Arc<Shared>) -> Box<dyn Caller>>;

/// A caller of each protocol, each with a server of its own. A connection begins when its turn comes.
fn callers(server: impl Fn() -> Server) -> impl Iterator<Item = (Arc<Shared>, Box<dyn Caller>)> {
    #[cfg_attr(not(feature = "json"), expect(unused_mut, reason = "the other protocols need JSON"))]
    let mut protocols: Vec<Open> = vec![Box::new(native::open), Box::new(grpc::open)];
    #[cfg(feature = "json")]
    protocols.extend(web::protocols());
    protocols.into_iter().map(move |open| {
        let shared = server().share().unwrap();
        let caller = open(&shared);
        (shared, caller)
    })
}

/// A server of `service` under every protocol.
fn server(service: All) -> impl Fn() -> Server {
    #[cfg(feature = "json")]
    let service = web::Bound(service);
    move || Server::default().add(service.clone())
}

/// A service that never answers, and counts the handlers that were dropped.
fn hanging(dropped: &Arc<AtomicUsize>) -> All {
    struct CountsDrop(Arc<AtomicUsize>);
    impl Drop for CountsDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = dropped.clone();
    All::new(move |_, body| {
        let counts = CountsDrop(dropped.clone());
        async move {
            let (_counts, _body) = (counts, body);
            std::future::pending().await
        }
    })
}
