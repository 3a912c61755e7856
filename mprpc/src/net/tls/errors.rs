//! Errors of TLS, worded for the person who has to fix the cause.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, Connection, Error};

/// An error that TLS itself reports. It is the cause inside an [`io::Error`].
#[derive(Debug)]
struct Failure {
    text: String,
    /// The peer refused a handshake that had seemed complete. The peer has read none of the bytes sent to it.
    refusal: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// Whether the server ended an established connection because it does not accept the client's certificate, or because there
/// is none. In TLS 1.3 the client learns this only from its first read; the server has read none of the client's bytes.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    failure(error).is_some_and(|failure| failure.refusal)
}

/// Converts an error of a connection. `heard` says whether the peer has sent plaintext before.
pub(super) fn of_connection(tls: &Connection, heard: bool, error: &Error) -> io::Error {
    let connects = matches!(tls, Connection::Client(_));
    let text = match error {
        // A plain mprpc server sends this alert. The replies of other plain servers are invalid TLS messages.
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

/// Adds to a socket error that it happened during the handshake.
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

/// The text for an alert that the peer sent before it closed.
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

/// Describes the fault of a certificate. The text follows "the server's certificate".
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

/// Strips the kind that rustls puts around a name: `DnsName("db.example")`.
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
