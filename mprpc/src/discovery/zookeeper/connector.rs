//! Connects to ZooKeeper servers: over TCP, and by TLS if the target asks for it. It knows no sessions.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mprpc_zookeeper::Connect;
use tokio::time::timeout;

use super::super::target::Ensemble;
use crate::endpoint::Address;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::net::{self, ByteStream, tls};

/// Opens the connections to an ensemble. Looks up the host name of a server at each attempt.
#[derive(Clone)]
pub(super) struct Connector {
    tls: Option<Arc<tls::Connector>>,
    /// How long a handshake of TLS may take.
    handshake_timeout: Duration,
}

impl Connector {
    /// Reads the files of TLS, and watches them for changes as a channel does.
    ///
    /// # Errors
    /// A file cannot be read or used, or the feature `tls` is off.
    pub(super) fn new(ensemble: &Ensemble) -> Result<Connector, Error> {
        let connector = |settings| tls::Connector::without_protocols(settings, &Limits::default());
        let tls = ensemble.tls.as_ref().map(connector).transpose();
        let tls = tls.map_err(|error| Error::new(ErrorKind::Config, format!("'{ensemble}': {error}")))?;
        // The client gives each server its share of the session timeout. The handshake ends earlier, so that the error
        // says what was waited for.
        let servers = u32::try_from(ensemble.servers.len().max(1)).unwrap_or(u32::MAX);
        let share = ensemble.session_timeout / servers;
        Ok(Connector { tls: tls.map(Arc::new), handshake_timeout: share.mul_f64(HANDSHAKE_SHARE) })
    }
}

impl Connect for Connector {
    type Stream = ByteStream;

    async fn connect(&self, server: &str) -> io::Result<ByteStream> {
        let address: Address = server.parse().map_err(io::Error::other)?;
        // The client limits the time as well, by its session timeout.
        let stream = net::connect(&address, CONNECT_TIMEOUT_MAX).await?;
        let Some(tls) = &self.tls else { return ByteStream::new(stream) };
        let handshake = tls.connect(stream.for_many_writes()?, &address, CONNECT_TIMEOUT_MAX);
        let stream = timeout(self.handshake_timeout, handshake).await.unwrap_or_else(|_elapsed| {
            let what =
                format!("connected, and no TLS handshake within {:?}; does it speak TLS?", self.handshake_timeout);
            Err(io::Error::new(io::ErrorKind::TimedOut, what))
        });
        ByteStream::new(stream?)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("is_tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

/// The longest time for an attempt to connect to a server.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// The part of a server's share of the session timeout that the handshake may take.
const HANDSHAKE_SHARE: f64 = 0.9;
