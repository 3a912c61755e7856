//! The settings of the gateway, from flags, the environment and a conf file. It starts nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mprpc::discovery::Target;
use mprpc::{Address, CONF_FILE_BYTES_MAX, Channel, Config, Error, ErrorKind, Server};

/// The settings of the gateway.
#[derive(Debug)]
pub(crate) struct GatewayOptions {
    /// The settings that every program of mprpc has: addresses, TLS, CORS, limits, log.
    pub(crate) config: Config,
    /// Where the providers are.
    pub(crate) registry: Target,
    /// The `.proto` files whose services need no reflection.
    pub(crate) protos: Vec<PathBuf>,
    /// The folders in which the imports of `protos` are searched.
    pub(crate) includes: Vec<PathBuf>,
    /// Files with an encoded `google.protobuf.FileDescriptorSet`, as `protoc --descriptor_set_out` writes them.
    pub(crate) descriptor_sets: Vec<PathBuf>,
    pub(crate) limits: GatewayLimits,
}

/// The bounds of the gateway, beside the limits of its server and its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GatewayLimits {
    /// The services that the gateway offers. Each has a watch of the registry. Further services are not offered, and the log
    /// names their number.
    pub(crate) services_max: usize,
    /// The encoded `.proto` files of all services together, in bytes. In memory they take several times as much. A service
    /// whose files do not fit takes no JSON.
    pub(crate) schema_bytes_max: usize,
}

impl Default for GatewayLimits {
    fn default() -> GatewayLimits {
        GatewayLimits { services_max: 1024, schema_bytes_max: 16 << 20 }
    }
}

/// The keys that the gateway adds to those of every program.
const KEYS: [&str; 5] = ["proto", "include", "descriptor_set", "services_max", "schema_bytes_max"];
/// The keys that hold a list. Their flags may be given several times.
const LISTS: [&str; 3] = ["proto", "include", "descriptor_set"];

