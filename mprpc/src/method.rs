//! What is known of a service and its methods at compile time. Generated code holds them as statics.

/// A service of a `.proto` file.
#[derive(Debug, PartialEq, Eq)]
pub struct ServiceDescriptor {
    /// The full name, `fixbug.UserServiceRpc`.
    pub name: &'static str,
    /// Its methods, in the order of the file; an index into them names a method.
    pub methods: &'static [MethodDescriptor],
}

impl ServiceDescriptor {
    /// The name without its package, `UserServiceRpc`, as C++ MPRPC programs send it.
    pub fn short_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }
}

/// A method of a service.
#[derive(Debug, PartialEq, Eq)]
pub struct MethodDescriptor {
    /// The name in the `.proto` file, `Login`.
    pub name: &'static str,
    /// Service and method, `fixbug.UserServiceRpc/Login`.
    pub path: &'static str,
    /// Which sides send one message and which a stream.
    pub kind: MethodKind,
    /// Whether the method may be run twice.
    pub idempotency: Idempotency,
}

impl MethodDescriptor {
    /// The full name of its service, `fixbug.UserServiceRpc`.
    pub fn service(&self) -> &'static str {
        self.path.split('/').next().unwrap_or(self.path)
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
    /// Many of both.
    Bidirectional,
}

/// Whether a method may be run twice, from protobuf's `idempotency_level` option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// Not said: it is never run twice.
    Unknown,
    /// `IDEMPOTENT`: it writes, and a second run changes nothing more.
    Idempotent,
    /// `NO_SIDE_EFFECTS`: it only reads.
    NoSideEffects,
}

impl Idempotency {
    /// Whether a call that may have run may be made again.
    pub fn may_run_twice(self) -> bool {
        self != Idempotency::Unknown
    }
}
