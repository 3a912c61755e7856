//! Restart in place: a process takes over the listening sockets of the one before it, so that no connection is refused in
//! between.
//!
//! The running process waits at a Unix socket. The next one connects there and gets the listening sockets, and the Unix socket
//! itself. It begins to serve, and says `ready` once it does and the registry has it. Only then does the process before stop:
//! it accepts nothing more and finishes what it has. If the next one fails earlier, its connection ends, and the process before
//! goes on.

use std::fs::Permissions;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub(crate) use super::passed_sockets::NamedSocket;
use super::{Listener, passed_sockets};
use crate::endpoint::Address;
use crate::error::{Error, ErrorKind};

/// The name of the Unix socket itself, among the sockets that are handed over.
const OWN_NAME: &str = "handover";
const READY: &[u8] = b"ready\n";
/// How long one process waits for the other to send or to take the sockets.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// What a process has from the one before it.
pub(crate) struct Inherited {
    path: PathBuf,
    own: UnixListener,
    /// The listening sockets that are not in use yet.
    sockets: Vec<(Address, NamedSocket)>,
    /// To the process before. `None` if there is none.
    before: Option<UnixStream>,
}

impl Inherited {
    /// Takes the sockets of the process that waits at `path`. If nobody waits there, this process is the first.
    ///
    /// # Errors
    /// The path cannot be used, or the process there answers with something else.
    pub(crate) fn take(path: &Path) -> Result<Inherited, Error> {
        let failed = |error: io::Error| {
            let message = format!("handover {}: the sockets cannot be taken over", path.display());
            Error::with_source(ErrorKind::Listen, message, error)
        };
        let before = match UnixStream::connect(path) {
            Ok(before) => before,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                let own = bind(path).map_err(failed)?;
                return Ok(Inherited { path: path.to_owned(), own, sockets: Vec::new(), before: None });
            }
            Err(error) => return Err(failed(error)),
        };
        before.set_read_timeout(Some(STEP_TIMEOUT)).map_err(failed)?;
        let mut own = None;
        let mut sockets = Vec::new();
        for (name, socket) in passed_sockets::receive(&before).map_err(failed)? {
            if name == OWN_NAME {
                own = Some(UnixListener::from(socket));
            } else if let Ok(address) = name.parse() {
                sockets.push((address, (name, socket)));
            }
        }
        let own = own.ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
        tracing::info!(sockets = sockets.len(), path = %path.display(), "taking over from the process before");
        Ok(Inherited { path: path.to_owned(), own, sockets, before: Some(before) })
    }

    /// Listens at an address: with the sockets of the process before, or else with a new one.
    pub(crate) fn listen(&mut self, wanted: &Address) -> Result<Listener, Error> {
        let Some(found) = self.sockets.iter().find(|(address, _)| suits(wanted, address)) else {
            return Listener::bind(wanted);
        };
        let found = found.0.clone();
        let (mut same, others) =
            std::mem::take(&mut self.sockets).into_iter().partition(|(address, _)| *address == found);
        self.sockets = others;
        let failed = |error| Error::with_source(ErrorKind::Listen, format!("cannot take over {found}"), error);
        let inherit = |(_, (name, socket)): (Address, NamedSocket)| Listener::inherit(&name, socket).map_err(failed);
        let mut listener = inherit(Vec::remove(&mut same, 0))?;
        for other in same {
            listener.add_inherited(inherit(other)?);
        }
        Ok(listener)
    }
}

/// Listens at `wanted`.
pub(crate) fn listen(inherited: &mut Option<Inherited>, wanted: &Address) -> Result<Listener, Error> {
    match inherited {
        Some(inherited) => inherited.listen(wanted),
        None => Listener::bind(wanted),
    }
}

/// Whether a socket at the address `has` serves for `wanted`. Port 0 wants any port.
fn suits(wanted: &Address, has: &Address) -> bool {
    let is_one = |wanted: SocketAddr, has: &SocketAddr| {
        wanted.ip() == has.ip() && (wanted.port() == has.port() || wanted.port() == 0)
    };
    match (wanted, has) {
        (Address::Tcp(wanted), Address::Tcp(has)) => is_one(*wanted, has),
        (Address::Host(name, port), Address::Tcp(has)) => {
            (name.as_str(), *port).to_socket_addrs().is_ok_and(|mut found| found.any(|wanted| is_one(wanted, has)))
        }
        (wanted, has) => wanted == has,
    }
}

