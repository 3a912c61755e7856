//! One measurement: connect, warm up, measure a span of time, report. The threads decide what they call, and how.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::proc::{SyscallCount, Usage, peak_rss_kib};
use crate::{Failure, Histogram, Load, Report};

/// With several callers, each measures one of this many calls. Reading the clock twice for every call would cost raw a
/// tenth.
pub const SAMPLE_EVERY: u64 = 8;

/// The meter to which all threads of a client report.
pub struct Meter {
    /// Latencies of the calls in the measured span.
    pub latencies: Histogram,
    measuring: AtomicBool,
    span: OnceLock<Span>,
    counters: Mutex<Vec<Arc<Counter>>>,
    failure: Mutex<Option<Failure>>,
    /// Open-loop calls that became due in the measured span.
    due: AtomicU64,
}

#[derive(Clone, Copy)]
struct Span {
    begin: Instant,
    end: Instant,
}

/// The number of calls that one caller has made. Each counter has its own cache line, so that cores do not contend for it.
#[derive(Default)]
#[repr(align(128))]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `calls`. Only one thread may use it.
    pub fn add(&self, calls: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + calls, Ordering::Relaxed);
    }

    /// Adds `calls`. Any thread may use it.
    pub fn add_shared(&self, calls: u64) {
        self.0.fetch_add(calls, Ordering::Relaxed);
    }
}

/// The share of one thread in the work of a client.
pub struct Share {
    /// The number of connections that the thread opens.
    pub connections: usize,
    /// Calls a second that the thread makes in the open loop.
    pub rate: f64,
    /// The meter of the client.
    pub meter: Arc<Meter>,
    ready: mpsc::Sender<()>,
}

impl Share {
    /// Reports that all connections are open. Returns at once.
    pub fn connected(&self) {
        // Nobody waits any more once another thread has failed.
        let _ = self.ready.send(());
    }
}

impl Meter {
    /// Runs `body` on `threads` threads and measures what they do. `body` returns only if it fails; the process ends when
    /// the measurement is over.
    pub fn measure<B>(load: &Load, threads: usize, body: B) -> Result<Report, Failure>
    where
        B: Fn(Share) -> Result<(), Failure> + Clone + Send + 'static,
    {
        let meter = Arc::new(Meter::new());
        let threads = threads.min(load.shape.connections);
        let (ready, all_ready) = mpsc::channel();
        for index in 0..threads {
            let connections = load.shape.connections / threads + usize::from(index < load.shape.connections % threads);
            let rate = load.rate.unwrap_or(0.0) * connections as f64 / load.shape.connections as f64;
            let share = Share { connections, rate, meter: meter.clone(), ready: ready.clone() };
            let body = body.clone();
            thread::Builder::new().name(format!("client-{index}")).spawn(move || {
                let meter = share.meter.clone();
                meter.failed_unless(body(share));
            })?;
        }
        for _ in 0..threads {
            while all_ready.recv_timeout(Duration::from_millis(100)).is_err() {
                meter.check()?;
                if meter.age() > CONNECT_TIMEOUT {
                    return Err(format!("not connected after {CONNECT_TIMEOUT:?}").into());
                }
            }
        }
        meter.report(load)
    }

    fn new() -> Meter {
        let meter = Meter {
            latencies: Histogram::default(),
            measuring: AtomicBool::new(false),
            span: OnceLock::new(),
            counters: Mutex::default(),
            failure: Mutex::default(),
            due: AtomicU64::new(0),
        };
        STARTED.get_or_init(Instant::now);
        meter
    }

    /// Whether the measured span has begun and not ended.
    pub fn measuring(&self) -> bool {
        self.measuring.load(Ordering::Relaxed)
    }

