//! The keys of mprpc: names, meanings, and conversion between text and values. Does not know where a value comes from.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::Config;
use crate::balancer::Policy;
use crate::endpoint::Address;
use crate::logging::{Filter, LogFormat, LogRotation};
use crate::server::{TrustedProxy, origin_fault};

/// A configuration key of mprpc.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// The description of the key, one line of `--help`.
    pub(super) what: &'static str,
    set: fn(&mut Config, &str) -> Result<(), String>,
    /// Formats the value in force; `None` if no value is set.
    pub(super) show: fn(&Config) -> Option<String>,
}

impl Key {
    /// Parses the text into the field of the key. The error says what is wrong with the text, without a position.
    pub(super) fn set(&self, config: &mut Config, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("the value is empty".to_owned());
        }
        (self.set)(config, text)?;
        let positive = self.name.starts_with("limits.") || matches!(self.name, "log.queue_bytes_max");
        if positive && (self.show)(config).as_deref() == Some("0") {
            return Err(format!("'{text}' allows nothing at all; the least is 1"));
        }
        Ok(())
    }
}

/// Two classic keys that together set one key of mprpc.
pub(super) struct ClassicPair {
    pub(super) ip: &'static str,
    pub(super) port: &'static str,
    pub(super) key: &'static str,
    pub(super) ip_default: &'static str,
    pub(super) port_default: &'static str,
}

/// The classic keys of the C++ MPRPC, and the keys of mprpc that they set.
pub(super) const CLASSIC: &[ClassicPair] = &[
    ClassicPair { ip: "rpcserverip", port: "rpcserverport", key: "listen", ip_default: "127.0.0.1", port_default: "0" },
    ClassicPair {
        ip: "zookeeperip",
        port: "zookeeperport",
        key: "registry",
        ip_default: "127.0.0.1",
        port_default: "2181",
    },
];

impl ClassicPair {
    /// Returns the value for the key of mprpc: `IP:PORT`, or the URL of the registry.
    pub(super) fn value(&self, ip: &str, port: &str) -> String {
        let ip = if ip.contains(':') && !ip.starts_with('[') { format!("[{ip}]") } else { ip.to_owned() };
        match self.key {
            "registry" => format!("zookeeper://{ip}:{port}?classic=true"),
            _ => format!("{ip}:{port}"),
        }
    }
}

macro_rules! keys {
    ($($first:ident $(. $rest:ident)*: $what:literal,)*) => {
        &[$(Key {
            name: concat!(stringify!($first) $(, ".", stringify!($rest))*),
            what: $what,
            set: |config, text| {
                config.$first$(.$rest)* = Setting::read(text)?;
                Ok(())
            },
            show: |config| Setting::show(&config.$first$(.$rest)*),
        }),*]
    };
}

