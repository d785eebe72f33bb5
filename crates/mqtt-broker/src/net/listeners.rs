//! The listeners of a broker: begun with it, and added, moved and removed when its configuration is read again.

use super::accept::{Bound, Door, serve};
use super::certificates::{CertificateError, CertificateState, Fresh, TlsDoor};
use super::entrance::{Entrance, ListenerState};
use super::listen::{Place, listen_at};
use crate::broker::StartError;
use crate::config::{Config, ListenerKind};
use crate::core::lane::Lane;
use parking_lot::Mutex;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Those that listen now.
pub(crate) struct Listeners(Mutex<Vec<Running>>);

/// One listener of the configuration with its sockets.
#[derive(Clone)]
struct Running {
    entrance: Arc<Entrance>,
    sockets: Vec<Arc<Socket>>,
}

/// One address that is listened on.
struct Socket {
    place: Place,
    kind: ListenerKind,
    addr: Option<SocketAddr>,
    close: watch::Sender<bool>,
    /// None as soon as somebody waits for its end.
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The listeners of a configuration with what had to be read for them, so that nothing is wrong with it any more.
pub(crate) struct Prepared(Vec<Ready>);

struct Ready {
    entrance: Arc<Entrance>,
    /// The certificates of one that listens already.
    fresh: Option<Fresh>,
}

/// What came of another configuration.
#[derive(Default)]
pub(crate) struct TakenOver {
    /// Those that do not listen any more.
    pub(crate) gone: Vec<Arc<Entrance>>,
    /// Where it cannot be listened, and why: a new listener is left out, one that was there stays where it was.
    pub(crate) failed: Vec<String>,
}

impl Listeners {
    /// Begins to accept.
    pub(crate) fn start(door: &Arc<Door>, listeners: Vec<Bound>) -> Self {
        let mut running: Vec<Running> = Vec::new();
        for bound in listeners {
            let entrance = Arc::clone(&bound.entrance);
            let socket = Socket::begin(door, bound);
            let mut known = running.iter_mut();
            match known.find(|known| Arc::ptr_eq(&known.entrance, &entrance)) {
                Some(known) => known.sockets.push(socket),
                None => running.push(Running {
                    entrance,
                    sockets: vec![socket],
                }),
            }
        }
        Self(Mutex::new(running))
    }

    pub(crate) fn states(&self) -> Vec<ListenerState> {
        let running = self.0.lock();
        let states = running.iter().map(|one| {
            let addresses = one.sockets.iter().filter_map(|socket| socket.addr);
            one.entrance.state(addresses.collect())
        });
        states.collect()
    }

    /// Those with TLS.
    pub(crate) fn tls(&self) -> Vec<Arc<TlsDoor>> {
        let running = self.0.lock();
        let doors = running.iter().filter_map(|one| one.entrance.tls.clone());
        doors.collect()
    }

    pub(crate) fn certificates(&self) -> Vec<CertificateState> {
        let doors = self.tls();
        doors.iter().flat_map(|door| door.states()).collect()
    }

    /// Waits until none accepts any more: they have been told to stop.
    pub(crate) async fn ended(&self) {
        let running = self.0.lock().clone();
        for socket in running.iter().flat_map(|one| &one.sockets) {
            socket.ended().await;
        }
    }

    /// Reads what `config` needs for its listeners; changes nothing.
    pub(crate) fn prepare(&self, config: &Config) -> Result<Prepared, CertificateError> {
        let running = self.0.lock().clone();
        let mut ready = Vec::new();
        for (name, settings) in &config.listeners {
            let known = running.iter().find(|one| *one.entrance.name == **name);
            ready.push(match known {
                None => Ready {
                    entrance: Arc::new(Entrance::new(name, settings, config)?),
                    fresh: None,
                },
                Some(known) => {
                    let tls = known.entrance.tls.as_ref();
                    let fresh = tls.map(|tls| tls.read(&settings.tls));
                    Ready {
                        entrance: Arc::clone(&known.entrance),
                        fresh: fresh.transpose()?,
                    }
                }
            });
        }
        Ok(Prepared(ready))
    }

