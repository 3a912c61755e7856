//! The configuration of a program: defaults, then the conf file, then the environment, then flags. Each value knows its
//! source. `file` and `arguments` parse the sources; `keys` has the keys.

mod arguments;
mod file;
mod keys;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub use self::file::CONF_FILE_BYTES_MAX;
pub use self::tls::TlsConfig;

use self::arguments::{Arguments, Ask};
use self::keys::{CLASSIC, ClassicPair, KEYS, Key, nearest};
use crate::balancer::Policy;
use crate::client::{Channel, ChannelOptions};
use crate::endpoint::Address;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::logging::{self, LogConfig};
use crate::net::memory_limit;
use crate::server::{Cors, Health, OpenApiInfo, Server, TrustedProxy};

/// The configuration of a program.
///
/// Programs usually get it from [`crate::init`]. To build it in code, write
/// `Config { registry: …, ..Config::default() }`. `Display` prints the configuration in force as a conf file: each
/// value follows a line that names its source, and passwords are left out.
#[derive(Clone, Debug)]
pub struct Config {
    /// The addresses at which a server listens; port 0 takes a free one. Key `listen`, or classic `rpcserverip` and
    /// `rpcserverport`.
    pub listen: Vec<Address>,
    /// The address that the registry gets, if callers reach the server at another address than the one it listens at.
    pub advertise: Option<Address>,
    /// The URL of the registry. Key `registry`, or classic `zookeeperip` and `zookeeperport`. The classic keys make
    /// `zookeeper://IP:PORT?classic=true`, which registers both layouts.
    pub registry: Option<String>,
    /// [`ChannelOptions::snapshot_folder`].
    pub snapshot_folder: Option<PathBuf>,
    /// The number of event loops; 0 means one per core.
    pub loops: usize,
    /// [`Server::handler_threads`]; 0 means one per core.
    pub handler_threads: usize,
    /// [`Server::overload_protection`].
    pub overload_protection: bool,
    /// Whether servers report their health, by [`Server::health`].
    pub health: bool,
    /// [`Server::reflection`].
    pub reflection: bool,
    /// [`Server::openapi`].
    pub openapi: OpenApiInfo,
    /// [`ChannelOptions::hedge`].
    pub hedge: BTreeSet<String>,
    /// [`ChannelOptions::balancer`].
    pub balancer: Policy,
    /// [`ChannelOptions::zone`].
    pub zone: Option<String>,
    /// [`ChannelOptions::subset_max`].
    pub subset_max: Option<usize>,
    /// [`ChannelOptions::slow_start`].
    pub slow_start: Duration,
    /// [`ChannelOptions::ejection`].
    pub ejection: bool,
    /// [`ChannelOptions::health_check_interval`].
    pub health_check_interval: Duration,
    /// [`ChannelOptions::same_process`].
    pub same_process: bool,
    /// [`ChannelOptions::same_host`].
    pub same_host: bool,
    /// [`Server::unix_folder`].
    pub unix_folder: Option<PathBuf>,
    /// [`Server::handover`].
    pub handover: Option<PathBuf>,
    /// The TLS settings, for servers and for callers.
    pub tls: TlsConfig,
    /// [`Server::trusted_proxies`].
    pub trusted_proxies: Vec<TrustedProxy>,
    /// [`Server::proxy_header_required`].
    pub proxy_header_required: bool,
    /// [`Server::cors`].
    pub cors: Cors,
    /// The limits of servers and channels.
    pub limits: Limits,
    /// The settings of the log.
    pub log: LogConfig,
    /// Every value as it was written, with its source: for the program's own keys and for printing.
    pub values: Values,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: vec![Address::Tcp(([127, 0, 0, 1], 0).into())],
            advertise: None,
            registry: None,
            snapshot_folder: None,
            loops: 0,
            handler_threads: 0,
            overload_protection: true,
            health: true,
            reflection: false,
            openapi: OpenApiInfo::default(),
            hedge: BTreeSet::new(),
            balancer: Policy::default(),
            zone: None,
            subset_max: None,
            slow_start: Duration::from_secs(10),
            ejection: true,
            health_check_interval: Duration::ZERO,
            same_process: true,
            same_host: true,
            unix_folder: None,
            handover: None,
            tls: TlsConfig::default(),
            trusted_proxies: Vec::new(),
            proxy_header_required: false,
            cors: Cors::default(),
            limits: Limits::default(),
            log: LogConfig::default(),
            values: Values::default(),
        }
    }
}

