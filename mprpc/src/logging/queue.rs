//! The bounded queue between the threads that log and the writer thread. Holds whole lines; knows no files and no
//! formats.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Level;

/// A queue of lines that wait to be written, limited in bytes.
///
/// A full queue drops and counts lines below ERROR. An ERROR replaces waiting lines below ERROR. If the queue is full
/// of errors, an ERROR waits for room up to `error_wait`, once a stall, and is then dropped and counted too.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// The writer waits here for lines.
    work: Condvar,
    /// Threads wait here for room or for a flush.
    done: Condvar,
    bytes_max: usize,
    error_wait: Duration,
}

#[derive(Debug, Default)]
struct State {
    waiting: Batch,
    /// Whether the writer sleeps until the next line.
    parked: bool,
    /// Whether the writer must not linger.
    urgent: bool,
    /// Whether an error makes the queue urgent. Off while the errors of a burst gather, because each of them would pay
    /// for waking the writer.
    errors_hurry: bool,
    /// Whether an error has waited in vain since the last write.
    stalled: bool,
    /// How many lines were pushed, and how many of them are settled: written, lost or evicted.
    pushed: u64,
    settled: u64,
    dropped_total: u64,
}

/// Lines in their order, and how many lines were dropped.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: Vec<Line>,
    /// Lines that were dropped because the queue was full, including errors.
    pub(super) dropped: u64,
    pub(super) dropped_errors: u64,
    /// How many lines had been pushed when the writer took the batch.
    taken_at: u64,
}

/// The end of a line in the bytes, and whether the line is an ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) end: usize,
    pub(super) error: bool,
}

impl Queue {
    pub(super) fn new(bytes_max: usize, error_wait: Duration) -> Queue {
        Queue { state: Mutex::default(), work: Condvar::new(), done: Condvar::new(), bytes_max, error_wait }
    }

    /// Appends a line. Blocks only as [`Queue`] describes.
    pub(super) fn push(&self, level: Level, line: &str) {
        let error = level == Level::ERROR;
        let mut state = self.lock();
        let fits = |state: &State| {
            let bytes = state.waiting.bytes.len();
            bytes == 0 || bytes + line.len() <= self.bytes_max
        };
        if !fits(&state) {
            if error {
                state.evict();
            }
            if error && !fits(&state) && !state.stalled {
                state.urgent = true;
                self.work.notify_one();
                let waited = self.done.wait_timeout_while(state, self.error_wait, |state| !fits(state));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                state.stalled = !fits(&state);
            }
            if !fits(&state) {
                state.waiting.dropped += 1;
                state.waiting.dropped_errors += u64::from(error);
                state.dropped_total += 1;
                return;
            }
        }
        state.waiting.bytes.extend_from_slice(line.as_bytes());
        let end = state.waiting.bytes.len();
        state.waiting.lines.push(Line { end, error });
        state.pushed += 1;
        // Any line wakes a parked writer; only an urgent line wakes a lingering one.
        let urgent = !state.urgent && (error && state.errors_hurry || end > self.bytes_max / 2);
        state.urgent |= urgent;
        if std::mem::take(&mut state.parked) || urgent {
            self.work.notify_one();
        }
    }

    /// For the writer: swaps all waiting lines into `batch`, which is emptied first. Sleeps until there are lines, or
    /// for `timeout`.
    pub(super) fn take(&self, batch: &mut Batch, timeout: Option<Duration>) {
        batch.bytes.clear();
        batch.lines.clear();
        (batch.dropped, batch.dropped_errors) = (0, 0);
        let mut state = self.lock();
        if state.waiting.is_empty() && !state.urgent && timeout != Some(Duration::ZERO) {
            state.parked = true;
            let idle = |state: &mut State| state.waiting.is_empty() && !state.urgent;
            state = match timeout {
                Some(timeout) => {
                    self.work.wait_timeout_while(state, timeout, idle).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.work.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner),
            };
            state.parked = false;
        }
        state.urgent = false;
        std::mem::swap(&mut state.waiting, batch);
        batch.taken_at = state.pushed;
        drop(state);
        self.done.notify_all();
    }

    /// For the writer: marks the lines of the batch as written or counted as lost.
    pub(super) fn settle(&self, batch: &Batch) {
        let mut state = self.lock();
        state.settled = batch.taken_at;
        state.stalled = false;
        drop(state);
        self.done.notify_all();
    }

    /// For the writer: lets lines gather for `pause`, so that a burst causes one write and one wake-up. Ends earlier if
    /// the queue becomes urgent, for example by the first error after other lines.
    pub(super) fn linger(&self, pause: Duration, errors_hurry: bool) {
        let mut state = self.lock();
        state.errors_hurry = errors_hurry;
        let _ = self.work.wait_timeout_while(state, pause, |state| !state.urgent);
    }