impl GatewayOptions {
    /// Parses the words after `mprpc gateway`, together with the environment and the conf file.
    pub(crate) fn parse(
        words: &[String],
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<GatewayOptions, Error> {
        let arguments = std::iter::once("mprpc".to_owned()).chain(joined(words)).map(OsString::from);
        let mut config = Config::from_sources(&KEYS, arguments, environment, read_file)?;
        if let [word, ..] = config.arguments() {
            return Err(wrong(format!("'{word}' is one word too many")));
        }
        let Some(registry) = config.registry.clone() else {
            return Err(wrong("it is not said where the providers are: -r URL is missing".into()));
        };
        let registry: Target = registry.parse()?;
        if let Target::Merge(parts) = &registry
            && let Some(part) = parts.iter().find(|part| holds_for_every_service(part))
        {
            let what = format!("{part} does not say which services there are");
            return Err(wrong(format!("{what}; give it to a gateway of its own, or merge registries alone")));
        }
        if config.value("listen").is_none() {
            config.listen = vec![Address::Tcp(([127, 0, 0, 1], 8080).into())];
        }
        let list = |key| -> Vec<PathBuf> {
            let text = config.value(key).unwrap_or_default();
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(PathBuf::from).collect()
        };
        let (protos, includes, descriptor_sets) = (list("proto"), list("include"), list("descriptor_set"));
        let default = GatewayLimits::default();
        let limits = GatewayLimits {
            services_max: config.parse("services_max")?.unwrap_or(default.services_max),
            schema_bytes_max: config.parse("schema_bytes_max")?.unwrap_or(default.schema_bytes_max),
        };
        if let Target::List(endpoints) = &registry
            && let Some(own) = endpoints.iter().find(|endpoint| config.listen.contains(&endpoint.address))
        {
            return Err(wrong(format!("{} is the address of the gateway itself", own.address)));
        }
        Ok(GatewayOptions { config, registry, protos, includes, descriptor_sets, limits })
    }

    /// The server of the gateway, which no registry announces.
    pub(crate) fn server(&self) -> Server {
        Server { registry: None, unix_folder: None, reflection: false, ..Server::new(&self.config) }
    }

    /// The channel to the providers.
    pub(crate) fn channel(&self) -> Result<Channel, Error> {
        Channel::from_config(&self.config)
    }
}

/// Whether the endpoints of a target count for every service. The target then does not say which services there are.
pub(crate) fn holds_for_every_service(target: &Target) -> bool {
    matches!(target, Target::List(_) | Target::Dns(_))
}

/// The words, with `-r` in full, and the values of repeated flags of lists in one flag.
fn joined(words: &[String]) -> Vec<String> {
    let (mut others, mut lists) = (Vec::new(), LISTS.map(|_| Vec::new()));
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (name, mut value) = word.split_once('=').map_or((&**word, None), |(name, value)| (name, Some(value)));
        if name == "-r" {
            others.push(value.map_or("--registry".into(), |value| format!("--registry={value}")));
            continue;
        }
        let key = name.strip_prefix("--").unwrap_or_default().replace('-', "_");
        let Some(index) = LISTS.iter().position(|list| *list == key) else {
            others.push(word.clone());
            continue;
        };
        if value.is_none() {
            value = words.next().map(String::as_str);
        }
        match value {
            Some(value) => lists[index].push(value.to_owned()),
            // The parser says that the value is missing.
            None => others.push(word.clone()),
        }
    }
    let lists = LISTS.iter().zip(lists).filter(|(_, values)| !values.is_empty());
    others.extend(lists.map(|(key, values)| format!("--{key}={}", values.join(","))));
    others
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |why: String| Error::new(ErrorKind::Config, format!("conf file {}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    if bytes.len() > CONF_FILE_BYTES_MAX {
        return Err(failed(format!("{} bytes are beyond the limit {CONF_FILE_BYTES_MAX}", bytes.len())));
    }
    Ok(bytes)
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::Config, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<GatewayOptions, Error> {
        GatewayOptions::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), [])
    }

    #[test]
    fn flags_are_parsed_and_lists_may_be_repeated() {
        let words = ["-r", "file:/run/x", "--proto", "a.proto", "--include=p", "--proto=b.proto", "--services-max=7"];
        let options = parse(&words).unwrap();
        assert_eq!(options.registry.to_string(), "file:/run/x");
        assert_eq!(options.protos, [PathBuf::from("a.proto"), "b.proto".into()]);
        assert_eq!(options.includes, [PathBuf::from("p")]);
        assert_eq!(options.limits, GatewayLimits { services_max: 7, ..GatewayLimits::default() });
        assert_eq!(options.config.listen, ["127.0.0.1:8080".parse().unwrap()]);
        assert!(parse(&["-r", "dns:users.example:80"]).is_ok());
        let options = parse(&["--registry=list:127.0.0.1:1", "--listen", "127.0.0.1:0"]).unwrap();
        assert_eq!(options.config.listen, ["127.0.0.1:0".parse().unwrap()]);
    }

    #[test]
    fn faults_are_named() {
        for (words, part) in [
            (&[][..], "-r URL is missing"),
            (&["-r"], "--registry needs a value"),
            (&["-r", "consul://x"], "allowed are"),
            (&["-r", "file:/x", "more"], "'more'"),
            (&["-r", "file:/x", "--proto"], "--proto needs a value"),
            (&["-r", "file:/x", "--protos=a"], "protos"),
            (&["-r", "file:/x", "--services-max=many"], "services_max"),
            (&["-r", "127.0.0.1:8080"], "the gateway itself"),
            (&["-r", "merge:file:/x+dns:users.example:80"], "dns:users.example:80 does not say which services"),
        ] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }

    #[test]
    fn gateway_is_never_announced() {
        let options = parse(&["-r", "file:/run/x", "--unix-folder=/run/y"]).unwrap();
        let server = options.server();
        assert_eq!((server.registry, server.unix_folder), (None, None));
    }
}
