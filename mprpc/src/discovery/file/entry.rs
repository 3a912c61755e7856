//! The text of an entry in the file registry: formatting and parsing. Its path and its lock are not handled here.
//!
//! ```text
//! mprpc = 1
//! address = 127.0.0.1:8000
//! protocols = native
//! weight = 100
//! zone = eu-1
//! tag.team = login
//! unix = /run/mprpc-sockets/127.0.0.1-8000.sock
//! host = 1c0e8a9e-6d0f-4b39-9c1b-3d6a5d3b0a6d
//! pid = 4711
//! undrained = 100
//! ```
//!
//! `undrained` is the weight that a drained provider had before.
//!
//! Each line holds one key. Control characters and `%` are written as `%0a`. A reader skips unknown keys, which newer
//! builds may write.

use std::fmt::Write;

use super::super::weights::{WeightChange, Weights};
use crate::endpoint::{Endpoint, Protocol, UnixSocket};

/// Formats an entry. It has lines for zone, version, tags, methods and the Unix socket only if the endpoint has them.
pub(in super::super) fn format(endpoint: &Endpoint, pid: u32) -> String {
    let mut text = format!("mprpc = {FORMAT}\n");
    let mut line = |key: &str, value: &str| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{key} = {}", escape(value, ""));
    };
    line("address", &endpoint.address.to_string());
    line("protocols", endpoint.protocol.name());
    line("weight", &endpoint.weight.to_string());
    for (key, value) in [("zone", &endpoint.zone), ("version", &endpoint.version)] {
        if !value.is_empty() {
            line(key, value);
        }
    }
    for (key, value) in &endpoint.tags {
        line(&format!("tag.{}", escape(key, "= ")), value);
    }
    for method in &endpoint.methods {
        line("method", method);
    }
    if let Some(UnixSocket { path, host }) = &endpoint.unix {
        line("unix", &path.display().to_string());
        line("host", host);
    }
    line("pid", &pid.to_string());
    text
}

/// The text of an entry with another weight. `None` if the entry has no weight.
///
/// The text is never shorter than before, because it is written over the old one while others may read: a smaller number gets
/// zeros in front, and a line that is not needed any more stays and says nothing.
pub(super) fn reweighted(text: &str, change: WeightChange) -> Option<String> {
    let number = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
        Some((line.len(), line.parse::<u32>().ok()?))
    };
    let (width, weight) = number("weight")?;
    let undrained = number("undrained");
    let before = Weights { weight, undrained: undrained.map(|(_, weight)| weight).filter(|_| weight == 0) };
    let after = change.apply(before);
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match line.split_once(" = ") {
            Some(("weight", _)) => lines.push(format!("weight = {:0width$}", after.weight)),
            Some(("undrained", _)) => {
                let (width, stale) = undrained.unwrap_or_default();
                lines.push(format!("undrained = {:0width$}", after.undrained.unwrap_or(stale)));
            }
            _ => lines.push(line.to_owned()),
        }
    }
    if let Some(weight) = after.undrained.filter(|_| undrained.is_none()) {
        lines.push(format!("undrained = {weight}"));
    }
    Some(lines.join("\n") + "\n")
}

/// Parses an entry. The error says for a person what is wrong with the entry.
pub(in super::super) fn parse(text: &str) -> Result<Endpoint, String> {
    let mut lines = text.lines();
    match lines.next().and_then(|line| line.strip_prefix("mprpc = ")) {
        Some(FORMAT) => {}
        Some(other) => return Err(format!("it is of format {other:.20}; this build reads {FORMAT}")),
        None => return Err("its first line is not 'mprpc = 1'".into()),
    }
    let (mut address, mut unix, mut host) = (None, None, None);
    let mut rest = Endpoint::new(crate::endpoint::Address::Memory(String::new()));
    for line in lines {
        let Some((key, value)) = line.split_once(" = ") else { return Err(format!("'{line:.40}' is no key = value")) };
        let value = unescape(value).ok_or_else(|| format!("the value of {key} is not readable"))?;
        match key {
            "address" => address = Some(value.parse::<crate::endpoint::Address>()?),
            "protocols" => rest.protocol = parse_protocols(&value)?,
            "weight" => {
                rest.weight = value.parse().map_err(|_| format!("the weight is '{value}', which is no number"))?
            }
            "zone" => rest.zone = value,
            "version" => rest.version = value,
            "method" => rest.methods.push(value),
            "unix" => unix = Some(value.into()),
            "host" => host = Some(value),
            _ => {
                if let Some(tag) = key.strip_prefix("tag.") {
                    let tag = unescape(tag).ok_or_else(|| format!("the tag {tag} is not readable"))?;
                    rest.tags.insert(tag, value);
                }
            }
        }
    }
    let address = address.ok_or("it has no address")?;
    // A path without its host is useless.
    rest.unix = unix.zip(host).map(|(path, host)| UnixSocket { path, host });
    Ok(Endpoint { address, ..rest })
}

