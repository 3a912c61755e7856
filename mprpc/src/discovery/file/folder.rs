//! The folder of a service: each provider has one file in it and keeps this file locked for as long as it lives.
//!
//! All file system calls block; they never run on an event loop.
//!
//! Every announcement gets a new file name that is never used again. The file is locked before it appears under that
//! name. So if anybody else can lock the file, its provider is dead, and any process may remove it; a live provider's
//! file is never removed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::merge;
use super::super::weights::WeightChange;
use super::entry;
use crate::endpoint::{Address, Endpoint};

/// An entry that this process announces and keeps locked. Dropping it withdraws it.
#[derive(Debug)]
pub(super) struct Held {
    file: File,
    path: PathBuf,
}

impl Held {
    /// Announces the endpoint in the folder, by an entry with this text. Creates the folder if it is missing.
    pub(super) fn create(folder: &Path, endpoint: &Endpoint, text: &str) -> io::Result<Held> {
        fs::create_dir_all(folder)?;
        let name = file_name(endpoint, fastrand::u64(..));
        let hidden = folder.join(format!(".{name}"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&hidden)?;
        let path = folder.join(name);
        match publish(&file, &hidden, &path, text) {
            Ok(()) => Ok(Held { file, path }),
            Err(error) => {
                let _ = fs::remove_file(&hidden);
                Err(error)
            }
        }
    }

    /// The text of the entry, which an operator may have changed.
    pub(super) fn text(&self) -> io::Result<String> {
        let mut bytes = vec![0; ENTRY_BYTES_MAX as usize];
        let length = self.file.read_at(&mut bytes, 0)?;
        bytes.truncate(length);
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Whether the entry still exists and is still the file of this process.
    pub(super) fn stands(&self) -> bool {
        match (fs::symlink_metadata(&self.path), self.file.metadata()) {
            (Ok(there), Ok(ours)) => there.ino() == ours.ino() && there.dev() == ours.dev(),
            _ => false,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The file, and its lock, closes after the entry is removed: a provider that stops cleanly leaves no dead entry
        // to be seen.
        let _ = fs::remove_file(&self.path);
    }
}

fn publish(file: &File, hidden: &Path, path: &Path, text: &str) -> io::Result<()> {
    file.try_lock().map_err(io::Error::from)?;
    let mut writer = file;
    writer.write_all(text.as_bytes())?;
    fs::rename(hidden, path)
}

/// The content of a folder.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Whether the folder exists.
    pub(super) exists: bool,
    /// The endpoints of live providers, in the order of their file names, each address once.
    pub(super) endpoints: Vec<Endpoint>,
    /// Files that a process holds locked but that this build cannot read: name and reason.
    pub(super) bad: Vec<(OsString, String)>,
}

/// Reads the folder and removes the files of dead providers. A missing folder counts as empty.
pub(super) fn scan(folder: &Path) -> io::Result<Scan> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Scan::default()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries.take(ENTRIES_MAX) {
        let entry = entry?;
        // Opening a pipe would block, and a link may point anywhere.
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            files.push(entry.file_name());
        }
    }
    files.sort();
    let mut scan = Scan { exists: true, ..Scan::default() };
    for name in files {
        let path = folder.join(&name);
        if name.as_encoded_bytes().starts_with(b".") {
            remove_unfinished(&path);
            continue;
        }
        match read_live(&path) {
            Ok(Some(text)) => match entry::parse(&text) {
                Ok(endpoint) => scan.endpoints.push(endpoint),
                Err(why) => scan.bad.push((name, why)),
            },
            Ok(None) => {}
            Err(error) => scan.bad.push((name, error.to_string())),
        }
    }
    scan.endpoints = merge::without_duplicates(scan.endpoints);
    Ok(scan)
}

/// Changes the weight of the provider at `address`. Returns whether the folder has it.
pub(super) fn change_weight(folder: &Path, address: &Address, change: WeightChange) -> io::Result<bool> {
    let mut has_it = false;
    for entry in fs::read_dir(folder)?.take(ENTRIES_MAX) {
        let entry = entry?;
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) || entry.file_name().as_encoded_bytes().starts_with(b".")
        {
            continue;
        }
        let Some(text) = read_live(&entry.path())? else { continue };
        if !entry::parse(&text).is_ok_and(|endpoint| endpoint.address == *address) {
            continue;
        }
        if let Some(changed) = entry::reweighted(&text, change) {
            has_it = true;
            // Written at once and over the old text: another file would not have the lock of the provider.
            OpenOptions::new().write(true).open(entry.path())?.write_all_at(changed.as_bytes(), 0)?;
        }
    }
    Ok(has_it)
}

/// Returns the text of an entry whose provider lives. Removes the file of a dead provider.
fn read_live(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        // The provider withdrew the entry after the folder was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if is_dead(&file)? {
        // If this process may not write to the folder, the file stays, and the next process that may removes it.
        let _ = fs::remove_file(path);
        return Ok(None);
    }
    let mut text = String::new();
    file.take(ENTRY_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > ENTRY_BYTES_MAX {
        return Err(io::Error::other(format!("it is longer than {ENTRY_BYTES_MAX} bytes")));
    }
    Ok(Some(text))
}

