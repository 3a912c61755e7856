//! Event loops, each with one thread and one reactor as in muduo, and groups of loops that share the connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use crate::error::{Error, ErrorKind};

/// How long a stopping group waits for its loops. A loop with a blocking handler ends when the handler returns, or with the
/// process.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// A group of event loops, each on its own thread.
///
/// Drop stops the loops and waits for them, for at most one second. The tasks on the loops are dropped at their next await.
#[derive(Debug)]
pub struct LoopGroup {
    loops: Loops,
    stop: watch::Sender<()>,
    /// Disconnects once every loop has ended.
    ended: Receiver<()>,
}

/// The event loops that share the connections, round robin. Cheap to clone; any thread may use it.
#[derive(Clone, Debug)]
pub struct Loops {
    handles: Arc<[Handle]>,
    next: Arc<AtomicUsize>,
}

impl LoopGroup {
    /// Starts `count` loops; 0 means one per core.
    pub fn start(count: usize) -> Result<LoopGroup, Error> {
        let count = match count {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let (stop, _) = watch::channel(());
        let mut handles = Vec::with_capacity(count);
        let (running, ended): (Sender<()>, _) = channel();
        for index in 0..count {
            let system =
                |error| Error::with_source(ErrorKind::System, format!("cannot start event loop {index}"), error);
            let runtime = Builder::new_current_thread().enable_all().build().map_err(system)?;
            handles.push(runtime.handle().clone());
            let mut stopped = stop.subscribe();
            let running = running.clone();
            let run = move || {
                // An error means that the group was dropped, which also stops the loop.
                let _ = runtime.block_on(stopped.changed());
                drop(runtime);
                drop(running);
            };
            drop(std::thread::Builder::new().name(format!("mprpc-loop-{index}")).spawn(run).map_err(system)?);
        }
        let loops = Loops { handles: handles.into(), next: Arc::default() };
        Ok(LoopGroup { loops, stop, ended })
    }

    /// The loops of the group, to spread work over.
    pub fn loops(&self) -> &Loops {
        &self.loops
    }
}

impl Drop for LoopGroup {
    fn drop(&mut self) {
        self.stop.send_replace(());
        if self.ended.recv_timeout(STOP_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(waited = ?STOP_TIMEOUT, "an event loop does not stop: something blocks it");
        }
    }
}

impl Loops {
    /// The current runtime, as the only loop.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn ambient() -> Loops {
        Loops { handles: Arc::new([Handle::current()]), next: Arc::default() }
    }

    /// The next loop, round robin.
    pub(crate) fn next(&self) -> &Handle {
        self.at(self.next_index())
    }

    /// The loop at `index`, an index that [`Place::elsewhere`] has returned.
    pub(crate) fn at(&self, index: usize) -> &Handle {
        &self.handles[index]
    }

    /// All loops, each with its place.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&Handle, Place)> {
        self.handles.iter().enumerate().map(|(index, handle)| (handle, Place { loops: self.clone(), index }))
    }

    fn next_index(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed) % self.handles.len()
    }
}

/// The position of the current loop within its group.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    loops: Loops,
    index: usize,
}

impl Place {
    /// The index of the next loop, round robin. `None` if the next loop is the current one.
    pub(crate) fn elsewhere(&self) -> Option<usize> {
        Some(self.loops.next_index()).filter(|index| *index != self.index)
    }
}
