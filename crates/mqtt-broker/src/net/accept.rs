//! Accepting connections and handing them to their tasks.

use super::arrivals::Arrivals;
use super::clock::Clock;
use super::entrance::{Entrance, EntryCounts, EntryRules};
use super::handshakes::{Arrived, Caller, run_handshakes};
use super::lanes::Lanes;
use super::listen::Place as ListenPlace;
use super::quic::serve_quic;
use super::served::Served;
use super::task::ConnectionTask;
use crate::config::{AccessRule, ListenerKind, Mqtt};
use crate::core::Core;
use crate::core::lane::Lane;
use crate::core::live::Live;
use crate::core::log::Durability;
use crate::core::pace::{Pace, Rate, Rates};
use crate::core::reached::LimitCause;
use mqtt_io::{Listener, QuicListener, Stream};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How long to wait after the system refused to accept (out of file descriptors, for example).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often a listener that waits for its rate looks whether it is still the same.
const RATE_LOOK: Duration = Duration::from_secs(1);

/// What all listeners of a broker share.
pub(crate) struct Door {
    pub(crate) core: Arc<Core>,
    pub(crate) clock: Clock,
    pub(crate) bounds: Live<Bounds>,
    /// Connections now.
    pub(crate) connections: AtomicUsize,
    /// Connections now from each address, as far as they came while there was a bound.
    pub(crate) by_address: Mutex<HashMap<IpAddr, usize>>,
    /// What serves connections.
    pub(crate) lanes: Lanes,
    /// Where handshakes of TLS are done, as soon as any listener has them.
    pub(crate) handshakes: OnceLock<Handle>,
    /// Turns true when the broker stops.
    pub(crate) stop: watch::Receiver<bool>,
    /// Connections that have not sent their CONNECT.
    pub(crate) arrivals: Arrivals,
}

/// What connections of all listeners are held to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bounds {
    /// Time allowed for CONNECT, and for the last bytes to a client that is told to go.
    pub(crate) idle_timeout: Duration,
    /// Time allowed for a decision.
    pub(crate) access_timeout: Duration,
    /// Connections at a time, over all listeners.
    pub(crate) connections_max: usize,
    /// Connections at a time from one address.
    pub(crate) address_max: Option<usize>,
}

impl Bounds {
    pub(crate) const fn of(mqtt: &Mqtt) -> Self {
        Self {
            idle_timeout: mqtt.idle_timeout.get(),
            access_timeout: mqtt.access_timeout.get(),
            connections_max: mqtt.max_connections,
            address_max: mqtt.max_connections_per_address,
        }
    }
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
        if self.address.is_some() {
            leave_address(&mut self.door.by_address.lock(), self.address.take());
        }
    }
}

impl Door {
    /// Starts what does handshakes of TLS, if that has not happened.
    pub(crate) fn begin_handshakes(&self) -> io::Result<()> {
        if self.handshakes.get().is_none() {
            let handle = run_handshakes(self.stop.clone())?;
            // Listeners begin one after the other.
            let _ = self.handshakes.set(handle);
        }
        Ok(())
    }

    /// A place for one more connection, or the limit that is reached.
    fn enter(self: &Arc<Self>) -> Result<Place, LimitCause> {
        let enter = |now: usize| (now < self.bounds.connections_max).then_some(now + 1);
        self.connections
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, enter)
            .map_err(|_| LimitCause::Connections)?;
        Ok(Place {
            door: Arc::clone(self),
            address: None,
        })
    }
}

impl Place {
    /// Counts it for an address, instead of the one it was counted for.
    fn enter_address(&mut self, address: IpAddr) -> Result<(), LimitCause> {
        let (core, now_ms) = (&self.door.core, self.door.clock.now_ms());
        if core.bans.has_address(address, now_ms) {
            return Err(LimitCause::BannedAddress);
        }
        if !core.arrival_rate.take(address, now_ms) {
            return Err(LimitCause::AddressRate);
        }
        let Some(address_max) = self.door.bounds.address_max else {
            return Ok(());
        };
        let address = address.to_canonical();
        let mut by_address = self.door.by_address.lock();
        let count = by_address.entry(address).or_default();
        if *count >= address_max {
            return Err(LimitCause::AddressConnections);
        }
        *count += 1;
        let before = self.address.replace(Box::new(address));
        leave_address(&mut by_address, before);
        Ok(())
    }
}

fn leave_address(by_address: &mut HashMap<IpAddr, usize>, address: Option<Box<IpAddr>>) {
    if let Some(address) = address
        && let Entry::Occupied(mut count) = by_address.entry(*address)
    {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

/// A listener with an address.
pub(crate) struct Bound {
    pub(crate) ear: Ear,
    /// What of the configuration it belongs to.
    pub(crate) entrance: Arc<Entrance>,
    /// What it was asked for.
    pub(crate) place: ListenPlace,
}

/// Where a listener hears of connections.
pub(crate) enum Ear {
    /// A socket that streams come from.
    Streams(Listener),
    /// A socket of QUIC.
    Quic(QuicListener),
}

impl Ear {
    /// The address in force; none for a unix socket.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        let addr = match self {
            Self::Streams(listener) => listener.local_addr(),
            Self::Quic(listener) => listener.local_addr(),
        };
        addr.ok()
    }
}

/// Accepts on a listener until the broker stops or `closed` is true.
pub(crate) async fn serve(door: Arc<Door>, bound: Bound, closed: watch::Receiver<bool>) {
    let Bound { ear, entrance, .. } = bound;
    match ear {
        Ear::Streams(listener) => serve_streams(door, listener, entrance, closed).await,
        Ear::Quic(listener) => serve_quic(door, listener, entrance, closed).await,
    }
}