/// The values of the conf file, the environment and the flags, and the warnings about them.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// The value of the highest source, by key.
    set: BTreeMap<String, (String, Source)>,
    /// The keys that the program declared.
    declared: Vec<String>,
    arguments: Vec<String>,
    warnings: Vec<String>,
}

/// The source of a value, from the lowest priority to the highest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The default, or a value that the program set in code.
    Default,
    /// A line of the conf file.
    File {
        /// The path as the command line gave it.
        name: String,
        /// The number of the line, from 1.
        line: usize,
        /// The column at which the value begins, in characters, from 1.
        column: usize,
    },
    /// The environment variable with this name.
    Environment(String),
    /// The flag for this key.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Source::Environment(name) => write!(f, "environment {name}"),
            Source::Flag(key) => write!(f, "flag --{key}"),
        }
    }
}

impl Source {
    fn rank(&self) -> u8 {
        match self {
            Source::Default => 0,
            Source::File { .. } => 1,
            Source::Environment(_) => 2,
            Source::Flag(_) => 3,
        }
    }
}

impl Config {
    /// Builds the configuration from these sources; `application_keys` are the program's own keys.
    ///
    /// `arguments` begin with the program's name, like [`std::env::args_os`]. `read` returns the bytes of the file
    /// after `-i`. This prints nothing and starts nothing.
    ///
    /// # Errors
    /// A source has a fault. The error names its position: `user.conf:3:17`, `environment MPRPC_LOOPS` or
    /// `flag --loops`.
    pub fn from_sources(
        application_keys: &[&str],
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        read: impl FnOnce(&Path) -> Result<Vec<u8>, Error>,
    ) -> Result<Config, Error> {
        let arguments = Arguments::parse(arguments, &known_keys(application_keys)?)?;
        Config::from_arguments(application_keys, arguments, environment, read)
    }

    fn from_arguments(
        application_keys: &[&str],
        arguments: Arguments,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        read: impl FnOnce(&Path) -> Result<Vec<u8>, Error>,
    ) -> Result<Config, Error> {
        let known = known_keys(application_keys)?;
        let mut values = Values { arguments: arguments.rest, ..Values::default() };
        values.declared = application_keys.iter().map(|key| (*key).to_owned()).collect();
        if let Some(path) = &arguments.file {
            values.take_file(&path.display().to_string(), &read(path)?, &known)?;
        }
        values.take_environment(environment, &known)?;
        for (key, value) in arguments.flags {
            values.set.insert(key.clone(), (value, Source::Flag(key)));
        }
        let mut config = Config::default();
        config.log.name = arguments.program;
        for key in KEYS {
            if let Some((text, source)) = values.set.get(key.name) {
                key.set(&mut config, text).map_err(|what| wrong(source, key.name, &what))?;
                if cfg!(not(feature = "tls")) && config.tls != TlsConfig::default() {
                    return Err(wrong(source, key.name, "this program was built without the feature `tls` of mprpc"));
                }
            }
        }
        for pair in CLASSIC {
            config.apply_classic(pair, &mut values)?;
        }
        config.values = values;
        Ok(config)
    }

