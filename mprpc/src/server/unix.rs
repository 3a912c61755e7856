//! The server's Unix socket for callers on its host. The server opens and announces it beside its announced address.

use std::path::Path;

use crate::endpoint::{Address, Endpoint, UnixSocket};
use crate::error::{Error, ErrorKind};
use crate::net::handover::{self, Inherited};
use crate::net::{Listener, host_id};

/// Listens at a Unix socket for `endpoint` in `folder`, and adds the socket to `endpoint`. Returns `None` if the socket
/// would be of no use: with TLS, for an endpoint without a TCP address, or if this host has no id that tells it from
/// others.
///
/// The name of the socket derives from the address. So the next server at the address takes over the socket of a killed
/// server, and two containers that share the folder use different sockets.
pub(super) fn listen(
    folder: &Path,
    endpoint: &mut Endpoint,
    is_tls: bool,
    inherited: &mut Option<Inherited>,
) -> Result<Option<Listener>, Error> {
    if is_tls {
        tracing::info!(folder = %folder.display(), "unix_folder is not used: the server speaks TLS, and a Unix socket does not");
        return Ok(None);
    }
    let (Address::Tcp(_) | Address::Host(..), Some(host)) = (&endpoint.address, host_id()) else { return Ok(None) };
    let failed = |what: &str, error| {
        Error::with_source(ErrorKind::Listen, format!("unix_folder {}: {what}", folder.display()), error)
    };
    std::fs::create_dir_all(folder).map_err(|error| failed("cannot create it", error))?;
    let folder = folder.canonicalize().map_err(|error| failed("cannot be found", error))?;
    let path = folder.join(file_name(&endpoint.address));
    if path.to_str().is_none() {
        let message = format!("unix_folder {}: only a path in UTF-8 can be announced", folder.display());
        return Err(Error::new(ErrorKind::Config, message));
    }
    let listener = handover::listen(inherited, &Address::Unix(path.clone()))?;
    endpoint.unix = Some(UnixSocket { path, host: host.to_owned() });
    Ok(Some(listener))
}

/// Returns, for example, `127.0.0.1-8000.sock`. Colons of IPv6 become dashes.
fn file_name(address: &Address) -> String {
    format!("{address}.sock").replace(':', "-").replace(['[', ']'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_named_after_the_address() {
        for (address, name) in [
            ("127.0.0.1:8000", "127.0.0.1-8000.sock"),
            ("[::1]:8000", "--1-8000.sock"),
            ("db-1.example:1", "db-1.example-1.sock"),
        ] {
            assert_eq!(file_name(&address.parse().unwrap()), name);
        }
    }
}
