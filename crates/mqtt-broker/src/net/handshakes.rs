//! What a connection goes through before its task: PROXY protocol, TLS, WebSocket; bounded in time and number.

use super::accept::{Door, Places, start_arrived};
use super::entrance::{Entrance, EntryCounts, EntryRules};
use crate::config::{AccessRule, ListenerKind};
use crate::core::reached::LimitCause;
use mqtt_io::{
    PeerCertificate, ProxyHeader, QuicError, QuicHandshake, Stream, TlsError, WsError, WsRequest,
};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// What a handshake may take when others wait for its place.
const GRACE: Duration = Duration::from_secs(2);

/// Who comes in.
pub(super) enum Caller {
    /// A connection that is open.
    Stream(Stream),
    /// One that is to be opened.
    Quic(Box<QuicHandshake>),
}

/// A connection that has been through everything.
pub(crate) struct Arrived {
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) certificate: Option<PeerCertificate>,
}

/// Why a connection did not get through.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("it took too long")]
    Late,
    #[error("it comes from no trusted proxy, and this listener takes no others")]
    NoProxy,
    #[error("the proxy's header: {0}")]
    ProxyHeader(#[from] mqtt_io::ProxyHeaderError),
    #[error("the address behind the proxy may not connect")]
    Rules,
    #[error("the address behind the proxy is held off: {}", .0.label())]
    Address(LimitCause),
    #[error("no TLS came; is this a client of a `tcp` or `ws` listener?")]
    NotTls,
    #[error("TLS: {0}")]
    Tls(TlsError),
    #[error("the client's certificate has expired")]
    Expired,
    #[error("no HTTP came; is this a client of a `tcp`, `ssl` or `wss` listener?")]
    NotHttp,
    #[error("WebSocket: {0}")]
    WebSocket(WsError),
    #[error("QUIC: {0}")]
    Quic(QuicError),
}

/// Handshakes of a listener that are not done.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    /// The oldest first.
    list: Mutex<VecDeque<Begun>>,
    next: AtomicU64,
    /// There is one less.
    ended: Notify,
}

#[derive(Debug)]
struct Begun {
    number: u64,
    at: Instant,
    /// There as soon as its task is.
    task: Option<AbortHandle>,
}

impl UnderWay {
    pub(crate) fn len(&self) -> usize {
        self.list.lock().len()
    }

    fn begin(&self) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.list.lock().push_back(Begun {
            number,
            at: Instant::now(),
            task: None,
        });
        number
    }

    fn set_task(&self, number: u64, task: AbortHandle) {
        let mut list = self.list.lock();
        // It may have ended already.
        if let Some(begun) = list.iter_mut().rev().find(|begun| begun.number == number) {
            begun.task = Some(task);
        }
    }

    fn end(&self, number: u64) {
        let mut list = self.list.lock();
        if let Some(at) = list.iter().position(|begun| begun.number == number) {
            list.remove(at);
        }
        drop(list);
        self.ended.notify_one();
    }

    /// Ends them all.
    pub(crate) fn abort(&self) {
        let all = std::mem::take(&mut *self.list.lock());
        for task in all.into_iter().filter_map(|begun| begun.task) {
            task.abort();
        }
        self.ended.notify_one();
    }

    /// Whether there is room among `max`, made if need be by ending the oldest; else when to ask again.
    fn make_room(&self, max: usize) -> Room {
        let mut list = self.list.lock();
        if list.len() < max {
            return Room::Free;
        }
        let Some(oldest) = list.front() else {
            return Room::Free;
        };
        let due = oldest.at + GRACE;
        if Instant::now() < due {
            return Room::NoneUntil(due);
        }
        if let Some(task) = list.pop_front().and_then(|oldest| oldest.task) {
            task.abort();
        }
        Room::Made
    }
}

enum Room {
    Free,
    Made,
    NoneUntil(Instant),
}

/// Ends what is under way however its task does.
struct UnderWayGuard {
    entrance: Arc<Entrance>,
    number: u64,
}

