//! The options of a target for TLS to a registry, `tls.ca=/etc/ca.pem` and so on, with the names that a caller's keys have.
//! Parses and formats them, and opens no file.

use crate::tls::TlsClient;

/// The names of the options.
pub(super) const NAMES: [&str; 4] = ["tls.ca", "tls.client_certificate", "tls.client_key", "tls.server_name"];

/// Takes an option into `tls` if it has one of [`NAMES`]. Returns whether it has. The first one turns TLS on.
pub(super) fn take(tls: &mut Option<TlsClient>, name: &str, value: &str) -> Result<bool, String> {
    if !NAMES.contains(&name) {
        return Ok(false);
    }
    if value.is_empty() {
        return Err(format!("{name} is empty"));
    }
    let tls = tls.get_or_insert_default();
    match name {
        "tls.ca" => tls.ca = value.into(),
        "tls.client_certificate" => tls.client_certificate = Some(value.into()),
        "tls.client_key" => tls.client_key = Some(value.into()),
        _ => tls.server_name = Some(value.to_owned()),
    }
    Ok(true)
}

/// Formats the options as [`take`] takes them.
pub(super) fn format(tls: &TlsClient) -> Vec<String> {
    let TlsClient { ca, client_certificate, client_key, server_name } = tls;
    let files = [Some(ca), client_certificate.as_ref(), client_key.as_ref()];
    let files = NAMES.iter().zip(files).filter_map(|(name, path)| Some(format!("{name}={}", path?.display())));
    files.chain(server_name.iter().map(|name| format!("tls.server_name={name}"))).collect()
}
