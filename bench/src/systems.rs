//! The systems, and the programs that contain them. Each peer is a separate program with a separate build.

use std::path::{Path, PathBuf};
use std::process::Command;

use mprpc_bench_harness::Failure;

/// The peers, by their names in results. The package of each is `bench-` followed by the name.
pub(crate) const PEERS: [&str; 3] = ["tonic", "tarpc", "volo-thrift"];
/// The peer of JSON, which `load` measures.
const AXUM: &str = "axum";

/// The client of tonic, and the server of mprpc.
pub(crate) const TONIC_TO_MPRPC: &str = "tonic-to-mprpc";

/// The systems of the server and of the client: two where `system` is a pair of both.
pub(crate) fn ends(system: &str) -> (&str, &str) {
    if system == TONIC_TO_MPRPC { ("mprpc", "tonic") } else { (system, system) }
}

/// The paths of the programs.
pub(crate) struct Programs {
    own: PathBuf,
    folder: PathBuf,
}

/// A peer that did not build.
pub(crate) struct NotBuilt {
    pub(crate) peer: &'static str,
    pub(crate) why: String,
}

impl Programs {
    /// Builds each peer among `systems` separately. Returns peers that do not build, with the reason.
    pub(crate) fn build(systems: &[&str]) -> Result<(Programs, Vec<NotBuilt>), Failure> {
        let own = std::env::current_exe()?;
        let target = own.parent().and_then(Path::parent).ok_or("this program stands nowhere")?.to_owned();
        let programs = Programs { folder: target.join("release"), own };
        let mut failures = Vec::new();
        for peer in PEERS.into_iter().chain([AXUM]).filter(|peer| systems.iter().any(|system| ends(system).1 == *peer))
        {
            eprintln!("building bench-{peer}");
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["build", "--release", "--locked", "--manifest-path", MANIFEST, "--target-dir"]);
            cargo.arg(&target).args(["-p", &format!("bench-{peer}")]);
            match cargo.status() {
                Ok(status) if status.success() => {}
                Ok(status) => failures.push(NotBuilt { peer, why: status.to_string() }),
                Err(error) => failures.push(NotBuilt { peer, why: format!("cargo: {error}") }),
            }
        }
        Ok((programs, failures))
    }

    /// The path of the program with both ends of `system`, which is no pair.
    pub(crate) fn of(&self, system: &str) -> PathBuf {
        if PEERS.contains(&system) { self.folder.join(format!("bench-{system}")) } else { self.own.clone() }
    }
}

/// The manifest of the workspace that contains this program.
pub(crate) const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
