//! Threads for work that blocks or computes for long: hashing, files, a database. On an event loop, such work would stall
//! every connection of the loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::status::Status;

/// A pool of threads for work that blocks or computes for long.
///
/// A handler passes the work to the pool and awaits the result without blocking its event loop:
///
/// ```
/// # async fn handler() -> Result<(), mprpc::Status> {
/// let workers = mprpc::net::WorkerPool::default();
/// let sum = workers.run(|| (1..=1000).sum::<u32>()).await?;
/// # assert_eq!(sum, 500500);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(handler()).unwrap();
/// ```
///
/// Cheap to clone; clones share the threads. Pools share the idle threads of the process, but each pool has its own limits.
#[derive(Clone, Debug)]
pub struct WorkerPool {
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    queue_max: usize,
}

impl WorkerPool {
    /// A pool that runs up to `threads` pieces of work at a time and queues up to `queue_max` more.
    pub fn new(threads: usize, queue_max: usize) -> WorkerPool {
        WorkerPool { turns: Arc::new(Semaphore::new(threads.max(1))), waiting: Arc::default(), queue_max }
    }

    /// Runs the work on a thread of the pool, in FIFO order. Dropping the future removes queued work from the queue; work
    /// that has begun runs to its end.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED if the queue already holds `queue_max` pieces of work; INTERNAL if the work panicked.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
        let turn = match self.turns.clone().try_acquire_owned() {
            Ok(turn) => turn,
            Err(_) => {
                let _place = Place::take(&self.waiting, self.queue_max)?;
                self.turns.clone().acquire_owned().await.expect("nobody closes the semaphore")
            }
        };
        let worker = super::background().spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        worker.await.map_err(|_| Status::internal("the work panicked on its worker thread"))
    }
}

impl Default for WorkerPool {
    /// One thread per core, for work that computes, and a queue of 1024.
    fn default() -> WorkerPool {
        WorkerPool::new(std::thread::available_parallelism().map_or(1, usize::from), 1024)
    }
}

/// A place in the queue. Drop frees the place.
struct Place<'a>(&'a AtomicUsize);

impl Place<'_> {
    fn take(waiting: &AtomicUsize, max: usize) -> Result<Place<'_>, Status> {
        let place = Place(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= max {
            return Err(Status::resource_exhausted(format!(
                "{max} wait for a worker thread, the queue_max of its pool"
            )));
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::status::Code;

    #[tokio::test]
    async fn work_beyond_queue_max_is_refused_and_dropped_work_frees_its_place() {
        let pool = WorkerPool::new(1, 1);
        let (release, held) = mpsc::channel::<()>();
        let mut first = Box::pin(pool.run(move || held.recv()));
        assert!(futures_util::poll!(&mut first).is_pending());
        let mut second = Box::pin(pool.run(|| 2));
        assert!(futures_util::poll!(&mut second).is_pending());
        assert_eq!(pool.run(|| 3).await.unwrap_err().code(), Code::ResourceExhausted);
        drop(second);
        let mut fourth = Box::pin(pool.run(|| 4));
        assert!(futures_util::poll!(&mut fourth).is_pending());
        release.send(()).unwrap();
        assert!(first.await.unwrap().is_ok());
        assert_eq!(fourth.await.unwrap(), 4);
    }

    #[tokio::test]
    async fn panicking_work_returns_internal_and_the_pool_keeps_running() {
        let pool = WorkerPool::new(1, 0);
        assert_eq!(pool.run(|| panic!("on purpose")).await.map(|()| 0).unwrap_err().code(), Code::Internal);
        // The permit of the panicked work is released while its thread unwinds.
        while pool.turns.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(|| 1).await.unwrap(), 1);
    }
}
