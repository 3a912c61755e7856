//! The PROXY protocol, versions 1 and 2: the header in which a proxy says whose connection it passes on. Decoding only, as
//! mprpc is no proxy. Who may send the header is decided in `server/proxies`.
//!
//! Source: "The PROXY protocol, versions 1 & 2", Willy Tarreau, 2020/03/05
//! (<https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>).

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;

use crate::endpoint::Address;

/// What the beginning of a connection says about a PROXY header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProxyHeader {
    /// The bytes begin no header.
    Absent,
    /// The bytes may become a header, and more of them are needed.
    Incomplete,
    /// The header takes this many bytes.
    Complete(ProxySource, usize),
}

/// Whose connection it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProxySource {
    /// The proxy's own connection, such as a health check.
    Local,
    /// The proxy passes a connection on, and does not say from where.
    Unknown,
    /// The proxy passes on the connection of the peer at this address.
    Address(Address),
}

/// The first bytes of version 1.
pub(super) const V1: &[u8] = b"PROXY ";
/// The first bytes of version 2.
pub(super) const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header of version 1, with its CR and LF.
const V1_BYTES_MAX: usize = 107;
/// The part of version 2 that has a fixed length.
const V2_BYTES_MIN: usize = 16;
/// A Unix path in version 2, filled up with NUL.
const V2_PATH_BYTES: usize = 108;

/// Decodes the header at the beginning of `bytes`. A header of version 2 may have `bytes_max` bytes. The error says how the
/// header is malformed.
pub(crate) fn decode(bytes: &[u8], bytes_max: usize) -> Result<ProxyHeader, String> {
    if bytes.starts_with(V2) {
        return decode_v2(bytes, bytes_max);
    }
    if bytes.starts_with(V1) {
        return decode_v1(bytes);
    }
    let may_begin = V1.starts_with(bytes) || V2.starts_with(bytes);
    Ok(if may_begin { ProxyHeader::Incomplete } else { ProxyHeader::Absent })
}

fn decode_v1(bytes: &[u8]) -> Result<ProxyHeader, String> {
    let seen = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(end) = seen.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return match seen.len() {
            V1_BYTES_MAX => Err(format!("version 1 without an end in {V1_BYTES_MAX} bytes")),
            _ => Ok(ProxyHeader::Incomplete),
        };
    };
    match &seen[end..] {
        b"\r" if seen.len() < V1_BYTES_MAX => return Ok(ProxyHeader::Incomplete),
        [b'\r', b'\n', ..] => {}
        _ => return Err("version 1 whose end is not CR LF".to_owned()),
    }
    let source = source_v1(&seen[V1.len()..end])
        .ok_or_else(|| format!("version 1 with wrong fields: {:?}", String::from_utf8_lossy(&seen[..end])))?;
    Ok(ProxyHeader::Complete(source, end + 2))
}

/// Decodes `TCP4 SOURCE DESTINATION PORT PORT`, or `UNKNOWN` and whatever follows it.
fn source_v1(fields: &[u8]) -> Option<ProxySource> {
    let text = std::str::from_utf8(fields).ok()?;
    let mut fields = text.split(' ');
    let address = match fields.next()? {
        "UNKNOWN" => return Some(ProxySource::Unknown),
        "TCP4" => addresses_v1::<Ipv4Addr>(&mut fields)?.into(),
        "TCP6" => addresses_v1::<Ipv6Addr>(&mut fields)?.into(),
        _ => return None,
    };
    let ports = (port(fields.next()?)?, port(fields.next()?)?);
    fields.next().is_none().then(|| tcp(address, ports.0))
}

/// Decodes source and destination. Returns the source.
fn addresses_v1<'a, T: FromStr>(fields: &mut impl Iterator<Item = &'a str>) -> Option<T> {
    let source = fields.next()?.parse().ok()?;
    fields.next()?.parse::<T>().ok()?;
    Some(source)
}

/// Decodes a port, which is written without leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| is_plain)
}

