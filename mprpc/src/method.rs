//! Descriptors of services and methods. Generated code holds them as statics; a call by name creates its own.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A service of a `.proto` file.
#[derive(PartialEq, Eq)]
pub struct ServiceDescriptor {
    /// The full name, `fixbug.UserServiceRpc`.
    pub name: &'static str,
    /// The methods, in the order of the file. An index into this list identifies a method.
    pub methods: &'static [MethodDescriptor],
    /// The `.proto` files of the service's package and the files that they import, as an encoded
    /// `google.protobuf.FileDescriptorSet`. Imported files of the packages `google.protobuf`, `google.api` and `mprpc` are
    /// not in the set, because mprpc contains them. Empty if the descriptors were left out, and for services that were
    /// written by hand.
    pub files: &'static [u8],
}

impl ServiceDescriptor {
    /// The name without its package, `UserServiceRpc`, as C++ MPRPC programs send it.
    pub fn short_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }
}

impl fmt::Debug for ServiceDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServiceDescriptor { name, methods, files } = self;
        let files = format_args!("{} bytes", files.len());
        f.debug_struct("ServiceDescriptor")
            .field("name", name)
            .field("methods", methods)
            .field("files", &files)
            .finish()
    }
}

/// A method of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodDescriptor {
    /// The name in the `.proto` file, `Login`.
    pub name: Cow<'static, str>,
    /// Service and method, `fixbug.UserServiceRpc/Login`.
    pub path: Cow<'static, str>,
    /// Which sides send one message and which a stream.
    pub kind: MethodKind,
    /// Whether the method may be run twice.
    pub idempotency: Idempotency,
    /// Where a server runs the handler, unless [`Server::placement`](crate::Server::placement) overrides it.
    pub placement: Placement,
    /// The HTTP methods and paths of the method, from the option `(google.api.http)`, in the order of the file.
    pub http: &'static [HttpRule],
}

/// One HTTP method and path of a method, from the option `(google.api.http)`.
///
/// Source: <https://github.com/googleapis/googleapis/blob/master/google/api/http.proto>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpRule {
    /// The HTTP method, `GET`, or `*` for any.
    pub method: &'static str,
    /// The template of the path, `/v1/{name=shelves/*/books/*}:move`. mprpc-build has checked it.
    pub template: &'static str,
    /// What the body of the HTTP request holds. All other fields of the request come from the path and the query.
    pub body: HttpBody,
    /// The field of the reply that the body of the HTTP response holds; `None` for the whole reply.
    pub response_body: Option<&'static str>,
}

/// What the body of an HTTP request holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpBody {
    /// Nothing: every field comes from the path or the query.
    Empty,
    /// All fields that are not in the path (`body: "*"`). The query holds none.
    Whole,
    /// The field of this name.
    Field(&'static str),
}

impl MethodDescriptor {
    /// Creates the descriptor of a method that is known at compile time.
    pub const fn new(
        name: &'static str,
        path: &'static str,
        kind: MethodKind,
        idempotency: Idempotency,
    ) -> MethodDescriptor {
        let placement = Placement::Measured;
        let (name, path) = (Cow::Borrowed(name), Cow::Borrowed(path));
        MethodDescriptor { name, path, kind, idempotency, placement, http: &[] }
    }

    /// Sets the placement, as the option `(mprpc.placement)` of the `.proto` file does.
    pub const fn placed(mut self, placement: Placement) -> MethodDescriptor {
        self.placement = placement;
        self
    }

    /// Sets the HTTP methods and paths, as the option `(google.api.http)` of the `.proto` file does.
    pub const fn bound(mut self, http: &'static [HttpRule]) -> MethodDescriptor {
        self.http = http;
        self
    }

    /// The full name of the service, `fixbug.UserServiceRpc`.
    pub fn service(&self) -> &str {
        self.path.rsplit_once('/').map_or(&self.path, |(service, _)| service)
    }
}

/// The method of a call. It is cheap to clone and dereferences to its [`MethodDescriptor`].
#[derive(Clone)]
pub struct Method(Known);

#[derive(Clone)]
enum Known {
    /// From generated code.
    Static(&'static MethodDescriptor),
    /// Created for a call by name.
    Named(Arc<MethodDescriptor>),
}

impl Method {
    /// Creates a method from its name alone. Its idempotency is unknown.
    pub fn named(service: &str, name: &str, kind: MethodKind) -> Method {
        let path = format!("{service}/{name}").into();
        let (idempotency, placement) = (Idempotency::Unknown, Placement::Measured);
        let name = name.to_owned().into();
        Method(Known::Named(Arc::new(MethodDescriptor { name, path, kind, idempotency, placement, http: &[] })))
    }

    /// The descriptor if it is a static one. Its address then identifies the method.
    pub(crate) fn as_static(&self) -> Option<&'static MethodDescriptor> {
        match self.0 {
            Known::Static(descriptor) => Some(descriptor),
            Known::Named(_) => None,
        }
    }
}

impl Deref for Method {
    type Target = MethodDescriptor;

    fn deref(&self) -> &MethodDescriptor {
        match &self.0 {
            Known::Static(descriptor) => descriptor,
            Known::Named(descriptor) => descriptor,
        }
    }
}

impl From<&'static MethodDescriptor> for Method {
    fn from(descriptor: &'static MethodDescriptor) -> Method {
        Method(Known::Static(descriptor))
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// Which sides send one message and which a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MethodKind {
    /// One request, one reply.
    Unary,
    /// Many requests, one reply.
    ClientStreaming,
    /// One request, many replies.
    ServerStreaming,
    /// Many requests, many replies.
    Bidirectional,
}

impl MethodKind {
    /// Whether the caller sends a stream.
    pub fn streams_requests(self) -> bool {
        matches!(self, MethodKind::ClientStreaming | MethodKind::Bidirectional)
    }

    /// Whether the server sends a stream.
    pub fn streams_replies(self) -> bool {
        matches!(self, MethodKind::ServerStreaming | MethodKind::Bidirectional)
    }
}

/// Where a server runs the handler of a method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// The server measures how long the handler computes, and chooses `Inline` or `Spread`. The first calls of a method run
    /// as `Spread`.
    #[default]
    Measured,
    /// On the event loop of the connection, without a thread hop. It suits handlers that compute for a few microseconds at
    /// most. A handler that computes longer delays every call of that event loop.
    Inline,
    /// On any free core.
    Spread,
    /// On a thread of its own. It suits handlers that block the thread. At most
    /// [`Limits::blocking_threads_max`](crate::Limits::blocking_threads_max) run at the same time.
    Blocking,
}

/// Whether a method may be run twice, from protobuf's `idempotency_level` option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// The option is not set. The method never runs twice.
    Unknown,
    /// `IDEMPOTENT`: the method writes, and a second run changes nothing more.
    Idempotent,
    /// `NO_SIDE_EFFECTS`: the method only reads.
    NoSideEffects,
}

impl Idempotency {
    /// Whether a call that may have run may be retried.
    pub fn may_run_twice(self) -> bool {
        self != Idempotency::Unknown
    }
}
