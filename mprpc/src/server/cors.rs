//! Cross-origin requests (CORS): the web pages of other origins that may call a server from a browser.
//!
//! Source: <https://fetch.spec.whatwg.org/#http-cors-protocol>.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// The web pages of other origins that may call a server from a browser, by gRPC-Web, Connect or JSON.
///
/// Without an allowed origin, browsers let no page of another origin read an answer. Callers that are not browsers are not
/// concerned. Cookies are not supported: the server never allows requests with credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// The allowed origins, such as `https://app.example.com` or `http://localhost:5173`. `*` allows every origin.
    pub allowed_origins: Vec<String>,
    /// How long a browser may remember that a request is allowed.
    pub max_age: Duration,
}

impl Default for Cors {
    /// Allows no origin.
    fn default() -> Cors {
        Cors { allowed_origins: Vec::new(), max_age: Duration::from_secs(2 * 60 * 60) }
    }
}

impl Cors {
    /// Checks the origins. The error names one that no browser sends.
    pub(super) fn check(&self) -> Result<(), Error> {
        let fault = self.allowed_origins.iter().find_map(|origin| origin_fault(origin));
        fault.map_or(Ok(()), |what| Err(Error::new(ErrorKind::Config, format!("cors.allowed_origins: {what}"))))
    }

    /// Returns what the answer to a request from `origin` says in `access-control-allow-origin`. `None` if the origin is not
    /// allowed.
    pub(super) fn allows(&self, origin: &str) -> Option<AllowedOrigin> {
        if self.allowed_origins.iter().any(|allowed| allowed == ANY) {
            return Some(AllowedOrigin::Any);
        }
        let is_allowed = self.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin));
        is_allowed.then(|| AllowedOrigin::This(origin.into()))
    }
}

/// The origin of a request that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AllowedOrigin {
    Any,
    This(Box<str>),
}

impl AllowedOrigin {
    /// The value of `access-control-allow-origin`.
    pub(super) fn text(&self) -> &str {
        match self {
            AllowedOrigin::Any => ANY,
            AllowedOrigin::This(origin) => origin,
        }
    }
}

const ANY: &str = "*";

/// Returns why no browser sends this origin.
pub(crate) fn origin_fault(origin: &str) -> Option<String> {
    if origin == ANY {
        return None;
    }
    let is_origin =
        |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| matches!(byte, b'!'..=b'~')) && !rest.contains('/');
    match origin.split_once("://") {
        Some((scheme, rest)) if !scheme.is_empty() && is_origin(rest) => None,
        _ => Some(format!("{origin:?} is no origin: scheme://host, scheme://host:port or *")),
    }
}
