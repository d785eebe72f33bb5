//! `Entrance`: one listener of the configuration, and what can be changed about it while it listens.

use super::accept::Terms;
use super::certificates::{CertificateError, Fresh, TlsDoor};
use super::handshakes::UnderWay;
use crate::config::{AccessRule, Bind, CertificateField, Config, Listener, ListenerKind};
use crate::core::connection::TakenFields;
use crate::core::pace::{Rate, Rates};
use crate::core::reached::Notice;
use ipnet::IpNet;
use mqtt_io::WsAcceptor;
use parking_lot::RwLock;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One listener of the configuration; it may have several addresses.
#[derive(Debug)]
pub(crate) struct Entrance {
    /// Kind and name: `ssl:default`.
    pub(crate) name: Arc<str>,
    pub(crate) kind: ListenerKind,
    bind: RwLock<Bind>,
    rules: RwLock<Arc<EntryRules>>,
    pub(crate) tls: Option<Arc<TlsDoor>>,
    /// Cloned for each connection, so that its count is theirs and one.
    pub(crate) connections: Arc<()>,
    pub(crate) under_way: UnderWay,
    pub(crate) counts: EntryCounts,
}

/// What a connection has to go through; exchanged as a whole.
#[derive(Debug)]
pub(crate) struct EntryRules {
    pub(crate) terms: Terms,
    pub(crate) conn_rate: Option<Rate>,
    pub(crate) access: Vec<AccessRule>,
    trusted_proxies: Vec<IpNet>,
    /// The time the header of the PROXY protocol may take, if there has to be one.
    pub(crate) proxy_timeout: Option<Duration>,
    pub(crate) tls_timeout: Duration,
    pub(crate) websocket: Option<WebSocketRules>,
    pub(crate) handshakes_max: usize,
    pub(crate) fields: TakenFields,
}

/// What a request for a WebSocket is held to.
#[derive(Debug)]
pub(crate) struct WebSocketRules {
    pub(crate) acceptor: WsAcceptor,
    pub(crate) timeout: Duration,
    /// Where a trusted proxy says whom it forwards for; empty for nowhere.
    pub(crate) address_header: Box<str>,
}

/// What has come through a listener and what has not, since the start.
#[derive(Debug, Default)]
pub(crate) struct EntryCounts {
    pub(crate) accepted: AtomicU64,
    pub(crate) refused_by_rules: AtomicU64,
    pub(crate) handshakes: AtomicU64,
    pub(crate) handshakes_failed: AtomicU64,
    pub(crate) handshakes_late: AtomicU64,
    pub(crate) handshakes_dropped: AtomicU64,
    /// One line of the log for many refusals and failures.
    pub(crate) notice: Notice,
}

impl EntryCounts {
    pub(crate) fn add(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// How a listener is doing.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ListenerState {
    /// Kind and name: `ssl:default`.
    pub name: Arc<str>,
    /// What it speaks.
    pub kind: ListenerKind,
    /// Where it listens, with the real ports where 0 was asked for; none for a unix socket.
    pub addresses: Vec<SocketAddr>,
    /// Where it was asked to listen.
    pub bind: Bind,
    /// Connections now, those in a handshake included.
    pub connections: usize,
    /// Handshakes under way.
    pub handshakes_now: usize,
    /// Connections taken from the system.
    pub accepted: u64,
    /// Connections that `access_rules` turned away.
    pub refused_by_rules: u64,
    /// Handshakes begun: of TLS, WebSocket and the PROXY protocol, all together one for each connection.
    pub handshakes: u64,
    /// Handshakes that went wrong.
    pub handshakes_failed: u64,
    /// Handshakes that took too long.
    pub handshakes_late: u64,
    /// Handshakes that had to make room for others.
    pub handshakes_dropped: u64,
    /// Times that a changed file of certificates could not be used, and what was read before stayed in force.
    pub certificates_failed: u64,
}

impl Entrance {
    pub(crate) fn new(
        name: &str,
        listener: &Listener,
        config: &Config,
    ) -> Result<Self, CertificateError> {
        let name: Arc<str> = name.into();
        let tls = match listener.kind.has_tls() {
            true => Some(Arc::new(TlsDoor::load(Arc::clone(&name), &listener.tls)?)),
            false => None,
        };
        Ok(Self {
            name,
            kind: listener.kind,
            bind: RwLock::new(listener.bind.clone()),
            rules: RwLock::new(Arc::new(EntryRules::new(listener, config))),
            tls,
            connections: Arc::default(),
            under_way: UnderWay::default(),
            counts: EntryCounts::default(),
        })
    }

