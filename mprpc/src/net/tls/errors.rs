//! What went wrong with TLS, in words for whoever has to put it right.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, Connection, Error};

/// What TLS itself found wrong; the cause inside an [`io::Error`].
#[derive(Debug)]
struct Failure {
    text: String,
    /// The peer refused the handshake, though it had seemed done: nothing that was sent has been read.
    refusal: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// Whether a connection that was made ended because the server does not accept this side's certificate, or its lack.
/// In TLS 1.3 the caller learns that only with its first read; nothing it sent has been read by anyone.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    failure(error).is_some_and(|failure| failure.refusal)
}

/// The error of a connection on which plaintext was `heard`, or not yet.
pub(super) fn of_connection(tls: &Connection, heard: bool, error: &Error) -> io::Error {
    let connects = matches!(tls, Connection::Client(_));
    let text = match error {
        // The first is what a plain mprpc server says, the other what other servers' words look like.
        Error::AlertReceived(AlertDescription::UnexpectedMessage) | Error::InvalidMessage(_)
            if connects && tls.is_handshaking() =>
        {
            "the peer does not speak TLS".to_owned()
        }
        Error::AlertReceived(alert) => refused(*alert, connects),
        Error::InvalidCertificate(what) => {
            let whose = if connects { "the server's certificate" } else { "the caller's certificate" };
            format!("{whose} {}", certificate(what, connects))
        }
        Error::NoCertificatesPresented => "the caller has shown no certificate, and one is required".to_owned(),
        other => format!("TLS: {other}"),
    };
    let refusal = connects
        && !heard
        && !tls.is_handshaking()
        && matches!(error, Error::AlertReceived(alert) if is_about_a_certificate(*alert));
    let kind = if refusal { io::ErrorKind::ConnectionRefused } else { io::ErrorKind::InvalidData };
    io::Error::new(kind, Failure { text, refusal })
}

/// The error of a handshake: a socket's own says less than that there was one.
pub(super) fn in_handshake(error: io::Error) -> io::Error {
    if failure(&error).is_some() {
        return error;
    }
    let text = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the peer closed the connection".to_owned(),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("{text} during the TLS handshake; does it speak TLS?"))
}

fn failure(error: &io::Error) -> Option<&Failure> {
    error.get_ref()?.downcast_ref()
}

/// What the other side said before it closed.
fn refused(alert: AlertDescription, connects: bool) -> String {
    let peer = if connects { "the server" } else { "the caller" };
    let ours = if connects { "the client certificate" } else { "the server's certificate" };
    match alert {
        AlertDescription::CertificateRequired => "the server requires a client certificate, and got none".to_owned(),
        AlertDescription::UnknownCA => format!("{peer} does not know the issuer of {ours}"),
        AlertDescription::CertificateExpired => format!("{peer} says that {ours} has expired"),
        alert => format!("{peer} refused {ours} or the handshake: TLS alert {alert:?}"),
    }
}

fn is_about_a_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
    )
}

/// What is wrong with a certificate; follows "the server's certificate".
fn certificate(what: &CertificateError, connects: bool) -> String {
    match what {
        CertificateError::UnknownIssuer => {
            let key = if connects { "tls.ca" } else { "tls.client_ca" };
            format!("has an unknown issuer: none of those in {key} signed it")
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let names = if presented.is_empty() { "no name at all".to_owned() } else { presented.join(", ") };
            format!("is for {names}, not for {}", expected.to_str())
        }
        CertificateError::Expired => "has expired".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => {
            let seconds = time.as_secs().saturating_sub(not_after.as_secs());
            format!("has expired, {} ago", rough(seconds))
        }
        CertificateError::NotValidYet => "is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => {
            let seconds = not_before.as_secs().saturating_sub(time.as_secs());
            format!("is not valid yet, but in {}: are both clocks right?", rough(seconds))
        }
        other => format!("is not accepted: {other}"),
    }
}

/// A name without the kind that rustls puts around it: `DnsName("db.example")`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

fn rough(seconds: u64) -> String {
    match seconds {
        0..7_200 => format!("{} min", seconds.div_ceil(60)),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
