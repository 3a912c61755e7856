//! Listening and connecting inside the process, `memory:NAME`: the table of listeners. [`super::pipe`] carries the bytes.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::stream::Stream;
use crate::endpoint::Address;

/// Bytes that one direction of a connection holds before its writer waits. A socket buffer holds about as many.
pub(crate) const PIPE_BYTES: usize = 64 << 10;
/// Connections that wait to be accepted. Beyond this number, connecting waits too, as with the kernel's backlog.
pub(crate) const BACKLOG: usize = 4096;

/// The listeners of this process, by name.
static LISTENERS: Mutex<BTreeMap<String, mpsc::Sender<Stream>>> = Mutex::new(BTreeMap::new());

/// A name that is in use by a listener. Drop frees the name.
#[derive(Debug)]
pub(crate) struct NameReservation(String);

impl Drop for NameReservation {
    fn drop(&mut self) {
        listeners().remove(&self.0);
    }
}

/// Reserves a name. The receiver yields the connections to the name.
pub(super) fn listen(name: &str) -> io::Result<(NameReservation, mpsc::Receiver<Stream>)> {
    let mut listeners = listeners();
    if listeners.contains_key(name) {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "the name is in use in this process"));
    }
    let (connected, incoming) = mpsc::channel(BACKLOG);
    listeners.insert(name.to_owned(), connected);
    Ok((NameReservation(name.to_owned()), incoming))
}

/// Connects to a name. The caller bounds the time to wait for a full backlog.
pub(super) async fn connect(name: &str) -> io::Result<Stream> {
    let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "refused: nobody in this process listens there");
    let listener = listeners().get(name).cloned().ok_or_else(refused)?;
    let (near, far) = Stream::pair(Address::Memory(name.to_owned()), PIPE_BYTES);
    listener.send(far).await.map_err(|_gone| refused())?;
    Ok(near)
}

fn listeners() -> MutexGuard<'static, BTreeMap<String, mpsc::Sender<Stream>>> {
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}
