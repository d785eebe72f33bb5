//! Accepting connections and handing them to their tasks.

use super::arrivals::Arrivals;
use super::clock::Clock;
use super::lanes::Lanes;
use super::task::{ConnectionTask, Served};
use crate::core::Core;
use crate::core::lane::Lane;
use crate::core::log::Durability;
use crate::core::pace::Rates;
use crate::core::reached::LimitCause;
use mqtt_io::{Listener, Stream};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
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
    /// Connections at a time from one address.
    pub(crate) address_max: Option<usize>,
    /// Connections now from each address; empty without a bound.
    pub(crate) by_address: Mutex<HashMap<IpAddr, usize>>,
    /// What serves connections.
    pub(crate) lanes: Lanes,
    /// Turns true when the broker stops.
    pub(crate) stop: watch::Receiver<bool>,
    /// Connections that have not sent their CONNECT.
    pub(crate) arrivals: Arrivals,
}

/// What connections of one listener are held to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// Connections at a time.
    pub(crate) connections_max: Option<usize>,
    pub(crate) rates: Rates,
    /// When what is promised to them may be said.
    pub(crate) durability: Durability,
}

/// One of the connections counted in [`Door::connections`].
pub(crate) struct Place {
    door: Arc<Door>,
    /// Counted for this address, too; rarely, so that it takes no room otherwise.
    address: Option<Box<IpAddr>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.connections.fetch_sub(1, Ordering::AcqRel);
        if let Some(address) = &self.address
            && let Entry::Occupied(mut count) = self.door.by_address.lock().entry(**address)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Door {
    /// A place for one more connection, or the limit that is reached.
    fn enter(self: &Arc<Self>, peer: SocketAddr) -> Result<Place, LimitCause> {
        let enter = |now: usize| (now < self.connections_max).then_some(now + 1);
        self.connections
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, enter)
            .map_err(|_| LimitCause::Connections)?;
        let mut place = Place {
            door: Arc::clone(self),
            address: None,
        };
        if let Some(address_max) = self.address_max {
            let address = peer.ip().to_canonical();
            let mut by_address = self.by_address.lock();
            let count = by_address.entry(address).or_default();
            if *count >= address_max {
                drop(by_address);
                return Err(LimitCause::AddressConnections);
            }
            *count += 1;
            place.address = Some(Box::new(address));
        }
        Ok(place)
    }
}

/// A listener with an address.
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    /// Its name in the configuration.
    pub(crate) name: Arc<str>,
    pub(crate) terms: Terms,
}

/// Accepts on a listener until told to stop.
pub(crate) async fn serve(door: Arc<Door>, bound: Bound) {
    let Bound {
        listener,
        name,
        terms,
    } = bound;
    let mut stop = door.stop.clone();
    let here = Arc::new(());
    loop {
        if *stop.borrow_and_update() {
            return;
        }
        // In this order nobody is told of a stop for each connection of many.
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let count = Arc::strong_count(&here);
                let entered = match terms.connections_max {
                    Some(max) if count > max => Err(LimitCause::ListenerConnections),
                    _ => door.enter(peer),
                };
                match entered {
                    Ok(place) => {
                        let places = Places(place, Arc::clone(&here));
                        start(&door, stream, peer, &name, terms, places);
                    }
                    Err(cause) => {
                        let peer = peer.to_string();
                        door.core.reached.note(cause, &peer, door.clock.now_ms());
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
pub(crate) struct Places(
    Place,
    #[expect(dead_code, reason = "counts by being there")] Arc<()>,
);

impl Places {
    /// What it shares with all others.
    pub(crate) fn door(&self) -> &Arc<Door> {
        &self.0.door
    }
}

fn start(
    door: &Arc<Door>,
    stream: Stream,
    peer: SocketAddr,
    name: &Arc<str>,
    terms: Terms,
    places: Places,
) {
    let task = ConnectionTask::new(stream, peer, Arc::clone(name), terms, places);
    match door.lanes.for_new() {
        Lane::FIRST => Served::start_here(task),
        lane => Served::start(task, lane),
    }
}