/// Returns the best protocol of those that an entry lists, `native,classic`: native, then gRPC, then classic. Protocols of newer builds are skipped.
pub(in super::super) fn parse_protocols(text: &str) -> Result<Protocol, String> {
    let known = [Protocol::Native, Protocol::Grpc, Protocol::Classic];
    let listed = |protocol: &Protocol| text.split(',').any(|name| name.trim() == protocol.name());
    known.into_iter().find(listed).ok_or_else(|| format!("of the protocols '{text}' this build speaks none"))
}

fn escape(text: &str, also: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '%' || character.is_ascii_control() || also.contains(character) {
            let _ = write!(escaped, "%{:02x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut plain = pieces.next()?.to_owned();
    for piece in pieces {
        let code = u8::from_str_radix(piece.get(..2)?, 16).ok()?;
        plain.push(char::from(code));
        plain.push_str(&piece[2..]);
    }
    Some(plain)
}

/// The format version of an entry. A new number means that an older reader would misunderstand the entry.
const FORMAT: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_parse_back_to_their_endpoint() {
        let mut endpoint: Endpoint = "127.0.0.1:8000".parse().unwrap();
        assert_eq!(
            format(&endpoint, 7),
            "mprpc = 1\naddress = 127.0.0.1:8000\nprotocols = native\nweight = 100\npid = 7\n"
        );
        assert_eq!(parse(&format(&endpoint, 7)).unwrap(), endpoint);

        endpoint.address = "unix:/run/100% = strange\n.sock".parse().unwrap();
        endpoint.protocol = Protocol::Classic;
        endpoint.weight = 0;
        endpoint.zone = " eu\n1 ".into();
        endpoint.version = "1.0 = stable".into();
        endpoint.tags = [("a = b".to_owned(), "c\r\n%".to_owned()), (String::new(), String::new())].into();
        endpoint.methods = vec!["Login".into(), "Register".into()];
        endpoint.unix = Some(UnixSocket { path: "/run/a = b%\n.sock".into(), host: "c0ffee".into() });
        assert_eq!(parse(&format(&endpoint, 7)).unwrap(), endpoint);
    }

    #[test]
    fn weight_changes_in_place_and_an_entry_never_gets_shorter() {
        let text = format(&Endpoint { weight: 70, zone: "a".into(), ..Endpoint::new("a:1".parse().unwrap()) }, 7);
        let mut last = text.clone();
        for (change, weight) in [
            (WeightChange::Drain, 0),
            (WeightChange::Drain, 0),
            (WeightChange::Undrain, 70),
            (WeightChange::Set(1234), 1234),
            (WeightChange::Drain, 0),
            (WeightChange::Set(5), 5),
            (WeightChange::Undrain, 5),
            (WeightChange::Drain, 0),
            (WeightChange::Undrain, 5),
        ] {
            let next = reweighted(&last, change).unwrap();
            assert!(next.len() >= last.len(), "{next}");
            let endpoint = parse(&next).unwrap();
            assert_eq!(endpoint.weight, weight, "{change:?}: {next}");
            assert_eq!(Endpoint { weight: 70, ..endpoint }, parse(&text).unwrap());
            last = next;
        }
        assert_eq!(reweighted("mprpc = 1\naddress = a:1\n", WeightChange::Drain), None);
    }

    #[test]
    fn unix_socket_needs_both_its_path_line_and_its_host_line() {
        let unix = UnixSocket { path: "/run/1.sock".into(), host: "c0ffee".into() };
        let endpoint = Endpoint { unix: Some(unix), ..Endpoint::new("a:1".parse().unwrap()) };
        let text = format(&endpoint, 7);
        assert!(text.contains("\nunix = /run/1.sock\nhost = c0ffee\n"), "{text}");
        for line in ["unix = /run/1.sock\n", "host = c0ffee\n"] {
            assert_eq!(parse(&text.replace(line, "")).unwrap(), "a:1".parse().unwrap());
        }
    }

    #[test]
    fn keys_and_protocols_of_newer_builds_are_skipped() {
        let text = "mprpc = 1\naddress = a:1\nprotocols = telepathy,classic,native\nmood = good\n";
        assert_eq!(parse(text).unwrap(), "a:1".parse().unwrap());
    }

    #[test]
    fn best_protocol_of_an_entry_is_native_then_grpc_then_classic() {
        for (listed, best) in [
            ("classic,grpc,native", Protocol::Native),
            ("classic,grpc", Protocol::Grpc),
            ("grpc, classic", Protocol::Grpc),
            ("classic", Protocol::Classic),
        ] {
            assert_eq!(parse_protocols(listed), Ok(best), "{listed}");
        }
    }

    #[test]
    fn bad_entries_say_what_is_wrong() {
        for (text, part) in [
            ("", "first line"),
            ("\u{0}\u{1}", "first line"),
            ("mprpc = 2\naddress = a:1", "format 2"),
            ("mprpc = 1\n", "no address"),
            ("mprpc = 1\naddress = nonsense", "has no port"),
            ("mprpc = 1\naddress", "is no key = value"),
            ("mprpc = 1\naddress = a:1\nweight = heavy", "'heavy'"),
            ("mprpc = 1\naddress = a:1\nprotocols = telepathy", "speaks none"),
            ("mprpc = 1\naddress = a%:1", "not readable"),
            ("mprpc = 1\naddress = a%é:1", "not readable"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
