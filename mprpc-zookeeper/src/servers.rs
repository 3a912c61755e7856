//! The servers of an ensemble: which one to try next, and how long to pause. Pure; the randomness comes in as a seed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::options::Options;

/// The next thing to do for a client without a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Try this server, `host:port`.
    Try(Arc<str>),
    /// Pause.
    Pause(Duration),
}

/// Goes over the servers in rounds. Each round has a random order. The pause between rounds is exponential with full
/// jitter, so that clients that lost the same ensemble do not come back together.
pub(crate) struct Servers {
    servers: Vec<Arc<str>>,
    /// The servers left in this round.
    round: Vec<Arc<str>>,
    /// Why the servers of this round failed.
    failures: Vec<(Arc<str>, String)>,
    rounds_failed: u32,
    connected_at: Option<Instant>,
    /// Whether a handshake had no answer since the last session was opened or resumed.
    was_unanswered: bool,
    backoff_min: Duration,
    backoff_max: Duration,
    rng: fastrand::Rng,
}

impl Servers {
    pub(crate) fn new(servers: &[impl AsRef<str>], options: &Options) -> Servers {
        let servers: Vec<Arc<str>> = servers.iter().map(|server| server.as_ref().into()).collect();
        let rng = options.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let mut new = Servers {
            round: servers.clone(),
            servers,
            failures: Vec::new(),
            rounds_failed: 0,
            connected_at: None,
            was_unanswered: false,
            backoff_min: options.backoff_min,
            backoff_max: options.backoff_max,
            rng,
        };
        new.rng.shuffle(&mut new.round);
        new
    }

    pub(crate) fn count(&self) -> usize {
        self.servers.len().max(1)
    }

    /// The next thing to do. `session_timeout` is how long the servers keep the session after they are back: no pause is
    /// longer than a third of it, so that the client finds its session alive.
    pub(crate) fn step(&mut self, session_timeout: Duration) -> Step {
        if let Some(server) = self.round.pop() {
            return Step::Try(server);
        }
        self.begin_round();
        // 2^16 times the first ceiling is far beyond the last one; the shift stays in range.
        let highest = self.backoff_max.min(session_timeout / 3);
        let ceiling = highest.min(self.backoff_min * (1 << self.rounds_failed.min(16)));
        self.rounds_failed = self.rounds_failed.saturating_add(1);
        Step::Pause(ceiling.mul_f64(self.rng.f64()))
    }

    /// How long a server has for the answer that opens the session, `time` at most.
    ///
    /// A server that has just started may take a connection and never answer (ZooKeeper 3.8), and answers the next one at once. A
    /// server that is slow gets all of `time` at the second attempt.
    pub(crate) fn handshake_patience(&self, time: Duration) -> Duration {
        if self.was_unanswered { time } else { time.min(HANDSHAKE_PATIENCE) }
    }

    /// A server has not answered in that time.
    pub(crate) fn unanswered(&mut self) {
        self.was_unanswered = true;
    }

    /// The server refused the connection, or ended it before the session was open.
    pub(crate) fn failed(&mut self, server: Arc<str>, why: String) {
        self.failures.push((server, why));
    }

    /// The server is to be tried next: it has ended the old session and can open a new one.
    pub(crate) fn retry(&mut self, server: Arc<str>) {
        self.round.push(server);
    }

    /// Why the servers of this round failed, once each of them was tried.
    pub(crate) fn round_failed(&mut self) -> Option<String> {
        if !self.round.is_empty() || self.failures.is_empty() {
            return None;
        }
        let failures = std::mem::take(&mut self.failures);
        Some(match &failures[..] {
            [(_, why)] if self.servers.len() == 1 => why.clone(),
            _ => {
                let causes: Vec<String> = failures.iter().map(|(server, why)| format!("{server}: {why}")).collect();
                causes.join(", ")
            }
        })
    }

    /// A server opened or resumed the session.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.connected_at = Some(now);
        self.was_unanswered = false;
        self.failures.clear();
    }

    /// An open connection was lost. The next step is a pause: a server that takes clients and drops them at once must
    /// not be asked in a busy loop, and the clients of a server that died must not all arrive at the next one together.
    pub(crate) fn lost(&mut self, now: Instant) {
        let up = self.connected_at.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if up >= self.backoff_max {
            self.rounds_failed = 0;
        }
        self.round.clear();
        self.failures.clear();
    }

    fn begin_round(&mut self) {
        self.round = self.servers.clone();
        self.failures.clear();
        self.rng.shuffle(&mut self.round);
    }
}

/// How long a server has for its first answer, at the first attempt.
const HANDSHAKE_PATIENCE: Duration = Duration::from_millis(500);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(9);

    fn servers(count: usize) -> Servers {
        let names: Vec<String> = (0..count).map(|index| format!("s{index}:1")).collect();
        Servers::new(&names, &Options { seed: Some(1), ..Options::default() })
    }

    fn round(servers: &mut Servers) -> (Vec<Arc<str>>, Duration) {
        let mut tried = Vec::new();
        loop {
            match servers.step(TIMEOUT) {
                Step::Try(server) => tried.push(server),
                Step::Pause(pause) => return (tried, pause),
            }
        }
    }

    #[test]
    fn each_round_tries_every_server_once_in_a_new_order() {
        let mut servers = servers(5);
        let rounds: Vec<_> = (0..10).map(|_| round(&mut servers).0).collect();
        for round in &rounds {
            let mut sorted = round.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(sorted.len(), 5, "{round:?}");
        }
        assert!(rounds.iter().any(|round| *round != rounds[0]));
    }

    #[test]
    fn pauses_are_jittered_below_a_ceiling_that_doubles_and_falls_back_after_a_long_connection() {
        let mut servers = servers(1);
        let options = Options::default();
        for failed in 0..20 {
            let ceiling = (TIMEOUT / 3).min(options.backoff_min * (1 << failed.min(16)));
            assert!(round(&mut servers).1 <= ceiling);
        }
        let now = Instant::now();
        servers.connected(now);
        servers.lost(now + Duration::from_millis(1));
        assert!(servers.rounds_failed > 10, "a server that drops its clients at once resets the pauses");
        servers.connected(now);
        servers.lost(now + options.backoff_max);
        assert!(matches!(servers.step(TIMEOUT), Step::Pause(pause) if pause <= options.backoff_min));
    }

    #[test]
    fn failed_round_names_each_server_and_its_cause() {
        let mut servers = servers(2);
        let mut failed = None;
        for _ in 0..2 {
            let Step::Try(server) = servers.step(TIMEOUT) else { panic!("no server") };
            assert_eq!(failed, None);
            servers.failed(server, "refused".into());
            failed = servers.round_failed();
        }
        let mut causes: Vec<String> = failed.unwrap().split(", ").map(str::to_owned).collect();
        causes.sort();
        assert_eq!(causes, ["s0:1: refused", "s1:1: refused"]);
    }
}
