//! The one session with an ensemble that everything in the process shares: connected, lost, expired, built anew. It
//! knows neither services nor nodes.
//!
//! Of the client below it: operations issued while the connection is away wait; one in flight when it breaks fails;
//! watches miss what changed meanwhile; and after the session expired it is dead. So every connection is an epoch, at
//! whose beginning the users read and check everything again, and an expired session is followed by a new client.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use zookeeper_client::{Client, Error, SessionState};

use super::super::backoff::{BACKOFF_MAX, Backoff};
use super::super::outage::Outage;
use super::super::target::Ensemble;

/// A session in use. When the last user drops it, the session is closed.
#[derive(Debug)]
pub(super) struct Session {
    /// The ensemble as errors name it, `zookeeper 127.0.0.1:2181`.
    pub(super) name: String,
    link: watch::Receiver<ConnectionState>,
}

/// How the session stands.
#[derive(Clone, Debug)]
pub(super) enum ConnectionState {
    /// Not yet tried.
    Connecting,
    /// Away: since when and why.
    Down(Arc<str>),
    /// Connected.
    Up(Connected),
}

/// A connected session. A new one of these means that everything has to be read and checked again.
#[derive(Clone, Debug)]
pub(super) struct Connected {
    pub(super) client: Client,
    /// The earlier sessions of this process, whose nodes the servers may still hold.
    pub(super) past: Arc<[i64]>,
}

impl Session {
    /// The process's session with this ensemble; a new one where there is none in use.
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

    /// How it stands, from now on.
    pub(super) fn link(&self) -> watch::Receiver<ConnectionState> {
        self.link.clone()
    }
}

/// Keeps a session until nobody uses it.
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
                        // A server that takes sessions and ends them at once is not asked without a pause.
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

/// Tells how the session stands until it has ended.
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

/// Why no server could be had. The client says that none could; the system says why, when asked once more.
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

/// Whether an operation failed because the connection or the session went, which the session itself tells of.
pub(super) fn is_link_lost(error: &Error) -> bool {
    use Error::{ClientClosed, ConnectionLoss, Custom, SessionExpired, SessionMoved};
    // The client wraps what a socket says as Custom.
    matches!(error, ConnectionLoss | SessionExpired | SessionMoved | ClientClosed | Custom(_))
}

/// How long after such a failure the session's word is waited for.
pub(super) const LINK_PATIENCE: Duration = Duration::from_secs(1);
/// Earlier sessions that are remembered: one each session timeout at most, and the servers end them in about that.
const PAST_SESSIONS_MAX: usize = 16;
/// Servers that are asked why they could not be had.
const SERVERS_ASKED_MAX: usize = 8;
/// How long such a server may take to accept a connection.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