fn decode_v2(bytes: &[u8], bytes_max: usize) -> Result<ProxyHeader, String> {
    let Some((fixed, rest)) = bytes.split_at_checked(V2_BYTES_MIN) else {
        return Ok(ProxyHeader::Incomplete);
    };
    let [.., command, family, high, low] = *fixed else { return Ok(ProxyHeader::Incomplete) };
    let block_bytes = usize::from(u16::from_be_bytes([high, low]));
    let header_bytes = V2_BYTES_MIN + block_bytes;
    if !matches!(command, 0x20 | 0x21) {
        return Err(format!("version and command {command:#04x}; known are 0x20 and 0x21"));
    }
    if family >> 4 > 3 || family & 0xf > 2 {
        return Err(format!("address family and protocol {family:#04x}"));
    }
    if header_bytes > bytes_max {
        return Err(format!("{header_bytes} bytes; proxy_header_bytes_max {bytes_max}"));
    }
    let Some(block) = rest.get(..block_bytes) else { return Ok(ProxyHeader::Incomplete) };
    let source = if command == 0x20 { Some(ProxySource::Local) } else { source_v2(family, block) };
    let source = source.ok_or_else(|| format!("{block_bytes} bytes do not hold addresses of family {family:#04x}"))?;
    Ok(ProxyHeader::Complete(source, header_bytes))
}

/// Decodes the source in the address block. `None` if the block is too short. Datagrams count as unknown, as the protocol
/// says for what a receiver does not serve. What follows the addresses is skipped.
fn source_v2(family: u8, block: &[u8]) -> Option<ProxySource> {
    let source = match family {
        0x11 => {
            let (addresses, ports) = block.split_first_chunk::<8>()?;
            let source = addresses.first_chunk::<4>()?;
            tcp(Ipv4Addr::from(*source).into(), port_v2(ports)?)
        }
        0x21 => {
            let (addresses, ports) = block.split_first_chunk::<32>()?;
            let source = addresses.first_chunk::<16>()?;
            tcp(Ipv6Addr::from(*source).into(), port_v2(ports)?)
        }
        0x31 => {
            let paths = block.first_chunk::<{ 2 * V2_PATH_BYTES }>()?;
            let path = paths[..V2_PATH_BYTES].split(|byte| *byte == 0).next()?;
            ProxySource::Address(Address::Unix(OsStr::from_bytes(path).into()))
        }
        _ => ProxySource::Unknown,
    };
    Some(source)
}

/// Decodes the port of the source, in front of that of the destination.
fn port_v2(ports: &[u8]) -> Option<u16> {
    let ports = ports.first_chunk::<4>()?;
    Some(u16::from_be_bytes([ports[0], ports[1]]))
}

