//! The two layouts of services in ZooKeeper: paths and node data, formatting and parsing. Pure; contacts no server.
//!
//! | layout | path | kind | data |
//! |---|---|---|---|
//! | native | `/mprpc/services/fixbug.UserServiceRpc/127.0.0.1:8000` | ephemeral | JSON |
//! | classic | `/UserServiceRpc/Login` | ephemeral | `127.0.0.1:8000` |
//!
//! [`node`](super::super::node) has the JSON. The classic layout has room for only one provider of a method; the
//! persistent parent node is empty.

use std::collections::BTreeMap;

use super::super::merge;
pub(super) use super::super::node::{is_node, node_data, node_name, parse_node, reweighted};
use crate::endpoint::{Address, Endpoint, Protocol};

/// Returns the path of all services in the native layout.
pub(super) fn services_path(chroot: &str) -> String {
    format!("{chroot}/{NATIVE_ROOT}/services")
}

/// Returns the path of a service in the native layout; `service` is its full name.
pub(super) fn service_path(chroot: &str, service: &str) -> String {
    format!("{}/{service}", services_path(chroot))
}

/// Returns the path of a service in the classic layout; `service` is its full or short name.
pub(super) fn classic_service_path(chroot: &str, service: &str) -> String {
    format!("{chroot}/{}", short_name(service))
}

/// Returns the name without its package.
pub(super) fn short_name(service: &str) -> &str {
    service.rsplit('.').next().unwrap_or(service)
}

/// Whether a child of the root can be a service of the classic layout.
pub(super) fn is_classic_service(name: &str) -> bool {
    super::super::is_service_name(name) && !name.contains('.') && name != NATIVE_ROOT && name != "zookeeper"
}

/// Parses a method's node of the classic layout: the address of its one provider.
pub(super) fn parse_classic_node(data: &[u8]) -> Result<Address, String> {
    let text = std::str::from_utf8(data).map_err(|_| "its data is no text")?;
    // C programs may include the NUL in the length, and people may end the line when they write the data by hand.
    match text.trim_end_matches(['\0', '\n', '\r', ' ']).parse()? {
        address @ (Address::Tcp(_) | Address::Host(..)) => Ok(address),
        other => Err(format!("'{other}' is no host:port")),
    }
}

/// Formats the data of a method's node of the classic layout. The error says why a classic caller could not use the
/// address.
pub(super) fn classic_node_data(address: &Address) -> Result<String, String> {
    match address {
        // The C++ caller splits at the first colon and parses the rest as the port.
        Address::Tcp(address) if address.is_ipv4() => Ok(address.to_string()),
        other => Err(format!("a classic caller can reach IPv4 addresses only, not {other}")),
    }
}

/// Merges the content of both layouts into the endpoints of a service.
///
/// If both layouts have an address, the native entry counts. If only the classic layout has it, the endpoint is classic
/// and serves the methods that have a node for it.
pub(super) fn merge_layouts(native: Vec<Endpoint>, classic: Vec<(String, Address)>) -> Vec<Endpoint> {
    let mut methods: BTreeMap<Address, Vec<String>> = BTreeMap::new();
    for (method, address) in classic {
        methods.entry(address).or_default().push(method);
    }
    let classic = methods.into_iter().map(|(address, mut methods)| {
        methods.sort();
        Endpoint { protocol: Protocol::Classic, methods, ..Endpoint::new(address) }
    });
    merge::without_duplicates(native.into_iter().chain(classic))
}

/// The root node of the native layout.
const NATIVE_ROOT: &str = "mprpc";
#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn bad_classic_nodes_are_refused() {
        for data in [&b""[..], b"\xff", b"127.0.0.1", b"unix:/x"] {
            parse_classic_node(data).unwrap_err();
        }
    }

    #[test]
    fn classic_nodes_hold_the_bare_address() {
        assert_eq!(classic_node_data(&address("127.0.0.1:8000")).unwrap(), "127.0.0.1:8000");
        for text in ["[::1]:8000", "unix:/run/user.sock", "host:8000"] {
            classic_node_data(&address(text)).unwrap_err();
        }
        for data in ["127.0.0.1:8000", "127.0.0.1:8000\0", "127.0.0.1:8000\n"] {
            assert_eq!(parse_classic_node(data.as_bytes()).unwrap(), address("127.0.0.1:8000"));
        }
    }

    #[test]
    fn merge_prefers_native_and_groups_classic_methods_by_address() {
        let native = vec![Endpoint { weight: 7, ..Endpoint::new(address("127.0.0.1:1")) }];
        let classic = [("Login", "127.0.0.1:1"), ("Register", "127.0.0.1:2"), ("Login", "127.0.0.1:2")];
        let classic = classic.map(|(method, text)| (method.to_owned(), address(text))).to_vec();
        let merged = merge_layouts(native.clone(), classic);
        assert_eq!(merged.len(), 2);
        assert_eq!(merged[0], native[0]);
        assert_eq!(
            (merged[1].protocol, &merged[1].methods[..]),
            (Protocol::Classic, &["Login".into(), "Register".into()][..])
        );
    }

    #[test]
    fn paths_follow_the_layouts() {
        assert_eq!(service_path("", "fixbug.UserServiceRpc"), "/mprpc/services/fixbug.UserServiceRpc");
        assert_eq!(classic_service_path("/apps", "fixbug.UserServiceRpc"), "/apps/UserServiceRpc");
        for (name, is) in [("UserServiceRpc", true), ("mprpc", false), ("zookeeper", false), ("a-b", false)] {
            assert_eq!(is_classic_service(name), is, "{name}");
        }
    }
}