    /// Returns the text of a key, if it is set.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values.set.get(key).map(|(text, _)| text.as_str())
    }

    /// Parses the value of a key as a `T`, if the key is set.
    ///
    /// # Errors
    /// The value does not parse. The error names its position: `user.conf:3:8: workers: invalid digit found in string`.
    pub fn parse<T: FromStr<Err: fmt::Display>>(&self, key: &str) -> Result<Option<T>, Error> {
        let Some((text, source)) = self.values.set.get(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| wrong(source, key, &format!("'{}': {error}", shortened(text))))
    }

    /// Whether a key is true. True is `true`, `yes`, `on` or `1`; false is `false`, `no`, `off`, `0`, or a key that is
    /// not set.
    ///
    /// # Errors
    /// Any other value. The error names its position.
    pub fn flag(&self, key: &str) -> Result<bool, Error> {
        let Some((text, source)) = self.values.set.get(key) else { return Ok(false) };
        match text.as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(wrong(source, key, &format!("'{}' is neither true nor false", shortened(text)))),
        }
    }

    /// Returns the source of a key's value.
    pub fn source(&self, key: &str) -> Source {
        self.values.set.get(key).map_or(Source::Default, |(_, source)| source.clone())
    }

    /// Returns the words of the command line that are neither a flag nor a flag's value.
    pub fn arguments(&self) -> &[String] {
        &self.values.arguments
    }

    /// Returns warnings about the sources: unknown keys, an empty file. [`crate::init`] logs them.
    pub fn warnings(&self) -> &[String] {
        &self.values.warnings
    }

    /// Sets a key of mprpc from a classic pair, unless a higher source sets this key. If the same source sets both,
    /// that is an error.
    fn apply_classic(&mut self, pair: &ClassicPair, values: &mut Values) -> Result<(), Error> {
        let ip = values.set.get(pair.ip);
        let port = values.set.get(pair.port);
        let Some((culprit, (_, source))) = [(pair.port, port), (pair.ip, ip)]
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| (key, value)))
            .max_by_key(|(_, (_, source))| source.rank())
        else {
            return Ok(());
        };
        let source = source.clone();
        if let Some((_, own)) = values.set.get(pair.key) {
            if own.rank() == source.rank() {
                let what = format!("says the same as {} in {own}; keep one of them", pair.key);
                return Err(wrong(&source, culprit, &what));
            }
            if own.rank() > source.rank() {
                return Ok(());
            }
        }
        let text = |value: Option<&(String, Source)>, default: &str| value.map_or(default.to_owned(), |v| v.0.clone());
        let ip_text = text(ip, pair.ip_default);
        let port_text = text(port, pair.port_default);
        if port_text.parse::<u16>().is_err() {
            let source = port.map_or(&source, |(_, source)| source);
            return Err(wrong(source, pair.port, &format!("'{}' is no port (0 to 65535)", shortened(&port_text))));
        }
        let address = ClassicPair { key: "", ..*pair }.value(&ip_text, &port_text);
        if let Err(what) = address.parse::<Address>() {
            let source = ip.map_or(&source, |(_, source)| source);
            return Err(wrong(source, pair.ip, &what));
        }
        let value = pair.value(&ip_text, &port_text);
        let key = KEYS.iter().find(|key| key.name == pair.key).expect("CLASSIC names keys of KEYS");
        key.set(self, &value).map_err(|what| wrong(&source, culprit, &what))?;
        values.set.insert(pair.key.to_owned(), (value, source));
        Ok(())
    }
}

impl Values {
    fn take_file(&mut self, name: &str, bytes: &[u8], known: &[&str]) -> Result<(), Error> {
        let entries = file::parse(name, bytes)?;
        if entries.is_empty() {
            self.warnings.push(format!("{name}: sets nothing{}", if bytes.is_empty() { "; it is empty" } else { "" }));
        }
        for file::Entry { key, value, line, column, key_column } in entries {
            if !known.contains(&key.as_str()) {
                let hint = nearest(&key, known.iter().copied()).map(|near| format!("; did you mean '{near}'?"));
                let what = format!("{name}:{line}:{key_column}: unknown key '{}'", shortened(&key));
                self.warnings.push(what + &hint.unwrap_or_default());
                continue;
            }
            self.set.insert(key, (value, Source::File { name: name.to_owned(), line, column }));
        }
        Ok(())
    }

