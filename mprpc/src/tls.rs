//! What is said about TLS: which files a side shows and trusts, and who the other side proved to be. No cryptography;
//! that stands in `net/tls/`, behind the feature `tls`.

use std::path::PathBuf;

/// TLS at the TCP addresses of a server, below every protocol of the port. Unix sockets stay as they are.
///
/// The files are PEM, at most 1 MiB each. They are looked at every `limits.tls_reload_interval`, and new connections
/// get what stands in them then; files that do not belong together yet change nothing, and are logged once.
///
/// Without the feature `tls` a server with it does not start, and says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsServer {
    /// The server's certificate, and those of the issuers between it and the root.
    pub certificate: PathBuf,
    /// Its private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
    /// The issuers of callers' certificates. Where it is set, a caller has to show a certificate from one of them.
    pub client_ca: Option<PathBuf>,
    /// Whether a caller may come without a certificate all the same. One that is shown has to be from `client_ca`.
    pub client_optional: bool,
}

/// TLS to the TCP endpoints of a channel. Unix sockets stay as they are.
///
/// The files are PEM, at most 1 MiB each, and looked at every `limits.tls_reload_interval`, as those of a [`TlsServer`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsClient {
    /// The issuers that servers' certificates are believed from. Nothing else is, the system's roots included.
    pub ca: PathBuf,
    /// The caller's own certificate, for servers that ask for one, and those of the issuers between it and the root.
    pub client_certificate: Option<PathBuf>,
    /// The private key of `client_certificate`; set with it or not at all.
    pub client_key: Option<PathBuf>,
    /// The name that servers' certificates have to be for. `None`: the host in the endpoint's address, a name or a
    /// number, which has to stand among the certificate's alternative names.
    pub server_name: Option<String>,
}

/// Who the other end of a connection proved to be: the names in its certificate, which an issuer trusted here signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PeerIdentity {
    /// The common name of the subject.
    pub common_name: Option<String>,
    /// Alternative names that are host names, as they stand in the certificate: one may begin with `*.`.
    pub dns_names: Vec<String>,
    /// Alternative names that are URIs: `spiffe://example.org/billing`.
    pub uris: Vec<String>,
}

impl PeerIdentity {
    /// Every name: the common name, host names, URIs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.common_name.iter().chain(&self.dns_names).chain(&self.uris).map(String::as_str)
    }

    /// Whether one of the names is this one, letter for letter; `*.` stands for nothing but itself.
    pub fn has_name(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_name_counts_and_only_whole() {
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
