//! The outcome of a call that did not succeed: the only error that crosses the wire. Not the error of building or
//! configuring, which is [`crate::Error`].

use std::borrow::Cow;
use std::fmt;

/// gRPC's status codes, with gRPC's numbers.
///
/// Source: <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are gRPC's and are explained at the source above")]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    const ALL: [(Code, &'static str); 17] = [
        (Code::Ok, "OK"),
        (Code::Cancelled, "CANCELLED"),
        (Code::Unknown, "UNKNOWN"),
        (Code::InvalidArgument, "INVALID_ARGUMENT"),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (Code::NotFound, "NOT_FOUND"),
        (Code::AlreadyExists, "ALREADY_EXISTS"),
        (Code::PermissionDenied, "PERMISSION_DENIED"),
        (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
        (Code::FailedPrecondition, "FAILED_PRECONDITION"),
        (Code::Aborted, "ABORTED"),
        (Code::OutOfRange, "OUT_OF_RANGE"),
        (Code::Unimplemented, "UNIMPLEMENTED"),
        (Code::Internal, "INTERNAL"),
        (Code::Unavailable, "UNAVAILABLE"),
        (Code::DataLoss, "DATA_LOSS"),
        (Code::Unauthenticated, "UNAUTHENTICATED"),
    ];

    /// The code with this number; [`Code::Unknown`] where there is none, as a newer peer may send one.
    pub fn from_number(number: u8) -> Code {
        Self::ALL.get(usize::from(number)).map_or(Code::Unknown, |entry| entry.0)
    }

    /// The name in capitals, `DEADLINE_EXCEEDED`.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where on its way a call was when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Asking the registry where the service runs.
    Resolve,
    /// Choosing one of its endpoints.
    Pick,
    /// Opening a connection.
    Connect,
    /// Handing the request to the connection.
    Send,
    /// Waiting at the server for its turn.
    Queue,
    /// In the handler.
    Handle,
    /// Waiting for the reply, or reading it.
    Reply,
}

impl Phase {
    /// The name in lower case, `connect`.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Resolve => "resolve",
            Phase::Pick => "pick",
            Phase::Connect => "connect",
            Phase::Send => "send",
            Phase::Queue => "queue",
            Phase::Handle => "handle",
            Phase::Reply => "reply",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether the handler of a failed call ran: what decides if the call may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ran {
    /// It provably did not: refused, or never sent. Safe to make again, whatever the method.
    No,
    /// The connection or the patience ended after the request was sent: nobody knows.
    Maybe,
    /// It did, and the status is its answer.
    Yes,
}

/// The outcome of a call that did not succeed. As wide as a pointer.
///
/// `Display` prints one line: the code, the message, and, where known, the phase, the peer and whether the call ran.
#[derive(Clone)]
pub struct Status(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    phase: Option<Phase>,
    peer: Option<String>,
    ran: Ran,
}

macro_rules! constructors {
    ($($name:ident $code:ident)*) => {
        $(
            #[doc = concat!("A status with [`Code::", stringify!($code), "`].")]
            pub fn $name(message: impl Into<Cow<'static, str>>) -> Status {
                Status::new(Code::$code, message)
            }
        )*
    };
}

impl Status {
    /// A status as a handler returns it: it ran, and this is its answer.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Status {
        Status(Box::new(Inner { code, message: message.into(), phase: None, peer: None, ran: Ran::Yes }))
    }

    constructors! {
        cancelled Cancelled
        unknown Unknown
        invalid_argument InvalidArgument
        deadline_exceeded DeadlineExceeded
        not_found NotFound
        already_exists AlreadyExists
        permission_denied PermissionDenied
        resource_exhausted ResourceExhausted
        failed_precondition FailedPrecondition
        aborted Aborted
        out_of_range OutOfRange
        unimplemented Unimplemented
        internal Internal
        unavailable Unavailable
        data_loss DataLoss
        unauthenticated Unauthenticated
    }

    /// What kind of failure it is.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What happened, for a person; may be empty.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where on its way the call failed; `None` when the handler's own answer is the failure.
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// The address the call failed at, where there was one.
    pub fn peer(&self) -> Option<&str> {
        self.0.peer.as_deref()
    }

    /// Whether the handler ran.
    pub fn ran(&self) -> Ran {
        self.0.ran
    }

    /// The status as the answer of a handler that returned it: it ran, whatever the failed call says that it passes on.
    pub(crate) fn into_answer(mut self) -> Status {
        (self.0.phase, self.0.peer, self.0.ran) = (None, None, Ran::Yes);
        self
    }

    /// The same, failed in `phase`.
    pub fn with_phase(mut self, phase: Phase) -> Status {
        self.0.phase = Some(phase);
        self
    }

    /// The same, failed at `peer`.
    pub fn with_peer(mut self, peer: impl fmt::Display) -> Status {
        self.0.peer = Some(peer.to_string());
        self
    }

    /// The same, of a call that ran, did not run, or may have.
    pub fn with_ran(mut self, ran: Ran) -> Status {
        self.0.ran = ran;
        self
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.code)?;
        if !self.0.message.is_empty() {
            write!(f, ": {}", self.0.message)?;
        }
        match (self.0.phase, &self.0.peer) {
            (Some(phase), Some(peer)) => write!(f, " [{phase} {peer}, {}]", self.ran_words()),
            (Some(phase), None) => write!(f, " [{phase}, {}]", self.ran_words()),
            (None, Some(peer)) => write!(f, " [{peer}]"),
            (None, None) => Ok(()),
        }
    }
}

impl Status {
    fn ran_words(&self) -> &'static str {
        match self.0.ran {
            Ran::No => "did not run",
            Ran::Maybe => "may have run",
            Ran::Yes => "ran",
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_as_wide_as_a_pointer() {
        assert_eq!(size_of::<Status>(), 8);
        assert_eq!(size_of::<Result<(), Status>>(), 8);
    }

    #[test]
    fn codes_keep_grpc_numbers() {
        for (number, (code, _)) in Code::ALL.iter().enumerate() {
            assert_eq!(*code as usize, number);
            assert_eq!(Code::from_number(number as u8), *code);
        }
        assert_eq!(Code::from_number(200), Code::Unknown);
    }

    #[test]
    fn says_where_and_whether_it_ran() {
        let status = Status::unavailable("connection refused")
            .with_phase(Phase::Connect)
            .with_peer("127.0.0.1:8000")
            .with_ran(Ran::No);
        assert_eq!(status.to_string(), "UNAVAILABLE: connection refused [connect 127.0.0.1:8000, did not run]");
        assert_eq!(Status::not_found("no such user").to_string(), "NOT_FOUND: no such user");
    }
}