/// Every key of mprpc, in the order of the printed configuration.
pub(super) const KEYS: &[Key] = keys! {
    listen: "addresses to serve at, host:port, unix:/path or memory:name, separated by commas; port 0 takes a free one",
    advertise: "the address for the registry, where callers reach the server by another than it listens at",
    registry: "URL of the registry: file:/run/mprpc, zookeeper://a:2181,b:2181/chroot, etcd://a:2379/prefix, dns:name:port, merge:URL+URL, list:host:port,host:port",
    snapshot_folder: "folder where callers keep the last known endpoints, for a start while the registry is away; without it they keep none",
    loops: "event loops; 0 is one a core",
    handler_threads: "handlers that compute at a time beside the event loops; 0 is one a core",
    overload_protection: "whether a server refuses calls that would wait for too long: true or false",
    health: "whether a server reports its health by grpc.health.v1: true or false",
    reflection: "whether a server shows its .proto files to tools, by grpc.reflection and as OpenAPI: true or false",
    openapi.title: "the title of the OpenAPI document; the names of the services where not said",
    openapi.version: "the version of the API in the OpenAPI document; that of the packages where not said",
    unix_folder: "folder of the Unix sockets for callers on the same host; without it there is none",
    balancer: "which of several endpoints gets a call: least_loaded, round_robin, weighted, hash or zone",
    zone: "the failure domain of the caller, for balancer = zone",
    subset_max: "endpoints of a service that a channel uses at most; all where not said",
    slow_start: "how long a new endpoint gets fewer calls; 0s is not at all",
    ejection: "whether endpoints that fail more than the others or are much slower get no calls for a while: true or false",
    handover: "path of the Unix socket at which the next process takes over the listening sockets; without it a restart closes them",
    health_check_interval: "how often the health services of providers are asked; 0s is never",
    same_host: "whether providers on this host that have a Unix socket are called there: true or false",
    hedge: "methods (package.Service/Method) and services whose calls are hedged, separated by commas; only calls that may run twice are",
    same_process: "whether calls to a server in this process reach it without a socket: true or false",
    tls.certificate: "PEM file of the server's certificate chain; with it the server speaks TLS at its TCP addresses",
    tls.key: "PEM file of the key of tls.certificate",
    tls.client_ca: "PEM file of the issuers of callers' certificates; with it callers have to show one",
    tls.client_optional: "whether callers may come without a certificate all the same: true or false",
    tls.ca: "PEM file of the issuers that a caller believes; with it the caller speaks TLS to TCP addresses",
    tls.client_certificate: "PEM file of the caller's certificate chain, for servers that ask for one",
    tls.client_key: "PEM file of the key of tls.client_certificate",
    tls.server_name: "the name that servers' certificates have to be for; the host of the address where not said",
    trusted_proxies: "proxies that may say for whom they act, by a PROXY header or x-forwarded-for: addresses, networks like 10.0.0.0/8, or unix, separated by commas",
    proxy_header_required: "whether connections from trusted proxies have to begin with a PROXY header: true or false",
    cors.allowed_origins: "origins whose web pages may call the server from a browser, separated by commas; * is every one",
    cors.max_age: "how long a browser may remember that a page of another origin may call",
    log.level: "what is logged: off, error, warn, info, debug or trace; a target's own after it: info,mprpc::net=debug",
    log.format: "text, json (a JSON object a line) or classic (H:M:S->[info]message)",
    log.folder: "the folder of the log files; without it the log goes to standard error",
    log.name: "how the names of the log files begin; the program's name where not said",
    log.rotation: "when a new log file is begun: daily or never",
    log.file_bytes_max: "a log file of this size is closed and the next begun; 0 is never",
    log.files_max: "log files kept; the oldest beyond them are deleted; 0 keeps all",
    log.queue_bytes_max: "bytes of lines waiting to be written; beyond them lines below error are dropped and counted",
    log.line_bytes_max: "a longer line is cut, and says by how much",
    log.error_wait: "how long an error waits for room in a queue full of errors before it is lost and counted",
    log.flush_timeout: "how long the end of the program and a panic wait for the log to be written",
    limits.message_bytes_max: "bytes of a message",
    limits.metadata_bytes_max: "bytes of the metadata of a message",
    limits.classic_header_bytes_max: "bytes of the header of a classic request",
    limits.http_head_bytes_max: "bytes of the head of an HTTP request, and of its trailers",
    limits.http_fields_max: "fields in the head of an HTTP/1.1 request, and in its trailers",
    limits.proxy_header_bytes_max: "bytes of the PROXY header of a trusted proxy",
    limits.method_path_bytes_max: "bytes of package.Service/Method",
    limits.methods_max: "methods that a connection gives a number to",
    limits.in_flight_max: "calls in flight on a connection",
    limits.queue_time_max: "how long a call may wait at a server for its turn",
    limits.queue_time_target: "the same while the queue of its caller stands",
    limits.handler_delay_target: "how much longer than usual calls may take whose handlers wait for others",
    limits.queue_calls_max: "calls that wait at a server for their turn",
    limits.blocking_threads_max: "handlers that block their thread, at a time",
    limits.connections_max: "connections of a server",
    limits.stream_window_bytes: "bytes of a stream that the peer may send before some of it was read",
    limits.connection_window_bytes: "the same for all streams of a connection together",
    limits.compress_bytes_min: "bytes of a message from which on it may be compressed",
    limits.send_buffer_bytes_max: "bytes waiting to be written on a connection before nothing more is read from it",
    limits.memory_bytes_max: "memory of a server for requests, streams and replies; half of the container's where not said, 256 MiB without one",
    limits.connection_memory_bytes_max: "the same of one connection, which is not read from beyond it; half of memory_bytes_max where not said",
    limits.memory_pause_max: "how long a connection is not read from for the sake of memory; then its new calls are refused",
    limits.http_resets_max: "streams that an HTTP/2 caller may open and reset in ten seconds",
    limits.first_byte_timeout: "how long a new connection may say nothing",
    limits.tls_handshake_timeout: "how long the handshake of TLS may take at a server",
    limits.tls_reload_interval: "how often the files of TLS are looked at",
    limits.read_timeout: "how long a started frame may stay incomplete",
    limits.write_timeout: "how long a peer may leave bytes unread",
    limits.connect_timeout: "how long opening a connection may take, and then the peer's greeting",
    limits.keepalive_interval: "how long the peer of calls in flight may be silent before it is sent a PING",
    limits.keepalive_timeout: "how long the answer to a PING may take; then the connection is closed",
    limits.silence_min: "how long the peer of calls may be silent before it is suspected to be frozen, and asked by a PING",
    limits.silence_timeout: "how long the answer to that PING may take; then calls go elsewhere until the peer is heard",
    limits.ping_interval_min: "the shortest interval of PINGs that is accepted from a peer",
    limits.idle_timeout: "how long a native connection may be without a call before it is closed; the next call opens another",
    limits.connection_age_max: "the age at which a server asks the caller of a connection to go; a year is never",
    limits.connection_age_grace: "how long calls in flight may take after that before they are cancelled",
    limits.backoff_min: "the first pause before connecting again",
    limits.backoff_max: "the longest pause before connecting again",
    limits.removal_hold: "how long a caller goes on to use an endpoint that the registry no longer lists",
    limits.attempts_max: "endpoints that a call is tried at",
    limits.retry_percent: "retries and hedges of a channel, in percent of its calls in the last retry_window",
    limits.retries_min: "retries and hedges of a channel in each retry_window, however few calls it makes",
    limits.retry_window: "how long a channel counts its calls, retries and hedges",
    limits.hedge_delay_min: "the shortest wait for a reply before a hedge starts",
    limits.throttle_window: "how long a caller remembers what servers have accepted and refused",
    limits.call_timeout: "the deadline of a call that says none",
    limits.withdraw_grace: "graceful stop: how long callers may still come after the withdrawal",
    limits.drain_timeout: "graceful stop: how long calls in flight may take",
    limits.accept_backoff: "the pause of the accept loop after the machine refused a socket",
    limits.classic_reply_pause: "how long a classic reply may pause before it is taken as complete, where that is asked for",
};

