//! The TLS handshake, on the accepting and on the connecting side.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use tokio::time::timeout;

use super::files::{self, Protocols, Reloaded};
use super::{TlsReader, errors, halves, identity};
use crate::context::Peer;
use crate::endpoint::Address;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::net::stream::{Reader, Stream, Writer};
use crate::tls::{TlsClient, TlsServer};

/// The accepting side: its certificate, and which clients it accepts.
pub(crate) struct Acceptor {
    config: Reloaded<ServerConfig>,
    handshake_timeout: Duration,
}

/// The connecting side: which servers it trusts, and the certificate that it presents.
pub(crate) struct Connector {
    config: Reloaded<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    connect_timeout: Duration,
}

/// The result of waiting for a handshake on an accepted connection.
pub(crate) enum HandshakeOutcome {
    /// The handshake is complete.
    Tls(Stream),
    /// The peer speaks something other than TLS. Its bytes are still unread.
    Plain(Stream),
    /// The peer ended the stream before its first byte.
    Gone,
}

/// The first byte of every TLS record of a handshake. No other protocol here begins with this byte.
const HANDSHAKE_RECORD: u8 = 0x16;
/// How long a client whose handshake was refused may take to read the reason, and how many of the client's bytes are read
/// and discarded meanwhile.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
const FAREWELL_BYTES_MAX: usize = 256 << 10;

impl Acceptor {
    /// Reads the files and watches them for as long as the acceptor lives.
    ///
    /// # Errors
    /// A file cannot be read, or its contents are unusable.
    pub(crate) fn new(settings: &TlsServer, limits: &Limits) -> Result<Acceptor, Error> {
        let config = files::server(settings, limits.tls_reload_interval).map_err(wrong)?;
        Ok(Acceptor { config, handshake_timeout: limits.tls_handshake_timeout })
    }

    /// Performs the handshake within `tls_handshake_timeout`. The error says why the handshake failed; the peer has been
    /// told.
    pub(crate) async fn accept(&self, stream: Stream) -> io::Result<HandshakeOutcome> {
        match timeout(self.handshake_timeout, self.accept_in_time(stream)).await {
            Ok(arrival) => arrival,
            Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn accept_in_time(&self, mut stream: Stream) -> io::Result<HandshakeOutcome> {
        match poll_fn(|cx| stream.reader.poll_first_byte(cx)).await? {
            None => return Ok(HandshakeOutcome::Gone),
            Some(HANDSHAKE_RECORD) => {}
            Some(_) => return Ok(HandshakeOutcome::Plain(stream)),
        }
        let tls = ServerConnection::new(self.config.current()).map_err(io::Error::other)?;
        Ok(HandshakeOutcome::Tls(shake_hands(stream, tls.into()).await?))
    }
}

impl Connector {
    /// Reads the files and watches them for as long as the connector lives.
    ///
    /// # Errors
    /// A file cannot be read, its contents are unusable, or the server name is invalid.
    pub(crate) fn new(settings: &TlsClient, limits: &Limits) -> Result<Connector, Error> {
        Connector::naming(Protocols::OfCalls, settings, limits)
    }

    /// Like [`Connector::new`], for a protocol that has no name in the handshake.
    #[cfg(feature = "zookeeper")]
    pub(crate) fn without_protocols(settings: &TlsClient, limits: &Limits) -> Result<Connector, Error> {
        Connector::naming(Protocols::None, settings, limits)
    }

    fn naming(protocols: Protocols, settings: &TlsClient, limits: &Limits) -> Result<Connector, Error> {
        let server_name = match &settings.server_name {
            Some(name) => Some(server_name(name.clone()).map_err(wrong)?),
            None => None,
        };
        let config = files::client(settings, protocols, limits.tls_reload_interval).map_err(wrong)?;
        Ok(Connector { config, server_name, connect_timeout: limits.connect_timeout })
    }

    /// Performs the handshake with the server at `address`, for at most `within`. The error says what is wrong.
    pub(crate) async fn connect(&self, stream: Stream, address: &Address, within: Duration) -> io::Result<Stream> {
        let name = match (&self.server_name, address) {
            (Some(name), _) => name.clone(),
            (None, Address::Tcp(address)) => ServerName::IpAddress(address.ip().into()),
            (None, Address::Host(host, _)) => server_name(host.clone()).map_err(io::Error::other)?,
            (None, Address::Unix(_) | Address::Memory(_)) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let tls = ClientConnection::new(self.config.current(), name).map_err(io::Error::other)?;
        match timeout(within, shake_hands(stream, tls.into())).await {
            Ok(shaken) => shaken,
            Err(_elapsed) => {
                let limit = self.connect_timeout;
                let what = format!(
                    "connected, and no TLS handshake came about within connect_timeout {limit:?}; does it speak TLS?"
                );
                Err(io::Error::new(io::ErrorKind::TimedOut, what))
            }
        }
    }
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::Config, format!("TLS: {what}"))
}

fn server_name(name: String) -> Result<ServerName<'static>, String> {
    ServerName::try_from(name.clone()).map_err(|_| format!("'{name}' is no name that a certificate can be for"))
}

/// Performs the handshake and returns the encrypted stream.
async fn shake_hands(stream: Stream, tls: rustls::Connection) -> io::Result<Stream> {
    let Stream { reader, writer, peer } = stream;
    let accepts = matches!(tls, rustls::Connection::Server(_));
    let (mut reader, writer) = halves(reader, writer, tls);
    if let Err(error) = poll_fn(|cx| reader.poll_handshake(cx)).await {
        if accepts {
            // The client may have sent requests already. The kernel resets a socket that is closed with unread bytes, and
            // the reset would destroy the alert that holds the reason.
            let _ = timeout(FAREWELL_TIMEOUT, read_and_forget(&mut reader.inner)).await;
        }
        return Err(error);
    }
    let shown = reader.shared.lock().tls.peer_certificates().and_then(|chain| chain.first().map(identity::of));
    let peer = Peer { identity: shown.map(Arc::new), ..Peer::clone(&peer) };
    Ok(Stream { reader: Reader::Tls(reader), writer: Writer::Tls(writer), peer: Arc::new(peer) })
}

impl TlsReader {
    fn poll_handshake(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        let shared = self.shared.clone();
        let mut early = std::mem::take(&mut self.early);
        let shaken = loop {
            let mut state = shared.lock();
            match shared.poll_flush(&mut state, cx) {
                Poll::Ready(Ok(())) if !state.tls.is_handshaking() => break Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {}
                other => break other,
            }
            drop(state);
            match self.poll_receive(cx, &mut early) {
                Poll::Ready(Ok(())) if self.closed => break Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(())) => {}
                other => break other,
            }
        };
        self.early = early;
        shaken.map_err(errors::in_handshake)
    }
}

/// Reads and discards bytes up to the end of the stream or `FAREWELL_BYTES_MAX`.
async fn read_and_forget(reader: &mut Reader) {
    let mut forgotten = 0;
    let mut bytes = BytesMut::new();
    while forgotten < FAREWELL_BYTES_MAX {
        match poll_fn(|cx| reader.poll_read(cx, &mut bytes)).await {
            Ok(0) | Err(_) => return,
            Ok(read) => forgotten += read,
        }
        bytes.clear();
    }
}
