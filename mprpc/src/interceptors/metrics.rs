//! Counts calls and their durations by method and code. Exports nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::ended::{Ended, watch};
use crate::context::Context;
use crate::interceptor::{Interceptor, Next};
use crate::service::{Body, BoxFuture};
use crate::status::{Code, Status};

/// Counts calls by method and code. Works on both sides; counting takes no lock.
///
/// Clones share their counts: give one clone to the server or the channel, and read the other.
///
/// ```no_run
/// let metrics = mprpc::interceptors::CallMetrics::new();
/// let server = mprpc::Server::default().intercept(metrics.clone());
/// for row in metrics.snapshot() {
///     println!("{} {:?}: {} calls", row.method, row.code, row.calls);
/// }
/// ```
#[derive(Clone, Default)]
pub struct CallMetrics {
    methods: Arc<ArcSwap<Methods>>,
}

/// Counts by path. A new method replaces the whole map, because methods are added rarely and looked up often.
type Methods = HashMap<Arc<str>, Arc<ByCode>>;

/// The calls of one method that ended with one code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodMetrics {
    /// `package.Service/Method`.
    pub method: String,
    /// The code of these calls.
    pub code: Code,
    /// The number of calls.
    pub calls: u64,
    /// The number of messages towards the server.
    pub requests: u64,
    /// The number of messages towards the caller.
    pub replies: u64,
    /// The sum of the durations.
    pub took: Duration,
    /// The longest duration.
    pub longest: Duration,
}

/// Counts by the number of the code.
type ByCode = [Counts; Code::Unauthenticated as usize + 1];

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    requests: AtomicU64,
    replies: AtomicU64,
    took_ns: AtomicU64,
    longest_ns: AtomicU64,
}

impl CallMetrics {
    /// The maximum number of methods with counts of their own; a fallback service may see any name. Further methods are
    /// counted as [`CallMetrics::OTHERS`].
    pub const METHODS_MAX: usize = 1024;

    /// The name under which methods beyond [`CallMetrics::METHODS_MAX`] are counted.
    pub const OTHERS: &str = "others";

    /// Makes metrics without any counts.
    pub fn new() -> CallMetrics {
        CallMetrics::default()
    }

    /// Returns the counts by method, then by code, without methods and codes that did not occur.
    ///
    /// A call that ends meanwhile may be in some of the numbers and not in others.
    pub fn snapshot(&self) -> Vec<MethodMetrics> {
        let methods = self.methods.load();
        let rows = methods.iter().flat_map(|(method, codes)| {
            let codes = codes.iter().enumerate().filter(|(_, counts)| counts.calls.load(Ordering::Relaxed) > 0);
            codes.map(|(code, counts)| counts.read(method, Code::from_number(code as u8)))
        });
        let mut rows: Vec<MethodMetrics> = rows.collect();
        rows.sort_by(|a, b| (&a.method, a.code as u8).cmp(&(&b.method, b.code as u8)));
        rows
    }

    fn count(&self, ended: &Ended<'_>) {
        let counts = &self.of_method(&ended.context.method().path)[ended.code() as usize];
        let took = u64::try_from(ended.took.as_nanos()).unwrap_or(u64::MAX);
        counts.calls.fetch_add(1, Ordering::Relaxed);
        counts.requests.fetch_add(ended.requests, Ordering::Relaxed);
        counts.replies.fetch_add(ended.replies, Ordering::Relaxed);
        counts.took_ns.fetch_add(took, Ordering::Relaxed);
        counts.longest_ns.fetch_max(took, Ordering::Relaxed);
    }

    fn of_method(&self, path: &str) -> Arc<ByCode> {
        let known = |methods: &Methods| {
            let is_full = methods.len() > CallMetrics::METHODS_MAX;
            methods.get(path).or_else(|| methods.get(CallMetrics::OTHERS).filter(|_| is_full)).cloned()
        };
        if let Some(known) = known(&self.methods.load()) {
            return known;
        }
        self.methods.rcu(|methods| {
            let mut methods = Methods::clone(methods);
            let name = if methods.len() < CallMetrics::METHODS_MAX { path } else { CallMetrics::OTHERS };
            methods.entry(name.into()).or_default();
            methods
        });
        known(&self.methods.load()).unwrap_or_default()
    }
}

impl Counts {
    fn read(&self, method: &str, code: Code) -> MethodMetrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MethodMetrics {
            method: method.to_owned(),
            code,
            calls: read(&self.calls),
            requests: read(&self.requests),
            replies: read(&self.replies),
            took: Duration::from_nanos(read(&self.took_ns)),
            longest: Duration::from_nanos(read(&self.longest_ns)),
        }
    }
}

impl Interceptor for CallMetrics {
    fn intercept(&self, context: Context, body: Body, next: Next) -> BoxFuture<Result<Body, Status>> {
        let metrics = self.clone();
        watch(context, body, next, move |ended| metrics.count(ended))
    }
}
