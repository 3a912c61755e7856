//! `Status`, the outcome of a failed call: the only error that crosses the wire. Not the error of building or configuring,
//! which is [`crate::Error`].

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::metadata::Metadata;

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

    /// Returns the code with this number, or [`Code::Unknown`] for a number that only a newer peer knows.
    pub fn from_number(number: u8) -> Code {
        Self::ALL.get(usize::from(number)).map_or(Code::Unknown, |entry| entry.0)
    }

    /// The name in capitals, such as `DEADLINE_EXCEEDED`.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The phase in which a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The caller asks the registry for the endpoints of the service.
    Resolve,
    /// The caller chooses an endpoint.
    Pick,
    /// The caller opens a connection.
    Connect,
    /// The caller hands the request to the connection.
    Send,
    /// The call waits in the queue of the server.
    Queue,
    /// The handler runs.
    Handle,
    /// The caller waits for the reply, or reads it.
    Reply,
}

impl Phase {
    /// The name in lower case, such as `connect`.
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

/// Whether the handler of a failed call ran. The answer decides whether the call may be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ran {
    /// The handler did not run: the call was refused or never sent. A retry is safe for every method.
    No,
    /// The connection or the wait ended after the request was sent, or the server ended the call. Nobody knows whether the
    /// handler ran to its end.
    Maybe,
    /// The handler ran, and the status is its answer.
    Yes,
}

/// The outcome of a call that did not succeed.
///
/// [`Status::is_from_handler`] tells whether the application or the framework failed. Programs act on the code and the
/// details (typed messages: [`Status::with_detail`], [`Status::with_retry_after`]). People read the message and the story. A
/// `Status` is as wide as a pointer.
///
/// `Display` prints one line: the code, the message, and, where known, the phase, the peer and whether the call ran. `{:#}`
/// also prints the story, one hop a line, each indented further than the line above.
#[derive(Clone)]
pub struct Status(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    phase: Option<Phase>,
    peer: Option<String>,
    ran: Ran,
    details: Vec<Detail>,
    trailer: Metadata,
    story: Story,
    /// The duration of the failed call, as its caller measured it.
    elapsed: Duration,
}

