//! The session with a ZooKeeper ensemble, one for the whole process. It tells its users when they must read again; it knows
//! no services and no nodes.
//!
//! The client below keeps the session: it reconnects, resumes, sets watches again, and opens a new session after one has
//! expired.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use mprpc_zookeeper::{Client, Connect, Options, State};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::super::outage::Outage;
use super::super::target::Ensemble;
use super::connector::Connector;
use crate::tls::TlsClient;

/// A shared session. It closes when its last user drops it.
#[derive(Debug)]
pub(super) struct Session {
    /// The name of the ensemble in error messages, `zookeeper 127.0.0.1:2181`.
    pub(super) name: String,
    pub(super) client: Client,
    /// Where the tasks of the session's users run.
    pub(super) runtime: Handle,
    link: watch::Receiver<ConnectionState>,
}

/// The state of the connection to the ensemble.
#[derive(Clone, Debug)]
pub(super) enum ConnectionState {
    /// No attempt to connect has ended yet.
    Connecting,
    /// Not connected. The text says since when and why.
    Down(Arc<str>),
    /// Connected, with an open session. Each new value means that users must read and check everything again.
    Up(SessionIds),
}

/// The sessions of this process with an ensemble.
#[derive(Clone, Debug)]
pub(super) struct SessionIds {
    /// The open session.
    pub(super) current: i64,
    /// The earlier sessions. The servers may still hold nodes of these sessions.
    pub(super) past: Arc<[i64]>,
}

/// Where a resolver or a registry gets its session.
#[derive(Debug)]
pub(super) enum SessionSource {
    /// The process's session, over these connections.
    Shared(Connector),
    /// The session of a test.
    #[cfg(test)]
    Own(Arc<Session>),
}

impl SessionSource {
    /// The session with this ensemble.
    pub(super) fn session(&self, ensemble: &Ensemble) -> Arc<Session> {
        match self {
            SessionSource::Shared(connector) => Session::shared(ensemble, connector),
            #[cfg(test)]
            SessionSource::Own(session) => session.clone(),
        }
    }
}

impl Session {
    /// Returns the process's session with this ensemble. Starts a session over the connections of `connector` if none is in
    /// use.
    pub(super) fn shared(ensemble: &Ensemble, connector: &Connector) -> Arc<Session> {
        type Sessions = HashMap<(String, Duration, Option<TlsClient>), Weak<Session>>;
        static SESSIONS: Mutex<Option<Sessions>> = Mutex::new(None);
        let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = sessions.get_or_insert_default();
        sessions.retain(|_, session| session.strong_count() > 0);
        let known = sessions.entry((ensemble.cluster(), ensemble.session_timeout, ensemble.tls.clone())).or_default();
        if let Some(session) = known.upgrade() {
            return session;
        }
        let session_timeout = ensemble.session_timeout;
        let options = Options { session_timeout, backoff_max: BACKOFF_MAX, ..Options::default() };
        let session = Session::start(ensemble, connector.clone(), options, crate::net::background());
        *known = Arc::downgrade(&session);
        session
    }

    /// Starts a session over the connections of `connector`, on `runtime`.
    pub(super) fn start(
        ensemble: &Ensemble,
        connector: impl Connect,
        options: Options,
        runtime: &Handle,
    ) -> Arc<Session> {
        let name = format!("zookeeper {}", ensemble.cluster());
        let _entered = runtime.enter();
        let client = Client::connect_over(connector, &ensemble.servers, options);
        let (sender, link) = watch::channel(ConnectionState::Connecting);
        runtime.spawn(report(name.clone(), client.state(), sender));
        Arc::new(Session { name, client, runtime: runtime.clone(), link })
    }

    /// Follows the state of the connection.
    pub(super) fn link(&self) -> watch::Receiver<ConnectionState> {
        self.link.clone()
    }
}

/// Translates the states of the client until the client ends: adds the start of an outage, and the earlier sessions.
async fn report(name: String, mut states: watch::Receiver<State>, link: watch::Sender<ConnectionState>) {
    let mut outage = Outage::default();
    let mut ids = SessionIds { current: 0, past: Arc::default() };
    loop {
        let state = states.borrow_and_update().clone();
        match state {
            State::Connecting => {}
            State::Connected(info) | State::ReadOnly(info) => {
                ids = ids.followed_by(info.id);
                outage.over(&name);
                link.send_replace(ConnectionState::Up(ids.clone()));
            }
            State::Disconnected(why) => {
                let why = outage.failed(&name, &why, SystemTime::now());
                link.send_replace(ConnectionState::Down(why.into()));
            }
            State::Expired => {
                let why = outage.failed(&name, "the session has expired", SystemTime::now());
                link.send_replace(ConnectionState::Down(why.into()));
            }
            State::Closed => return,
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

impl SessionIds {
    fn followed_by(self, id: i64) -> SessionIds {
        if self.current == id || self.current == 0 {
            return SessionIds { current: id, past: self.past };
        }
        let skipped = (self.past.len() + 1).saturating_sub(PAST_SESSIONS_MAX);
        let past = self.past.iter().copied().skip(skipped).chain([self.current]).collect();
        SessionIds { current: id, past }
    }
}

/// The longest pause between attempts to connect, so that a change during an outage reaches callers within a second of its end.
const BACKOFF_MAX: Duration = Duration::from_millis(500);
/// How long after a lost connection to wait for the session's next state.
pub(super) const LINK_PATIENCE: Duration = Duration::from_secs(1);
/// The maximum number of earlier sessions to remember. At most one is added per session timeout, and the servers end a
/// session after about that time.
const PAST_SESSIONS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_sessions_are_remembered_up_to_a_bound() {
        let mut ids = SessionIds { current: 0, past: Arc::default() };
        for id in [1, 1, 2, 2, 3] {
            ids = ids.followed_by(id);
        }
        assert_eq!((ids.current, &ids.past[..]), (3, &[1, 2][..]));
        for id in 4..100 {
            ids = ids.followed_by(id);
        }
        assert_eq!((ids.current, ids.past.len(), ids.past.last()), (99, PAST_SESSIONS_MAX, Some(&98)));
    }
}
