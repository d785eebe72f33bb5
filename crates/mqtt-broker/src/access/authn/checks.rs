//! Where passwords are checked: threads of their own, which give way to those that serve connections.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Threads where the configuration says `auto`, at most; each takes 19 MiB while it checks.
const AUTO_THREADS_MAX: usize = 8;

/// How much these threads give way on Linux, of 19.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Work that takes tens of milliseconds, done elsewhere; bounded in threads and in what waits.
pub(in crate::access) struct Checks {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    queue: VecDeque<Job>,
    queue_max: usize,
    threads: usize,
    threads_max: usize,
    idle: usize,
    is_closed: bool,
}

type Job = Box<dyn FnOnce() + Send>;

/// Why work is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::access) struct Busy;

impl Checks {
    pub(in crate::access) fn new(threads: Option<usize>, queue_max: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    queue: VecDeque::new(),
                    queue_max,
                    threads: 0,
                    threads_max: threads_max(threads),
                    idle: 0,
                    is_closed: false,
                }),
                wake: Condvar::new(),
            }),
        }
    }

    /// Other bounds from now on; threads there are too many of end with their next job.
    pub(in crate::access) fn bound(&self, threads: Option<usize>, queue_max: usize) {
        let mut state = self.shared.state.lock();
        state.threads_max = threads_max(threads);
        state.queue_max = queue_max;
    }

    /// What waits.
    pub(in crate::access) fn waiting(&self) -> usize {
        self.shared.state.lock().queue.len()
    }

    /// Does `work` on one of the threads, unless nobody waits for it any more when its turn comes.
    ///
    /// # Errors
    /// As much waits as may, or the system gives no thread.
    pub(in crate::access) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Busy> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            if !reply.is_closed() {
                // Nobody waits: what is found is of no use.
                let _ = reply.send(work());
            }
        });
        let mut state = self.shared.state.lock();
        if state.queue.len() >= state.queue_max {
            return Err(Busy);
        }
        if state.idle <= state.queue.len() && state.threads < state.threads_max {
            let shared = Arc::clone(&self.shared);
            let named = std::thread::Builder::new().name("password".to_owned());
            match named.spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                Err(error) => {
                    tracing::warn!(%error, "no thread to check passwords with");
                    if state.threads == 0 {
                        return Err(Busy);
                    }
                }
            }
        }
        state.queue.push_back(job);
        drop(state);
        self.shared.wake.notify_one();
        Ok(answer)
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.is_closed = true;
        state.queue.clear();
        drop(state);
        self.shared.wake.notify_all();
    }
}

impl Shared {
    /// One thread.
    fn work(&self) {
        give_way();
        while let Some(job) = self.next() {
            // A job that panics has no answer, which counts as a refusal.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("the check of a password panicked");
            }
        }
    }

    /// The next job; none when the thread is to end.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.is_closed || state.threads > state.threads_max {
                state.threads -= 1;
                return None;
            }
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            self.wake.wait(&mut state);
            state.idle -= 1;
        }
    }
}

fn threads_max(configured: Option<usize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    configured.unwrap_or_else(|| cores().min(AUTO_THREADS_MAX))
}

/// Lets the threads that serve connections go first.
#[cfg(target_os = "linux")]
fn give_way() {
    // On Linux this is the priority of the calling thread alone.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "password checks run at the priority of all else");
    }
}

#[cfg(not(target_os = "linux"))]
const fn give_way() {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn work_is_done_and_more_than_may_wait_is_not_taken() {
        let checks = Checks::new(Some(1), 2);
        let (go, gate) = mpsc::channel::<()>();
        let (started, has_started) = mpsc::channel();
        let first = checks
            .run(move || {
                started.send(()).unwrap();
                gate.recv().is_ok()
            })
            .unwrap();
        has_started.recv().unwrap();
        let waiting = [checks.run(|| 2).unwrap(), checks.run(|| 3).unwrap()];
        assert!(checks.run(|| 4).is_err());
        assert_eq!(checks.waiting(), 2);
        go.send(()).unwrap();
        assert_eq!(first.blocking_recv(), Ok(true));
        let found = waiting.map(|answer| answer.blocking_recv().unwrap());
        assert_eq!(found, [2, 3]);
    }

    #[test]
    fn a_panic_is_no_answer_and_ends_nothing_else() {
        let checks = Checks::new(Some(1), 8);
        let panicked = checks.run(|| assert_eq!(1, 2)).unwrap();
        assert!(panicked.blocking_recv().is_err());
        assert_eq!(checks.run(|| 7).unwrap().blocking_recv(), Ok(7));
    }

    #[test]
    fn what_nobody_waits_for_is_not_done() {
        let checks = Checks::new(Some(1), 8);
        let (go, gate) = mpsc::channel::<()>();
        let first = checks.run(move || gate.recv().is_ok()).unwrap();
        let (done, is_done) = mpsc::channel();
        drop(checks.run(move || done.send(())).unwrap());
        let last = checks.run(|| ()).unwrap();
        go.send(()).unwrap();
        assert_eq!(first.blocking_recv(), Ok(true));
        assert_eq!(last.blocking_recv(), Ok(()));
        assert!(is_done.try_recv().is_err());
    }
}
