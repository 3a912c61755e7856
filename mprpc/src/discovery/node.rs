//! A provider's entry in a registry with paths, ZooKeeper or etcd: its name and its data, formatting and parsing. Pure.
//!
//! ```json
//! {"mprpc":1,"protocols":["native"],"weight":100,"zone":"eu-1","version":"1.2","tags":{"team":"login"}}
//! ```
//!
//! `"unix":"/run/mprpc-sockets/127.0.0.1-8000.sock","host":"1c0e…"` names the Unix socket at which callers on that host
//! can also reach the provider. `"undrained":100` is the weight that a drained provider had before. A missing key means its default. A reader skips unknown keys, which newer builds may
//! write.

use serde_json::{Map, Value, json};

use super::file::parse_protocols;
use super::weights::{WeightChange, Weights};
use crate::endpoint::{Address, Endpoint, UnixSocket};

/// Returns the name of a provider's node: its address, with `/` and `%` of Unix paths written as `%2f` and `%25`.
pub(crate) fn node_name(address: &Address) -> String {
    address.to_string().replace('%', "%25").replace('/', "%2f")
}

/// Formats the data of a provider's node.
pub(crate) fn node_data(endpoint: &Endpoint) -> Vec<u8> {
    let mut object = Map::new();
    object.insert("mprpc".into(), FORMAT.into());
    object.insert("protocols".into(), json!([endpoint.protocol.name()]));
    object.insert("weight".into(), endpoint.weight.into());
    for (key, value) in [("zone", &endpoint.zone), ("version", &endpoint.version)] {
        if !value.is_empty() {
            object.insert(key.into(), value.as_str().into());
        }
    }
    if !endpoint.tags.is_empty() {
        object.insert("tags".into(), json!(endpoint.tags));
    }
    if !endpoint.methods.is_empty() {
        object.insert("methods".into(), json!(endpoint.methods));
    }
    if let Some(UnixSocket { path, host }) = &endpoint.unix {
        object.insert("unix".into(), path.display().to_string().into());
        object.insert("host".into(), host.as_str().into());
    }
    Value::Object(object).to_string().into_bytes()
}

/// The data of a provider's node with another weight. `None` if it is no data of such a node.
pub(crate) fn reweighted(data: &[u8], change: WeightChange) -> Option<Vec<u8>> {
    let Value::Object(mut object) = serde_json::from_slice(data).ok()? else { return None };
    let number = |key: &str| u32::try_from(object.get(key)?.as_u64()?).ok();
    if object.get("mprpc").and_then(Value::as_u64) != Some(FORMAT) {
        return None;
    }
    let weight = number("weight").unwrap_or(Endpoint::WEIGHT_DEFAULT);
    let after = change.apply(Weights { weight, undrained: number(UNDRAINED) });
    object.insert("weight".into(), after.weight.into());
    match after.undrained {
        Some(weight) => object.insert(UNDRAINED.into(), weight.into()),
        None => object.remove(UNDRAINED),
    };
    Some(Value::Object(object).to_string().into_bytes())
}

/// Whether the data is that of a provider's node.
pub(crate) fn is_node(data: &[u8]) -> bool {
    parse_node("unix:/", data).is_ok()
}

/// The weight that a drained provider had before.
const UNDRAINED: &str = "undrained";

/// Parses a provider's node. The error says for a person what is wrong with the node.
pub(crate) fn parse_node(name: &str, data: &[u8]) -> Result<Endpoint, String> {
    let address = name.replace("%2f", "/").replace("%25", "%").parse::<Address>()?;
    let value: Value = serde_json::from_slice(data).map_err(|error| format!("its data is no JSON: {error}"))?;
    let Value::Object(object) = value else { return Err("its data is no JSON object".into()) };
    match object.get("mprpc").and_then(Value::as_u64) {
        Some(FORMAT) => {}
        Some(other) => return Err(format!("it is of format {other}; this build reads {FORMAT}")),
        None => return Err("its data does not say \"mprpc\":1".into()),
    }
    let mut endpoint = Endpoint::new(address);
    if let Some(protocols) = object.get("protocols") {
        endpoint.protocol = parse_protocols(&texts("protocols", protocols)?.join(","))?;
    }
    if let Some(weight) = object.get("weight") {
        let number = weight.as_u64().and_then(|weight| u32::try_from(weight).ok());
        endpoint.weight = number.ok_or_else(|| format!("the weight is {weight}, which is no number"))?;
    }
    for (key, field) in [("zone", &mut endpoint.zone), ("version", &mut endpoint.version)] {
        if let Some(value) = object.get(key) {
            *field = text(key, value)?;
        }
    }
    if let Some(methods) = object.get("methods") {
        endpoint.methods = texts("methods", methods)?;
    }
    // A path without its host is useless.
    if let (Some(path), Some(host)) = (object.get("unix"), object.get("host")) {
        endpoint.unix = Some(UnixSocket { path: text("unix", path)?.into(), host: text("host", host)? });
    }
    if let Some(tags) = object.get("tags") {
        let Value::Object(tags) = tags else { return Err(format!("tags is {tags}, no object")) };
        let tag = |(key, value): (&String, &Value)| Ok((key.clone(), text(key, value)?));
        endpoint.tags = tags.iter().map(tag).collect::<Result<_, String>>()?;
    }
    Ok(endpoint)
}

