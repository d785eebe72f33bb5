//! Connections to a database: so many at a time, so many that wait for one, and a time limit.

use super::Row;
use parking_lot::Mutex;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Requests that may wait for one of those under way to end.
const WAITING_MAX: usize = 4096;

/// How long a connection may be idle: what lies between may have forgotten it after that.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// A database with users in it.
pub(super) trait Table: Send + Sync + 'static {
    /// A connection to it, for one request at a time.
    type Connection: Send;

    fn connect(&self) -> impl Future<Output = Result<Self::Connection, String>> + Send;

    /// The row these values lead to.
    fn find(
        &self,
        connection: &mut Self::Connection,
        values: &[Zeroizing<String>],
    ) -> impl Future<Output = Result<Option<Row>, String>> + Send;
}

/// Why nothing is known of a user.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum FindError {
    #[error("too many requests wait")]
    Full,
    #[error("no answer in time")]
    Timeout,
    #[error("{0}")]
    Failed(String),
}

/// The connections to one database.
pub(super) struct Pool<T: Table> {
    table: T,
    timeout: Duration,
    places: Semaphore,
    waiting: AtomicUsize,
    /// Those nobody uses, with the time since when; the one used last is taken first.
    idle: Mutex<Vec<(T::Connection, Instant)>>,
}

impl<T: Table> Pool<T> {
    pub(super) fn new(table: T, len_max: usize, timeout: Duration) -> Self {
        Self {
            table,
            timeout,
            places: Semaphore::new(len_max),
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
        }
    }

    /// The row these values lead to; none when there is none.
    ///
    /// # Errors
    /// The database gives no answer, for whatever reason.
    pub(super) async fn find(
        &self,
        values: &[Zeroizing<String>],
    ) -> Result<Option<Row>, FindError> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _less = Less(&self.waiting);
        if waiting >= WAITING_MAX {
            return Err(FindError::Full);
        }
        let found = tokio::time::timeout(self.timeout, self.find_in_turn(values));
        found.await.map_err(|_| FindError::Timeout)?
    }

    /// A connection whose request does not end well, or is not waited for to its end, is not used again.
    async fn find_in_turn(&self, values: &[Zeroizing<String>]) -> Result<Option<Row>, FindError> {
        let _place = self.places.acquire().await.map_err(|_| FindError::Full)?;
        if let Some(mut connection) = self.take_idle() {
            if let Ok(found) = self.table.find(&mut connection, values).await {
                self.give_back(connection);
                return Ok(found);
            }
            // The database may have been restarted since: all that are idle are as old.
            self.idle.lock().clear();
        }
        let mut connection = self.table.connect().await.map_err(FindError::Failed)?;
        let found = self.table.find(&mut connection, values).await;
        let found = found.map_err(FindError::Failed)?;
        self.give_back(connection);
        Ok(found)
    }

    fn take_idle(&self) -> Option<T::Connection> {
        let mut idle = self.idle.lock();
        let is_fresh = |since: &Instant| since.elapsed() < IDLE_MAX;
        let last = idle.pop();
        if last.as_ref().is_none_or(|(_, since)| !is_fresh(since)) {
            // The others have been idle for longer.
            idle.clear();
        }
        last.filter(|(_, since)| is_fresh(since))
            .map(|(connection, _)| connection)
    }

    fn give_back(&self, connection: T::Connection) {
        self.idle.lock().push((connection, Instant::now()));
    }
}

/// One less waits when it is gone.
struct Less<'a>(&'a AtomicUsize);

impl Drop for Less<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use tokio::sync::Notify;

    /// A database whose connections are numbers.
    #[derive(Default)]
    struct Numbers {
        connected: AtomicUsize,
        /// Connections of before this one are closed.
        restarted_at: AtomicUsize,
        is_down: AtomicBool,
        holds: AtomicBool,
        go_on: Notify,
    }

    impl Table for Arc<Numbers> {
        type Connection = usize;

        async fn connect(&self) -> Result<usize, String> {
            if self.is_down.load(Ordering::Relaxed) {
                return Err("it is down".to_owned());
            }
            Ok(self.connected.fetch_add(1, Ordering::Relaxed))
        }

        async fn find(
            &self,
            connection: &mut usize,
            values: &[Zeroizing<String>],
        ) -> Result<Option<Row>, String> {
            if *connection < self.restarted_at.load(Ordering::Relaxed) {
                return Err("closed".to_owned());
            }
            if self.holds.load(Ordering::Relaxed) {
                self.go_on.notified().await;
            }
            let row = values.first().filter(|value| !value.is_empty());
            Ok(row.map(|value| Row {
                hash: value.clone(),
                ..Row::default()
            }))
        }
    }

    fn pool(len_max: usize) -> (Arc<Numbers>, Arc<Pool<Arc<Numbers>>>) {
        let numbers = Arc::new(Numbers::default());
        let pool = Pool::new(Arc::clone(&numbers), len_max, Duration::from_secs(3));
        (numbers, Arc::new(pool))
    }

    fn value(text: &str) -> Vec<Zeroizing<String>> {
        vec![Zeroizing::new(text.to_owned())]
    }

    #[tokio::test]
    async fn a_connection_is_used_again_and_one_that_broke_is_not() {
        let (numbers, pool) = pool(2);
        for text in ["a", "b", ""] {
            let found = pool.find(&value(text)).await.unwrap();
            assert_eq!(found.is_some(), !text.is_empty());
        }
        assert_eq!(numbers.connected.load(Ordering::Relaxed), 1);
        numbers.restarted_at.store(1, Ordering::Relaxed);
        assert!(pool.find(&value("a")).await.is_ok());
        assert_eq!(numbers.connected.load(Ordering::Relaxed), 2);
        numbers.restarted_at.store(2, Ordering::Relaxed);
        numbers.is_down.store(true, Ordering::Relaxed);
        let error = pool.find(&value("a")).await.map(drop).unwrap_err();
        assert_eq!(error, FindError::Failed("it is down".to_owned()));
        numbers.is_down.store(false, Ordering::Relaxed);
        assert!(pool.find(&value("a")).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_at_a_time_than_there_are_places_and_none_for_longer_than_it_has() {
        let (numbers, pool) = pool(2);
        numbers.holds.store(true, Ordering::Relaxed);
        let asked = [(); 3].map(|()| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.find(&value("a")).await.map(drop) })
        });
        // All are as far as they come: time goes on only then.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(numbers.connected.load(Ordering::Relaxed), 2);
        for one in asked {
            assert_eq!(one.await.unwrap(), Err(FindError::Timeout));
        }
        assert_eq!(pool.waiting.load(Ordering::Relaxed), 0);
        // Their connections are gone: an answer may still be on its way.
        numbers.holds.store(false, Ordering::Relaxed);
        let before = numbers.connected.load(Ordering::Relaxed);
        assert!(pool.find(&value("a")).await.is_ok());
        assert_eq!(numbers.connected.load(Ordering::Relaxed), before + 1);
    }

    #[tokio::test]
    async fn only_so_many_wait() {
        let (_, pool) = pool(1);
        pool.waiting.store(WAITING_MAX, Ordering::Relaxed);
        let error = pool.find(&value("a")).await.map(drop).unwrap_err();
        assert_eq!(error, FindError::Full);
        assert_eq!(pool.waiting.load(Ordering::Relaxed), WAITING_MAX);
    }
}
