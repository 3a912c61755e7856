//! A target: the one string that says where services are, parsed once. Parsing and opening a target start no I/O.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::etcd_cluster::EtcdCluster;
use super::membership::SOURCES_MAX;
use super::tls_options;
use crate::endpoint::{Address, Endpoint};
use crate::error::{Error, ErrorKind};
use crate::tls::TlsClient;

/// A place where services are found, written as one string.
///
/// | string | meaning |
/// |---|---|
/// | `file:/run/mprpc` | a folder on this machine; needs no server |
/// | `zookeeper://a:2181,b:2181/chroot` | a ZooKeeper ensemble; the default port is 2181, the chroot is optional |
/// | `etcd://a:2379,b:2379/prefix` | an etcd cluster; the default port is 2379, the prefix is optional |
/// | `dns:users.example:8000` | the addresses of this name, for every service; `dns:grpc://users.example:8000` for gRPC servers |
/// | `merge:zookeeper://a:2181+etcd://b:2379` | the union of these registries, 8 at most; providers register in all of them |
/// | `list:127.0.0.1:8000,classic:127.0.0.1:8001` | these endpoints, for every service |
/// | `127.0.0.1:8000`, `unix:/run/user.sock`, `memory:users`, `classic:127.0.0.1:8000` | this one endpoint |
/// | `grpc://127.0.0.1:50051` | this one endpoint, a gRPC server in any language |
///
/// A ZooKeeper string may end in options. `?classic=true` also registers in the layout of the C++ MPRPC (resolvers
/// always read both layouts). `session_timeout_ms=6000` is the requested session timeout. An etcd string may end in
/// `?lease_ttl_s=10` and in a login, `user=mprpc&password_file=/run/secrets/etcd`. In both, `tls.ca=/etc/ca.pem` connects by
/// TLS, with `tls.client_certificate`, `tls.client_key` and `tls.server_name` as in a conf file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A folder on this machine.
    File(PathBuf),
    /// A ZooKeeper ensemble.
    ZooKeeper(Ensemble),
    /// An etcd cluster.
    Etcd(EtcdCluster),
    /// The addresses of a host name. The address of the endpoint is the name.
    Dns(Endpoint),
    /// The union of several registries, in the order of precedence.
    Merge(Vec<Target>),
    /// Fixed endpoints, at least one.
    List(Vec<Endpoint>),
}

/// A ZooKeeper ensemble and the path in it that mprpc uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ensemble {
    /// `host:port` of each server, at least one.
    pub servers: Vec<String>,
    /// The path below which all nodes are, `/chroot`; empty for the root. A registration creates it if it is missing.
    pub chroot: String,
    /// Whether providers also write the layout of the C++ MPRPC. Callers always read both layouts.
    pub classic: bool,
    /// The requested session timeout, in whole milliseconds. The servers limit it to between 2 and 20 of their ticks.
    pub session_timeout: Duration,
    /// TLS to the servers, whose certificates are for their names in `servers`; plain text if `None`. Needs the feature
    /// `tls`. The paths in a string contain no `&` and no `?`.
    pub tls: Option<TlsClient>,
}

impl Ensemble {
    /// The session timeout if the string names none. It is how long a killed provider stays listed.
    pub const SESSION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
    /// The longest session timeout that a string may request.
    pub const SESSION_TIMEOUT_MAX: Duration = Duration::from_secs(3600);

