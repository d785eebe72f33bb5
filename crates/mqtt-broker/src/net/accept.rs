//! Accepting connections and handing them to their tasks.

use super::clock::Clock;
use super::task::ConnectionTask;
use crate::core::Core;
use mqtt_io::{Listener, Stream};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How long to wait after the system refused to accept (out of file descriptors, for example).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all listeners of a broker share.
pub(crate) struct Door {
    pub(crate) core: Arc<Core>,
    pub(crate) clock: Clock,
    /// Time allowed for CONNECT, and for the last bytes to a client that is told to go.
    pub(crate) idle_timeout: Duration,
    /// Time allowed for a decision.
    pub(crate) access_timeout: Duration,
    /// Connections at a time, over all listeners.
    pub(crate) connections_max: usize,
    /// Connections now.
    pub(crate) connections: AtomicUsize,
    /// Connections turned away because there were too many.
    pub(crate) turned_away: AtomicUsize,
    /// Runtimes that connections are handed to in turn; empty: the one that accepts.
    pub(crate) runtimes: Vec<Handle>,
    pub(crate) next_runtime: AtomicUsize,
    /// Turns true when the broker stops.
    pub(crate) stop: watch::Receiver<bool>,
}

/// One of the connections counted in [`Door::connections`].
pub(crate) struct Place(Arc<Door>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Door {
    /// A place for one more connection of a listener that allows `listener_max`; none when all are taken.
    fn enter(self: &Arc<Self>) -> Option<Place> {
        let enter = |now: usize| (now < self.connections_max).then_some(now + 1);
        let entered = self
            .connections
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, enter);
        entered.ok().map(|_| Place(Arc::clone(self)))
    }
}

/// A listener with an address.
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    /// Its name in the configuration.
    pub(crate) name: Arc<str>,
    /// Connections at a time through it; none for no bound of its own.
    pub(crate) connections_max: Option<usize>,
}

/// Accepts on a listener until told to stop.
pub(crate) async fn serve(door: Arc<Door>, bound: Bound) {
    let Bound {
        listener,
        name,
        connections_max,
    } = bound;
    let mut stop = door.stop.clone();
    let here = Arc::new(());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let is_full = connections_max.is_some_and(|max| Arc::strong_count(&here) > max);
                match door.enter() {
                    Some(place) if !is_full => {
                        let places = Places(place, Arc::clone(&here));
                        start(&door, stream, peer, &name, places);
                    }
                    _ => {
                        // One line per power of two: loud enough to be seen, too few to fill a disk.
                        let turned_away = door.turned_away.fetch_add(1, Ordering::Relaxed) + 1;
                        if turned_away.is_power_of_two() {
                            tracing::warn!(%peer, turned_away, "too many connections, turned away");
                        }
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// What a connection counts against as long as it lives: the broker's bound and its listener's.
struct Places(
    #[expect(dead_code, reason = "counts by being there")] Place,
    #[expect(dead_code, reason = "counts by being there")] Arc<()>,
);

fn start(door: &Arc<Door>, stream: Stream, peer: SocketAddr, name: &Arc<str>, places: Places) {
    let (door, name) = (Arc::clone(door), Arc::clone(name));
    let nth = door.next_runtime.fetch_add(1, Ordering::Relaxed);
    let runtime = match door.runtimes.len() {
        0 => None,
        runtimes => door.runtimes.get(nth % runtimes).cloned(),
    };
    match runtime {
        None => {
            let task = ConnectionTask::new(&door, stream, peer, name);
            tokio::spawn(run(task, places));
        }
        Some(runtime) => {
            runtime.spawn(async move {
                match stream.into_current_runtime() {
                    Ok(stream) => {
                        run(ConnectionTask::new(&door, stream, peer, name), places).await;
                    }
                    Err(error) => tracing::warn!(%peer, %error, "cannot move a connection"),
                }
            });
        }
    }
}

async fn run(task: ConnectionTask, places: Places) {
    task.await;
    drop(places);
}
