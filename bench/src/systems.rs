//! Which systems there are, and the programs that hold them. Peers are programs of their own, built apart.

use std::path::{Path, PathBuf};
use std::process::Command;

use mprpc_bench_harness::Failure;

/// The peers, as they stand in results; the package of each is `bench-` and this.
pub(crate) const PEERS: [&str; 3] = ["tonic", "tarpc", "volo-thrift"];

/// Where programs are.
pub(crate) struct Programs {
    own: PathBuf,
    folder: PathBuf,
}

/// A peer that is left out.
pub(crate) struct NotBuilt {
    pub(crate) peer: &'static str,
    pub(crate) why: String,
}

impl Programs {
    /// Builds the peers among `systems`, each by itself. Those that cannot be built come back with the reason.
    pub(crate) fn build(systems: &[&str]) -> Result<(Programs, Vec<NotBuilt>), Failure> {
        let own = std::env::current_exe()?;
        let target = own.parent().and_then(Path::parent).ok_or("this program stands nowhere")?.to_owned();
        let programs = Programs { folder: target.join("release"), own };
        let mut failures = Vec::new();
        for peer in PEERS.into_iter().filter(|peer| systems.contains(peer)) {
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

    /// The program with both ends of a system.
    pub(crate) fn of(&self, system: &str) -> PathBuf {
        if PEERS.contains(&system) { self.folder.join(format!("bench-{system}")) } else { self.own.clone() }
    }
}

/// The workspace that this program is built in.
pub(crate) const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