    /// What the next connection has to go through.
    pub(crate) fn rules(&self) -> Arc<EntryRules> {
        Arc::clone(&self.rules.read())
    }

    /// Connections now.
    pub(crate) fn connection_count(&self) -> usize {
        Arc::strong_count(&self.connections).saturating_sub(1)
    }

    /// Takes over what can be changed while it listens.
    pub(super) fn put(&self, fresh: Option<Fresh>, listener: &Listener, config: &Config) {
        if let (Some(tls), Some(fresh)) = (&self.tls, fresh) {
            tls.put(fresh);
        }
        *self.rules.write() = Arc::new(EntryRules::new(listener, config));
    }

    /// It listens there now.
    pub(super) fn moved(&self, bind: &Bind) {
        self.bind.write().clone_from(bind);
    }

    pub(crate) fn state(&self, addresses: Vec<SocketAddr>) -> ListenerState {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        ListenerState {
            name: Arc::clone(&self.name),
            kind: self.kind,
            addresses,
            bind: self.bind.read().clone(),
            connections: self.connection_count(),
            handshakes_now: self.under_way.len(),
            accepted: read(&counts.accepted),
            refused_by_rules: read(&counts.refused_by_rules),
            handshakes: read(&counts.handshakes),
            handshakes_failed: read(&counts.handshakes_failed),
            handshakes_late: read(&counts.handshakes_late),
            handshakes_dropped: read(&counts.handshakes_dropped),
            certificates_failed: self.tls.as_ref().map_or(0, |tls| tls.failed()),
        }
    }
}

impl EntryRules {
    fn new(listener: &Listener, config: &Config) -> Self {
        let mqtt = &config.mqtt;
        let (tls, websocket) = (&listener.tls, &listener.websocket);
        let shows_certificate = listener.shows_certificate();
        let field =
            |own: Option<CertificateField>, of_all: CertificateField| match shows_certificate {
                true => own.unwrap_or(of_all),
                false => CertificateField::Disabled,
            };
        Self {
            terms: Terms {
                durability: listener.durability.unwrap_or(config.durability),
                connections_max: listener.max_connections,
                rates: Rates {
                    messages: listener.messages_rate,
                    bytes: listener.bytes_rate,
                },
            },
            conn_rate: listener.max_conn_rate,
            access: listener.access_rules.clone(),
            trusted_proxies: listener.trusted_proxies.clone(),
            proxy_timeout: listener
                .proxy_protocol
                .then(|| listener.proxy_protocol_timeout.get()),
            tls_timeout: tls.handshake_timeout.get(),
            websocket: listener.kind.has_websocket().then(|| WebSocketRules {
                acceptor: acceptor(listener, mqtt.packet_len_max()),
                timeout: websocket.handshake_timeout.get(),
                address_header: websocket.proxy_address_header.as_str().into(),
            }),
            handshakes_max: match listener.kind {
                ListenerKind::Ws => websocket.max_handshakes,
                _ => tls.max_handshakes,
            },
            fields: TakenFields {
                username: field(listener.peer_cert_as_username, mqtt.peer_cert_as_username),
                client_id: field(listener.peer_cert_as_clientid, mqtt.peer_cert_as_clientid),
            },
        }
    }

    /// Whether an address is that of a proxy whose word is taken.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies
            .iter()
            .any(|net| net.contains(&address))
    }
}

fn acceptor(listener: &Listener, packet_len_max: u32) -> WsAcceptor {
    let websocket = &listener.websocket;
    let mut acceptor = WsAcceptor::new().paths([websocket.mqtt_path.as_str()]);
    if !websocket.fail_if_no_subprotocol {
        acceptor = acceptor.subprotocol_may_be_missing();
    }
    if websocket.check_origin_enable {
        acceptor = acceptor.origins(websocket.check_origins.iter().map(String::as_str));
        if !websocket.allow_origin_absent {
            acceptor = acceptor.needs_origin();
        }
    }
    let packet_len_max = usize::try_from(packet_len_max).unwrap_or(usize::MAX);
    let frame_len_max = websocket.max_frame_size.get();
    acceptor.message_len_max(frame_len_max.max(packet_len_max))
}
