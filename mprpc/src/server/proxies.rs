//! The trusted proxies in front of a server: which peers may say that they act for somebody else, by a PROXY header or by
//! `x-forwarded-for`. The bytes of the PROXY header are in `protocol/proxy`.

use std::fmt;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use bytes::BytesMut;

use super::Shared;
use crate::context::Peer;
use crate::endpoint::Address;
use crate::net::Stream;
use crate::net::connection::Close;
use crate::protocol::proxy::{self, ProxyHeader, ProxySource};

/// The address of trusted proxies: an IP address, a network such as `10.0.0.0/8`, or `unix` for every peer at a Unix socket
/// of the server.
///
/// An IPv4 address inside IPv6, `::ffff:10.0.0.1`, is the IPv4 address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxy(Range);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Range {
    /// An address whose bits behind the prefix are zero, and the length of the prefix.
    Network(IpAddr, u32),
    Unix,
}

impl TrustedProxy {
    /// Whether the peer at this address is one of the proxies.
    fn contains(&self, address: &Address) -> bool {
        match (&self.0, address) {
            (Range::Network(network, prefix), Address::Tcp(address)) => {
                masked(address.ip().to_canonical(), *prefix) == Some(*network)
            }
            (Range::Unix, Address::Unix(_)) => true,
            _ => false,
        }
    }
}

/// The address with zeros behind the prefix. `None` if the address has fewer bits than the prefix.
fn masked(address: IpAddr, prefix: u32) -> Option<IpAddr> {
    let zeros = |width: u32| width.checked_sub(prefix);
    Some(match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(zeros(32)?).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(zeros(128)?).unwrap_or(0)).into()),
    })
}

impl FromStr for TrustedProxy {
    type Err = String;

    /// Parses an address or a network. The error describes the fault for people.
    fn from_str(text: &str) -> Result<TrustedProxy, String> {
        if text == "unix" {
            return Ok(TrustedProxy(Range::Unix));
        }
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let Ok(ip) = address.parse::<IpAddr>() else {
            return Err(format!("'{text}' is no proxy: an IP address, a network like 10.0.0.0/8, or unix"));
        };
        let width = if ip.is_ipv4() { 32 } else { 128 };
        let prefix: Option<u32> = prefix.map_or(Some(width), |prefix| prefix.parse().ok());
        let Some(mut prefix) = prefix.filter(|prefix| *prefix <= width) else {
            return Err(format!("'{text}': the prefix is no number from 0 to {width}"));
        };
        let network = masked(ip, prefix).unwrap_or(ip);
        if network != ip {
            return Err(format!("'{text}' has bits behind the prefix; the network is {network}/{prefix}"));
        }
        let canonical = ip.to_canonical();
        if canonical.is_ipv4() && ip.is_ipv6() {
            // A prefix that reaches into the address is at least 96 bits long, as the bits in front of it are not all zero.
            prefix = prefix.saturating_sub(96);
        }
        Ok(TrustedProxy(Range::Network(canonical, prefix)))
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Range::Network(ip, prefix) if prefix == if ip.is_ipv4() { 32 } else { 128 } => ip.fmt(f),
            Range::Network(ip, prefix) => write!(f, "{ip}/{prefix}"),
            Range::Unix => f.write_str("unix"),
        }
    }
}

/// All trusted proxies of a server.
#[derive(Default)]
pub(super) struct TrustedProxies {
    pub(super) proxies: Vec<TrustedProxy>,
    /// Whether a trusted proxy has to send a PROXY header.
    pub(super) header_required: bool,
}

impl TrustedProxies {
    /// Whether the peer at this address is a trusted proxy.
    pub(super) fn trust(&self, address: &Address) -> bool {
        self.proxies.iter().any(|proxy| proxy.contains(address))
    }

    /// Whether the server believes `x-forwarded-for` in the requests of this peer.
    pub(super) fn trust_to_forward(&self, peer: &Peer) -> bool {
        let is_named = match &peer.proxy {
            None => true,
            // A PROXY header that names no source, or a Unix socket of another host, says nothing of who sends the requests.
            Some(proxy) => proxy.address != peer.address && !matches!(peer.address, Address::Unix(_)),
        };
        is_named && self.trust(&peer.address)
    }