/// A type of configuration values.
trait Setting: Sized {
    fn read(text: &str) -> Result<Self, String>;
    fn show(&self) -> Option<String>;
}

impl Setting for usize {
    /// Parses a count or a number of bytes, `16MiB`. The maximum is what 32 bits hold, so that sums of limits cannot
    /// overflow.
    fn read(text: &str) -> Result<usize, String> {
        read_number(text, u32::MAX.into())
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for Option<usize> {
    /// Parses a number of bytes, 1 TiB at most. A value that is not set is derived later.
    fn read(text: &str) -> Result<Option<usize>, String> {
        read_number(text, 1 << 40).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.map(|number| number.to_string())
    }
}

fn read_number(text: &str, max: u64) -> Result<usize, String> {
    let (digits, unit) = split_unit(text);
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("'{text}' is no number; sizes may end in KiB, MiB or GiB")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("'{text}' is no number"))?;
    let number = number.checked_mul(factor).filter(|number| *number <= max);
    let number = number.ok_or_else(|| format!("'{text}' is over {max}"))?;
    usize::try_from(number).map_err(|_| format!("'{text}' is more than this machine can count"))
}

impl Setting for bool {
    fn read(text: &str) -> Result<bool, String> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("'{text}' is neither true nor false")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for Duration {
    /// Parses a duration, `250ms` or `5s`. The unit is required; the maximum is one year.
    fn read(text: &str) -> Result<Duration, String> {
        let (digits, unit) = split_unit(text);
        let number: u64 = digits.parse().map_err(|_| format!("'{text}' is no duration, like 250ms or 5s"))?;
        let nanos: u64 = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => return Err(format!("'{text}' needs a unit: {text}s or {text}ms")),
            _ => return Err(format!("'{unit}' is no unit of time; those are us, ms, s, min and h")),
        };
        let nanos = number.checked_mul(nanos).filter(|nanos| *nanos <= 365 * 24 * 3_600_000_000_000);
        Ok(Duration::from_nanos(nanos.ok_or_else(|| format!("'{text}' is over a year"))?))
    }