/// Whether no process holds the lock. The test lock is shared, so that two readers do not mistake each other for the
/// provider.
fn is_dead(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes the file of a provider that died before its entry was complete. A young file may still be between creation
/// and locking, so it stays.
fn remove_unfinished(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    let age = file.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
    if age.is_some_and(|age| age > UNFINISHED_AGE_MAX) && is_dead(&file).unwrap_or(false) {
        let _ = fs::remove_file(path);
    }
}

/// Returns a file name that is valid for every address, including Unix paths, and unique to this announcement.
fn file_name(endpoint: &Endpoint, unique: u64) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    let address: String = endpoint.address.to_string().trim_start_matches('.').chars().map(safe).take(100).collect();
    format!("{address}-{unique:016x}")
}

/// The maximum number of files of a folder that a scan looks at; it ignores the rest.
const ENTRIES_MAX: usize = 16 << 10;
/// The longest entry in bytes that a scan reads.
const ENTRY_BYTES_MAX: u64 = 64 << 10;
/// The longest time a provider may take from creating its file to locking it.
const UNFINISHED_AGE_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::file::tests::Folder;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    fn create(folder: &Path, endpoint: &Endpoint) -> io::Result<Held> {
        Held::create(folder, endpoint, &entry::format(endpoint, 7))
    }

    fn names(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn scan_finds_held_entries_and_removes_dead_ones() {
        let folder = Folder::new();
        let (a, b) = (endpoint("127.0.0.1:1"), endpoint("unix:/run/a b/../%.sock"));
        let held_a = create(&folder.path, &a).unwrap();
        let held_b = create(&folder.path, &b).unwrap();
        assert_eq!(scan(&folder.path).unwrap().endpoints, [a, b.clone()]);
        assert!(held_a.stands() && held_b.stands());

        // This is the effect of kill -9: the file stays, the lock goes.
        let Held { ref file, .. } = held_a;
        file.unlock().unwrap();
        assert_eq!(scan(&folder.path).unwrap().endpoints, [b]);
        assert!(!held_a.stands());
        assert_eq!(names(&folder.path), 1);
        drop(held_b);
        assert_eq!(names(&folder.path), 0);
    }

    #[test]
    fn stale_file_of_an_address_does_not_affect_its_successor() {
        let folder = Folder::new();
        let old = create(&folder.path, &endpoint("127.0.0.1:1")).unwrap();
        let new = create(&folder.path, &endpoint("127.0.0.1:1")).unwrap();
        assert_eq!(scan(&folder.path).unwrap().endpoints.len(), 1);
        old.file.unlock().unwrap();
        assert_eq!(scan(&folder.path).unwrap().endpoints.len(), 1);
        assert!(new.stands());
        drop(old);
        assert!(new.stands());
    }

    #[test]
    fn scan_reports_bad_files_and_keeps_the_others() {
        let folder = Folder::new();
        let _good = create(&folder.path, &endpoint("127.0.0.1:1")).unwrap();
        let mut held = Vec::new();
        for (name, content) in [("garbage", &b"\xff\xfe"[..]), ("version", b"mprpc = 9\n"), ("long", &[b'x'; 70_000])] {
            let mut file = File::create(folder.path.join(name)).unwrap();
            file.write_all(content).unwrap();
            file.lock().unwrap();
            held.push(file);
        }
        fs::create_dir(folder.path.join("folder")).unwrap();
        let scan = scan(&folder.path).unwrap();
        assert_eq!(scan.endpoints.len(), 1);
        assert_eq!(scan.bad.len(), 3, "{:?}", scan.bad);
    }

    #[test]
    fn scan_keeps_young_unfinished_entries_and_reads_a_missing_folder_as_empty() {
        let folder = Folder::new();
        File::create(folder.path.join(".young")).unwrap();
        assert!(scan(&folder.path).unwrap().endpoints.is_empty());
        assert_eq!(names(&folder.path), 1);
        let missing = scan(&folder.path.join("missing")).unwrap();
        assert!(!missing.exists && missing.endpoints.is_empty());
    }

    #[test]
    fn weight_of_a_live_entry_can_be_changed_by_another_process() {
        let folder = Folder::new();
        let (a, b) = (endpoint("127.0.0.1:1"), endpoint("127.0.0.1:2"));
        let held = create(&folder.path, &a).unwrap();
        let _other = create(&folder.path, &b).unwrap();
        assert!(change_weight(&folder.path, &a.address, WeightChange::Drain).unwrap());
        let drained = Endpoint { weight: 0, ..a.clone() };
        assert_eq!(scan(&folder.path).unwrap().endpoints, [drained.clone(), b.clone()]);
        assert!(held.stands(), "it is the same file");
        // What the provider writes if somebody removes its entry.
        let again = Held::create(&folder.path, &a, &held.text().unwrap()).unwrap();
        drop(held);
        assert_eq!(scan(&folder.path).unwrap().endpoints, [drained, b.clone()]);
        assert!(change_weight(&folder.path, &a.address, WeightChange::Undrain).unwrap());
        assert_eq!(scan(&folder.path).unwrap().endpoints, [a, b]);
        assert!(!change_weight(&folder.path, &"127.0.0.1:3".parse().unwrap(), WeightChange::Drain).unwrap());
        drop(again);
    }
}