/// Listens at the path, for processes of the same user alone. Replaces the path of a process that has gone.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let own = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(own)
}

/// Waits for the next process. Dropping it removes the path, unless another process has it.
pub(crate) struct Handover {
    path: PathBuf,
    /// The number of the file at the path, as this process knows it.
    inode: Option<u64>,
    /// Whether another process has the sockets.
    is_shared: Arc<AtomicBool>,
    task: AbortHandle,
    is_done: watch::Receiver<bool>,
}

impl Handover {
    /// Tells the process before that this one serves, once `ready` resolves. Then offers these sockets to the next process.
    /// `is_shared` becomes true while another process has them.
    pub(crate) fn start(
        inherited: Inherited,
        sockets: Vec<NamedSocket>,
        is_shared: Arc<AtomicBool>,
        ready: impl Future<Output = ()> + Send + 'static,
        runtime: &Handle,
    ) -> Handover {
        let Inherited { path, own, sockets: unused, before } = inherited;
        for (address, _) in unused {
            tracing::info!(%address, "the process before listens there, and this one does not");
        }
        let inode = std::fs::metadata(&path).ok().map(|metadata| metadata.ino());
        let (done, is_done) = watch::channel(false);
        // Until this process is ready, the sockets are those of the process before.
        is_shared.store(before.is_some(), Ordering::Release);
        let shared = is_shared.clone();
        let task = runtime.spawn(async move {
            ready.await;
            if let Some(mut before) = before {
                // An error says that the process before is gone already.
                let told = before.write_all(READY);
                tracing::info!(is_gone = told.is_err(), "the process before is told to stop");
            }
            shared.store(false, Ordering::Release);
            match offer(own, sockets, &shared).await {
                Ok(()) => drop(done.send(true)),
                Err(error) => tracing::error!(%error, "no other process can take over from this one"),
            }
            // Nothing is left to do. The sender stays, so that nobody takes its end for a handover.
            std::future::pending::<()>().await;
        });
        Handover { path, inode, is_shared, task: task.abort_handle(), is_done }
    }

    /// Whether the next process has taken over.
    pub(crate) fn is_done(&self) -> bool {
        *self.is_done.borrow()
    }

    /// Returns once the next process has taken over.
    pub(crate) async fn done(&self) {
        if self.is_done.clone().wait_for(|is_done| *is_done).await.is_err() {
            // The runtime ends.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        self.task.abort();
        let is_own = std::fs::metadata(&self.path).is_ok_and(|metadata| Some(metadata.ino()) == self.inode);
        if !self.is_shared.load(Ordering::Acquire) && is_own {
            // The path may be gone already.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Offers the sockets to one process after the other, until one of them serves.
async fn offer(own: UnixListener, mut sockets: Vec<NamedSocket>, is_shared: &AtomicBool) -> io::Result<()> {
    sockets.push((OWN_NAME.to_owned(), OwnedFd::from(own.try_clone()?)));
    own.set_nonblocking(true)?;
    let own = tokio::net::UnixListener::from_std(own)?;
    let sockets = Arc::new(sockets);
    loop {
        let (stream, _) = own.accept().await?;
        is_shared.store(true, Ordering::Release);
        match offer_to(stream, sockets.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                is_shared.store(false, Ordering::Release);
                tracing::warn!(%error, "a process that was to take over has ended; this one goes on");
            }
        }
    }
}

/// Sends the sockets, and waits until the other process serves.
async fn offer_to(stream: tokio::net::UnixStream, sockets: Arc<Vec<NamedSocket>>) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let own = std::fs::metadata("/proc/self").map_or(peer.uid(), |metadata| metadata.uid());
    if peer.uid() != own && peer.uid() != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("it runs as user {}", peer.uid())));
    }
    tracing::info!(pid = peer.pid(), "another process asks for the listening sockets");
    let stream = stream.into_std()?;
    let sent = tokio::task::spawn_blocking(move || {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(STEP_TIMEOUT))?;
        passed_sockets::send(&stream, &sockets)?;
        stream.set_nonblocking(true)?;
        Ok::<_, io::Error>(stream)
    });
    let mut stream = tokio::net::UnixStream::from_std(sent.await??)?;
    let mut said = [0; READY.len()];
    stream.read_exact(&mut said).await?;
    if said != READY {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it said something else than ready"));
    }
    Ok(())
}