fn text(key: &str, value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{key} is {value}, no text"))
}

fn texts(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let Value::Array(values) = value else { return Err(format!("{key} is {value}, no array")) };
    values.iter().map(|value| text(key, value)).collect()
}

/// The format version of a node's data. A new number means that an older reader would misunderstand the data.
const FORMAT: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Protocol;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn native_nodes_parse_back_to_their_endpoint() {
        let mut endpoint: Endpoint = "127.0.0.1:8000".parse().unwrap();
        assert_eq!(node_name(&endpoint.address), "127.0.0.1:8000");
        assert_eq!(node_data(&endpoint), br#"{"mprpc":1,"protocols":["native"],"weight":100}"#);
        assert_eq!(parse_node("127.0.0.1:8000", &node_data(&endpoint)).unwrap(), endpoint);

        endpoint.address = address("unix:/run/100%2f/user.sock");
        endpoint.protocol = Protocol::Classic;
        endpoint.weight = 0;
        endpoint.zone = "eu \"1\"".into();
        endpoint.version = "1.2".into();
        endpoint.tags = [("team".to_owned(), "login".to_owned())].into();
        endpoint.methods = vec!["Login".into()];
        endpoint.unix = Some(UnixSocket { path: "/run/\"1\".sock".into(), host: "c0ffee".into() });
        let name = node_name(&endpoint.address);
        assert!(!name.contains('/'), "{name}");
        assert_eq!(parse_node(&name, &node_data(&endpoint)).unwrap(), endpoint);
    }

    #[test]
    fn weight_changes_and_everything_else_stays() {
        let endpoint = Endpoint { weight: 7, zone: "a".into(), ..Endpoint::new(address("127.0.0.1:1")) };
        let data = node_data(&endpoint);
        let drained = reweighted(&data, WeightChange::Drain).unwrap();
        let parsed = parse_node("127.0.0.1:1", &drained).unwrap();
        assert_eq!(parsed, Endpoint { weight: 0, ..endpoint.clone() });
        let back = reweighted(&drained, WeightChange::Undrain).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&back).unwrap(), serde_json::from_slice::<Value>(&data).unwrap());
        for data in [&b"127.0.0.1:1"[..], b"{}", br#"{"mprpc":2}"#] {
            assert_eq!(reweighted(data, WeightChange::Drain), None);
        }
    }

    #[test]
    fn bad_nodes_say_what_is_wrong() {
        for (name, data, part) in [
            ("nonsense", "{}", "has no port"),
            ("a:1", "", "no JSON"),
            ("a:1", "127.0.0.1", "no JSON"),
            ("a:1", "7", "no JSON object"),
            ("a:1", "{}", "does not say"),
            ("a:1", r#"{"mprpc":2}"#, "format 2"),
            ("a:1", r#"{"mprpc":1,"weight":-1}"#, "the weight is -1"),
            ("a:1", r#"{"mprpc":1,"zone":7}"#, "zone is 7"),
            ("a:1", r#"{"mprpc":1,"tags":[]}"#, "tags is []"),
            ("a:1", r#"{"mprpc":1,"unix":7,"host":"x"}"#, "unix is 7"),
            ("a:1", r#"{"mprpc":1,"protocols":["telepathy"]}"#, "speaks none"),
        ] {
            let error = parse_node(name, data.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{data}: {error}");
        }
    }
}
