//! Loads certificate and key files into rustls configurations, and reloads them when the files change.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::tls::{TlsClient, TlsServer};

/// The maximum size of a certificate or key file. A longer file is an error.
const FILE_BYTES_MAX: usize = 1 << 20;
/// The minimum reload interval. A shorter one would be a busy loop.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// A value made from files. It is replaced whenever the files change, if the new contents are usable.
pub(super) struct Reloaded<T>(Arc<ArcSwap<T>>);

/// Makes a `T` from the contents of the files, in their order. The error says what is wrong, and with which file.
type Make<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<T, String> + Send>;

/// The server's configuration: its certificate, and the certificates that it requires.
pub(super) fn server(settings: &TlsServer, interval: Duration) -> Result<Reloaded<ServerConfig>, String> {
    let files = files(&settings.certificate, &settings.key, "tls.certificate", "tls.key")?;
    if settings.client_optional && settings.client_ca.is_none() {
        return Err(
            "tls.client_optional is set and tls.client_ca is not: no caller is asked for a certificate".to_owned()
        );
    }
    let files = files.into_iter().chain(settings.client_ca.clone()).collect();
    let settings = settings.clone();
    Reloaded::load(files, interval, Box::new(move |contents| server_config(&settings, contents)))
}

fn server_config(settings: &TlsServer, contents: &[Vec<u8>]) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match &settings.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path, &contents[2])?), provider());
            let verifier = if settings.client_optional { verifier.allow_unauthenticated() } else { verifier };
            let verifier = verifier.build().map_err(|error| format!("{}: {error}", path.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (chain, key) = own(&settings.certificate, &contents[0], &settings.key, &contents[1])?;
    let config = builder.with_single_cert(chain, key);
    let mut config = config.map_err(|error| unusable(&settings.certificate, &settings.key, &error))?;
    config.alpn_protocols = [NATIVE, HTTP2, HTTP1].map(<[u8]>::to_vec).into();
    Ok(config)
}

/// The client's configuration: the issuers that it trusts, and the certificate that it presents on request.
pub(super) fn client(
    settings: &TlsClient,
    protocols: Protocols,
    interval: Duration,
) -> Result<Reloaded<ClientConfig>, String> {
    if settings.ca.as_os_str().is_empty() {
        return Err("tls.ca is not set: it says from which issuers a server's certificate is believed".to_owned());
    }
    let own = match (&settings.client_certificate, &settings.client_key) {
        (None, None) => Vec::new(),
        (certificate, key) => {
            let [certificate, key] = [certificate, key].map(|path| path.as_deref().unwrap_or(Path::new("")));
            files(certificate, key, "tls.client_certificate", "tls.client_key")?
        }
    };
    let files = [settings.ca.clone()].into_iter().chain(own).collect();
    let settings = settings.clone();
    Reloaded::load(files, interval, Box::new(move |contents| client_config(&settings, protocols, contents)))
}

fn client_config(settings: &TlsClient, protocols: Protocols, contents: &[Vec<u8>]) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots(&settings.ca, &contents[0])?);
    let (Some(certificate), Some(key)) = (&settings.client_certificate, &settings.client_key) else {
        return Ok(offering(builder.with_no_client_auth(), protocols));
    };
    let (chain, private) = own(certificate, &contents[1], key, &contents[2])?;
    let config = builder.with_client_auth_cert(chain, private);
    config.map(|config| offering(config, protocols)).map_err(|error| unusable(certificate, key, &error))
}

/// The names of the protocols in the handshake (ALPN, RFC 7301). A server detects the protocol by the first bytes, whatever
/// the handshake says; the names are there for other servers and clients, which insist on them.
const NATIVE: &[u8] = b"mprpc";
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// The protocols that a client names in its handshake.
#[derive(Clone, Copy, Debug)]
pub(super) enum Protocols {
    /// Those that a channel may speak.
    OfCalls,
    /// None: the protocol of the port has no name.
    #[cfg(feature = "zookeeper")]
    None,
}

fn offering(mut config: ClientConfig, protocols: Protocols) -> ClientConfig {
    config.alpn_protocols = match protocols {
        Protocols::OfCalls => [NATIVE, HTTP2].map(<[u8]>::to_vec).into(),
        #[cfg(feature = "zookeeper")]
        Protocols::None => Vec::new(),
    };
    config
}

/// The paths of a certificate and its key. One without the other is an error.
fn files(certificate: &Path, key: &Path, certificate_key: &str, key_key: &str) -> Result<Vec<PathBuf>, String> {
    match (certificate.as_os_str().is_empty(), key.as_os_str().is_empty()) {
        (false, false) => Ok(vec![certificate.to_owned(), key.to_owned()]),
        (true, _) => Err(format!("{certificate_key} is not set: the file of the certificate")),
        (false, true) => Err(format!("{certificate_key} is set and {key_key} is not: the file of its private key")),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| format!("{}: {error}", path.display()))?;
    if read.is_empty() {
        return Err(format!("{}: there is no certificate in it, as PEM", path.display()));
    }
    Ok(read)
}