    /// Takes the `MPRPC_…` variables. An empty variable counts as not set; `MPRPC_TEST_…` belongs to the tests.
    fn take_environment(
        &mut self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        known: &[&str],
    ) -> Result<(), Error> {
        for (name, value) in environment {
            let Some(name) = name.to_str() else { continue };
            if !name.starts_with("MPRPC_") || name.starts_with("MPRPC_TEST_") || value.is_empty() {
                continue;
            }
            let Some(key) = known.iter().find(|key| variable(key) == name) else {
                let variables: Vec<String> = known.iter().map(|key| variable(key)).collect();
                let hint = nearest(name, variables.iter().map(String::as_str));
                let hint = hint.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                self.warnings.push(format!("unknown environment variable {}{hint}", shortened(name)));
                continue;
            };
            let source = Source::Environment(name.to_owned());
            let Some(value) = value.to_str() else { return Err(wrong(&source, key, "not UTF-8")) };
            self.set.insert((*key).to_owned(), (value.to_owned(), source));
        }
        Ok(())
    }
}

impl fmt::Display for Config {
    /// Writes a conf file with the configuration in force.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.values.declared {
            let Some((text, source)) = self.values.set.get(name) else { continue };
            let secret = ["password", "secret", "token"].iter().any(|word| name.to_lowercase().contains(word));
            writeln!(f, "# {source}\n{name} = {}", if secret { "***" } else { text })?;
        }
        // Derived limits are printed with their values in force.
        let shown = Config { limits: self.limits.derived(memory_limit()), ..self.clone() };
        for Key { name, show, .. } in KEYS {
            let Some((_, source)) = self.values.set.get(*name) else { continue };
            writeln!(f, "# {source}\n{name} = {}", show(&shown).unwrap_or_default())?;
        }
        writeln!(f, "# default")?;
        for Key { name, show, .. } in KEYS.iter().filter(|key| !self.values.set.contains_key(key.name)) {
            match show(&shown) {
                Some(value) => writeln!(f, "{name} = {value}")?,
                None => writeln!(f, "# {name} is not set")?,
            }
        }
        Ok(())
    }
}

impl Server {
    /// Makes a server from `config`: its addresses, registry, TLS, event loops and limits.
    pub fn new(config: &Config) -> Server {
        Server {
            listen: config.listen.clone(),
            advertise: config.advertise.clone(),
            registry: config.registry.clone(),
            unix_folder: config.unix_folder.clone(),
            handover: config.handover.clone(),
            tls: config.tls.server(),
            trusted_proxies: config.trusted_proxies.clone(),
            proxy_header_required: config.proxy_header_required,
            loops: config.loops,
            handler_threads: config.handler_threads,
            overload_protection: config.overload_protection,
            cors: config.cors.clone(),
            health: config.health.then(Health::default),
            reflection: config.reflection,
            openapi: config.openapi.clone(),
            limits: config.limits.clone(),
            ..Server::default()
        }
    }
}

impl Channel {
    /// Makes a channel from `config`: to its registry (or any other target that [`Channel::new`] takes), with its TLS
    /// and limits.
    ///
    /// # Errors
    /// The errors of [`Channel::new`]; or `config` names no registry.
    pub fn from_config(config: &Config) -> Result<Channel, Error> {
        let Some(registry) = &config.registry else {
            let message = "nothing says where the services are: set registry = URL in the conf file, or --registry=URL";
            return Err(Error::new(ErrorKind::Config, message));
        };
        let Config { subset_max, slow_start, ejection, same_process, same_host, .. } = *config;
        let options = ChannelOptions {
            balancer: config.balancer.clone(),
            zone: config.zone.clone().unwrap_or_default(),
            subset_max,
            slow_start,
            ejection,
            health_check_interval: config.health_check_interval,
            hedge: config.hedge.clone(),
            limits: config.limits.clone(),
            tls: config.tls.client(),
            same_process,
            same_host,
            snapshot_folder: config.snapshot_folder.clone(),
            ..ChannelOptions::default()
        };
        Channel::with_options(registry, options)
    }
}

