//! Where the broker listens.

use super::access_kind::Names;
use super::bind::Bind;
use super::kind::{Each, Flag, Frequency, Maybe, Number, OrInfinity, Throughput, Time};
use super::listener_kind::{Mode, Network, Place, Rule, SocketPath};
use super::reader::Section;
use super::store::DURABILITY;
use super::tls::{CERTIFICATE_FIELD, CertificateField, Tls, Verify};
use super::websocket::WebSocket;
use super::{ConfigError, Duration};
use crate::core::log::Durability;
use crate::core::pace::Rate;
use ipnet::IpNet;
use mqtt_io::TlsVersion;
use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

/// What a listener speaks: the word between `listeners.` and its name.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ListenerKind {
    /// MQTT over TCP.
    #[default]
    Tcp,
    /// MQTT over TLS.
    Ssl,
    /// MQTT over WebSocket.
    Ws,
    /// MQTT over WebSocket over TLS.
    Wss,
    /// MQTT over a socket of the file system.
    Unix,
    /// MQTT in one stream of a QUIC connection, over UDP.
    Quic,
}

impl ListenerKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Tcp,
        Self::Ssl,
        Self::Ws,
        Self::Wss,
        Self::Unix,
        Self::Quic,
    ];

    /// Its word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ssl => "ssl",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Unix => "unix",
            Self::Quic => "quic",
        }
    }

    /// The port such a listener has where none is set.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Tcp | Self::Unix => Bind::DEFAULT_PORT,
            Self::Ssl => 8883,
            Self::Ws => 8083,
            Self::Wss => 8084,
            Self::Quic => 14567,
        }
    }

    /// Whether it speaks TLS.
    pub const fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::Wss | Self::Quic)
    }

    /// Whether it speaks WebSocket.
    pub const fn has_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

impl fmt::Display for ListenerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One named listener: `listeners.<kind>.<name>`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Listener {
    /// What it speaks.
    pub kind: ListenerKind,
    /// `bind`: where it listens. Default: `localhost` with the port of its kind; a unix socket has none.
    pub bind: Bind,
    /// `max_connections`: Network Connections open at once through this listener, 1 and up;
    /// one more is closed at once. Default: `infinity` (`None`), that is
    /// [`Mqtt::max_connections`](super::Mqtt::max_connections) alone.
    pub max_connections: Option<usize>,
    /// `max_conn_rate`: connections taken in a time; the others wait in the system. Default: `infinity` (`None`).
    pub max_conn_rate: Option<Rate>,
    /// `messages_rate`: messages one client of this listener may publish in a time; over it, it is
    /// not read from for a while. Default: `infinity` (`None`).
    pub messages_rate: Option<Rate>,
    /// `bytes_rate`: bytes one client of this listener may send in a time. Default: `infinity`
    /// (`None`).
    pub bytes_rate: Option<Rate>,
    /// `durability`: when what is promised to a client of this listener may be said. Default: what
    /// [`Config::durability`](super::Config::durability) says (`None`).
    pub durability: Option<Durability>,
    /// `allow_anonymous`: whether clients without a user name may connect here. Default: what
    /// [`Config::allow_anonymous`](super::Config::allow_anonymous) says (`None`).
    pub allow_anonymous: Option<bool>,
    /// `enable_authn`: whether its clients are asked who they are. Without that they have no User
    /// Name, whatever they say. Default: true.
    pub enable_authn: bool,
    /// `authenticators`: which of [`Config::authentication`](super::Config::authentication) are
    /// asked about its clients, in this order. Default: all (`None`).
    pub authenticators: Option<Vec<String>>,
    /// `access_rules`: which addresses may connect; the first rule that fits decides, and where there are rules an
    /// address that none fits may not. Default: no rules, so all may. Not for a unix socket.
    pub access_rules: Vec<AccessRule>,
    /// `proxy_protocol`: whether each connection begins with a header of the PROXY protocol, version 1 or 2. Default: false.
    pub proxy_protocol: bool,
    /// `proxy_protocol_timeout`: time the header may take. Default: 3s.
    pub proxy_protocol_timeout: Duration,
    /// `trusted_proxies`: whose word for a client's address is taken, of the PROXY protocol and of `X-Forwarded-For`.
    /// Default: nobody's.
    pub trusted_proxies: Vec<IpNet>,
    /// `peer_cert_as_username`: what of a client's certificate is its user name, whatever CONNECT says. Default: what
    /// [`Mqtt::peer_cert_as_username`](super::Mqtt::peer_cert_as_username) says (`None`).
    pub peer_cert_as_username: Option<CertificateField>,
    /// `peer_cert_as_clientid`: what of a client's certificate is its Client Identifier, whatever CONNECT says. Default:
    /// what [`Mqtt::peer_cert_as_clientid`](super::Mqtt::peer_cert_as_clientid) says (`None`).
    pub peer_cert_as_clientid: Option<CertificateField>,
    /// `mode`: the access rights of a unix socket. Default: 0660, that is owner and group.
    pub mode: u32,
    /// `ssl_options.*`; for `ssl`, `wss` and `quic`.
    pub tls: Tls,
    /// `websocket.*`; for `ws` and `wss`.
    pub websocket: WebSocket,
}