fn roots(path: &Path, pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, pem)? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(roots)
}

fn own(
    certificate: &Path,
    chain: &[u8],
    key: &Path,
    private: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let private = PrivateKeyDer::from_pem_slice(private).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => {
            format!("{}: there is no private key in it, as PEM", key.display())
        }
        error => format!("{}: {error}", key.display()),
    })?;
    Ok((certificates(certificate, chain)?, private))
}

fn unusable(certificate: &Path, key: &Path, error: &rustls::Error) -> String {
    let (certificate, key) = (certificate.display(), key.display());
    match error {
        rustls::Error::InconsistentKeys(_) => format!("{key} is not the key of the certificate in {certificate}"),
        other => format!("{certificate} with {key}: {other}"),
    }
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Reads the files now and then every `interval`, until the value is dropped.
    fn load(files: Vec<PathBuf>, interval: Duration, make: Make<T>) -> Result<Reloaded<T>, String> {
        let contents = read(&files);
        let first = make(contents.as_ref().map_err(String::clone)?)?;
        let current = Arc::new(ArcSwap::from_pointee(first));
        let watch = Watch { files, seen: contents, make, current: Arc::downgrade(&current) };
        crate::net::background().spawn(watch.run(interval.max(INTERVAL_MIN)));
        Ok(Reloaded(current))
    }

    /// The latest value.
    pub(super) fn current(&self) -> Arc<T> {
        self.0.load_full()
    }
}

struct Watch<T> {
    files: Vec<PathBuf>,
    /// The contents at the last look, or the reason why the files could not be read.
    seen: Result<Vec<Vec<u8>>, String>,
    make: Make<T>,
    current: Weak<ArcSwap<T>>,
}

impl<T: Send + Sync + 'static> Watch<T> {
    async fn run(mut self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            // The files may be on a disk that hangs, and the background loop has other work.
            let mut watch = self;
            match tokio::task::spawn_blocking(move || watch.look().then_some(watch)).await {
                Ok(Some(watch)) => self = watch,
                Ok(None) => return,
                Err(error) => return tracing::error!(%error, "TLS files are not looked after any more"),
            }
        }
    }

    /// Makes a new `T` if the files have changed. Returns whether the value is still in use.
    ///
    /// Contents are compared, not modification times. Those are too coarse for two changes in a row, and a symlink that is
    /// switched to another folder has no modification time of its own.
    fn look(&mut self) -> bool {
        let Some(current) = self.current.upgrade() else { return false };
        let contents = read(&self.files);
        if contents == self.seen {
            return true;
        }
        match contents.as_ref().map_err(String::clone).and_then(|contents| (self.make)(contents)) {
            Ok(made) => {
                current.store(Arc::new(made));
                tracing::info!(files = ?self.files, "TLS files have changed; new connections get them");
            }
            Err(error) => tracing::error!(error, "changed TLS files cannot be used; those of before stay in force"),
        }
        self.seen = contents;
        true
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, String> {
    let read_one = |path: &PathBuf| {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
        read.map_err(|error| format!("{}: {error}", path.display()))?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(format!("{}: longer than {FILE_BYTES_MAX} bytes", path.display()));
        }
        Ok(bytes)
    };
    files.iter().map(read_one).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn unusable_files_change_nothing_and_are_tried_once() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["certificate", "key"].map(|name| folder.path().join(name)).to_vec();
        let write = |file: usize, text: &str| std::fs::write(&files[file], text).unwrap();
        write(0, "first");
        write(1, "key of first");
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = tries.clone();
        let make: Make<Vec<u8>> = Box::new(move |contents| {
            counted.fetch_add(1, Ordering::Relaxed);
            let [certificate, key] = contents else { return Err("not two files".to_owned()) };
            let fits = key.ends_with(certificate);
            if fits { Ok(certificate.clone()) } else { Err("the key does not fit".to_owned()) }
        });
        let current = Arc::new(ArcSwap::from_pointee(b"first".to_vec()));
        let mut watch = Watch { files: files.clone(), seen: read(&files), make, current: Arc::downgrade(&current) };
        let mut looks = |expected: &str, expected_tries: usize| {
            for _ in 0..3 {
                assert!(watch.look());
                assert_eq!(current.load().as_slice(), expected.as_bytes());
            }
            assert_eq!(tries.load(Ordering::Relaxed), expected_tries);
        };
        looks("first", 0);
        write(0, "second");
        looks("first", 1);
        write(1, "key of second");
        looks("second", 2);
        std::fs::remove_file(&files[1]).unwrap();
        looks("second", 2);
        write(1, "key of second");
        looks("second", 3);
        drop(current);
        assert!(!watch.look());
    }
}
