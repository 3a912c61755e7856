//! The keys of providers in etcd: the same paths as in ZooKeeper. Pure.

use crate::codec::etcd_messages::KeyValue;
use crate::discovery::is_service_name;
use crate::discovery::node::{node_name, parse_node};
use crate::endpoint::{Address, Endpoint};

/// What the keys of all services begin with.
pub(super) fn services_prefix(prefix: &str) -> String {
    format!("{prefix}/mprpc/services/")
}

/// What the keys of one service begin with.
pub(super) fn service_prefix(prefix: &str, service: &str) -> String {
    format!("{}{service}/", services_prefix(prefix))
}

/// The key of a provider.
pub(super) fn provider_key(prefix: &str, service: &str, address: &Address) -> String {
    format!("{}{}", service_prefix(prefix, service), node_name(address))
}

/// The service and the node name in the key of a provider, below `root`, which [`services_prefix`] returns.
pub(super) fn parse_key<'a>(root: &str, entry: &'a KeyValue) -> Option<(&'a str, &'a str)> {
    let (service, node) = std::str::from_utf8(&entry.key).ok()?.strip_prefix(root)?.split_once('/')?;
    is_service_name(service).then_some((service, node))
}

/// The end of the range of the keys that begin with `prefix`, which ends in `/`.
pub(super) fn range_end(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// Parses a provider's key and value. The error says for a person what is wrong.
pub(super) fn parse_provider(prefix: &str, entry: &KeyValue) -> Result<Endpoint, String> {
    let name = std::str::from_utf8(&entry.key).map_err(|_| "its key is no text")?;
    let name = name.strip_prefix(prefix).ok_or("its key has another prefix")?;
    if name.contains('/') {
        return Err("its key has too many parts".into());
    }
    parse_node(name, &entry.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: &str) -> KeyValue {
        KeyValue { key: key.into(), value: value.into(), ..KeyValue::default() }
    }

    #[test]
    fn keys_are_the_paths_of_zookeeper() {
        let unix: Address = "unix:/run/a.sock".parse().unwrap();
        let key = provider_key("/apps", "fixbug.UserServiceRpc", &unix);
        assert_eq!(key, "/apps/mprpc/services/fixbug.UserServiceRpc/unix:%2frun%2fa.sock");
        let prefix = service_prefix("/apps", "fixbug.UserServiceRpc");
        let parsed = parse_provider(&prefix, &entry(&key, r#"{"mprpc":1,"weight":7}"#)).unwrap();
        assert_eq!((parsed.address, parsed.weight), (unix, 7));
        let (root, entry_of) = (services_prefix("/apps"), |key: &str| entry(key, ""));
        assert_eq!(parse_key(&root, &entry_of(&key)), Some(("fixbug.UserServiceRpc", "unix:%2frun%2fa.sock")));
        for other in ["/other/a.B/a:1", "/apps/mprpc/services/a.B", "/apps/mprpc/services/no name/a:1"] {
            assert_eq!(parse_key(&root, &entry_of(other)), None, "{other}");
        }
        assert!(
            range_end(&prefix) > key.clone().into_bytes() && range_end(&prefix).starts_with(b"/apps/mprpc/services/")
        );
        for (key, value, part) in [
            (format!("{prefix}a:1/b"), "{}", "too many parts"),
            (format!("{prefix}nonsense"), "{}", "has no port"),
            (format!("{prefix}a:1"), "x", "no JSON"),
            ("/other".into(), "{}", "another prefix"),
        ] {
            let error = parse_provider(&prefix, &entry(&key, value)).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
