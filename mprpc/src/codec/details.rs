//! Typed access to the details of a status, and the time to wait before a retry. `status` stores the details; `protocol`
//! sends them.

use std::time::Duration;

use buffa::{Message, MessageName};

use super::error_details::RetryInfo;
use super::well_known;
use crate::status::{Detail, Status};

impl Status {
    /// Appends a message to the details and returns the status.
    ///
    /// Any generated message will do; [`error_details`](crate::error_details) has the standard ones. Code, message and
    /// details of one error may take 16 KiB on the wire; details that do not fit are left out.
    pub fn with_detail<M: Message + MessageName>(mut self, detail: &M) -> Status {
        self.details_mut().push(packed(detail));
        self
    }

    /// The first detail of type `M`, or `None` if there is none or it does not decode. Of a type URL, only the part behind
    /// the last `/` counts.
    pub fn detail<M: Message + MessageName>(&self) -> Option<M> {
        let (_, value) = self.details().find(|(type_url, _)| type_name(type_url) == M::FULL_NAME)?;
        M::decode_from_slice(value).ok()
    }

    /// Tells the caller to wait for `pause` before a retry, and returns the status.
    ///
    /// The pause is a `google.rpc.RetryInfo` in front of the other details, and replaces an earlier one. A pause beyond
    /// protobuf's maximum of 315,576,000,000 s is shortened to that maximum.
    pub fn with_retry_after(mut self, pause: Duration) -> Status {
        let delay = well_known::Duration {
            seconds: pause.as_secs().min(SECONDS_MAX) as i64,
            nanos: pause.subsec_nanos() as i32,
            ..Default::default()
        };
        let info = RetryInfo { retry_delay: delay.into(), ..Default::default() };
        let details = self.details_mut();
        details.retain(|detail| type_name(&detail.type_url) != RetryInfo::FULL_NAME);
        details.insert(0, packed(&info));
        self
    }

    /// How long to wait before a retry, as requested by the side that failed the call. `None` if the status does not say,
    /// or if its duration is negative or invalid.
    pub fn retry_after(&self) -> Option<Duration> {
        let info: RetryInfo = self.detail()?;
        let delay = info.retry_delay.as_option()?;
        let seconds = u64::try_from(delay.seconds).ok().filter(|seconds| *seconds <= SECONDS_MAX)?;
        let nanos = u32::try_from(delay.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        Some(Duration::new(seconds, nanos))
    }
}

/// The name in a type URL: the part behind the last `/`.
fn type_name(type_url: &str) -> &str {
    type_url.rsplit_once('/').map_or(type_url, |(_, name)| name)
}

fn packed<M: Message + MessageName>(message: &M) -> Detail {
    Detail { type_url: M::TYPE_URL.to_owned(), value: message.encode_to_vec().into() }
}

/// The longest `google.protobuf.Duration`: 10,000 years.
const SECONDS_MAX: u64 = 315_576_000_000;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::error_details::bad_request::FieldViolation;
    use crate::error_details::{BadRequest, ErrorInfo};

    #[test]
    fn details_are_found_by_type() {
        let info = ErrorInfo { reason: "NO_STOCK".into(), domain: "shop".into(), ..Default::default() };
        let violation = FieldViolation { field: "name".into(), description: "is empty".into(), ..Default::default() };
        let request = BadRequest { field_violations: vec![violation], ..Default::default() };
        let status = Status::failed_precondition("").with_detail(&info).with_detail(&request);
        assert_eq!(status.detail::<ErrorInfo>(), Some(info));
        assert_eq!(status.detail::<BadRequest>(), Some(request));
        assert_eq!(status.detail::<well_known::StringValue>(), None);
        let urls: Vec<&str> = status.details().map(|(type_url, _)| type_url).collect();
        assert_eq!(urls, ["type.googleapis.com/google.rpc.ErrorInfo", "type.googleapis.com/google.rpc.BadRequest"]);
    }

    #[test]
    fn malformed_detail_is_none() {
        let mut status = Status::aborted("");
        let detail = |value| Detail { type_url: "example.org/google.rpc.ErrorInfo".into(), value };
        status.details_mut().push(detail(Bytes::from_static(b"\x0a\x05a")));
        assert_eq!(status.detail::<ErrorInfo>(), None);
        status.details_mut()[0] = detail(Bytes::from_static(b"\x0a\x01a"));
        assert_eq!(status.detail::<ErrorInfo>().unwrap().reason, "a");
    }

    #[test]
    fn retry_after_is_encoded_as_google_rpc_retry_info() {
        let pause = Duration::new(90, 500);
        let status = Status::unavailable("").with_detail(&ErrorInfo::default()).with_retry_after(pause);
        assert_eq!(status.retry_after(), Some(pause));
        let info: RetryInfo = status.detail().unwrap();
        assert_eq!((info.retry_delay.seconds, info.retry_delay.nanos), (90, 500));
        let again = status.with_retry_after(Duration::MAX);
        assert_eq!(again.retry_after(), Some(Duration::new(SECONDS_MAX, 999_999_999)));
        assert_eq!(again.details().count(), 2);
        assert!(again.details().next().unwrap().0.ends_with(RetryInfo::FULL_NAME), "it is the last to be left out");
        assert_eq!(Status::unavailable("").with_retry_after(Duration::ZERO).retry_after(), Some(Duration::ZERO));
        assert_eq!(Status::unavailable("").retry_after(), None);
    }

    #[test]
    fn invalid_retry_delay_is_ignored() {
        for (seconds, nanos) in [(-1, 0), (0, -1), (1, 1_000_000_000), (i64::MAX, 0)] {
            let duration = well_known::Duration { seconds, nanos, ..Default::default() };
            let info = RetryInfo { retry_delay: duration.into(), ..Default::default() };
            assert_eq!(Status::aborted("").with_detail(&info).retry_after(), None, "{seconds} {nanos}");
        }
        assert_eq!(Status::aborted("").with_detail(&RetryInfo::default()).retry_after(), None);
    }
}