/// The address of a source. An IPv4 address inside IPv6 becomes IPv4, so that there is one spelling of it.
fn tcp(address: IpAddr, port: u16) -> ProxySource {
    ProxySource::Address(Address::Tcp(SocketAddr::new(address.to_canonical(), port)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const MAX: usize = 4096;

    /// A header of version 2 around `block`.
    pub(crate) fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [V2, &[command, family], &length, block].concat()
    }

    fn tcp4() -> Vec<u8> {
        v2(0x21, 0x11, &[192, 0, 2, 7, 10, 0, 0, 1, 0xdc, 0x04, 0x1f, 0x40])
    }

    fn unix(path: &[u8]) -> Vec<u8> {
        let mut block = [0; 2 * V2_PATH_BYTES];
        block[..path.len()].copy_from_slice(path);
        v2(0x21, 0x31, &block)
    }

    fn from(address: &str) -> ProxySource {
        ProxySource::Address(address.parse().unwrap())
    }

    /// Headers and their sources.
    fn samples() -> Vec<(Vec<u8>, ProxySource)> {
        let v6 = [&Ipv6Addr::LOCALHOST.octets()[..], &[0; 16], &[0, 7, 0, 8]].concat();
        let mapped = [&Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped().octets()[..], &[0; 16], &[0, 7, 0, 8]].concat();
        let with_tlvs = [&tcp4()[16..], &[0x02, 0, 3, b'a', b'.', b'b', 0x04, 0, 0]].concat();
        vec![
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 8000\r\n".to_vec(), from("192.0.2.7:56324")),
            (b"PROXY TCP6 2001:db8::7 ::1 56324 0\r\n".to_vec(), from("[2001:db8::7]:56324")),
            (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n".to_vec(), from("192.0.2.7:1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), ProxySource::Unknown),
            ([&b"PROXY UNKNOWN "[..], &[b'x'; 91], b"\r\n"].concat(), ProxySource::Unknown),
            (tcp4(), from("192.0.2.7:56324")),
            (v2(0x21, 0x21, &v6), from("[::1]:7")),
            (v2(0x21, 0x21, &mapped), from("192.0.2.7:7")),
            (v2(0x21, 0x11, &with_tlvs), from("192.0.2.7:56324")),
            (unix(b"/run/app.sock"), from("unix:/run/app.sock")),
            (unix(b""), ProxySource::Address(Address::Unix("".into()))),
            (v2(0x20, 0x00, b""), ProxySource::Local),
            (v2(0x20, 0x11, b"skipped"), ProxySource::Local),
            (v2(0x21, 0x00, b"skipped"), ProxySource::Unknown),
            (v2(0x21, 0x12, &tcp4()[16..]), ProxySource::Unknown),
        ]
    }

    #[test]
    fn headers_decode_and_every_beginning_is_incomplete() {
        for (bytes, source) in samples() {
            for length in 0..bytes.len() {
                let beginning = decode(&bytes[..length], MAX);
                assert_eq!(beginning, Ok(ProxyHeader::Incomplete), "{length} bytes of {bytes:?}");
            }
            let length = bytes.len();
            let followed = [&bytes[..], b"PRI * HTTP/2"].concat();
            assert_eq!(decode(&followed, MAX), Ok(ProxyHeader::Complete(source, length)), "{bytes:?}");
        }
    }

    #[test]
    fn golden_headers_are_decoded() {
        // docs/protocol.md shows the same bytes.
        let v1 = b"\x50\x52\x4f\x58\x59\x20\x54\x43\x50\x34\x20\x31\x39\x32\x2e\x30\x2e\x32\x2e\x37\x20\
                   \x31\x30\x2e\x30\x2e\x30\x2e\x31\x20\x35\x36\x33\x32\x34\x20\x38\x30\x30\x30\x0d\x0a";
        let v2 = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c\
                   \xc0\x00\x02\x07\x0a\x00\x00\x01\xdc\x04\x1f\x40";
        for bytes in [&v1[..], v2] {
            assert_eq!(decode(bytes, MAX), Ok(ProxyHeader::Complete(from("192.0.2.7:56324"), bytes.len())));
        }
    }

    #[test]
    fn other_beginnings_are_absent() {
        for bytes in
            [&b"POST "[..], b"PROXX", b"PRI * HTTP/2", b"\r\0\0\0", b"\r\n\r\n\r\n", b"\x89MPRPC\n", b"\x16\x03\x01"]
        {
            assert_eq!(decode(bytes, MAX), Ok(ProxyHeader::Absent), "{bytes:?}");
        }
    }

    #[test]
    fn malformed_headers_are_errors_that_name_the_fault() {
        let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
        for (bytes, fault) in [
            (&b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n"[..], "CR LF"),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\r", "CR LF"),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n", "wrong fields"),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n", "wrong fields"),
            (b"PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n", "wrong fields"),
            (b"PROXY TCP4 192.0.2.07 10.0.0.1 1 2\r\n", "wrong fields"),
            (b"PROXY TCP4 ::1 ::1 1 2\r\n", "wrong fields"),
            (b"PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n", "wrong fields"),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n", "wrong fields"),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 +1 2\r\n", "wrong fields"),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n", "wrong fields"),
            (b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n", "wrong fields"),
            (b"PROXY \xff\xff\r\n", "wrong fields"),
            (&long, "without an end in 107 bytes"),
            (&long[..107], "without an end in 107 bytes"),
            (&v2(0x11, 0x11, &[0; 12]), "version and command 0x11"),
            (&v2(0x22, 0x11, &[0; 12]), "version and command 0x22"),
            (&v2(0x21, 0x41, &[0; 12]), "family and protocol 0x41"),
            (&v2(0x21, 0x13, &[0; 12]), "family and protocol 0x13"),
            (&v2(0x21, 0x11, &[0; 11]), "11 bytes do not hold addresses of family 0x11"),
            (&v2(0x21, 0x21, &[0; 35]), "35 bytes do not hold"),
            (&v2(0x21, 0x31, &[0; 215]), "215 bytes do not hold"),
            (&v2(0x21, 0x11, &[0; 5000])[..16], "5016 bytes; proxy_header_bytes_max 4096"),
        ] {
            let error = decode(bytes, MAX).unwrap_err();
            assert!(error.contains(fault), "{error}");
        }
    }

    #[test]
    fn damaged_headers_never_panic() {
        for (bytes, _) in samples() {
            for at in 0..bytes.len() {
                for byte in [0, b' ', b'\r', b'\n', b'9', 0x20, 0x21, 0xff] {
                    let mut damaged = bytes.clone();
                    damaged[at] = byte;
                    if let Ok(ProxyHeader::Complete(_, length)) = decode(&damaged, MAX) {
                        assert!(length <= damaged.len());
                    }
                }
            }
        }
    }
}
