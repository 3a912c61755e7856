//! Tests of several sources together. The tests of one source are beside its code.

use std::time::Duration;

use super::*;

fn config(keys: &[&str], words: &[&str], environment: &[(&str, &str)], file: &str) -> Result<Config, String> {
    let words = ["prog"].iter().chain(words).map(OsString::from);
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Config::from_sources(keys, words, environment, |_| Ok(file.as_bytes().to_vec())).map_err(|error| error.to_string())
}

fn from_file(file: &str) -> Result<Config, String> {
    config(&["demo", "store"], &["-i", "user.conf"], &[], file)
}

#[test]
fn higher_sources_override_lower_ones() {
    let file = "registry = file:/a\nloops = 2\nlimits.call_timeout = 1s\n";
    let environment = [("MPRPC_LOOPS", "3"), ("MPRPC_LIMITS_CALL_TIMEOUT", "2s"), ("MPRPC_TEST_ZOOKEEPER", "x")];
    let config = config(&[], &["-i", "user.conf", "--limits.call-timeout=3s"], &environment, file).unwrap();
    assert_eq!(config.registry.as_deref(), Some("file:/a"));
    assert_eq!(config.source("registry").to_string(), "user.conf:1:12");
    assert_eq!((config.loops, config.source("loops").to_string().as_str()), (3, "environment MPRPC_LOOPS"));
    assert_eq!(config.limits.call_timeout, Duration::from_secs(3));
    assert_eq!(config.source("limits.call_timeout").to_string(), "flag --limits.call_timeout");
    assert_eq!(config.source("listen"), Source::Default);
    assert_eq!(config.warnings(), [""; 0]);
}

#[test]
fn classic_keys_keep_their_meaning() {
    let file = "rpcserverip=192.168.1.2\nrpcserverport=8000\nzookeeperip=10.0.0.1\nzookeeperport=2181\n";
    let classic = from_file(file).unwrap();
    assert_eq!(classic.listen, ["192.168.1.2:8000".parse().unwrap()]);
    assert_eq!(classic.registry.as_deref(), Some("zookeeper://10.0.0.1:2181?classic=true"));
    assert_eq!(from_file("rpcserverport = 0").unwrap().listen, ["127.0.0.1:0".parse().unwrap()]);
    assert_eq!(from_file("rpcserverip = ::1").unwrap().listen, ["[::1]:0".parse().unwrap()]);
    let flags = config(&[], &["-i", "c", "--registry=file:/x", "--rpcserverport=9"], &[], file).unwrap();
    assert_eq!(flags.registry.as_deref(), Some("file:/x"));
    assert_eq!(flags.listen, ["192.168.1.2:9".parse().unwrap()]);
}

#[test]
fn listen_takes_several_addresses() {
    let several = from_file("listen = 127.0.0.1:1, [::1]:2,unix:/run/u.sock").unwrap();
    let expected = ["127.0.0.1:1", "[::1]:2", "unix:/run/u.sock"].map(|address| address.parse().unwrap());
    assert_eq!(several.listen, expected);
}

#[test]
fn wrong_values_are_errors_with_position_and_reason() {
    for (file, expected) in [
        ("\nrpcserverport = 70000", "user.conf:2:17: rpcserverport: '70000' is no port (0 to 65535)"),
        ("rpcserverip = a b", "user.conf:1:15: rpcserverip: 'a b:0': 'a b' is no host name"),
        ("zookeeperip =", "user.conf:1:14: zookeeperip: ':2181': '' is no host name"),
        (
            "listen = 127.0.0.1",
            "user.conf:1:10: listen: '127.0.0.1' has no port; an address is host:port, unix:/path or memory:name",
        ),
        ("registry =", "user.conf:1:11: registry: the value is empty"),
        (
            "limits.in_flight_max = 0KiB",
            "user.conf:1:24: limits.in_flight_max: '0KiB' allows nothing at all; the least is 1",
        ),
        ("limits.read_timeout = 5", "user.conf:1:23: limits.read_timeout: '5' needs a unit: 5s or 5ms"),
        ("log.format = xml", "user.conf:1:14: log.format: 'xml' is none of text, json, classic"),
        (
            "log.level = loud",
            "user.conf:1:13: log.level: 'loud' is no level; those are off, error, warn, info, debug, trace",
        ),
        (
            "listen = 127.0.0.1:1\nrpcserverport = 2",
            "user.conf:2:17: rpcserverport: says the same as listen in user.conf:1:10; keep one of them",
        ),
    ] {
        assert_eq!(from_file(file).unwrap_err(), expected);
    }
    let environment = config(&[], &[], &[("MPRPC_LOOPS", "many")], "").unwrap_err();
    assert_eq!(environment, "environment MPRPC_LOOPS: loops: 'many' is no number; sizes may end in KiB, MiB or GiB");
    let flag = config(&[], &["--advertise=x"], &[], "").unwrap_err();
    assert_eq!(
        flag,
        "flag --advertise: advertise: 'x' has no port; an address is host:port, unix:/path or memory:name"
    );
}

#[test]
fn unknown_keys_cause_warnings_with_the_nearest_name() {
    let config = config(&["demo"], &["-i", "c"], &[("MPRPC_LISTN", "x")], "  zokeeperip = 1\ncolour = red\n").unwrap();
    let expected = [
        "c:1:3: unknown key 'zokeeperip'; did you mean 'zookeeperip'?",
        "c:2:1: unknown key 'colour'",
        "unknown environment variable MPRPC_LISTN; did you mean MPRPC_LISTEN?",
    ];
    assert_eq!(config.warnings(), expected);
    assert_eq!(from_file("").unwrap().warnings(), ["user.conf: sets nothing; it is empty"]);
    assert_eq!(from_file("# a = b").unwrap().warnings(), ["user.conf: sets nothing"]);
}

