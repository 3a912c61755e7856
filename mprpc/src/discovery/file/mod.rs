//! The registry in a folder: one machine, no server. Each service has a folder. Each provider has a file there, and
//! keeps it locked for as long as it lives.
//!
//! When the process dies, even by SIGKILL, the kernel releases the lock and tells the watchers of the folder that the
//! file was closed. So the liveness check needs no server and no heartbeat. The folder must be on a local file system.

mod entry;
mod folder;
mod folder_watch;
mod registry;
mod resolver;

use std::io;
use std::path::{Path, PathBuf};

pub use registry::FileRegistry;
pub use resolver::FileResolver;

use super::weights::WeightChange;
use super::{invalid_service_name, is_service_name};
#[cfg(any(feature = "zookeeper", feature = "etcd"))]
pub(super) use entry::parse_protocols;
pub(super) use entry::{format as format_entry, parse as parse_entry};

use crate::endpoint::{Address, Endpoint};

/// Reads every service once, with its endpoints, in the order of the names. Blocks.
pub(crate) fn list(root: &Path) -> io::Result<Vec<(String, Vec<Endpoint>)>> {
    let mut listed = Vec::new();
    for service in services(root)? {
        let scan = folder::scan(&root.join(&service))?;
        listed.push((service, scan.endpoints));
    }
    Ok(listed)
}

/// Changes the weight of the provider at `address` in every service. Returns the names of the services. Blocks.
pub(crate) fn change_weight(root: &Path, address: &Address, change: WeightChange) -> io::Result<Vec<String>> {
    let mut changed = Vec::new();
    for service in services(root)? {
        if folder::change_weight(&root.join(&service), address, change)? {
            changed.push(service);
        }
    }
    Ok(changed)
}

/// The names of the services that have a folder, in order.
fn services(root: &Path) -> io::Result<Vec<String>> {
    let mut services = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let Ok(service) = entry.file_name().into_string() else { continue };
        if is_service_name(&service) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            services.push(service);
        }
    }
    services.sort();
    Ok(services)
}

/// Returns the folder of a service. The error says that the name of the service is invalid.
fn service_folder(root: &Path, service: &str) -> Result<PathBuf, String> {
    if !is_service_name(service) {
        return Err(invalid_service_name(service));
    }
    Ok(root.join(service))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    /// A folder for one test. Dropping it removes the folder with its content.
    pub(super) struct Folder {
        pub(super) path: PathBuf,
    }

    impl Folder {
        pub(super) fn new() -> Folder {
            let path = std::env::temp_dir().join(format!("mprpc-test-{:016x}", fastrand::u64(..)));
            std::fs::create_dir(&path).unwrap();
            Folder { path }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