impl Default for Listener {
    fn default() -> Self {
        Self::new(ListenerKind::Tcp)
    }
}

impl Listener {
    /// A listener of this kind with all else as it is by default.
    pub fn new(kind: ListenerKind) -> Self {
        Self {
            kind,
            bind: match kind {
                ListenerKind::Unix => Bind::Path(PathBuf::new()),
                kind => Bind::Localhost(kind.default_port()),
            },
            max_connections: None,
            max_conn_rate: None,
            messages_rate: None,
            bytes_rate: None,
            durability: None,
            allow_anonymous: None,
            enable_authn: true,
            authenticators: None,
            access_rules: Vec::new(),
            proxy_protocol: false,
            proxy_protocol_timeout: Duration::from_secs(3),
            trusted_proxies: Vec::new(),
            peer_cert_as_username: None,
            peer_cert_as_clientid: None,
            mode: 0o660,
            tls: Tls::default(),
            websocket: WebSocket::default(),
        }
    }

    pub(super) fn read(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        self.read_place(section)?;
        section.set(
            "max_connections",
            "connections open at once through this listener",
            &mut self.max_connections,
            &OrInfinity(Number(1..=1_000_000_000)),
        )?;
        section.set(
            "max_conn_rate",
            "connections taken in a time; the others wait in the system",
            &mut self.max_conn_rate,
            &OrInfinity(Frequency),
        )?;
        section.set(
            "messages_rate",
            "messages one client may publish in a time; over it, the client is not read from for a while",
            &mut self.messages_rate,
            &OrInfinity(Frequency),
        )?;
        section.set(
            "bytes_rate",
            "bytes one client may send in a time; over it, the client is not read from for a while",
            &mut self.bytes_rate,
            &OrInfinity(Throughput),
        )?;
        section.set(
            "durability",
            "when an acknowledgement to a client of this listener may leave; without it, what `durability` says",
            &mut self.durability,
            &Maybe(DURABILITY),
        )?;
        section.set(
            "allow_anonymous",
            "let clients without a user name connect here; without it, what `allow_anonymous` at the top says",
            &mut self.allow_anonymous,
            &Maybe(Flag),
        )?;
        section.set(
            "enable_authn",
            "whether clients of this listener are asked who they are; without that they have no user name, whatever they say",
            &mut self.enable_authn,
            &Flag,
        )?;
        section.set(
            "authenticators",
            "which of `authentication` are asked about clients of this listener, in this order; without it, all",
            &mut self.authenticators,
            &Maybe(Names),
        )?;
        section.set(
            "proxy_protocol",
            "whether each connection begins with a header of the PROXY protocol, version 1 or 2; only from `trusted_proxies`",
            &mut self.proxy_protocol,
            &Flag,
        )?;
        section.set(
            "proxy_protocol_timeout",
            "time that header may take",
            &mut self.proxy_protocol_timeout,
            &Time(Duration::from_millis(1)..=Duration::from_secs(5 * 60)),
        )?;
        section.set(
            "peer_cert_as_username",
            "what of the client's certificate is its user name, whatever CONNECT says; who has no such certificate is refused; without it, what `mqtt.peer_cert_as_username` says",
            &mut self.peer_cert_as_username,
            &Maybe(CERTIFICATE_FIELD),
        )?;
        section.set(
            "peer_cert_as_clientid",
            "what of the client's certificate is its Client Identifier; as `peer_cert_as_username`",
            &mut self.peer_cert_as_clientid,
            &Maybe(CERTIFICATE_FIELD),
        )?;
        if self.kind.has_tls() {
            self.tls.read(&section.section("ssl_options")?)?;
        }
        if self.kind.has_websocket() {
            let websocket = section.section("websocket")?;
            self.websocket.read(&websocket)?;
            if !self.kind.has_tls() {
                self.websocket.read_bound(&websocket)?;
            }
        }
        Ok(())
    }