    /// Returns the servers as error messages and the ZooKeeper client write them, `a:2181,b:2181`.
    pub fn cluster(&self) -> String {
        self.servers.join(",")
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Target, Error> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("file:") {
            return parse_file(text, path);
        }
        if let Some(rest) = text.strip_prefix("zookeeper://") {
            return parse_zookeeper(text, rest).map(Target::ZooKeeper);
        }
        if let Some(entries) = text.strip_prefix("list:") {
            let entries = entries.split(',').map(|entry| parse_endpoint(text, entry.trim()));
            return entries.collect::<Result<_, _>>().map(Target::List);
        }
        if let Some(rest) = text.strip_prefix("etcd://") {
            return parse_etcd(text, rest).map(Target::Etcd);
        }
        if let Some(name) = text.strip_prefix("dns:") {
            let endpoint = parse_endpoint(text, name)?;
            return match endpoint.address {
                Address::Host(..) => Ok(Target::Dns(endpoint)),
                other => Err(wrong(text, &format!("'{other}' is no host name with a port"))),
            };
        }
        if let Some(parts) = text.strip_prefix("merge:") {
            return parse_merge(text, parts);
        }
        let is_endpoint = !text.contains("://") || text.starts_with("grpc://");
        if text.is_empty() || !is_endpoint || text.starts_with("zookeeper:") {
            return Err(wrong(text, "it is none of the known forms"));
        }
        parse_endpoint(text, text).map(|endpoint| Target::List(vec![endpoint]))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::File(root) => write!(f, "file:{}", root.display()),
            Target::ZooKeeper(ensemble) => ensemble.fmt(f),
            Target::Etcd(cluster) => cluster.fmt(f),
            Target::Dns(endpoint) => write!(f, "dns:{endpoint}"),
            Target::Merge(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if index == 0 { "merge:" } else { "+" })?;
                }
                Ok(())
            }
            Target::List(endpoints) => match &endpoints[..] {
                [one] => one.fmt(f),
                all => {
                    for (index, endpoint) in all.iter().enumerate() {
                        write!(f, "{}{endpoint}", if index == 0 { "list:" } else { "," })?;
                    }
                    Ok(())
                }
            },
        }
    }
}

impl fmt::Display for Ensemble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zookeeper://{}{}", self.cluster(), self.chroot)?;
        let mut options = Vec::new();
        if self.classic {
            options.push("classic=true".to_owned());
        }
        if self.session_timeout != Ensemble::SESSION_TIMEOUT_DEFAULT {
            options.push(format!("session_timeout_ms={}", self.session_timeout.as_millis()));
        }
        options.extend(self.tls.iter().flat_map(tls_options::format));
        if !options.is_empty() {
            write!(f, "?{}", options.join("&"))?;
        }
        Ok(())
    }
}

fn parse_file(text: &str, path: &str) -> Result<Target, Error> {
    // People who are used to URLs write file:///run/mprpc.
    let path = if path.starts_with("///") { &path[2..] } else { path };
    if path.is_empty() {
        return Err(wrong(text, "the path after file: is empty"));
    }
    if path.starts_with("//") {
        return Err(wrong(text, "a file registry is on this machine, so no host can follow file:"));
    }
    Ok(Target::File(PathBuf::from(path)))
}

/// Splits `a:1,b:2/path?options` into servers, path and options.
fn parse_cluster<'a>(
    text: &str,
    rest: &'a str,
    port: u16,
    root: &str,
) -> Result<(Vec<String>, String, &'a str), Error> {
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (servers, path) = match rest.find('/') {
        Some(at) => (&rest[..at], rest[at..].trim_end_matches('/')),
        None => (rest, ""),
    };
    let servers = servers.split(',').map(|server| parse_server(text, server.trim(), port)).collect::<Result<_, _>>()?;
    if path.split('/').skip(1).any(|part| part.is_empty() || part == "." || part == "..") {
        return Err(wrong(text, &format!("the {root} '{path}' has a part that is empty, '.' or '..'")));
    }
    Ok((servers, path.to_owned(), options))
}

fn parse_etcd(text: &str, rest: &str) -> Result<EtcdCluster, Error> {
    let (servers, prefix, options) = parse_cluster(text, rest, 2379, "prefix")?;
    EtcdCluster::from_parts(servers, prefix, options).map_err(|why| wrong(text, &why))
}

