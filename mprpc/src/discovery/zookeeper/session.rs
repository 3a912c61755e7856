//! The session with a ZooKeeper ensemble, one for the whole process. Handles loss of connection, expiry and new
//! sessions; knows no services and no nodes.
//!
//! The client below has these properties. An operation that starts while the connection is lost waits. An operation in
//! flight when the connection breaks fails. Watches miss changes that happen without a connection. After its session
//! expires, the client is useless. So the users of the session read and check everything again after each connect, and
//! a new client follows an expired session.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use zookeeper_client::{Client, Error, SessionState};

use super::super::backoff::{BACKOFF_MAX, Backoff};
use super::super::outage::Outage;
use super::super::target::Ensemble;

/// A shared session. It closes when its last user drops it.
#[derive(Debug)]
pub(super) struct Session {
    /// The name of the ensemble in error messages, `zookeeper 127.0.0.1:2181`.
    pub(super) name: String,
    link: watch::Receiver<ConnectionState>,
}

/// The state of the connection to the ensemble.
#[derive(Clone, Debug)]
pub(super) enum ConnectionState {
    /// No attempt to connect has ended yet.
    Connecting,
    /// Not connected. The text says since when and why.
    Down(Arc<str>),
    /// Connected, with an open session.
    Up(Connected),
}

/// A connected session. Each new value means that its users must read and check everything again.
#[derive(Clone, Debug)]
pub(super) struct Connected {
    pub(super) client: Client,
    /// The earlier sessions of this process. The servers may still hold nodes of these sessions.
    pub(super) past: Arc<[i64]>,
}

impl Session {
    /// Returns the process's session with this ensemble. Starts a session if none is in use.
    pub(super) fn shared(ensemble: &Ensemble) -> Arc<Session> {
        type Sessions = HashMap<(String, Duration), Weak<Session>>;
        static SESSIONS: Mutex<Option<Sessions>> = Mutex::new(None);
        let cluster = ensemble.cluster();
        let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = sessions.get_or_insert_default();
        sessions.retain(|_, session| session.strong_count() > 0);
        let known = sessions.entry((cluster.clone(), ensemble.session_timeout)).or_default();
        if let Some(session) = known.upgrade() {
            return session;
        }
        let (sender, link) = watch::channel(ConnectionState::Connecting);
        let session = Arc::new(Session { name: format!("zookeeper {cluster}"), link });
        *known = Arc::downgrade(&session);
        let servers = ensemble.servers.clone();
        crate::net::background().spawn(run(servers, ensemble.session_timeout, sender));
        session
    }

    /// Follows the state of the connection.
    pub(super) fn link(&self) -> watch::Receiver<ConnectionState> {
        self.link.clone()
    }
}

/// Keeps a session open until nobody uses it.
async fn run(servers: Vec<String>, session_timeout: Duration, link: watch::Sender<ConnectionState>) {
    let cluster = servers.join(",");
    let name = format!("zookeeper {cluster}");
    let mut outage = Outage::default();
    let mut backoff = Backoff::default();
    let mut past: Vec<i64> = Vec::new();
    loop {
        let connector = Client::connector().with_session_timeout(session_timeout).with_fail_eagerly();
        let connected = tokio::select! {
            () = link.closed() => return,
            connected = connector.connect(&cluster) => connected,
        };
        match connected {
            Ok(client) => {
                let id = client.session_id().0;
                let mut session = pin!(serve(&name, client, past.as_slice().into(), &link, &mut outage));
                tokio::select! {
                    () = link.closed() => return,
                    () = async {
                        // Keep the backoff if a session ends within `BACKOFF_MAX`: a server that accepts sessions and
                        // ends them at once must not cause a busy loop of connects.
                        if tokio::time::timeout(BACKOFF_MAX, session.as_mut()).await.is_err() {
                            backoff.reset();
                            session.await;
                        }
                    } => {}
                }
                past.push(id);
                if past.len() > PAST_SESSIONS_MAX {
                    past.remove(0);
                }
            }
            Err(error) => {
                let why = cause(&servers, &error).await;
                link.send_replace(ConnectionState::Down(outage.failed(&name, &why, SystemTime::now()).into()));
            }
        }
        tokio::select! {
            () = link.closed() => return,
            () = tokio::time::sleep(backoff.next(fastrand::f64())) => {}
        }
    }
}

/// Publishes the state of the connection until the session ends.
async fn serve(
    name: &str,
    client: Client,
    past: Arc<[i64]>,
    link: &watch::Sender<ConnectionState>,
    outage: &mut Outage,
) {
    let mut states = client.state_watcher();
    let mut state = client.state();
    loop {
        match state {
            SessionState::SyncConnected | SessionState::ConnectedReadOnly => {
                outage.over(name);
                link.send_replace(ConnectionState::Up(Connected { client: client.clone(), past: past.clone() }));
            }
            SessionState::Disconnected => {
                let why = outage.failed(name, "the connection is lost", SystemTime::now());
                link.send_replace(ConnectionState::Down(why.into()));
            }
            ended => {
                let why = outage.failed(name, &format!("the session has ended: {ended}"), SystemTime::now());
                link.send_replace(ConnectionState::Down(why.into()));
                return;
            }
        }
        state = states.changed().await;
    }
}

/// Returns why no server accepted a session. The client only says that none did, so this connects once more to get the
/// system's error.
async fn cause(servers: &[String], error: &Error) -> String {
    let mut causes = Vec::new();
    for server in servers.iter().take(SERVERS_ASKED_MAX) {
        let cause = match server.parse() {
            Ok(address) => match crate::net::connect(&address, ASK_TIMEOUT).await {
                Ok(_) => format!("it accepts connections and no session ({error})"),
                Err(error) => error.to_string().to_lowercase(),
            },
            Err(why) => why,
        };
        causes.push(if servers.len() == 1 { cause } else { format!("{server}: {cause}") });
    }
    causes.join(", ")
}

/// Whether an operation failed because the connection or the session was lost, which the session itself reports.
pub(super) fn is_link_lost(error: &Error) -> bool {
    use Error::{ClientClosed, ConnectionLoss, Custom, SessionExpired, SessionMoved};
    // The client wraps socket errors as `Custom`.
    matches!(error, ConnectionLoss | SessionExpired | SessionMoved | ClientClosed | Custom(_))
}

/// How long after such a failure to wait for the session's next state.
pub(super) const LINK_PATIENCE: Duration = Duration::from_secs(1);
/// The maximum number of earlier sessions to remember. At most one is added per session timeout, and the servers end a
/// session after about that time.
const PAST_SESSIONS_MAX: usize = 16;
/// The maximum number of servers to ask why they accepted no session.
const SERVERS_ASKED_MAX: usize = 8;
/// How long a server may take to accept a connection for that question.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
