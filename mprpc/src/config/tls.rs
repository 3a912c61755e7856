//! The configuration keys of TLS: the files that a program presents and trusts, as a server and as a caller.

use std::path::PathBuf;

use crate::tls::{TlsClient, TlsServer};

/// The TLS settings of a program. Servers and callers have separate keys, because a program may be both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// [`TlsServer::certificate`].
    pub certificate: Option<PathBuf>,
    /// [`TlsServer::key`].
    pub key: Option<PathBuf>,
    /// [`TlsServer::client_ca`].
    pub client_ca: Option<PathBuf>,
    /// [`TlsServer::client_optional`].
    pub client_optional: bool,
    /// [`TlsClient::ca`].
    pub ca: Option<PathBuf>,
    /// [`TlsClient::client_certificate`].
    pub client_certificate: Option<PathBuf>,
    /// [`TlsClient::client_key`].
    pub client_key: Option<PathBuf>,
    /// [`TlsClient::server_name`].
    pub server_name: Option<String>,
}

impl TlsConfig {
    /// Returns the TLS settings of a server, if any of its keys is set. If a required key is missing beside it,
    /// starting the server fails; it never falls back to plain text.
    pub fn server(&self) -> Option<TlsServer> {
        let TlsConfig { certificate, key, client_ca, client_optional, .. } = self.clone();
        let any = certificate.is_some() || key.is_some() || client_ca.is_some() || client_optional;
        any.then(|| TlsServer {
            certificate: certificate.unwrap_or_default(),
            key: key.unwrap_or_default(),
            client_ca,
            client_optional,
        })
    }

    /// Returns the TLS settings of a caller, if any of its keys is set.
    pub fn client(&self) -> Option<TlsClient> {
        let TlsConfig { ca, client_certificate, client_key, server_name, .. } = self.clone();
        let any = ca.is_some() || client_certificate.is_some() || client_key.is_some() || server_name.is_some();
        any.then(|| TlsClient { ca: ca.unwrap_or_default(), client_certificate, client_key, server_name })
    }
}