/// Reads the program's configuration and starts its log: the first line of a program.
///
/// Reads the conf file after `-i`, then the environment (`MPRPC_REGISTRY`, `MPRPC_LIMITS_CALL_TIMEOUT`), then flags
/// (`--registry=URL`); later sources win. `--help`, `--version` and `--print-config` print their output and end the
/// process with code 0.
///
/// The log is flushed when the calling thread ends, so call this on the main thread; see [`crate::logging`].
///
/// # Errors
/// The errors of [`Config::from_sources`]; or the conf file cannot be read. The log is not started then.
pub fn init() -> Result<Config, Error> {
    init_with(&[])
}

/// Does the same as [`init`], for a program with keys of its own:
/// `mprpc::init_with(&["demo", "store"])?.flag("demo")?`.
///
/// # Errors
/// The errors of [`init`]; or the program declares a key that mprpc already has.
pub fn init_with(application_keys: &[&str]) -> Result<Config, Error> {
    let arguments = Arguments::parse(std::env::args_os(), &known_keys(application_keys)?)?;
    let program = arguments.program.clone();
    match arguments.ask {
        Some(Ask::Help) => print_and_end(&help(&program, application_keys)),
        Some(Ask::Version) => print_and_end(&format!("{program} (mprpc {})\n", env!("CARGO_PKG_VERSION"))),
        Some(Ask::Config) | None => {}
    }
    let ask = arguments.ask;
    let config = Config::from_arguments(application_keys, arguments, std::env::vars_os(), read_file)?;
    if ask == Some(Ask::Config) {
        print_and_end(&config.to_string());
    }
    logging::start(&config.log)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

fn known_keys<'a>(application_keys: &[&'a str]) -> Result<Vec<&'a str>, Error> {
    let classic = CLASSIC.iter().flat_map(|pair| [pair.ip, pair.port]);
    let mut known: Vec<&str> = KEYS.iter().map(|key| key.name).chain(classic).collect();
    for key in application_keys {
        if known.contains(key) {
            return Err(Error::new(ErrorKind::Config, format!("the program declares '{key}', which is a key already")));
        }
        known.push(key);
    }
    Ok(known)
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::with_source(ErrorKind::Config, format!("conf file {}", path.display()), error);
    let file = std::fs::File::open(path).map_err(failed)?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Error::new(ErrorKind::Config, format!("conf file {}: is a folder", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(CONF_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Returns the environment variable of a key.
fn variable(key: &str) -> String {
    format!("MPRPC_{}", key.replace(['.', '-'], "_").to_uppercase())
}

fn wrong(source: &Source, key: &str, what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{source}: {key}: {what}"))
}

/// Shortens a value for an error message.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn help(program: &str, application_keys: &[&str]) -> String {
    let mut text = format!("usage: {program} [-i FILE] [--KEY=VALUE]...\n\n");
    text += "  -i FILE         the conf file, lines of key = value\n";
    text += "  --print-config  print the configuration in force and where each value is from\n";
    text += "  --version       print the version\n\n";
    text += "Keys, in the file as key = value, in the environment as MPRPC_KEY, as a flag --KEY=VALUE:\n\n";
    for key in application_keys {
        text += &format!("  {key}\n");
    }
    let defaults = Config::default();
    for Key { name, what, show, .. } in KEYS {
        let default = show(&defaults).map(|value| format!(" [{value}]")).unwrap_or_default();
        text += &format!("  {name}{default}\n      {what}\n");
    }
    for pair in CLASSIC {
        text += &format!("  {}, {}\n      as in the C++ MPRPC; they set {}\n", pair.ip, pair.port, pair.key);
    }
    text
}

fn print_and_end(text: &str) -> ! {
    // A closed pipe (`| head`) is not an error.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    std::process::exit(0)
}

#[cfg(test)]
mod tests;