    /// Where it listens, and who may come.
    fn read_place(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        if self.kind == ListenerKind::Unix {
            section.set(
                "bind",
                "the path of the socket; one that nobody listens on any more is replaced",
                &mut self.bind,
                &SocketPath,
            )?;
            return section.set(
                "mode",
                "its access rights, in octal digits",
                &mut self.mode,
                &Mode,
            );
        }
        section.set(
            "bind",
            "where to listen; a file that names a listener has only those that it names",
            &mut self.bind,
            &Place,
        )?;
        section.set(
            "access_rules",
            "which addresses may connect: the first rule that fits decides, and where there are rules an address that none fits may not",
            &mut self.access_rules,
            &Each(Rule),
        )?;
        section.set(
            "trusted_proxies",
            "whose word for a client's address is taken, of the PROXY protocol and of `websocket.proxy_address_header`",
            &mut self.trusted_proxies,
            &Each(Network),
        )
    }

    /// Whether clients may come with a certificate, of their own or in the words of a proxy.
    pub(crate) fn shows_certificate(&self) -> bool {
        self.proxy_protocol || self.kind.has_tls() && self.tls.verify == Verify::Peer
    }

    /// What is wrong with it that no single value shows, and at which key.
    pub(super) fn problem(&self) -> Option<(&'static str, &'static str)> {
        if matches!(&self.bind, Bind::Path(path) if path.as_os_str().is_empty()) {
            return Some(("bind", "is missing, it must be the path of the socket"));
        }
        if self.kind == ListenerKind::Quic
            && let Some(problem) = self.quic_problem()
        {
            return Some(problem);
        }
        if self.proxy_protocol && self.kind != ListenerKind::Unix && self.trusted_proxies.is_empty()
        {
            return Some((
                "proxy_protocol",
                "needs `trusted_proxies`: the addresses of your proxies, or [\"0.0.0.0/0\", \"::/0\"] where nobody else can connect",
            ));
        }
        let takes_identity = |field: Option<CertificateField>| {
            field.is_some_and(|field| field != CertificateField::Disabled)
        };
        if !self.shows_certificate() {
            let message = "needs client certificates: `ssl_options.verify = \"verify_peer\"`";
            if takes_identity(self.peer_cert_as_username) {
                return Some(("peer_cert_as_username", message));
            }
            if takes_identity(self.peer_cert_as_clientid) {
                return Some(("peer_cert_as_clientid", message));
            }
        }
        match self.kind.has_tls() {
            true => self.tls.problem(),
            false => None,
        }
    }

    /// What QUIC does not have, or does not do without.
    fn quic_problem(&self) -> Option<(&'static str, &'static str)> {
        let tls = &self.tls;
        if self.proxy_protocol {
            return Some((
                "proxy_protocol",
                "is for connections over TCP and unix sockets, QUIC has no place for its header",
            ));
        }
        if !tls.versions.contains(&TlsVersion::Tls13) {
            return Some((
                "ssl_options.versions",
                "must have `tlsv1.3` in it, QUIC takes no other",
            ));
        }
        let mut ciphers = tls.ciphers.iter();
        if !tls.ciphers.is_empty() && !ciphers.any(|cipher| cipher.name() == QUIC_CIPHER) {
            return Some((
                "ssl_options.ciphers",
                "must have `TLS_AES_128_GCM_SHA256` in it, which every QUIC connection begins with",
            ));
        }
        None
    }
}

/// The cipher suite that the first packets of QUIC are protected with. RFC 9001 §5.2.
const QUIC_CIPHER: &str = "TLS_AES_128_GCM_SHA256";

/// One of `access_rules`: `allow 10.0.0.0/8`, `deny all`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AccessRule {
    /// Whether it lets in.
    pub allow: bool,
    /// Whom it is about; everybody where there is none.
    pub from: Option<IpNet>,
}

impl AccessRule {
    /// Whether these rules let an address in.
    pub fn allows(rules: &[Self], address: IpAddr) -> bool {
        let address = address.to_canonical();
        let mut fitting = rules
            .iter()
            .filter(|rule| rule.from.is_none_or(|from| from.contains(&address)));
        rules.is_empty() || fitting.next().is_some_and(|rule| rule.allow)
    }
}

impl FromStr for AccessRule {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (verdict, from) = text.trim().split_once(char::is_whitespace).ok_or(())?;
        let allow = match verdict {
            "allow" => true,
            "deny" => false,
            _ => return Err(()),
        };
        let from = match from.trim() {
            "all" => None,
            from => Some(network(from).ok_or(())?),
        };
        Ok(Self { allow, from })
    }
}

impl fmt::Display for AccessRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.allow { "allow" } else { "deny" };
        match self.from {
            Some(from) => write!(f, "{verdict} {from}"),
            None => write!(f, "{verdict} all"),
        }
    }
}

/// `10.0.0.0/8`, or a single address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let single = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse().ok().or_else(single)
}