impl Drop for UnderWayGuard {
    fn drop(&mut self) {
        self.entrance.under_way.end(self.number);
    }
}

impl Entrance {
    /// Whether a connection has anything to go through.
    pub(super) fn has_handshake(&self, rules: &EntryRules) -> bool {
        self.tls.is_some() || rules.websocket.is_some() || rules.proxy_timeout.is_some()
    }

    /// Waits until one more handshake may begin.
    pub(super) async fn room(&self, door: &Door, rules: &EntryRules) {
        loop {
            let ended = self.under_way.ended.notified();
            match self.under_way.make_room(rules.handshakes_max) {
                Room::Free => return,
                Room::Made => {
                    EntryCounts::add(&self.counts.handshakes_dropped);
                    let now_ms = door.clock.now_ms();
                    door.core
                        .reached
                        .note(LimitCause::Handshakes, &self.name, now_ms);
                    return;
                }
                Room::NoneUntil(due) => {
                    tokio::select! {
                        () = ended => {}
                        () = sleep_until(due) => {}
                    }
                }
            }
        }
    }

    /// Sees a connection through its handshakes, in a task of its own.
    pub(super) fn begin_handshake(
        self: &Arc<Self>,
        door: &Arc<Door>,
        rules: Arc<EntryRules>,
        caller: Caller,
        peer: SocketAddr,
        places: Places,
    ) {
        EntryCounts::add(&self.counts.handshakes);
        let number = self.under_way.begin();
        let guard = UnderWayGuard {
            entrance: Arc::clone(self),
            number,
        };
        let (entrance, door_of_task) = (Arc::clone(self), Arc::clone(door));
        let is_quic = matches!(caller, Caller::Quic(_));
        let handshake = async move {
            let mut places = places;
            let mut stop = door_of_task.stop.clone();
            let passed = tokio::select! {
                passed = entrance.handshake(&rules, caller, peer, &mut places) => passed,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            // From here on it is a connection and no handshake.
            drop(guard);
            match passed {
                Ok(arrived) => start_arrived(&door_of_task, arrived, &entrance, &rules, places),
                Err(failure) => entrance.note_failure(&failure, peer, &door_of_task),
            }
        };
        let runtime = match (door.handshakes.get(), &self.tls) {
            // A connection of QUIC stays where it began.
            (Some(handshakes), Some(_)) if !is_quic => handshakes.clone(),
            _ => Handle::current(),
        };
        let task = runtime.spawn(handshake);
        self.under_way.set_task(number, task.abort_handle());
    }

    async fn handshake(
        &self,
        rules: &EntryRules,
        caller: Caller,
        mut peer: SocketAddr,
        places: &mut Places,
    ) -> Result<Arrived, Failure> {
        let mut stream = match caller {
            Caller::Stream(stream) => stream,
            Caller::Quic(quic) => return of_quic(rules, *quic, peer).await,
        };
        // From another runtime's to the one this runs on.
        stream
            .move_to_current_runtime()
            .map_err(TlsError::from)
            .map_err(Failure::Tls)?;
        let mut certificate = None;
        let socket_peer = peer;
        let is_proxied = self.is_proxied(rules, socket_peer);
        if let Some(time) = rules.proxy_timeout {
            if !is_proxied {
                return Err(Failure::NoProxy);
            }
            let header = within(time, ProxyHeader::read(&mut stream)).await??;
            peer = header.source().unwrap_or(peer);
            enter_behind_proxy(rules, peer, places)?;
            let name = header.tls().and_then(|tls| tls.common_name());
            certificate = name.map(PeerCertificate::vouched_for);
        }
        if let Some(tls) = &self.tls {
            let acceptor = tls.acceptor();
            let accepted = within(rules.tls_timeout, acceptor.accept(stream)).await?;
            stream = accepted.map_err(|error| match error {
                TlsError::NotTls => Failure::NotTls,
                error => Failure::Tls(error),
            })?;
            if let Some(shown) = stream.peer_certificate() {
                if !Door::is_current(&shown) {
                    return Err(Failure::Expired);
                }
                certificate = Some(shown);
            }
        }
        if let Some(websocket) = &rules.websocket {
            let accepted = within(websocket.timeout, websocket.acceptor.accept(stream)).await?;
            let (accepted, request) = accepted.map_err(|error| match error {
                WsError::NotHttp => Failure::NotHttp,
                error => Failure::WebSocket(error),
            })?;
            stream = accepted;
            // Behind the PROXY protocol the address is known already.
            if is_proxied && rules.proxy_timeout.is_none() {
                if let Some(address) = forwarded_for(rules, &request, &websocket.address_header) {
                    peer = SocketAddr::new(address, 0);
                }
                enter_behind_proxy(rules, peer, places)?;
            }
        }
        Ok(Arrived {
            stream,
            peer,
            certificate,
        })
    }

    /// Whether `peer` is a proxy that says whom it forwards for; who reaches a unix socket that takes proxies is one.
    pub(super) fn is_proxied(&self, rules: &EntryRules, peer: SocketAddr) -> bool {
        let is_told = rules.proxy_timeout.is_some() || rules.websocket.is_some();
        is_told && (self.kind == ListenerKind::Unix || rules.trusts(peer.ip()))
    }

    fn note_failure(&self, failure: &Failure, peer: SocketAddr, door: &Door) {
        let count = match failure {
            Failure::Late => &self.counts.handshakes_late,
            _ => &self.counts.handshakes_failed,
        };
        EntryCounts::add(count);
        let listener = &*self.name;
        tracing::debug!(listener, %peer, %failure, "handshake failed");
        if let Some(times) = self.counts.notice.due(1, door.clock.now_ms()) {
            tracing::warn!(listener, %peer, %failure, times, "handshakes failed, this is the last one");
        }
    }
}

/// TLS is a part of QUIC's own handshake.
async fn of_quic(
    rules: &EntryRules,
    quic: QuicHandshake,
    peer: SocketAddr,
) -> Result<Arrived, Failure> {
    let stream = within(rules.tls_timeout, quic.accept()).await?;
    let stream = stream.map_err(Failure::Quic)?;
    let certificate = stream.peer_certificate();
    if certificate
        .as_ref()
        .is_some_and(|shown| !Door::is_current(shown))
    {
        return Err(Failure::Expired);
    }
    Ok(Arrived {
        stream,
        peer,
        certificate,
    })
}

/// What is held against addresses holds for the one behind the proxy.
fn enter_behind_proxy(
    rules: &EntryRules,
    peer: SocketAddr,
    places: &mut Places,
) -> Result<(), Failure> {
    if !AccessRule::allows(&rules.access, peer.ip()) {
        return Err(Failure::Rules);
    }
    places.enter_address(peer.ip()).map_err(Failure::Address)
}

/// The last address that is no trusted proxy's own: those before it anybody may have written.
fn forwarded_for(rules: &EntryRules, request: &WsRequest, header: &str) -> Option<IpAddr> {
    if header.is_empty() {
        return None;
    }
    let mut behind = None;
    for value in request.header_values(header).rev() {
        for part in value.rsplit(',') {
            let address = address_of(part.trim())?;
            behind = Some(address);
            if !rules.trusts(address) {
                return behind;
            }
        }
    }
    behind
}

/// `192.0.2.7`, and with a port as some proxies write it.
fn address_of(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().map(|addr| addr.ip()).ok();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(with_port)
}

async fn within<T>(time: Duration, step: impl Future<Output = T>) -> Result<T, Failure> {
    timeout(time, step).await.map_err(|_| Failure::Late)
}

/// Starts the thread that does handshakes of TLS, so that they take their time from nobody who is in.
pub(crate) fn run_handshakes(mut stop: watch::Receiver<bool>) -> io::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    let run = move || {
        runtime.block_on(async {
            let _ = stop.wait_for(|stop| *stop).await;
        });
    };
    let thread = thread::Builder::new().name("mqtt-handshakes".to_owned());
    thread.spawn(run)?;
    Ok(handle)
}
