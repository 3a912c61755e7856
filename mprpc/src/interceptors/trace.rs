//! The W3C trace context and the request id: created if a call has none, and passed on with a new span at each hop.

use std::fmt;

use crate::context::Context;
use crate::interceptor::{Interceptor, Next};
use crate::metadata::Metadata;
use crate::service::{Body, BoxFuture};
use crate::status::Status;

/// Gives each call a `traceparent` and an `x-request-id` in its metadata. Works on both sides; each side makes its own
/// span.
///
/// Both values pass on to the calls that the handler makes, and so to the next server.
///
/// A well-formed `traceparent` continues its trace under a new span id. A malformed one is replaced, and its
/// `tracestate` is removed. A request id is also replaced if it is empty, longer than 128 bytes, not visible ASCII, or
/// present twice.
///
/// Source: <https://www.w3.org/TR/trace-context/>, version 00.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace;

impl Interceptor for Trace {
    fn intercept(&self, mut context: Context, body: Body, next: Next) -> BoxFuture<Result<Body, Status>> {
        match traced(context.metadata_mut(), || fastrand::u128(1..)) {
            Ok(()) => next.run(context, body),
            Err(status) => Box::pin(std::future::ready(Err(status))),
        }
    }
}

fn traced(metadata: &mut Metadata, random: impl Fn() -> u128) -> Result<(), Status> {
    let span = |random: u128| (random as u64).max(1);
    let parent = match only(metadata, PARENT).and_then(Parent::parse) {
        Some(parent) => Parent { span: span(random()), ..parent },
        None => {
            metadata.remove(STATE);
            Parent { trace: random(), span: span(random()), flags: SAMPLED }
        }
    };
    metadata.set(PARENT, parent.to_string())?;
    if !only(metadata, REQUEST_ID).is_some_and(is_request_id) {
        metadata.set(REQUEST_ID, format!("{:032x}", random()))?;
    }
    Ok(())
}

/// Returns the value of a key that must occur only once.
fn only<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a [u8]> {
    let mut values = metadata.values(key);
    values.next().filter(|_| values.next().is_none())
}

fn is_request_id(value: &[u8]) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic)
}

/// A `traceparent`: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parent {
    trace: u128,
    span: u64,
    flags: u8,
}

impl Parent {
    /// Parses a `traceparent`; `None` if it is malformed. Of a later version, it reads the parts that version 00 knows.
    fn parse(value: &[u8]) -> Option<Parent> {
        let (known, rest) = std::str::from_utf8(value).ok()?.split_at_checked(PARENT_BYTES)?;
        let [version, trace, span, flags] = known.split('-').collect::<Vec<_>>()[..] else { return None };
        let version = number(version, 2)?;
        let is_known = if version == 0 { rest.is_empty() } else { rest.is_empty() || rest.starts_with('-') };
        if version == 0xff || !is_known {
            return None;
        }
        let (trace, span) = (number(trace, 32)?, number(span, 16)?);
        (trace != 0 && span != 0).then_some(Parent { trace, span: span as u64, flags: number(flags, 2)? as u8 })
    }
}

/// Parses exactly `digits` digits of lower-case hexadecimal.
fn number(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != digits || !text.bytes().all(is_digit) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Version 00 knows only this one flag.
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags & SAMPLED)
    }
}

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
const REQUEST_ID: &str = "x-request-id";
const PARENT_BYTES: usize = 55;
const REQUEST_ID_BYTES_MAX: usize = 128;
/// The flag that says that somebody records the trace.
const SAMPLED: u8 = 1;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const CAME: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    /// Returns the metadata that `traced` makes of these pairs, with the random numbers 1, 2, 3.
    fn of(pairs: &[(&str, &str)]) -> Metadata {
        let mut metadata = Metadata::new();
        for (key, value) in pairs {
            metadata.append(key, *value).unwrap();
        }
        let drawn = Cell::new(0);
        traced(&mut metadata, || {
            drawn.set(drawn.get() + 1);
            drawn.get()
        })
        .unwrap();
        metadata
    }

    #[test]
    fn trace_and_request_id_are_created_for_a_call_without_them() {
        let metadata = of(&[]);
        assert_eq!(metadata.text(PARENT), Some("00-00000000000000000000000000000001-0000000000000002-01"));
        assert_eq!(metadata.text(REQUEST_ID), Some("00000000000000000000000000000003"));
    }

    #[test]
    fn received_trace_continues_under_a_new_span() {
        let metadata = of(&[(PARENT, CAME), (STATE, "a=b"), (REQUEST_ID, "r-7")]);
        assert_eq!(metadata.text(PARENT), Some("00-0af7651916cd43dd8448eb211c80319c-0000000000000001-00"));
        assert_eq!((metadata.text(STATE), metadata.text(REQUEST_ID)), (Some("a=b"), Some("r-7")));
        // A later version with more content behind it and unknown flags.
        let later = format!("01{}3-more", &CAME[2..CAME.len() - 1]);
        assert_eq!(
            of(&[(PARENT, &later)]).text(PARENT),
            Some("00-0af7651916cd43dd8448eb211c80319c-0000000000000001-01")
        );
    }

    #[test]
    fn malformed_trace_is_replaced_and_its_state_removed() {
        for malformed in [
            "",
            "00",
            "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033+1-01",
        ] {
            let metadata = of(&[(PARENT, malformed), (STATE, "a=b")]);
            assert_eq!(
                metadata.text(PARENT),
                Some("00-00000000000000000000000000000001-0000000000000002-01"),
                "{malformed}"
            );
            assert_eq!(metadata.text(STATE), None);
        }
        let twice = of(&[(PARENT, CAME), (PARENT, CAME)]);
        assert_eq!(twice.values(PARENT).count(), 1);
        assert!(twice.text(PARENT).unwrap().starts_with("00-00000000000000000000000000000001-"));
    }

    #[test]
    fn malformed_request_id_is_replaced() {
        let long = "x".repeat(REQUEST_ID_BYTES_MAX + 1);
        for bad in ["", "a b", &long] {
            assert_eq!(of(&[(REQUEST_ID, bad)]).text(REQUEST_ID).unwrap().len(), 32, "{bad}");
        }
        assert_eq!(of(&[(REQUEST_ID, &long[1..])]).text(REQUEST_ID), Some(&long[1..]));
    }
}
