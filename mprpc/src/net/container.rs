//! The memory limit that the kernel sets for this process through its cgroup, version 2 or 1. The machine's total memory
//! does not count.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The limit in bytes, or `None` if there is no limit. The process reads it once.
pub(crate) fn memory_limit() -> Option<usize> {
    static LIMIT: OnceLock<Option<usize>> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        limit_of(&groups, Path::new("/sys/fs/cgroup"))
    })
}

/// cgroup version 1 expresses "no limit" as a number of at least this size.
const LIMIT_MAX: u64 = 1 << 60;

/// The lowest limit among the groups in `groups` and all of their ancestors. `groups` has the format of
/// `/proc/self/cgroup`. Inside a container the process's own group may be the root, while `groups` still holds the name
/// that the host uses.
fn limit_of(groups: &str, root: &Path) -> Option<usize> {
    let files = groups.lines().filter_map(|line| {
        let [_, controllers, path] = *line.splitn(3, ':').collect::<Vec<_>>() else { return None };
        let path = path.trim_start_matches('/');
        match controllers {
            "" => Some((root.to_owned(), path, "memory.max")),
            _ if controllers.split(',').any(|name| name == "memory") => {
                Some((root.join("memory"), path, "memory.limit_in_bytes"))
            }
            _ => None,
        }
    });
    let limits = files.flat_map(|(root, path, file)| {
        let folders: Vec<PathBuf> = Path::new(path).ancestors().map(|group| root.join(group)).collect();
        folders.into_iter().filter_map(move |folder| limit_in(&folder.join(file)))
    });
    limits.min().and_then(|limit| usize::try_from(limit).ok())
}

fn limit_in(file: &Path) -> Option<u64> {
    let limit = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (limit < LIMIT_MAX).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn lowest_cgroup_limit_applies_in_either_version() {
        let root = std::env::temp_dir().join(format!("mprpc-cgroup-{}", std::process::id()));
        write(&root, "app/memory.max", "1000\n");
        write(&root, "app/worker/memory.max", "max\n");
        assert_eq!(limit_of("0::/app/worker\n", &root), Some(1000));
        assert_eq!(limit_of("0::/\n", &root), None);
        write(&root, "memory/app/memory.limit_in_bytes", "9223372036854771712\n");
        let version_1 = "5:cpu:/app\n4:memory:/app\n0::/\n";
        assert_eq!(limit_of(version_1, &root), None);
        write(&root, "memory/memory.limit_in_bytes", "2000\n");
        assert_eq!(limit_of(version_1, &root), Some(2000));
        // The name that the host uses does not exist inside the container.
        assert_eq!(limit_of("4:memory:/docker/1234\n", &root), Some(2000));
        fs::remove_dir_all(root).unwrap();
    }
}