/// A `google.protobuf.Any`. This module does not decode it, because the message library belongs to a higher layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detail {
    pub(crate) type_url: String,
    pub(crate) value: Bytes,
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
    /// Creates the status that a handler returns: the handler ran, and the status is its answer.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Status {
        Status(Box::new(Inner {
            code,
            message: message.into(),
            phase: None,
            peer: None,
            ran: Ran::Yes,
            details: Vec::new(),
            trailer: Metadata::new(),
            story: Story::default(),
            elapsed: Duration::ZERO,
        }))
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

    /// The kind of failure.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// A description for people. It may be empty.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The phase in which the call failed; `None` if the failure is the handler's own answer.
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// The address at which the call failed, if there was one.
    pub fn peer(&self) -> Option<&str> {
        self.0.peer.as_deref()
    }

    /// Whether the handler ran.
    pub fn ran(&self) -> Ran {
        self.0.ran
    }

    /// Marks a failure that the server reports and that is not the answer of the handler. A call that the server ended for a
    /// reason of its own, such as its stop, may run again at another server if its method may run twice.
    pub(crate) fn of_server(self) -> Status {
        let ran = if self.code() == Code::Unavailable { Ran::Maybe } else { self.ran() };
        self.with_phase(Phase::Handle).with_ran(ran)
    }

    /// Makes the status the answer of a handler: the handler ran, even if the status came from a call that did not.
    pub(crate) fn into_answer(mut self) -> Status {
        (self.0.phase, self.0.peer, self.0.ran) = (None, None, Ran::Yes);
        self
    }

    /// Whether the application answered: the handler ran and returned this status.
    ///
    /// Otherwise the framework or the network failed: no endpoint, no connection, no time, a limit, or a reply that does not
    /// decode. [`Status::phase`] then says where the call failed, and [`Status::ran`] whether it may be retried.
    ///
    /// If a handler makes a call itself and returns that call's failure with `?`, the failure becomes the handler's own
    /// answer. The story tells the rest.
    pub fn is_from_handler(&self) -> bool {
        self.0.phase.is_none() && self.0.ran == Ran::Yes
    }

    /// The detail messages in order: the type URL, such as `type.googleapis.com/google.rpc.ErrorInfo`, and the message in
    /// protobuf. [`Status::detail`] returns one of them by its type.
    pub fn details(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.0.details.iter().map(|detail| (detail.type_url.as_str(), &detail.value))
    }

    pub(crate) fn details_mut(&mut self) -> &mut Vec<Detail> {
        &mut self.0.details
    }

    /// The metadata that came after the failed call, or that a handler sends with the status.
    pub fn trailer(&self) -> &Metadata {
        &self.0.trailer
    }

    /// The hops that handed on the failure, one a line, outermost first; `None` if there was no hop.
    ///
    /// The story has at most 512 bytes. Beyond that, one `…` replaces lines in the middle; the first and the last line stay.
    pub fn story(&self) -> Option<&str> {
        Some(self.0.story.0.as_str()).filter(|story| !story.is_empty())
    }

    /// Puts a hop in front of the story: what this side knows of the failed call. The line is cut at 250 bytes.
    pub(crate) fn with_hop(mut self, line: &str) -> Status {
        self.0.story.push(line);
        self
    }

    /// Appends the story that a peer sent, hop by hop, below the present lines. The story is not trusted: it is held to the
    /// same bounds as a local one.
    pub(crate) fn with_story(mut self, story: &str) -> Status {
        let mine = std::mem::take(&mut self.0.story);
        for line in story.lines().rev().chain(mine.0.lines().rev()) {
            self.0.story.push(line);
        }
        self
    }

    /// Adds the caller's part of the story and the duration of the call. If the server sent a line, both stand in one line.
    pub(crate) fn with_callers_part(mut self, part: &str, elapsed: Duration) -> Status {
        let told = std::mem::take(&mut self.0.story.0);
        let (servers_part, deeper) = told.split_once('\n').unwrap_or((&told, ""));
        for line in deeper.lines().rev() {
            self.0.story.push(line);
        }
        let separator = if servers_part.is_empty() { "" } else { ", " };
        self.0.story.push(&format!("{part}{separator}{servers_part}"));
        self.0.elapsed = elapsed;
        self
    }

    /// The duration of the failed call, if a handler made that call and its failure is this status.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// Adds metadata that travels with the status.
    pub fn with_trailer(mut self, trailer: Metadata) -> Status {
        self.0.trailer = trailer;
        self
    }

    /// Sets the phase in which the call failed.
    pub fn with_phase(mut self, phase: Phase) -> Status {
        self.0.phase = Some(phase);
        self
    }

    /// Sets the peer at which the call failed.
    pub fn with_peer(mut self, peer: impl fmt::Display) -> Status {
        self.0.peer = Some(peer.to_string());
        self
    }

    /// Sets whether the call ran.
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
            (Some(phase), Some(peer)) => write!(f, " [{phase} {peer}, {}]", self.ran_words())?,
            (Some(phase), None) => write!(f, " [{phase}, {}]", self.ran_words())?,
            (None, Some(peer)) => write!(f, " [{peer}]")?,
            (None, None) => {}
        }
        if f.alternate() {
            for (depth, line) in self.0.story.0.lines().enumerate() {
                write!(f, "\n{:width$}{line}", "", width = 2 * (depth + 1).min(INDENTS_MAX))?;
            }
        }
        Ok(())
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

/// The hops of a failure, one a line, outermost first, within [`STORY_BYTES_MAX`].
#[derive(Clone, Debug, Default)]
struct Story(String);

impl Story {
    /// Inserts a line at the front, and cuts the middle of the story if it gets too long.
    fn push(&mut self, line: &str) {
        let line = one_line(line);
        let mut lines: Vec<&str> = std::iter::once(line.as_str()).chain(self.0.lines()).collect();
        let mut bytes = lines.iter().map(|line| line.len() + 1).sum::<usize>() - 1;
        if bytes > STORY_BYTES_MAX {
            // Two lines always fit with a cut between them, so there is a middle line.
            let cut = lines.iter().position(|line| *line == CUT).unwrap_or_else(|| {
                let middle = lines.len() / 2;
                bytes = bytes - lines[middle].len() + CUT.len();
                lines[middle] = CUT;
                middle
            });
            let (mut above, mut below) = (cut, lines.len() - cut - 1);
            while bytes > STORY_BYTES_MAX && (above > 1 || below > 1) {
                let at = if above > below { above - 1 } else { lines.len() - below };
                bytes -= lines.remove(at).len() + 1;
                (above, below) = if above > below { (above - 1, below) } else { (above, below - 1) };
            }
        }
        self.0 = lines.join("\n");
    }
}

