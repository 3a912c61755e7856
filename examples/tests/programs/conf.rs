//! The example conf files contain the expected values.

use std::ffi::OsString;

use mprpc::Config;
use mprpc::discovery::Target;

const REGISTRIES: [(&str, &str); 2] =
    [("file", "file:target/registry"), ("zookeeper", "zookeeper://127.0.0.1:2181?classic=true")];

#[test]
fn conf_files_load_without_warnings() {
    for (which, registry) in REGISTRIES {
        for (service, listen) in [("user", "127.0.0.1:8000"), ("friend", "127.0.0.1:8001"), ("caller", "127.0.0.1:0")] {
            let name = format!("{}/conf/{service}_{which}.conf", env!("CARGO_MANIFEST_DIR"));
            let arguments = ["program", "-i", &name].map(OsString::from);
            let read = |path: &std::path::Path| Ok(std::fs::read(path).unwrap());
            let config = Config::from_sources(&["demo", "store"], arguments, [], read).unwrap();
            assert_eq!(config.warnings(), [""; 0]);
            assert_eq!(config.registry.as_deref(), Some(registry), "{name}");
            assert!(registry.parse::<Target>().is_ok());
            assert_eq!(config.listen[0].to_string(), listen, "{name}");
            assert_eq!(config.flag("demo").unwrap(), service != "caller", "{name}");
        }
    }
}
