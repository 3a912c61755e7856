//! Addresses and endpoints: where and how to reach one instance of a service. Neither discovery nor a connection.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// An address to connect to: `127.0.0.1:8000`, `[::1]:8000`, `host.name:8000`, `unix:/run/user.sock` or `memory:users`.
///
/// Host names stay names. Each connect looks the name up, so that a caller finds a host that has moved.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A numeric TCP address.
    Tcp(SocketAddr),
    /// A host name and a port.
    Host(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// A name inside this process, without sockets: at most 253 letters, digits and `-_./`.
    Memory(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Host(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Memory(name) => write!(f, "memory:{name}"),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    /// Parses an address. The error describes the fault for people.
    fn from_str(text: &str) -> Result<Address, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(format!("'{text}': the path after unix: is empty"));
            }
            return Ok(Address::Unix(PathBuf::from(path)));
        }
        if let Some(name) = text.strip_prefix("memory:") {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/');
            if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(fits) {
                return Err(format!("'{text}': '{name}' is no name in memory (letters, digits and -_./)"));
            }
            return Ok(Address::Memory(name.to_owned()));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Address::Tcp(address));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(format!("'{text}' has no port; an address is host:port, unix:/path or memory:name"));
        };
        let Ok(port) = port.parse::<u16>() else {
            return Err(format!("'{text}': '{port}' is no port (0 to 65535)"));
        };
        let named = !host.is_empty() && host.len() <= NAME_BYTES_MAX;
        if !named || !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) {
            return Err(format!("'{text}': '{host}' is no host name"));
        }
        Ok(Address::Host(host.to_owned(), port))
    }
}

/// The longest host name and the longest name in memory, in bytes.
const NAME_BYTES_MAX: usize = 253;

/// The protocol of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// The native protocol of mprpc: many calls at a time over one connection.
    Native,
    /// The C++ MPRPC frame: one call a connection.
    Classic,
    /// gRPC over HTTP/2, to servers in any language.
    Grpc,
}

impl Protocol {
    /// The name in a registry entry and in front of an address, such as `classic`.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Native => "native",
            Protocol::Classic => "classic",
            Protocol::Grpc => "grpc",
        }
    }
}

/// Where and how to reach one instance of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address to connect to.
    pub address: Address,
    /// The protocol to use.
    pub protocol: Protocol,
    /// The share of the calls relative to the other endpoints. 0 takes the endpoint out; the default is 100.
    pub weight: u32,
    /// The failure domain of the endpoint; empty if unknown.
    pub zone: String,
    /// The version of the program; empty if unknown.
    pub version: String,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
    /// The only methods that the endpoint serves, by name; empty means all. The classic registry layout lists methods one by
    /// one.
    pub methods: Vec<String>,
    /// The Unix socket for callers on the same host, in plain text.
    pub unix: Option<UnixSocket>,
}

/// A Unix socket, and the host on which its path is valid.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnixSocket {
    /// The path, absolute.
    pub path: PathBuf,
    /// The host, identified by the id that Linux draws at boot (`/proc/sys/kernel/random/boot_id`).
    pub host: String,
}

impl Endpoint {
    /// The weight of an endpoint that sets none.
    pub const WEIGHT_DEFAULT: u32 = 100;

    /// Creates a native endpoint at `address`, with defaults for everything else.
    pub fn new(address: Address) -> Endpoint {
        Endpoint {
            address,
            protocol: Protocol::Native,
            weight: Self::WEIGHT_DEFAULT,
            zone: String::new(),
            version: String::new(),
            tags: BTreeMap::new(),
            methods: Vec::new(),
            unix: None,
        }
    }

    /// Whether the endpoint serves the method with this name.
    pub fn serves(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|name| name == method)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Native => self.address.fmt(f),
            Protocol::Classic => write!(f, "classic:{}", self.address),
            Protocol::Grpc => write!(f, "grpc://{}", self.address),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// Parses an address, with the prefix `classic:` for the C++ MPRPC frame, or `grpc://` for gRPC.
    fn from_str(text: &str) -> Result<Endpoint, String> {
        let (protocol, address) = if let Some(address) = text.strip_prefix("classic:") {
            (Protocol::Classic, address)
        } else if let Some(address) = text.strip_prefix("grpc://") {
            (Protocol::Grpc, address)
        } else {
            (Protocol::Native, text)
        };
        Ok(Endpoint { protocol, ..Endpoint::new(address.parse()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_parse_as_they_print() {
        for text in ["127.0.0.1:8000", "[::1]:8000", "db-1.example:65535", "unix:/run/user.sock", "memory:users"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let grpc: Endpoint = "grpc://db-1.example:50051".parse().unwrap();
        assert_eq!((grpc.protocol, grpc.to_string().as_str()), (Protocol::Grpc, "grpc://db-1.example:50051"));
        let classic: Endpoint = "classic:127.0.0.1:8000".parse().unwrap();
        assert_eq!((classic.protocol, classic.to_string().as_str()), (Protocol::Classic, "classic:127.0.0.1:8000"));
    }

    #[test]
    fn invalid_address_errors_name_the_fault() {
        for (text, part) in [
            ("127.0.0.1", "has no port"),
            ("127.0.0.1:99999", "'99999' is no port"),
            ("a b:80", "'a b' is no host name"),
            (":80", "is no host name"),
            ("unix:", "is empty"),
            ("memory:", "is no name in memory"),
            ("memory:a,b", "is no name in memory"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
