//! TLS settings and peer identity: the files that a side shows and trusts, and the proven names of the peer. The
//! cryptography is in `net/tls/`, behind the feature `tls`.

use std::path::PathBuf;

/// TLS at the TCP addresses of a server, below every protocol of the port. Unix sockets stay in plain text.
///
/// The files are PEM, at most 1 MiB each. The server checks them for changes every `limits.tls_reload_interval`, and new
/// connections use the changed files. If the files do not fit together, the server keeps the old ones and logs the fault
/// once.
///
/// Without the feature `tls`, a server with this setting fails to start, with an error that says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsServer {
    /// The server's certificate, followed by those of the intermediate issuers.
    pub certificate: PathBuf,
    /// The private key of `certificate`: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
    /// The trusted issuers of callers' certificates. If it is set, a caller must show a certificate from one of them.
    pub client_ca: Option<PathBuf>,
    /// Whether a caller may connect without a certificate nevertheless. A certificate that a caller does show must be from
    /// `client_ca`.
    pub client_optional: bool,
}

/// TLS to the TCP endpoints of a channel, or to the servers of a registry. Unix sockets stay in plain text.
///
/// The files are PEM, at most 1 MiB each. The channel checks them for changes every `limits.tls_reload_interval`, as a
/// [`TlsServer`] does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsClient {
    /// The trusted issuers of servers' certificates. No other issuer is trusted, not even the system's roots.
    pub ca: PathBuf,
    /// The caller's own certificate, for servers that ask for one, followed by those of the intermediate issuers.
    pub client_certificate: Option<PathBuf>,
    /// The private key of `client_certificate`. Set both or neither.
    pub client_key: Option<PathBuf>,
    /// The name that servers' certificates must contain. `None`: the host in the endpoint's address, a name or an IP
    /// address, which must be among the certificate's alternative names.
    pub server_name: Option<String>,
}

/// The proven identity of the peer: the names in its certificate, which a trusted issuer signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PeerIdentity {
    /// The common name of the subject.
    pub common_name: Option<String>,
    /// Alternative names that are host names, unchanged from the certificate. A name may begin with `*.`.
    pub dns_names: Vec<String>,
    /// Alternative names that are URIs: `spiffe://example.org/billing`.
    pub uris: Vec<String>,
}

impl PeerIdentity {
    /// Every name: the common name, host names, URIs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.common_name.iter().chain(&self.dns_names).chain(&self.uris).map(String::as_str)
    }

    /// Whether one of the names equals `name`, letter for letter. `*.` matches only itself.
    pub fn has_name(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_name_matches_every_kind_of_name_exactly() {
        let identity = PeerIdentity {
            common_name: Some("billing".to_owned()),
            dns_names: vec!["*.billing.example".to_owned()],
            uris: vec!["spiffe://example.org/billing".to_owned()],
        };
        for name in ["billing", "*.billing.example", "spiffe://example.org/billing"] {
            assert!(identity.has_name(name), "{name}");
        }
        for name in ["", "bill", "Billing", "a.billing.example", "spiffe://example.org/"] {
            assert!(!identity.has_name(name), "{name}");
        }
    }
}
