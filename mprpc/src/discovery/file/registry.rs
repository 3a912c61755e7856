//! Keeps entries in the file registry: creates them, checks that they still exist, withdraws them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::{oneshot, watch};

use super::super::backoff::Backoff;
use super::super::outage::Outage;
use super::super::{Registered, Registration, RegistrationState, Registry};
use super::entry;
use super::folder::Held;
use crate::endpoint::Endpoint;

/// A registry that announces providers in a folder of this machine.
#[derive(Debug)]
pub struct FileRegistry {
    root: PathBuf,
}

impl FileRegistry {
    /// Makes a registry in this folder. The first registration creates the folder if it is missing.
    pub fn new(root: PathBuf) -> FileRegistry {
        FileRegistry { root }
    }
}

impl Registry for FileRegistry {
    fn register(&self, registration: Registration) -> Registered {
        let folder = match super::service_folder(&self.root, registration.service.name) {
            Ok(folder) => folder,
            Err(why) => return Registered::failed(&why),
        };
        let waiting = format!("writing to file:{}", folder.display());
        let (sender, state) = watch::channel(RegistrationState::Pending(waiting.into()));
        let (withdraw, withdrawn) = oneshot::channel();
        crate::net::background().spawn(keep(folder, registration.endpoint, sender, withdrawn));
        Registered::new(state, withdraw)
    }
}

/// Keeps the entry in place until it is withdrawn.
async fn keep(
    folder: PathBuf,
    endpoint: Endpoint,
    state: watch::Sender<RegistrationState>,
    mut withdrawn: oneshot::Receiver<()>,
) {
    let place = format!("file:{}", folder.display());
    let mut held: Option<Held> = None;
    let mut text = entry::format(&endpoint, std::process::id());
    let mut outage = Outage::default();
    let mut backoff = Backoff::default();
    loop {
        let (path, wanted, written) = (folder.clone(), endpoint.clone(), text.clone());
        let last = held.take();
        let Ok(result) = tokio::task::spawn_blocking(move || stand(last, &path, &wanted, &written)).await else {
            return;
        };
        let (next, pause) = match result {
            Ok((entry, written)) => {
                text = written;
                outage.over(&place);
                backoff.reset();
                held = Some(entry);
                (RegistrationState::Registered(place.as_str().into()), CHECK)
            }
            Err(error) => {
                let why = outage.failed(&place, &error.to_string(), SystemTime::now());
                let why = format!("{place}: {why}");
                (RegistrationState::Pending(why.into()), backoff.next(fastrand::f64()))
            }
        };
        next.publish(&state);
        tokio::select! {
            // A message and a dropped sender both withdraw the entry.
            _ = &mut withdrawn => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    // The entry is gone when this call returns.
    let _ = tokio::task::spawn_blocking(move || drop(held)).await;
    state.send_replace(RegistrationState::Withdrawn);
}

/// Returns the existing entry, or creates a new one with this text. Also returns the text of the entry: an operator may have
/// changed its weight, and a new entry keeps that.
fn stand(held: Option<Held>, folder: &Path, endpoint: &Endpoint, text: &str) -> io::Result<(Held, String)> {
    match held {
        Some(held) if held.stands() => {
            let found = held.text().ok().filter(|found| entry::parse(found).is_ok());
            Ok((held, found.unwrap_or_else(|| text.to_owned())))
        }
        // Somebody removed the entry. Its file is useless now, so the old lock is released together with the file.
        Some(_) | None => Ok((Held::create(folder, endpoint, text)?, text.to_owned())),
    }
}

/// How often a provider checks that nobody removed its entry.
const CHECK: Duration = Duration::from_secs(1);