    /// Goes by another configuration from now on; not to be called a second time before it is done.
    pub(crate) async fn take_over(
        &self,
        door: &Arc<Door>,
        config: &Config,
        prepared: Prepared,
    ) -> TakenOver {
        let before = self.0.lock().clone();
        let mut outcome = TakenOver::default();
        let mut moves = Vec::new();
        for Ready { entrance, fresh } in prepared.0 {
            let Some(settings) = config.listeners.get(&*entrance.name) else {
                continue;
            };
            entrance.put(fresh, settings, config);
            moves.push(Move::new(entrance, Place::all_of(settings), &before));
        }
        let is_gone = |one: &&Running| {
            let mut moves = moves.iter();
            moves.all(|other| !Arc::ptr_eq(&other.entrance, &one.entrance))
        };
        let gone: Vec<_> = before.iter().filter(is_gone).cloned().collect();
        let of_gone = gone.iter().flat_map(|one| &one.sockets);
        let of_moves = moves.iter().flat_map(|one| &one.leaving);
        let leaving: Vec<_> = of_gone.chain(of_moves).cloned().collect();
        let mut running = Vec::new();
        for one in moves {
            let (entrance, is_new) = (Arc::clone(&one.entrance), one.is_new());
            // Sockets of those that have failed stay.
            let closable: Vec<_> = leaving
                .iter()
                .filter(|socket| !is_among(&running, socket))
                .collect();
            match one.open(door, &closable).await {
                Ok(sockets) => {
                    if let Some(settings) = config.listeners.get(&*entrance.name) {
                        entrance.moved(&settings.bind);
                    }
                    running.push(Running { entrance, sockets });
                }
                Err((sockets, error)) => {
                    let name = &entrance.name;
                    outcome.failed.push(format!("listener `{name}`: {error}"));
                    if !is_new {
                        running.push(Running { entrance, sockets });
                    }
                }
            }
        }
        let closing: Vec<_> = leaving
            .iter()
            .filter(|socket| !is_among(&running, socket))
            .collect();
        *self.0.lock() = running;
        for socket in closing {
            socket.close().await;
        }
        outcome.gone = gone.into_iter().map(|one| one.entrance).collect();
        outcome
    }
}

/// A listener on its way from the addresses it has to those it is to have.
struct Move {
    entrance: Arc<Entrance>,
    had_any: bool,
    kept: Vec<Arc<Socket>>,
    leaving: Vec<Arc<Socket>>,
    wanted: Vec<Place>,
}

impl Move {
    fn new(entrance: Arc<Entrance>, mut wanted: Vec<Place>, before: &[Running]) -> Self {
        let known = before
            .iter()
            .find(|one| Arc::ptr_eq(&one.entrance, &entrance));
        let sockets = known.map_or_else(Vec::new, |known| known.sockets.clone());
        let had_any = !sockets.is_empty();
        let stays = |socket: &Arc<Socket>| wanted.iter().any(|place| socket.place.is_same(place));
        let (kept, leaving): (Vec<_>, Vec<_>) = sockets.into_iter().partition(stays);
        wanted.retain(|place| {
            let is_kept = kept.iter().any(|socket| socket.place.is_same(place));
            if is_kept {
                place.settle();
            }
            !is_kept
        });
        Self {
            entrance,
            had_any,
            kept,
            leaving,
            wanted,
        }
    }

    const fn is_new(&self) -> bool {
        !self.had_any
    }