#[test]
fn programs_read_their_own_keys() {
    let config = config(
        &["demo", "store", "workers"],
        &["-i", "c", "Login"],
        &[("MPRPC_WORKERS", "4x")],
        "demo = yes\nstore = /a#b\n",
    );
    let config = config.unwrap();
    assert!(config.flag("demo").unwrap());
    assert!(!config.flag("quiet").unwrap());
    assert_eq!(config.value("store"), Some("/a#b"));
    assert_eq!(config.value("missing"), None);
    assert_eq!(config.arguments(), ["Login"]);
    let error = config.parse::<u16>("workers").unwrap_err().to_string();
    assert_eq!(error, "environment MPRPC_WORKERS: workers: '4x': invalid digit found in string");
    let error = config.flag("store").unwrap_err().to_string();
    assert_eq!(error, "c:2:9: store: '/a#b' is neither true nor false");
}

#[test]
fn application_key_with_the_name_of_a_mprpc_key_is_refused() {
    let error = config(&["listen"], &[], &[], "").unwrap_err();
    assert_eq!(error, "the program declares 'listen', which is a key already");
}

#[test]
fn printed_configuration_parses_back_to_the_same() {
    let file = "registry = zookeeper://a:2181/x?classic=true\nlimits.read_timeout = 1500ms\ndemo = #1\nlog.level=warn,a::b=trace\nadvertise=h:1\n";
    let config = from_file(file).unwrap();
    let printed = config.to_string();
    assert!(printed.contains("# user.conf:2:23\nlimits.read_timeout = 1500ms\n"), "{printed}");
    assert!(printed.contains("# user.conf:3:8\ndemo = #1\n"), "{printed}");
    assert!(printed.contains("# default\nlisten = 127.0.0.1:0\n"), "{printed}");
    let again = from_file(&printed).unwrap();
    // Derived limits are printed with their values in force.
    let limits = config.limits.derived(crate::net::memory_limit());
    assert_eq!((&again.registry, &again.limits, &again.log), (&config.registry, &limits, &config.log));
    assert!(again.limits.memory_bytes_max.is_some() && again.limits.connection_memory_bytes_max.is_some());
    assert_eq!(again.value("demo"), Some("#1"));
}

#[test]
fn secrets_are_not_printed() {
    let text =
        config(&["store_password"], &["--store_password=hunter2", "--registry=zookeeper://u:hunter2@a:1"], &[], "");
    let text = text.unwrap().to_string();
    assert!(!text.contains("hunter2") && text.contains("zookeeper://***@a:1"), "{text}");
}

#[test]
fn missing_file_and_folder_cause_different_errors() {
    let folder = std::env::temp_dir();
    let error = read_file(&folder).unwrap_err().to_string();
    assert!(error.ends_with("is a folder"), "{error}");
    let error = read_file(&folder.join("mprpc-no-such.conf")).unwrap_err().to_string();
    assert!(error.contains("mprpc-no-such.conf: No such file"), "{error}");
    assert_eq!(read_file(Path::new("/dev/zero")).unwrap().len(), CONF_FILE_BYTES_MAX + 1);
}

#[test]
#[cfg(feature = "tls")]
fn server_and_caller_have_separate_tls_keys() {
    let config =
        from_file("tls.certificate = /c\ntls.key = /k\ntls.client_ca = /a\ntls.client_optional = true").unwrap();
    let server = crate::TlsServer {
        certificate: "/c".into(),
        key: "/k".into(),
        client_ca: Some("/a".into()),
        client_optional: true,
    };
    assert_eq!((config.tls.server(), config.tls.client()), (Some(server), None));
    let config = from_file("tls.ca = /a\ntls.server_name = db.example").unwrap();
    let client =
        crate::TlsClient { ca: "/a".into(), server_name: Some("db.example".to_owned()), ..crate::TlsClient::default() };
    assert_eq!((config.tls.server(), config.tls.client()), (None, Some(client)));
    // Incomplete TLS settings never fall back to plain text: they are an error where they are used.
    let config = from_file("tls.key = /k\ntls.client_key = /k").unwrap();
    assert!(config.tls.server().is_some() && config.tls.client().is_some());
    let error = from_file("tls.client_optional = maybe").unwrap_err();
    assert_eq!(error, "user.conf:1:23: tls.client_optional: 'maybe' is neither true nor false");
}

#[test]
#[cfg(not(feature = "tls"))]
fn tls_keys_without_the_feature_are_errors_that_name_it() {
    let off = "this program was built without the feature `tls` of mprpc";
    assert_eq!(from_file("tls.ca = /a").unwrap_err(), format!("user.conf:1:10: tls.ca: {off}"));
    let tls = Some(crate::TlsServer::default());
    let error = Server { tls, ..Server::default() }.start().err().unwrap();
    assert_eq!(error.to_string(), format!("TLS: {off}"));
    let options = ChannelOptions { tls: Some(crate::TlsClient::default()), ..ChannelOptions::default() };
    assert_eq!(Channel::with_options("127.0.0.1:1", options).unwrap_err().to_string(), format!("TLS: {off}"));
}
