//! The outcome of a call that did not succeed: the only error that crosses the wire. Not the error of building or
//! configuring, which is [`crate::Error`].

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
/// Whose word it is, [`Status::is_from_handler`] says. What programs act upon stands in the code and the details (typed
/// messages: [`Status::with_detail`], [`Status::with_retry_after`]); what people read, in the message and the story.
///
/// `Display` prints one line: the code, the message, and, where known, the phase, the peer and whether the call ran.
/// `{:#}` prints the story below it, a hop a line, each further in than the one above.
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
    /// What the call took whose failure this is, as its caller measured it.
    elapsed: Duration,
}

/// A `google.protobuf.Any`: the message library stands above this module and knows what is in it.
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
    /// A status as a handler returns it: it ran, and this is its answer.
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

    /// Whether this is the answer of the application: the handler ran and returned this status. Otherwise the framework
    /// or the network failed: nowhere to go, no connection, no time, a limit, a reply that does not decode; then
    /// [`Status::phase`] says where, and [`Status::ran`] whether the call may be made again.
    ///
    /// A handler that hands on the failure of a call it made itself, by `?`, makes it its own answer: to its caller it
    /// is from the handler, and the story tells the rest.
    pub fn is_from_handler(&self) -> bool {
        self.0.phase.is_none() && self.0.ran == Ran::Yes
    }

    /// The messages that came along, in order: the type's URL, `type.googleapis.com/google.rpc.ErrorInfo`, and the
    /// message in protobuf. [`Status::detail`] gives one of them by its type.
    pub fn details(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.0.details.iter().map(|detail| (detail.type_url.as_str(), &detail.value))
    }

    pub(crate) fn details_mut(&mut self) -> &mut Vec<Detail> {
        &mut self.0.details
    }

    /// The metadata that came after the failed call, or is to go with it.
    pub fn trailer(&self) -> &Metadata {
        &self.0.trailer
    }

    /// The way of the failure, a line for each hop that handed it on, outermost first; `None` where there was no hop.
    ///
    /// At most 512 bytes: beyond, lines in the middle give way to one `…`, and the first and the last are kept.
    pub fn story(&self) -> Option<&str> {
        Some(self.0.story.0.as_str()).filter(|story| !story.is_empty())
    }

    /// The same, with a hop in front of the story: what this side knows of the call that failed. One line of at most 250
    /// bytes; more is cut.
    pub(crate) fn with_hop(mut self, line: &str) -> Status {
        self.0.story.push(line);
        self
    }

    /// The same, with the story that a peer tells, hop by hop, below what is there already. Nothing of it is trusted: it
    /// is cut as if it had been told here.
    pub(crate) fn with_story(mut self, story: &str) -> Status {
        let mine = std::mem::take(&mut self.0.story);
        for line in story.lines().rev().chain(mine.0.lines().rev()) {
            self.0.story.push(line);
        }
        self
    }

    /// The same with the caller's part of the story, in one line with that of the server where it told one, and with what
    /// the call took.
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

    /// What the failed call took that this handler made, where this is its failure.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// The same, with metadata that goes along.
    pub fn with_trailer(mut self, trailer: Metadata) -> Status {
        self.0.trailer = trailer;
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

/// The hops that a failure came by: lines, the outermost first, bounded.
#[derive(Clone, Debug, Default)]
struct Story(String);

impl Story {
    /// Puts a line in front.
    fn push(&mut self, line: &str) {
        let line = one_line(line);
        let mut lines: Vec<&str> = std::iter::once(line.as_str()).chain(self.0.lines()).collect();
        let mut bytes = lines.iter().map(|line| line.len() + 1).sum::<usize>() - 1;
        if bytes > STORY_BYTES_MAX {
            // Two lines always fit with a cut between them, so there is a middle.
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

/// A line as it stands in a story: without what would make two of it, and cut at its bound.
fn one_line(line: &str) -> String {
    let mut line = line.replace(|character: char| character.is_control(), " ");
    if line.len() > STORY_LINE_BYTES_MAX {
        line.truncate(line.floor_char_boundary(STORY_LINE_BYTES_MAX - CUT.len()));
        line.push_str(CUT);
    }
    line
}

const STORY_BYTES_MAX: usize = 512;
/// Two of them and a cut between them stay below [`STORY_BYTES_MAX`].
const STORY_LINE_BYTES_MAX: usize = 250;
/// Stands for lines, or the end of a line, that are gone.
const CUT: &str = "…";
/// From this depth on `{:#}` indents no further.
const INDENTS_MAX: usize = 16;

/// A time as a story tells it: `12.3 ms`.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

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

    #[test]
    fn the_handlers_own_answer_can_be_told_from_the_failure_of_the_way_to_it() {
        assert!(Status::not_found("no such user").with_peer("127.0.0.1:8000").is_from_handler());
        assert!(!Status::unavailable("refused").with_phase(Phase::Connect).with_ran(Ran::No).is_from_handler());
        assert!(!Status::internal("the reply does not decode").with_phase(Phase::Reply).is_from_handler());
        assert!(!Status::unavailable("not reachable").with_ran(Ran::No).is_from_handler());
    }

    #[test]
    fn trailer_comes_back() {
        let mut trailer = Metadata::new();
        trailer.append("cost", "7").unwrap();
        let status = Status::aborted("").with_trailer(trailer.clone());
        assert_eq!(status.trailer(), &trailer);
        assert!(Status::aborted("").trailer().is_empty());
    }

    #[test]
    fn story_is_told_below_the_line_a_hop_further_in() {
        let status = Status::unavailable("no").with_hop("c: 3 ms").with_hop("b: 5\nms").with_hop("a: 9 ms");
        assert_eq!(status.story(), Some("a: 9 ms\nb: 5 ms\nc: 3 ms"));
        assert_eq!(status.to_string(), "UNAVAILABLE: no");
        assert_eq!(format!("{status:#}"), "UNAVAILABLE: no\n  a: 9 ms\n    b: 5 ms\n      c: 3 ms");
        assert_eq!(Status::unavailable("no").story(), None);
    }

    #[test]
    fn story_that_gets_long_keeps_its_ends_and_says_that_its_middle_is_gone() {
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
    fn story_of_a_peer_goes_below_and_is_kept_to_the_same_bounds() {
        let status = Status::unavailable("no").with_hop("a").with_story("b\nc");
        assert_eq!(status.story(), Some("a\nb\nc"));
        let flood = format!("x\n{}\nlast", "y\u{7}\n".repeat(10_000));
        let status = status.with_story(&flood);
        let story = status.story().unwrap();
        assert!(story.len() <= STORY_BYTES_MAX && story.starts_with("a\nb\nc\nx\n") && story.ends_with("\nlast"));
    }
}