    /// The caller behind the trusted `peer`, from the values of `x-forwarded-for`: the last address that is not a trusted
    /// proxy, as everything in front of that address may be forged. If the list ends before, or has something that is no
    /// address, the caller is the last address that is known.
    pub(super) fn forwarded(&self, peer: &Arc<Peer>, list: &[u8]) -> Option<Arc<Peer>> {
        let mut caller = None;
        for element in list.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()) {
            let Some(address) = hop(element) else { break };
            let is_proxy = self.trust(&address);
            caller = Some(address);
            if !is_proxy {
                break;
            }
        }
        let proxy = Some(peer.clone());
        caller.map(|address| Arc::new(Peer { address, local: peer.local.clone(), identity: None, proxy }))
    }
}

/// An element of `x-forwarded-for`: an IP address, with or without a port. The port is 0 if there is none.
fn hop(element: &[u8]) -> Option<Address> {
    let text = std::str::from_utf8(element).ok()?;
    let without_port =
        || text.trim_start_matches('[').trim_end_matches(']').parse().ok().map(|ip| SocketAddr::new(ip, 0));
    let address = text.parse().ok().or_else(without_port)?;
    Some(Address::Tcp(SocketAddr::new(address.ip().to_canonical(), address.port())))
}

/// Reads the PROXY header of a connection from a trusted proxy. The bytes behind the header stay unread. The peer of the
/// returned stream is the source in the header. Returns why the connection ended, if it did; that is logged and counted.
pub(super) async fn read_header(stream: Stream, shared: &Shared) -> Result<Stream, Close> {
    let peer = stream.peer.clone();
    let timeout = shared.limits.first_byte_timeout;
    let mut bytes = BytesMut::new();
    let read = tokio::select! {
        read = tokio::time::timeout(timeout, read_in_time(stream, &mut bytes, shared)) => read,
        () = shared.drained() => return Err(Close::Done),
    };
    match read {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(Unreadable::Gone)) if bytes.is_empty() => Err(Close::PeerClosed),
        Ok(Err(Unreadable::Gone)) => {
            let length = bytes.len();
            shared.reject_because(&peer, BROKEN, &format!("the connection ended behind {length} bytes of it"));
            Err(Close::PeerClosed)
        }
        Ok(Err(Unreadable::Wrong(what, detail))) => {
            shared.reject_because(&peer, what, &detail);
            Err(Close::Protocol)
        }
        Err(_elapsed) if bytes.is_empty() => Err(Close::FirstByteTimeout),
        Err(_elapsed) => {
            let length = bytes.len();
            let detail = format!("{length} bytes of it within first_byte_timeout {timeout:?}");
            shared.reject_because(&peer, BROKEN, &detail);
            Err(Close::Protocol)
        }
    }
}

const BROKEN: &str = "a broken PROXY header";
const MISSING: &str = "no PROXY header from a trusted proxy";

/// Why there is no header.
enum Unreadable {
    /// The connection ended.
    Gone,
    /// What arrived instead, and a detail for the log.
    Wrong(&'static str, String),
}

async fn read_in_time(stream: Stream, bytes: &mut BytesMut, shared: &Shared) -> Result<Stream, Unreadable> {
    let Ok(mut stream) = stream.registered() else { return Err(Unreadable::Gone) };
    let (source, length) = loop {
        match poll_fn(|cx| stream.reader.poll_read(cx, bytes)).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(Unreadable::Gone),
        }
        match proxy::decode(bytes, shared.limits.proxy_header_bytes_max) {
            Ok(ProxyHeader::Incomplete) => {}
            Ok(ProxyHeader::Complete(source, length)) => break (source, length),
            Ok(ProxyHeader::Absent) if shared.proxies.header_required => {
                return Err(Unreadable::Wrong(MISSING, "proxy_header_required is true".to_owned()));
            }
            Ok(ProxyHeader::Absent) => break (ProxySource::Local, 0),
            Err(fault) => return Err(Unreadable::Wrong(BROKEN, fault)),
        }
    };
    let peer = named(&stream.peer, source);
    tracing::debug!(peer = %peer.address, proxy = %stream.peer.address, header_bytes = length, "a connection from a proxy");
    Ok(Stream { peer, ..stream.unread(bytes.split_off(length)) })
}