/// A `+` separates registries only in front of one, because it may be part of a path.
fn parse_merge(text: &str, parts: &str) -> Result<Target, Error> {
    let begins = |rest: &str| PREFIXES.iter().any(|prefix| rest.starts_with(prefix));
    let (mut targets, mut begin) = (Vec::new(), 0);
    let ends = parts.match_indices('+').map(|(at, _)| at).filter(|at| begins(&parts[at + 1..]));
    for end in ends.chain([parts.len()]) {
        let target = parts[begin..end].parse::<Target>()?;
        if matches!(target, Target::Merge(_)) {
            return Err(wrong(text, "a merge inside a merge"));
        }
        targets.push(target);
        begin = end + 1;
    }
    match targets.len() {
        2..=SOURCES_MAX => Ok(Target::Merge(targets)),
        count => Err(wrong(text, &format!("it merges {count} registries, and 2 to {SOURCES_MAX} are allowed"))),
    }
}

fn parse_zookeeper(text: &str, rest: &str) -> Result<Ensemble, Error> {
    let (servers, chroot, options) = parse_cluster(text, rest, 2181, "chroot")?;
    let session_timeout = Ensemble::SESSION_TIMEOUT_DEFAULT;
    let mut ensemble = Ensemble { servers, chroot, classic: false, session_timeout, tls: None };
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match (name, value) {
            _ if tls_options::take(&mut ensemble.tls, name, value).map_err(|why| wrong(text, &why))? => {}
            ("classic", "true") => ensemble.classic = true,
            ("classic", "false") => ensemble.classic = false,
            ("classic", _) => return Err(wrong(text, &format!("classic is '{value}', not true or false"))),
            ("session_timeout_ms", _) => ensemble.session_timeout = parse_session_timeout(text, value)?,
            (_, _) => {
                let names = format!("classic, session_timeout_ms, {}", tls_options::NAMES.join(", "));
                return Err(wrong(text, &format!("there is no option '{name}'; the options are {names}")));
            }
        }
    }
    Ok(ensemble)
}

fn parse_server(text: &str, server: &str, port: u16) -> Result<String, Error> {
    let bracketed = server.starts_with('[') && server.ends_with(']');
    let server = match server {
        "" => return Err(wrong(text, "the name of a server is empty")),
        host if bracketed || !host.contains(':') => format!("{host}:{port}"),
        host_port => host_port.to_owned(),
    };
    match server.parse::<Address>() {
        Ok(Address::Tcp(_) | Address::Host(..)) => Ok(server),
        Ok(_) => Err(wrong(text, &format!("'{server}' is no host:port"))),
        Err(why) => Err(wrong(text, &why)),
    }
}

fn parse_session_timeout(text: &str, value: &str) -> Result<Duration, Error> {
    let max = Ensemble::SESSION_TIMEOUT_MAX.as_millis();
    match value.parse::<u32>() {
        Ok(ms) if ms > 0 && u128::from(ms) <= max => Ok(Duration::from_millis(ms.into())),
        _ => Err(wrong(text, &format!("session_timeout_ms is '{value}', not a number from 1 to {max}"))),
    }
}

fn parse_endpoint(text: &str, entry: &str) -> Result<Endpoint, Error> {
    if entry.is_empty() {
        return Err(wrong(text, "an address in it is empty"));
    }
    entry.parse().map_err(|why: String| wrong(text, &why))
}

fn wrong(text: &str, why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("'{text}' does not say where services are: {why}; {FORMS}"))
}

/// How the parts of a merge can begin.
const PREFIXES: [&str; 10] =
    ["file:", "zookeeper:", "etcd:", "dns:", "list:", "merge:", "unix:", "memory:", "classic:", "grpc:"];