    /// Creates a call counter for one caller.
    pub fn counter(&self) -> Arc<Counter> {
        let counter = Arc::new(Counter::default());
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).push(counter.clone());
        counter
    }

    /// Open loop: notes that a call became due. Returns whether the call belongs to the measured span, so that its latency
    /// counts.
    pub fn became_due(&self, due: Instant) -> bool {
        let counts = self.span.get().is_some_and(|span| (span.begin..span.end).contains(&due));
        self.due.fetch_add(u64::from(counts), Ordering::Relaxed);
        counts
    }

    /// Records a failure. It makes the whole measurement fail.
    pub fn failed_unless(&self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        }
    }

    fn check(&self) -> Result<(), Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    fn age(&self) -> Duration {
        STARTED.get_or_init(Instant::now).elapsed()
    }

    fn calls(&self) -> u64 {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.iter().map(|counter| counter.0.load(Ordering::Relaxed)).sum()
    }

    fn report(&self, load: &Load) -> Result<Report, Failure> {
        let own_pid = std::process::id();
        let begin = Instant::now() + load.warm_up;
        let span = *self.span.get_or_init(|| Span { begin, end: begin + load.measured });
        thread::sleep(span.begin.saturating_duration_since(Instant::now()));
        let counting = load.count_syscalls.then(|| SyscallCount::start([load.server_pid, own_pid], load.measured));
        let (calls, client, server) = (self.calls(), Usage::of(own_pid), Usage::of(load.server_pid));
        let begin = Instant::now();
        self.measuring.store(true, Ordering::Relaxed);
        thread::sleep(span.end.saturating_duration_since(begin));
        self.measuring.store(false, Ordering::Relaxed);
        let seconds = begin.elapsed().as_secs_f64();
        let calls = self.calls() - calls;
        let client_cpu = Usage::of(own_pid).cpu.saturating_sub(client.cpu);
        let server_cpu = Usage::of(load.server_pid).cpu.saturating_sub(server.cpu);
        let counted = counting.map(SyscallCount::per_second);
        if load.rate.is_some() {
            self.wait_for_late_ones(span.end);
        }
        self.check()?;
        if calls == 0 {
            return Err(format!("no call ended in {seconds:.1} s").into());
        }
        let per_call = |cpu: Duration| cpu.as_secs_f64() * 1e6 / calls as f64;
        let calls_per_second = calls as f64 / seconds;
        let micros = |share: f64| self.latencies.quantile(share).as_secs_f64() * 1e6;
        let [syscalls_server, syscalls_client] =
            counted.unwrap_or_default().map(|rate| rate.map(|rate| rate / calls_per_second));
        Ok(Report {
            calls,
            seconds,
            calls_per_second,
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            cpu_us_client: per_call(client_cpu),
            cpu_us_server: per_call(server_cpu),
            peak_rss_kib_client: peak_rss_kib(own_pid),
            peak_rss_kib_server: peak_rss_kib(load.server_pid),
            syscalls_client,
            syscalls_server,
        })
    }

    /// Waits for calls that were due in the span, whenever they end. A call that is still open after a while counts with
    /// that while.
    fn wait_for_late_ones(&self, end: Instant) {
        loop {
            let missing = self.due.load(Ordering::Relaxed).saturating_sub(self.latencies.count());
            if missing == 0 {
                return;
            }
            if end.elapsed() > LATE_MAX {
                return self.latencies.record(LATE_MAX, missing);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

static STARTED: OnceLock<Instant> = OnceLock::new();
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const LATE_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_due_in_the_span_are_recorded() {
        let meter = Meter::new();
        let begin = Instant::now();
        assert!(!meter.became_due(begin), "the span is not known yet");
        let span = Span { begin, end: begin + Duration::from_secs(1) };
        assert!(meter.span.set(span).is_ok());
        assert!(meter.became_due(begin));
        assert!(!meter.became_due(span.end));
        assert_eq!(meter.due.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn unfinished_call_counts_with_the_longest_wait() {
        let meter = Meter::new();
        let Some(long_ago) = Instant::now().checked_sub(LATE_MAX * 2) else { return };
        assert!(meter.span.set(Span { begin: long_ago, end: Instant::now() }).is_ok());
        assert!(meter.became_due(long_ago));
        meter.wait_for_late_ones(long_ago);
        assert!(meter.latencies.quantile(1.0) > LATE_MAX * 9 / 10);
    }

    #[test]
    fn failure_in_a_thread_fails_the_measurement() {
        let load = Load::new("none");
        let failure = Meter::measure(&load, 1, |_| Err("refused".into())).unwrap_err();
        assert_eq!(failure.to_string(), "refused");
    }
}