/// The peer that the header names.
fn named(proxy: &Arc<Peer>, source: ProxySource) -> Arc<Peer> {
    let address = match source {
        ProxySource::Local => return proxy.clone(),
        ProxySource::Unknown => proxy.address.clone(),
        ProxySource::Address(address) => address,
    };
    Arc::new(Peer { address, local: proxy.local.clone(), identity: None, proxy: Some(proxy.clone()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(texts: &[&str]) -> TrustedProxies {
        TrustedProxies { proxies: texts.iter().map(|text| text.parse().unwrap()).collect(), header_required: false }
    }

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn networks_contain_their_addresses_and_no_others() {
        let proxies = proxies(&["10.1.0.0/16", "192.0.2.7", "2001:db8::/33", "::1"]);
        for inside in ["10.1.255.255:1", "192.0.2.7:65535", "[2001:db8:7fff::1]:1", "[::1]:0", "[::ffff:10.1.2.3]:1"] {
            assert!(proxies.trust(&address(inside)), "{inside}");
        }
        for outside in ["10.2.0.0:1", "192.0.2.6:1", "[2001:db8:8000::]:1", "[::2]:1", "10.1:1", "unix:/a", "memory:a"]
        {
            assert!(!proxies.trust(&address(outside)), "{outside}");
        }
    }

    #[test]
    fn whole_families_and_unix_sockets_are_apart() {
        for (of, inside) in [("0.0.0.0/0", "203.0.113.1:1"), ("::/0", "[2001:db8::1]:1"), ("unix", "unix:/run/a")] {
            for other in ["203.0.113.1:1", "[2001:db8::1]:1", "unix:/run/a"] {
                assert_eq!(proxies(&[of]).trust(&address(other)), other == inside, "{of} {other}");
            }
        }
        assert!(!TrustedProxies::default().trust(&address("127.0.0.1:1")));
    }

    #[test]
    fn networks_print_as_they_parse_and_ipv4_in_ipv6_is_ipv4() {
        for text in ["10.0.0.0/8", "127.0.0.1", "0.0.0.0/0", "2001:db8::/32", "::1", "::/0", "unix"] {
            assert_eq!(text.parse::<TrustedProxy>().unwrap().to_string(), text);
        }
        for (text, shown) in
            [("::ffff:10.0.0.0/104", "10.0.0.0/8"), ("::ffff:10.0.0.1", "10.0.0.1"), ("10.0.0.1/32", "10.0.0.1")]
        {
            assert_eq!(text.parse::<TrustedProxy>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn wrong_networks_are_errors_that_name_the_fault() {
        for (text, fault) in [
            ("proxy.example", "is no proxy"),
            ("", "is no proxy"),
            ("10.0.0.1:80", "is no proxy"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("::1/129", "from 0 to 128"),
            ("10.0.0.0/", "from 0 to 32"),
            ("10.0.0.0/-1", "from 0 to 32"),
            ("10.1.2.3/8", "the network is 10.0.0.0/8"),
            ("::ffff:10.1.2.3/104", "bits behind the prefix"),
            ("::ffff:0:0/95", "bits behind the prefix"),
        ] {
            let error = text.parse::<TrustedProxy>().unwrap_err();
            assert!(error.contains(fault), "{error}");
        }
    }

    #[test]
    fn caller_is_the_last_forwarded_address_that_is_no_proxy() {
        let proxies = proxies(&["10.0.0.0/8", "::1"]);
        let local = address("10.0.0.1:8000");
        let peer = Arc::new(Peer { address: address("10.0.0.9:1"), local, identity: None, proxy: None });
        for (list, caller) in [
            ("203.0.113.5", Some("203.0.113.5:0")),
            ("1.1.1.1, 203.0.113.5, 10.0.0.7, ::1", Some("203.0.113.5:0")),
            ("1.1.1.1,203.0.113.5:443 , 10.0.0.7:80", Some("203.0.113.5:443")),
            ("1.1.1.1, [2001:db8::5]:443", Some("[2001:db8::5]:443")),
            ("2001:db8::5", Some("[2001:db8::5]:0")),
            ("[2001:db8::5]", Some("[2001:db8::5]:0")),
            ("::ffff:203.0.113.5", Some("203.0.113.5:0")),
            ("10.0.0.7, 10.0.0.8", Some("10.0.0.7:0")),
            ("203.0.113.5, unknown, 10.0.0.8", Some("10.0.0.8:0")),
            ("203.0.113.5, , ,", Some("203.0.113.5:0")),
            ("203.0.113.5, _hidden", None),
            ("203.0.113.5, 1.2.3", None),
            ("", None),
        ] {
            let forwarded = proxies.forwarded(&peer, list.as_bytes());
            assert_eq!(forwarded.as_ref().map(|peer| &peer.address), caller.map(address).as_ref(), "{list}");
            assert!(forwarded.is_none_or(|forwarded| forwarded.proxy.as_ref() == Some(&peer)));
        }
    }
}