const FORMS: &str = "allowed are file:/folder, zookeeper://host:port,host:port/chroot, etcd://host:port/prefix, \
                     dns:name:port, merge:REGISTRY+REGISTRY, list:host:port,host:port, host:port, unix:/path, \
                     memory:name, classic:host:port and grpc://host:port";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Target {
        text.parse().unwrap()
    }

    #[test]
    fn printed_targets_parse_back_to_the_same() {
        for text in [
            "file:/run/mprpc",
            "file:run/mprpc",
            "zookeeper://127.0.0.1:2181",
            "zookeeper://a:2181,[::1]:2182/apps/mprpc",
            "zookeeper://a:2181?classic=true",
            "zookeeper://a:2181/x?classic=true&session_timeout_ms=6000",
            "zookeeper://a:2181?session_timeout_ms=6000",
            "zookeeper://a:2281/x?classic=true&tls.ca=/ca.pem",
            "zookeeper://a:2281?tls.ca=ca&tls.client_certificate=/c&tls.client_key=/k&tls.server_name=zk.example",
            "merge:zookeeper://a:2281?tls.ca=/ca.pem+etcd://b:2379",
            "etcd://a:2379",
            "etcd://a:2379,[::1]:1/apps/mprpc?lease_ttl_s=60",
            "etcd://a:2379?user=mprpc&password_file=/run/secrets/etcd&tls.ca=/etc/etcd/ca.pem",
            "merge:etcd://a:2379+etcd://b:2379?tls.ca=/c+d.pem",
            "dns:users.example:8000",
            "dns:grpc://users.example:8000",
            "merge:zookeeper://a:2181,b:2181/x?classic=true+etcd://c:2379,d:2379/y",
            "merge:file:/run/a+b+dns:users.example:80+list:a:1,b:2+unix:/run/user.sock",
            "list:127.0.0.1:8000,classic:127.0.0.1:8001,unix:/run/user.sock",
            "127.0.0.1:8000",
            "classic:127.0.0.1:8000",
            "grpc://127.0.0.1:50051",
            "list:grpc://127.0.0.1:50051,127.0.0.1:8000",
            "unix:/run/user.sock",
            "memory:users",
            "list:memory:users,classic:memory:old",
            "user.example:8000",
        ] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn omitted_parts_get_their_defaults() {
        assert_eq!(parse("zookeeper://a,[::1],b:1/").to_string(), "zookeeper://a:2181,[::1]:2181,b:1");
        assert_eq!(parse("etcd://a,b:1/").to_string(), "etcd://a:2379,b:1");
        assert_eq!(parse("file:///run/mprpc").to_string(), "file:/run/mprpc");
        assert_eq!(parse("list:127.0.0.1:8000").to_string(), "127.0.0.1:8000");
    }

    #[test]
    fn bad_targets_say_what_is_wrong_and_what_is_allowed() {
        for (text, part) in [
            ("", "none of the known forms"),
            ("consul://a:1", "none of the known forms"),
            ("zookeeper:a:2181", "none of the known forms"),
            ("zookeeper://", "the name of a server is empty"),
            ("zookeeper://a:2181,", "the name of a server is empty"),
            ("etcd://a?lease_ttl_s=0", "from 1 to 3600"),
            ("etcd://a?tls.ca=", "tls.ca is empty"),
            ("etcd://a//b", "the prefix '//b'"),
            ("dns:10.0.0.1:80", "'10.0.0.1:80' is no host name with a port"),
            ("dns:users.example", "has no port"),
            ("merge:", "none of the known forms"),
            ("merge:etcd://a", "it merges 1 registries"),
            ("merge:etcd://a+etcd://", "the name of a server is empty"),
            ("merge:etcd://a+merge:etcd://b+etcd://c", "it merges 1 registries"),
            ("zookeeper://a:99999", "'99999' is no port"),
            ("zookeeper://a//b", "the chroot '//b'"),
            ("zookeeper://a/../b", "the chroot '/../b'"),
            ("zookeeper://a?clasic=true", "no option 'clasic'"),
            ("zookeeper://a?classic=yes", "classic is 'yes'"),
            ("zookeeper://a?tls.ca=", "tls.ca is empty"),
            ("zookeeper://a?tls.certificate=/c", "no option 'tls.certificate'; the options are classic"),
            ("zookeeper://a?session_timeout_ms=0", "from 1 to 3600000"),
            ("file:", "the path after file: is empty"),
            ("file://host/x", "no host"),
            ("list:", "an address in it is empty"),
            ("list:127.0.0.1:1,,127.0.0.1:2", "an address in it is empty"),
            ("127.0.0.1", "has no port"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let error = error.to_string();
            assert!(error.contains(part) && error.contains("allowed are"), "{text}: {error}");
        }
    }
}