    fn show(&self) -> Option<String> {
        let nanos = self.as_nanos();
        Some(match nanos {
            1.. if nanos.is_multiple_of(3_600_000_000_000) => format!("{}h", nanos / 3_600_000_000_000),
            1.. if nanos.is_multiple_of(60_000_000_000) => format!("{}min", nanos / 60_000_000_000),
            _ if nanos.is_multiple_of(1_000_000_000) => format!("{}s", nanos / 1_000_000_000),
            _ if nanos.is_multiple_of(1_000_000) => format!("{}ms", nanos / 1_000_000),
            _ if nanos.is_multiple_of(1_000) => format!("{}us", nanos / 1_000),
            _ => format!("{nanos}ns"),
        })
    }
}

impl Setting for Vec<Address> {
    fn read(text: &str) -> Result<Vec<Address>, String> {
        text.split(',').map(|address| address.trim().parse()).collect()
    }

    fn show(&self) -> Option<String> {
        let all: Vec<String> = self.iter().map(Address::to_string).collect();
        (!all.is_empty()).then(|| all.join(","))
    }
}

impl Setting for Vec<TrustedProxy> {
    fn read(text: &str) -> Result<Vec<TrustedProxy>, String> {
        text.split(',').map(|proxy| proxy.trim().parse()).collect()
    }

    fn show(&self) -> Option<String> {
        let all: Vec<String> = self.iter().map(TrustedProxy::to_string).collect();
        (!all.is_empty()).then(|| all.join(","))
    }
}

impl Setting for Vec<String> {
    /// Parses the origins of web pages.
    fn read(text: &str) -> Result<Vec<String>, String> {
        let origin = |origin: &str| match origin_fault(origin.trim()) {
            Some(fault) => Err(fault),
            None => Ok(origin.trim().to_owned()),
        };
        text.split(',').map(origin).collect()
    }

    fn show(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.join(","))
    }
}

impl Setting for BTreeSet<String> {
    /// Parses names of methods and services.
    fn read(text: &str) -> Result<BTreeSet<String>, String> {
        let is_path = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/');
        let name = |name: &str| match name.trim() {
            name if !name.is_empty() && name.bytes().all(is_path) && name.matches('/').count() <= 1 => {
                Ok(name.to_owned())
            }
            name => Err(format!("'{name}' is neither package.Service nor package.Service/Method")),
        };
        text.split(',').map(name).collect()
    }

    fn show(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.iter().map(String::as_str).collect::<Vec<_>>().join(","))
    }
}

impl Setting for Option<Address> {
    fn read(text: &str) -> Result<Option<Address>, String> {
        text.parse().map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().map(Address::to_string)
    }
}

impl Setting for Option<String> {
    fn read(text: &str) -> Result<Option<String>, String> {
        match text.find(char::is_whitespace) {
            Some(_) => Err(format!("'{}' has a space in it", without_password(text))),
            None => Ok(Some(text.to_owned())),
        }
    }

    /// Leaves out the user and password of a URL, because printed configurations end up in tickets.
    fn show(&self) -> Option<String> {
        self.as_deref().map(without_password)
    }
}

impl Setting for Option<PathBuf> {
    fn read(text: &str) -> Result<Option<PathBuf>, String> {
        Ok(Some(PathBuf::from(text)))
    }

    fn show(&self) -> Option<String> {
        self.as_ref().map(|path| path.display().to_string())
    }
}

impl Setting for String {
    /// Parses the start of a file name.
    fn read(text: &str) -> Result<String, String> {
        match text.contains(['/', '\\']) || text.starts_with('.') {
            true => Err(format!("'{text}' is no plain file name")),
            false => Ok(text.to_owned()),
        }
    }

    fn show(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.clone())
    }
}

