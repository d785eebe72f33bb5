//! Accepting clients and connecting each of them to the server.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mqtt_dissect::Stream as Path;
use mqtt_io::{Connector, Endpoint, Listener, Stream};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::relay::relay;
use crate::{Door, Event, Happening};

/// How long no client is accepted after the system could not give us one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What stands for an address that a transport does not have.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The bounds of a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Clients at a time; one more is closed at once, which is told. From 1, default 1,000.
    pub clients_max: usize,
    /// Events that wait for whoever watches; when they are as many, connections are not read from.
    /// Each holds 16 KiB at most. From 1, default 256.
    pub events_max: usize,
    /// How long connecting to the server may take, with the handshakes of its transport. Default 30 s.
    pub dial_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients_max: 1_000,
            events_max: 256,
            dial_timeout: Duration::from_secs(30),
        }
    }
}

/// A proxy: what comes from a client goes to the server as it is, and the other way round.
///
/// Nobody is read from before what was read before is written, so whoever reads slowly slows the
/// sender and nobody else; the end of one direction is handed on as that.
#[derive(Debug)]
pub struct Proxy {
    listener: Listener,
    road: Arc<Road>,
    clients_max: usize,
    events: Sender<Event>,
}

/// From a client to the server.
#[derive(Debug)]
struct Road {
    door: Door,
    connector: Connector,
    server: Endpoint,
    dial_timeout: Duration,
}

impl Proxy {
    /// A proxy from `listener` to `server`, and the events it tells.
    #[must_use]
    pub fn new(
        listener: Listener,
        door: Door,
        connector: Connector,
        server: Endpoint,
        limits: Limits,
    ) -> (Self, mpsc::Receiver<Event>) {
        let (events, received) = mpsc::channel(limits.events_max.max(1));
        let proxy = Self {
            listener,
            road: Arc::new(Road {
                door,
                connector,
                server,
                dial_timeout: limits.dial_timeout,
            }),
            clients_max: limits.clients_max.max(1),
            events,
        };
        (proxy, received)
    }

    /// Where clients come in.
    ///
    /// # Errors
    /// As [`Listener::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Relays until nobody receives the events any more.
    ///
    /// Cancel safety: dropping the future closes all connections.
    pub async fn run(self) {
        let mut clients = JoinSet::new();
        let mut number = 0;
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = clients.join_next() => continue,
                () = self.events.closed() => return,
            };
            let Ok((client, addr)) = accepted else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            number += 1;
            let guest = Guest {
                number,
                addr,
                road: Arc::clone(&self.road),
                events: self.events.clone(),
            };
            if clients.len() >= self.clients_max {
                drop(client);
                let reason = format!("there are {} clients already", self.clients_max);
                guest.tell_closed(&guest.path(None), Some(reason)).await;
                continue;
            }
            clients.spawn(guest.serve(client));
        }
    }
}

/// A client that has come.
struct Guest {
    number: u64,
    addr: SocketAddr,
    road: Arc<Road>,
    events: Sender<Event>,
}

impl Guest {
    async fn serve(self, client: Stream) {
        let (path, reason) = match self.bring(client).await {
            Ok((client, server)) => {
                let path = self.path(server.peer_addr().ok());
                let taps = Tap {
                    path: Arc::clone(&path),
                    events: self.events.clone(),
                };
                if !taps.tell(Happening::Opened).await {
                    return;
                }
                let reason = relay(client, server, &taps).await;
                (path, reason)
            }
            Err(reason) => (self.path(None), Some(reason)),
        };
        self.tell_closed(&path, reason).await;
    }

    /// Both ends, or why there are not both.
    async fn bring(&self, client: Stream) -> Result<(Stream, Stream), String> {
        let road = &self.road;
        let client = road.door.enter(client).await;
        let client = client.map_err(|error| error.to_string())?;
        let dialled = road
            .connector
            .connect_within(&road.server, road.dial_timeout);
        let server = dialled.await.map_err(|error| error.to_string())?;
        Ok((client, server))
    }

    fn path(&self, server: Option<SocketAddr>) -> Arc<Path> {
        let port = self.road.server.port();
        Arc::new(Path {
            number: self.number,
            client: self.addr,
            server: server.unwrap_or(SocketAddr::new(NOWHERE, port)),
        })
    }

    async fn tell_closed(&self, path: &Arc<Path>, reason: Option<String>) {
        let tap = Tap {
            path: Arc::clone(path),
            events: self.events.clone(),
        };
        tap.tell(Happening::Closed { reason }).await;
    }
}

/// Where one connection tells what happens on it.
#[derive(Debug)]
pub(crate) struct Tap {
    path: Arc<Path>,
    events: Sender<Event>,
}

impl Tap {
    /// Tells it, as soon as there is room; whether anybody listens.
    pub(crate) async fn tell(&self, happening: Happening) -> bool {
        // Room first: the time is that at which it is told, so that events are in its order.
        let Ok(room) = self.events.reserve().await else {
            return false;
        };
        room.send(Event {
            stream: Arc::clone(&self.path),
            time: now(),
            happening,
        });
        true
    }
}

#[cfg(test)]
impl Tap {
    /// One of a connection that is none, with room for one event.
    pub(crate) fn test() -> (Self, mpsc::Receiver<Event>) {
        let (events, received) = mpsc::channel(1);
        let nowhere = SocketAddr::new(NOWHERE, 0);
        let path = Path {
            number: 1,
            client: nowhere,
            server: nowhere,
        };
        let path = Arc::new(path);
        (Self { path, events }, received)
    }
}

/// The time since the start of 1970.
fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}