    /// Waits until every line now in the queue is written or counted as lost. Returns false if `timeout` ends first.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let mut state = self.lock();
        let target = state.pushed;
        state.urgent = true;
        self.work.notify_one();
        let waited = self.done.wait_timeout_while(state, timeout, |state| state.settled < target);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Returns how many lines were dropped since the start because the queue was full.
    pub(super) fn dropped_total(&self) -> u64 {
        self.lock().dropped_total
    }

    /// Locks the state. A poisoned lock is fine: a panic in another thread leaves the lines whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops and counts all waiting lines below ERROR.
    fn evict(&mut self) {
        let Batch { bytes, lines, dropped, .. } = &mut self.waiting;
        let before = lines.len();
        let (mut start, mut end) = (0, 0);
        lines.retain_mut(|line| {
            let range = start..line.end;
            start = line.end;
            if line.error {
                bytes.copy_within(range.clone(), end);
                end += range.len();
                line.end = end;
            }
            line.error
        });
        bytes.truncate(end);
        let evicted = (before - lines.len()) as u64;
        *dropped += evicted;
        self.dropped_total += evicted;
    }
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(queue: &Queue) -> (String, u64, u64) {
        let mut batch = Batch::default();
        queue.take(&mut batch, Some(Duration::ZERO));
        queue.settle(&batch);
        (String::from_utf8(batch.bytes).unwrap(), batch.dropped, batch.dropped_errors)
    }

    #[test]
    fn full_queue_drops_and_counts_lines_below_error() {
        let queue = Queue::new(10, Duration::ZERO);
        queue.push(Level::INFO, "1234\n");
        queue.push(Level::WARN, "5678\n");
        queue.push(Level::INFO, "x\n");
        assert_eq!(take(&queue), ("1234\n5678\n".to_owned(), 1, 0));
        assert_eq!(take(&queue), (String::new(), 0, 0));
        assert_eq!(queue.dropped_total(), 1);
    }

    #[test]
    fn error_replaces_lines_below_error() {
        let queue = Queue::new(12, Duration::ZERO);
        for (level, line) in
            [(Level::INFO, "a\n"), (Level::ERROR, "E1\n"), (Level::INFO, "bcd\n"), (Level::ERROR, "E2\n")]
        {
            queue.push(level, line);
        }
        queue.push(Level::ERROR, "E3E\n");
        assert_eq!(take(&queue), ("E1\nE2\nE3E\n".to_owned(), 2, 0));
        assert!(queue.flush(Duration::ZERO));
    }

    #[test]
    fn error_waits_once_in_a_queue_of_errors_and_is_then_counted() {
        let queue = Queue::new(4, Duration::from_millis(1));
        queue.push(Level::ERROR, "E1\n");
        queue.push(Level::ERROR, "E2\n");
        assert!(queue.lock().stalled);
        queue.push(Level::ERROR, "E3\n");
        assert_eq!(take(&queue), ("E1\n".to_owned(), 2, 2));
        assert!(!queue.lock().stalled);
    }

    #[test]
    fn waiting_error_enters_as_soon_as_there_is_room() {
        let queue = Queue::new(4, Duration::from_secs(60));
        queue.push(Level::ERROR, "E1\n");
        std::thread::scope(|scope| {
            scope.spawn(|| queue.push(Level::ERROR, "E2\n"));
            let mut got = String::new();
            while got != "E1\nE2\n" {
                got += &take(&queue).0;
            }
        });
        assert_eq!(queue.dropped_total(), 0);
    }

    #[test]
    fn line_longer_than_the_queue_passes_alone() {
        let queue = Queue::new(2, Duration::ZERO);
        queue.push(Level::ERROR, "longer\n");
        assert_eq!(take(&queue).0, "longer\n");
    }

    #[test]
    fn every_line_is_taken_or_counted() {
        const LINES: u64 = 4 * 20_000;
        let queue = Queue::new(1000, Duration::ZERO);
        let level = |n| if n % 10 == 0 { Level::ERROR } else { Level::INFO };
        let (mut taken, mut dropped, mut torn) = (0, 0, 0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..LINES / 4).for_each(|n| queue.push(level(n), "a line of thirty characters..\n")));
            }
            let mut batch = Batch::default();
            while taken + dropped < LINES {
                queue.take(&mut batch, Some(Duration::from_secs(60)));
                taken += batch.lines.len() as u64;
                dropped += batch.dropped;
                torn +=
                    batch.lines.iter().filter(|line| line.end % 30 != 0 || batch.bytes[line.end - 1] != b'\n').count();
                queue.settle(&batch);
            }
        });
        assert_eq!((taken + dropped, torn), (LINES, 0));
        assert_eq!(queue.dropped_total(), dropped);
    }

    #[test]
    fn flush_waits_for_the_writer_but_no_longer_than_its_timeout() {
        let queue = Queue::new(100, Duration::ZERO);
        queue.push(Level::INFO, "a\n");
        assert!(!queue.flush(Duration::from_millis(1)));
        std::thread::scope(|scope| {
            scope.spawn(|| take(&queue));
            assert!(queue.flush(Duration::from_secs(60)));
        });
    }
}