async fn serve_streams(
    door: Arc<Door>,
    listener: Listener,
    entrance: Arc<Entrance>,
    mut closed: watch::Receiver<bool>,
) {
    let mut stop = door.stop.clone();
    let mut pace = ConnectionPace::default();
    loop {
        if *stop.borrow_and_update() || *closed.borrow_and_update() {
            return;
        }
        let rules = entrance.rules();
        // In this order nobody is told of a stop for each connection of many.
        let accepted = tokio::select! {
            biased;
            accepted = next(&door, &listener, &entrance, &rules, &mut pace) => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
            _ = closed.wait_for(|closed| *closed) => return,
        };
        match accepted {
            Ok((stream, peer)) => admit(&door, &entrance, stream, peer),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The next connection, as soon as it may come.
async fn next(
    door: &Door,
    listener: &Listener,
    entrance: &Entrance,
    rules: &EntryRules,
    pace: &mut ConnectionPace,
) -> io::Result<(Stream, SocketAddr)> {
    pace.turn(door, entrance).await;
    if entrance.has_handshake(rules) {
        entrance.room(door, rules).await;
    }
    let accepted = listener.accept().await?;
    pace.take(door.clock.now_ms());
    Ok(accepted)
}

/// How fast connections are taken.
#[derive(Default)]
pub(super) struct ConnectionPace {
    rate: Option<Rate>,
    pace: Option<Box<Pace>>,
}

impl ConnectionPace {
    /// Waits until the next may be taken.
    pub(super) async fn turn(&mut self, door: &Door, entrance: &Entrance) {
        let mut is_noted = false;
        while let Some(wait) = self.wait(door, entrance.rules().conn_rate) {
            if !is_noted {
                is_noted = true;
                let (reached, now_ms) = (&door.core.reached, door.clock.now_ms());
                reached.note(LimitCause::ConnectionRate, "connections", now_ms);
            }
            // There may be another rate soon.
            tokio::time::sleep(wait.min(RATE_LOOK)).await;
        }
    }

    /// How long it takes until the next may be taken; none when that is now.
    fn wait(&mut self, door: &Door, conn_rate: Option<Rate>) -> Option<Duration> {
        conn_rate?;
        let now_ms = door.clock.now_ms();
        if self.rate != conn_rate {
            self.rate = conn_rate;
            let rates = Rates {
                messages: conn_rate,
                bytes: None,
            };
            self.pace = Pace::new(rates, now_ms);
        }
        let resume_at_ms = self.pace.as_ref()?.resume_at_ms(now_ms)?;
        Some(Duration::from_millis(resume_at_ms - now_ms))
    }

    pub(super) fn take(&mut self, now_ms: u64) {
        if let Some(pace) = &mut self.pace {
            pace.take(1, 0, now_ms);
        }
    }
}

/// Lets a connection in if rules and limits allow it.
fn admit(door: &Arc<Door>, entrance: &Arc<Entrance>, stream: Stream, peer: SocketAddr) {
    let rules = entrance.rules();
    let Some(places) = enter(door, entrance, &rules, peer) else {
        return;
    };
    if entrance.has_handshake(&rules) {
        entrance.begin_handshake(door, rules, Caller::Stream(stream), peer, places);
    } else {
        let listener = Arc::clone(&entrance.name);
        let task = ConnectionTask::new(stream, peer, listener, rules.terms, places);
        match door.lanes.for_new() {
            Lane::FIRST => Served::start_here(task),
            lane => Served::start(task, lane),
        }
    }
}

/// The places of one more connection from `peer`, if rules and limits allow it.
pub(super) fn enter(
    door: &Arc<Door>,
    entrance: &Arc<Entrance>,
    rules: &EntryRules,
    peer: SocketAddr,
) -> Option<Places> {
    EntryCounts::add(&entrance.counts.accepted);
    let now_ms = door.clock.now_ms();
    // What is held against addresses is held against the one behind a proxy, as soon as that is known.
    let has_address = entrance.kind != ListenerKind::Unix && !entrance.is_proxied(rules, peer);
    if has_address && !AccessRule::allows(&rules.access, peer.ip()) {
        EntryCounts::add(&entrance.counts.refused_by_rules);
        if let Some(times) = entrance.counts.notice.due(1, now_ms) {
            let listener = &*entrance.name;
            tracing::warn!(listener, %peer, times, "turned away by access_rules");
        }
        return None;
    }
    let entered = match rules.terms.connections_max {
        Some(max) if entrance.connection_count() >= max => Err(LimitCause::ListenerConnections),
        _ => door.enter().and_then(|mut place| {
            if has_address {
                place.enter_address(peer.ip())?;
            }
            Ok(place)
        }),
    };
    match entered {
        Ok(place) => Some(Places(place, Arc::clone(&entrance.connections))),
        Err(cause) => {
            door.core.reached.note(cause, &peer.to_string(), now_ms);
            None
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

    /// Counts it for the address behind a proxy.
    pub(super) fn enter_address(&mut self, address: IpAddr) -> Result<(), LimitCause> {
        self.0.enter_address(address)
    }
}

/// Starts the task of a connection that has been through its handshakes.
pub(super) fn start_arrived(
    door: &Arc<Door>,
    arrived: Arrived,
    entrance: &Entrance,
    rules: &EntryRules,
    places: Places,
) {
    let Arrived {
        stream,
        peer,
        certificate,
    } = arrived;
    let listener = Arc::clone(&entrance.name);
    let mut task = ConnectionTask::new(stream, peer, listener, rules.terms, places);
    task.set_certificate(certificate, rules.fields);
    // It is on the runtime of the handshakes and has to move, even to the first lane.
    Served::start(task, door.lanes.for_new());
}