    /// Listens where it is wanted; what cannot be leaves it where it is.
    async fn open(
        self,
        door: &Arc<Door>,
        leaving: &[&Arc<Socket>],
    ) -> Result<Vec<Arc<Socket>>, (Vec<Arc<Socket>>, StartError)> {
        let mut opened = Vec::new();
        for place in &self.wanted {
            let mut tried = self.open_at(door, place);
            if tried.as_ref().is_err_and(is_in_use) {
                // It may be in the way of itself, or of one that goes.
                for socket in leaving {
                    if socket.is_in_the_way_of(place, self.entrance.kind) {
                        socket.close().await;
                    }
                }
                tried = self.open_at(door, place);
            }
            match tried {
                Ok(socket) => opened.extend(socket),
                Err(error) => {
                    for socket in opened {
                        Socket::close(&socket).await;
                    }
                    return Err((self.back(door), error));
                }
            }
        }
        opened.extend(self.kept);
        Ok(opened)
    }

    fn open_at(&self, door: &Arc<Door>, place: &Place) -> Result<Option<Arc<Socket>>, StartError> {
        let runtime = door.lanes.runtime(Lane::FIRST);
        let _inside = runtime.map(Handle::enter);
        if self.entrance.tls.is_some() {
            door.begin_handshakes().map_err(StartError::Thread)?;
        }
        let bound = listen_at(place, &self.entrance)?;
        Ok(bound.map(|bound| Socket::begin(door, bound)))
    }

    /// The sockets it had; one that was closed already is opened again, if that can be.
    fn back(mut self, door: &Arc<Door>) -> Vec<Arc<Socket>> {
        let mut sockets = std::mem::take(&mut self.kept);
        for socket in std::mem::take(&mut self.leaving) {
            if !socket.is_closed() {
                sockets.push(socket);
                continue;
            }
            match self.open_at(door, &socket.place) {
                Ok(again) => sockets.extend(again),
                Err(error) => {
                    let listener = &*self.entrance.name;
                    tracing::error!(listener, %error, "it does not listen there any more");
                }
            }
        }
        sockets
    }
}

fn is_among(running: &[Running], socket: &Arc<Socket>) -> bool {
    let mut sockets = running.iter().flat_map(|one| &one.sockets);
    sockets.any(|one| Arc::ptr_eq(one, socket))
}

fn is_in_use(error: &StartError) -> bool {
    match error {
        StartError::Listen { source, .. } | StartError::ListenUnix { source, .. } => {
            source.kind() == io::ErrorKind::AddrInUse
        }
        _ => false,
    }
}

impl Socket {
    /// Begins to accept, on the runtime this is called in.
    fn begin(door: &Arc<Door>, bound: Bound) -> Arc<Self> {
        let (close, closed) = watch::channel(false);
        let (place, kind) = (bound.place.clone(), bound.entrance.kind);
        let addr = bound.ear.local_addr();
        let task = tokio::spawn(serve(Arc::clone(door), bound, closed));
        Arc::new(Self {
            place,
            kind,
            addr,
            close,
            task: Mutex::new(Some(task)),
        })
    }

    /// Accepts nobody more; when this returns its place is free.
    async fn close(&self) {
        self.close.send_replace(true);
        self.ended().await;
    }

    async fn ended(&self) {
        let task = self.task.lock().take();
        if let Some(task) = task {
            // One that has panicked accepts nobody either.
            let _ = task.await;
        }
    }

    fn is_closed(&self) -> bool {
        *self.close.borrow()
    }

    /// Whether it keeps one of that kind from `place`.
    fn is_in_the_way_of(&self, place: &Place, kind: ListenerKind) -> bool {
        let is_udp = |kind| kind == ListenerKind::Quic;
        is_udp(self.kind) == is_udp(kind)
            && match (self.addr, place) {
                (Some(addr), Place::Address(wanted)) => {
                    let (one, other) = (addr.ip(), wanted.addr.ip());
                    let overlaps = one == other || one.is_unspecified() || other.is_unspecified();
                    addr.port() == wanted.addr.port() && overlaps
                }
                _ => self.place.is_same(place),
            }
    }
}