impl Setting for Filter {
    fn read(text: &str) -> Result<Filter, String> {
        text.parse()
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for Policy {
    fn read(text: &str) -> Result<Policy, String> {
        Policy::named(text).ok_or_else(|| format!("'{text}' is none of {}", Policy::NAMES.join(", ")))
    }

    fn show(&self) -> Option<String> {
        self.name().map(str::to_owned)
    }
}

impl Setting for LogFormat {
    fn read(text: &str) -> Result<LogFormat, String> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            "classic" => Ok(LogFormat::Classic),
            _ => Err(format!("'{text}' is none of text, json, classic")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(match self {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
            LogFormat::Classic => "classic".to_owned(),
        })
    }
}

impl Setting for LogRotation {
    fn read(text: &str) -> Result<LogRotation, String> {
        match text {
            "daily" => Ok(LogRotation::Daily),
            "never" => Ok(LogRotation::Never),
            _ => Err(format!("'{text}' is none of daily, never")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(match self {
            LogRotation::Daily => "daily".to_owned(),
            LogRotation::Never => "never".to_owned(),
        })
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((secret, _)) => format!("{scheme}://***{}", &rest[secret.len()..]),
        None => url.to_owned(),
    }
}

/// Returns the known name that `name` is most likely meant to be.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.map(|candidate| (edit_distance(name, candidate), candidate)).min()?;
    (best.0 <= (name.chars().count() / 3).clamp(1, 4)).then_some(best.1)
}

/// Returns how many characters must be inserted, deleted or changed; upper and lower case count as equal.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    // A longer key is no typing error, and the cost grows with the length.
    for (i, ca) in a.chars().take(100).flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let changed = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn sizes_take_a_unit() {
        for (text, value) in [("0", 0), ("17", 17), ("4KiB", 4096), ("16 MiB", 16 << 20), ("3GiB", 3 << 30), ("9B", 9)]
        {
            assert_eq!(usize::read(text), Ok(value), "{text}");
        }
        for text in ["", "-1", "1.5MiB", "4KB", "MiB", "4GiB", "18446744073709551616", "1e3", "٣"] {
            assert!(usize::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        for text in ["250ms", "5s", "0s", "7us", "3ns", "5min", "90s", "8760h"] {
            assert_eq!(Duration::read(text).unwrap().show().as_deref(), Some(text));
        }
        assert_eq!(Duration::read("2 min"), Ok(Duration::from_secs(120)));
        assert_eq!(Duration::read("5").unwrap_err(), "'5' needs a unit: 5s or 5ms");
        for text in ["", "s", "5 seconds", "-1s", "9999h", "99999999999999999999s"] {
            assert!(Duration::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_limit_has_a_key() {
        let debug = format!("{:#?}", Limits::default());
        let fields: Vec<&str> =
            debug.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(": ")).map(|p| p.0).collect();
        assert!(fields.len() > 10);
        for field in fields {
            assert!(KEYS.iter().any(|key| key.name == format!("limits.{field}")), "no key for Limits::{field}");
        }
    }

    #[test]
    fn guide_documents_every_key() {
        for guide in
            [include_str!("../../../docs/guide/configuration.md"), include_str!("../../../docs/zh/configuration.md")]
        {
            let classic = CLASSIC.iter().flat_map(|pair| [pair.ip, pair.port]);
            for name in KEYS.iter().map(|key| key.name).chain(classic) {
                assert!(guide.contains(&format!("`{name}`")), "{name} is not in the guide");
            }
            for key in KEYS {
                let Some(value) = (key.show)(&Config::default()) else { continue };
                let row = guide.lines().find(|line| line.contains(&format!("| `{}` |", key.name))).unwrap();
                assert!(row.contains(&format!("`{value}`")), "the guide has another default for {}: {value}", key.name);
            }
        }
    }

    #[test]
    fn printed_urls_hide_passwords() {
        assert_eq!(without_password("zookeeper://user:pw@a:2181,b:2181/x"), "zookeeper://***@a:2181,b:2181/x");
        assert_eq!(without_password("zookeeper://a:2181/x@y"), "zookeeper://a:2181/x@y");
        assert_eq!(without_password("file:/run/mprpc"), "file:/run/mprpc");
    }

    #[test]
    fn nearest_finds_typing_errors_only() {
        let known = || KEYS.iter().map(|key| key.name).chain(["rpcserverip"]);
        assert_eq!(nearest("regsitry", known()), Some("registry"));
        assert_eq!(nearest("RpcServerIP", known()), Some("rpcserverip"));
        assert_eq!(nearest("limits.message_byte_max", known()), Some("limits.message_bytes_max"));
        assert_eq!(nearest("colour", known()), None);
        assert_eq!(nearest("", known()), None);
    }
}