/// Makes a valid story line: replaces control characters, so that it stays one line, and cuts it at
/// [`STORY_LINE_BYTES_MAX`].
fn one_line(line: &str) -> String {
    let mut line = line.replace(|character: char| character.is_control(), " ");
    if line.len() > STORY_LINE_BYTES_MAX {
        line.truncate(line.floor_char_boundary(STORY_LINE_BYTES_MAX - CUT.len()));
        line.push_str(CUT);
    }
    line
}

const STORY_BYTES_MAX: usize = 512;
/// Two lines of this length and a cut between them stay below [`STORY_BYTES_MAX`].
const STORY_LINE_BYTES_MAX: usize = 250;
/// Replaces omitted lines, or the omitted end of a line.
const CUT: &str = "…";
/// The depth from which `{:#}` indents no further.
const INDENTS_MAX: usize = 16;

/// Formats a duration for a story: `12.3 ms`.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_one_pointer_wide() {
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
    fn display_shows_phase_peer_and_whether_call_ran() {
        let status = Status::unavailable("connection refused")
            .with_phase(Phase::Connect)
            .with_peer("127.0.0.1:8000")
            .with_ran(Ran::No);
        assert_eq!(status.to_string(), "UNAVAILABLE: connection refused [connect 127.0.0.1:8000, did not run]");
        assert_eq!(Status::not_found("no such user").to_string(), "NOT_FOUND: no such user");
    }

    #[test]
    fn handler_status_is_distinguished_from_framework_failure() {
        assert!(Status::not_found("no such user").with_peer("127.0.0.1:8000").is_from_handler());
        assert!(!Status::unavailable("refused").with_phase(Phase::Connect).with_ran(Ran::No).is_from_handler());
        assert!(!Status::internal("the reply does not decode").with_phase(Phase::Reply).is_from_handler());
        assert!(!Status::unavailable("not reachable").with_ran(Ran::No).is_from_handler());
    }

    #[test]
    fn status_returns_its_trailer() {
        let mut trailer = Metadata::new();
        trailer.append("cost", "7").unwrap();
        let status = Status::aborted("").with_trailer(trailer.clone());
        assert_eq!(status.trailer(), &trailer);
        assert!(Status::aborted("").trailer().is_empty());
    }

    #[test]
    fn alternate_display_indents_each_hop_of_story() {
        let status = Status::unavailable("no").with_hop("c: 3 ms").with_hop("b: 5\nms").with_hop("a: 9 ms");
        assert_eq!(status.story(), Some("a: 9 ms\nb: 5 ms\nc: 3 ms"));
        assert_eq!(status.to_string(), "UNAVAILABLE: no");
        assert_eq!(format!("{status:#}"), "UNAVAILABLE: no\n  a: 9 ms\n    b: 5 ms\n      c: 3 ms");
        assert_eq!(Status::unavailable("no").story(), None);
    }

    #[test]
    fn long_story_keeps_both_ends_and_marks_omitted_middle() {
        for length in [1, 7, 60, 249, 250, 251, 600] {
            let mut status = Status::unavailable("no");
            for hop in 0..300 {
                status = status.with_hop(&format!("{hop:03} {}", "ä".repeat(length)));
                let story = status.story().unwrap();
                assert!(story.len() <= STORY_BYTES_MAX, "{} bytes", story.len());
                assert!(story.starts_with(&format!("{hop:03} ")));
                assert!(story.lines().next_back().unwrap().starts_with("000 "));
                assert!(story.matches("\n…\n").count() <= 1);
            }
            assert_eq!(status.story().unwrap().matches("\n…\n").count(), 1);
            let hops: Vec<&str> = status.story().unwrap().lines().collect();
            let cut = hops.iter().position(|line| *line == CUT).unwrap();
            assert!(cut.abs_diff(hops.len() - 1 - cut) <= 1, "as much is kept of either end: {hops:?}");
        }
    }

    #[test]
    fn story_of_peer_is_appended_within_the_same_bounds() {
        let status = Status::unavailable("no").with_hop("a").with_story("b\nc");
        assert_eq!(status.story(), Some("a\nb\nc"));
        let flood = format!("x\n{}\nlast", "y\u{7}\n".repeat(10_000));
        let status = status.with_story(&flood);
        let story = status.story().unwrap();
        assert!(story.len() <= STORY_BYTES_MAX && story.starts_with("a\nb\nc\nx\n") && story.ends_with("\nlast"));
    }
}
