//! The flags that say where the broker is, and how to reach it.

use std::net::{IpAddr, ToSocketAddrs};

use mqtt_client::{
    Endpoint, EndpointError, Proxy, Scheme, TcpOptions, TlsConfig, WsError, WsOptions,
};

use super::tls::{TlsArgs, TlsArgsError};

/// The port on which plain TCP is never meant.
const TLS_PORT: u16 = 8883;

/// Where the broker is, and how to reach it. The letters are mosquitto's.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ServerArgs {
    /// Connect to this host; may be repeated, then the next is tried when one does not answer
    #[arg(
        short = 'h',
        long,
        visible_alias = "hostname",
        value_name = "HOST",
        default_value = "localhost"
    )]
    pub(crate) host: Vec<String>,
    /// Connect to this port [default: 1883, with TLS 8883]
    #[arg(short = 'p', long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Connect to this address: mqtt, mqtts, ws, wss, quic or unix, as in mqtts://user:password@host:8883/topic
    #[arg(short = 'L', long, value_name = "URL", conflicts_with_all = ["host", "port", "unix"])]
    pub(crate) url: Option<String>,
    /// Connect to this unix socket
    #[arg(long, value_name = "PATH", conflicts_with_all = ["host", "port"])]
    pub(crate) unix: Option<String>,
    /// Connect by this protocol: mqtt, mqtts, ws, wss or quic
    #[arg(long, value_name = "PROTOCOL", conflicts_with_all = ["url", "unix"], value_parser = protocol)]
    pub(crate) protocol: Option<Scheme>,
    /// Connect by WebSocket, with TLS if there is any
    #[arg(long, conflicts_with_all = ["url", "unix", "protocol"])]
    pub(crate) ws: bool,
    /// Path of the WebSocket [default: /mqtt]
    #[arg(long, visible_alias = "path", value_name = "PATH")]
    pub(crate) ws_path: Option<String>,
    /// A header of the WebSocket's request; may be repeated
    #[arg(long, visible_alias = "ws-headers", value_name = "NAME: VALUE")]
    pub(crate) ws_header: Vec<String>,
    /// Connect by QUIC
    #[arg(long, conflicts_with_all = ["url", "unix", "protocol", "ws"])]
    pub(crate) quic: bool,
    /// The host is a domain, whose brokers its DNS names (SRV records)
    #[arg(short = 'S', long, conflicts_with = "unix")]
    pub(crate) srv: bool,
    /// Connect from this address of this machine, or the one of this name
    #[arg(short = 'A', long, value_name = "ADDRESS")]
    pub(crate) bind: Option<String>,
    /// Refused: there is TCP and no other
    #[arg(long, hide = true, num_args = 0, default_missing_value = "on", value_parser = no_multipath)]
    mptcp: Option<String>,
    /// Send each packet at once; so it is without this flag, too
    #[arg(long, conflicts_with = "no_nodelay")]
    pub(crate) nodelay: bool,
    /// Let small packets wait for each other (Nagle's algorithm)
    #[arg(long)]
    pub(crate) no_nodelay: bool,
    /// Connect through this proxy: socks5, socks5h or http, as in socks5h://user:password@host:1080
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// Whether what follows host and port of `ws://` is a topic, as mosquitto has it, and no path.
    #[arg(skip)]
    is_mosquitto: bool,
    /// TLS.
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// Where to connect.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    /// The topic that stood in the address.
    pub(crate) topic: Option<String>,
}

/// What is wrong with the flags.
#[derive(Debug)]
pub(crate) enum ServerError {
    /// Host, port or address.
    Address(EndpointError),
    /// A flag of TLS for a connection without.
    NoTls { scheme: Scheme },
    /// A flag of WebSocket for a connection without.
    NoWebSocket { scheme: Scheme },
    /// `--no-tls` for a connection that has it.
    HasTls { scheme: Scheme },
    /// Certificates and keys.
    Tls(TlsArgsError),
    /// What a WebSocket is asked for.
    Ws(WsError),
    /// A sentence.
    Says(String),
    /// The proxy's address.
    Proxy(String),
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(error) => write!(f, "server address: {error}"),
            Self::NoTls { scheme } => {
                write!(
                    f,
                    "{scheme}:// is without TLS: say mqtts://, wss:// or quic://, or leave out --cafile, --cert, --insecure and the other flags of TLS"
                )
            }
            Self::NoWebSocket { scheme } => write!(
                f,
                "{scheme}:// is no WebSocket: say ws:// or wss://, or leave out --ws-path and --ws-header"
            ),
            Self::HasTls { scheme } => {
                write!(f, "{scheme}:// is with TLS, leave out --no-tls")
            }
            Self::Tls(error) => write!(f, "{error}"),
            Self::Ws(error) => write!(f, "{error}"),
            Self::Says(sentence) => f.write_str(sentence),
            Self::Proxy(error) => write!(f, "--proxy: {error}"),
        }
    }
}

impl ServerArgs {
    /// Where to connect, and the topic if the address has one.
    pub(crate) fn target(&self) -> Result<Target, ServerError> {
        let target = match (&self.url, &self.unix) {
            (Some(url), _) => from_url(url, self.is_mosquitto),
            (None, Some(path)) => Endpoint::new(Scheme::Unix, path, None).map(Target::of),
            (None, None) => {
                let host = self.host.first().map_or("localhost", String::as_str);
                Endpoint::new(self.scheme(), host, self.port()).map(Target::of)
            }
        };
        let target = target.map_err(ServerError::Address)?;
        match target.endpoint.scheme() {
            scheme @ (Scheme::Mqtts | Scheme::Wss | Scheme::Quic) if self.tls.no_tls => {
                Err(ServerError::HasTls { scheme })
            }
            _ => Ok(target),
        }
    }

    /// The hosts to try when the first does not answer.
    pub(crate) fn fallbacks(&self) -> Result<Vec<Endpoint>, ServerError> {
        if self.url.is_some() || self.unix.is_some() {
            return Ok(Vec::new());
        }
        let hosts = self.host.iter().skip(1);
        let endpoints = hosts.map(|host| Endpoint::new(self.scheme(), host, self.port()));
        let endpoints = endpoints.collect::<Result<_, _>>();
        endpoints.map_err(ServerError::Address)
    }

    /// What the flags say about TLS; none when they say nothing.
    pub(crate) fn tls(&self, scheme: Scheme) -> Result<Option<TlsConfig>, ServerError> {
        if self.tls.asks() && !matches!(scheme, Scheme::Mqtts | Scheme::Wss | Scheme::Quic) {
            return Err(ServerError::NoTls { scheme });
        }
        self.tls.config().map_err(ServerError::Tls)
    }

    /// What a WebSocket is asked for; none when the flags say nothing.
    pub(crate) fn websocket(&self, scheme: Scheme) -> Result<Option<WsOptions>, ServerError> {
        if self.ws_path.is_none() && self.ws_header.is_empty() {
            return Ok(None);
        }
        if !scheme.is_websocket() {
            return Err(ServerError::NoWebSocket { scheme });
        }
        let mut options = WsOptions::new();
        if let Some(path) = &self.ws_path {
            let path = match path.starts_with('/') {
                true => path.clone(),
                false => format!("/{path}"),
            };
            options = options.path(&path).map_err(ServerError::Ws)?;
        }
        for header in &self.ws_header {
            let pair = header.split_once(':').or_else(|| header.split_once('='));
            let (name, value) =
                pair.ok_or_else(|| ServerError::Says("--ws-header: say NAME: VALUE".to_owned()))?;
            let header = options.header(name.trim(), value.trim());
            options = header.map_err(ServerError::Ws)?;
        }
        Ok(Some(options))
    }

    /// What sockets are told.
    pub(crate) fn tcp(&self) -> Result<TcpOptions, ServerError> {
        let options = TcpOptions::new().nodelay(!self.no_nodelay);
        Ok(match &self.bind {
            Some(text) => options.bind(local_address(text).map_err(ServerError::Says)?),
            None => options,
        })
    }

    /// The proxy, if there is to be one.
    pub(crate) fn proxy(&self) -> Result<Option<Proxy>, ServerError> {
        let proxy = self.proxy.as_deref().map(Proxy::parse).transpose();
        proxy.map_err(|error| ServerError::Proxy(error.to_string()))
    }

    /// What the user should know about what `--insecure` gives away.
    pub(crate) const fn warning(&self) -> Option<&'static str> {
        self.tls.warning()
    }

    /// Of several hosts the last alone, as mosquitto has it.
    pub(crate) fn as_mosquitto(&mut self) {
        let others = self.host.len().saturating_sub(1);
        self.host.drain(..others);
        self.is_mosquitto = true;
    }

    /// The port that is said, and by WebSocket the one that mosquitto's programs have for it.
    fn port(&self) -> Option<u16> {
        let unsaid = self.is_mosquitto.then(|| mosquitto_port(self.scheme()));
        self.port.or(unsaid.flatten())
    }

    fn scheme(&self) -> Scheme {
        let is_on_tls_port = self.port == Some(TLS_PORT) && !self.ws;
        let uses_tls = !self.tls.no_tls && (self.tls.asks() || is_on_tls_port);
        match (self.protocol, self.quic, self.ws, uses_tls) {
            (Some(protocol), ..) => protocol,
            (None, true, ..) => Scheme::Quic,
            (None, false, true, true) => Scheme::Wss,
            (None, false, true, false) => Scheme::Ws,
            (None, false, false, true) => Scheme::Mqtts,
            (None, false, false, false) => Scheme::Mqtt,
        }
    }
}

fn no_multipath(_: &str) -> Result<String, String> {
    Err("there is no Multipath TCP here, leave it out to connect by TCP".to_owned())
}

/// A protocol by its name.
fn protocol(text: &str) -> Result<Scheme, String> {
    let scheme = Scheme::from_name(text).filter(|scheme| *scheme != Scheme::Unix);
    scheme.ok_or_else(|| "say mqtt, mqtts, ws, wss or quic".to_owned())
}

/// An address of this machine, or what its name stands for.
fn local_address(text: &str) -> Result<IpAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let mut found = (text, 0)
        .to_socket_addrs()
        .map_err(|error| format!("--bind {text}: {error}"))?;
    let address = found.next().map(|address| address.ip());
    address.ok_or_else(|| format!("--bind {text}: there is no address of that name"))
}

impl Target {
    const fn of(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            topic: None,
        }
    }
}

/// The port by which mosquitto's programs look for a WebSocket.
const fn mosquitto_port(scheme: Scheme) -> Option<u16> {
    match scheme {
        Scheme::Ws => Scheme::Mqtt.default_port(),
        Scheme::Wss => Some(TLS_PORT),
        _ => None,
    }
}

/// As mosquitto has it, what follows host and port is a topic, unless it is the path of a WebSocket (which
/// mosquitto's programs do not take) or of a unix socket.
fn from_url(url: &str, is_mosquitto: bool) -> Result<Target, EndpointError> {
    let (scheme, rest) = match url.split_once("://") {
        Some((name, rest)) => (Scheme::from_name(name), rest),
        None => (Some(Scheme::Mqtt), url),
    };
    let has_topic = match scheme {
        Some(Scheme::Mqtt | Scheme::Mqtts) => true,
        Some(Scheme::Ws | Scheme::Wss) => is_mosquitto,
        _ => false,
    };
    let (server, topic) = match rest.split_once('/') {
        // An address with a slash in its password is refused by the parser, which needs the whole of it for that.
        Some((server, topic)) if has_topic && !topic.contains('@') => (server, topic),
        _ => return Endpoint::parse(url).map(Target::of),
    };
    let before = url.strip_suffix(rest).unwrap_or_default();
    let host = server.rsplit_once('@').map_or(server, |(_, host)| host);
    let names_port = host.rfind(':') > host.rfind(']');
    let port = scheme.filter(|_| is_mosquitto && !names_port);
    let port = port.and_then(mosquitto_port);
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    Ok(Target {
        endpoint: Endpoint::parse(&format!("{before}{server}{port}"))?,
        topic: (!topic.is_empty()).then(|| topic.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    #[command(disable_help_flag = true)]
    struct Flags {
        #[command(flatten)]
        server: ServerArgs,
    }

    fn target(flags: &str) -> Result<(String, Option<String>), ServerError> {
        let flags = Flags::parse_from(std::iter::once("x").chain(flags.split_whitespace()));
        let target = flags.server.target()?;
        Ok((target.endpoint.to_string(), target.topic))
    }

    #[test]
    fn flags_and_addresses_name_a_server() {
        for (flags, expected, topic) in [
            ("", "mqtt://localhost:1883", None),
            ("-h b -p 1884", "mqtt://b:1884", None),
            ("-h ::1", "mqtt://[::1]:1883", None),
            ("-h [::1] -p 7", "mqtt://[::1]:7", None),
            ("-h b -p 8883", "mqtts://b:8883", None),
            ("-h b --insecure", "mqtts://b:8883", None),
            ("-h b -p 1883 --cafile ca.pem", "mqtts://b:1883", None),
            ("--unix /run/mqtt.sock", "unix:///run/mqtt.sock", None),
            ("-L mqtt://u:p@b:1884/a/b", "mqtt://b:1884", Some("a/b")),
            ("-L mqtts://b/", "mqtts://b:8883", None),
            ("-L b/t", "mqtt://b:1883", Some("t")),
            ("-L wss://b:8084/mqtt", "wss://b:8084/mqtt", None),
            ("-L unix:///run/x", "unix:///run/x", None),
        ] {
            let (endpoint, found) = target(flags).unwrap();
            assert_eq!(
                (endpoint.as_str(), found.as_deref()),
                (expected, topic),
                "{flags}"
            );
        }
    }

    #[test]
    fn what_names_no_server_is_refused_without_its_password() {
        for flags in [
            "-L http://b",
            "-L mqtt://u:hush/hush@b",
            "-L mqtt://u:hush@b:x/t",
            "-h a/b",
            "-p 0",
        ] {
            let error = target(flags).unwrap_err().to_string();
            assert!(
                error.starts_with("server address: ") && !error.contains("hush"),
                "{flags}: {error}"
            );
        }
    }

    #[test]
    fn what_is_no_header_is_refused_without_what_it_says() {
        let flags = ["x", "-L", "ws://b", "--ws-header", "Authorization hush"];
        let server = Flags::parse_from(flags).server;
        let error = server.websocket(Scheme::Ws).unwrap_err().to_string();
        assert!(error.starts_with("--ws-header: "), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }

    #[test]
    fn flags_of_tls_need_tls() {
        let flags = Flags::parse_from(["x", "-L", "ws://b", "--insecure"]);
        let target = flags.server.target().unwrap();
        let error = flags.server.tls(target.endpoint.scheme()).unwrap_err();
        assert!(
            error.to_string().starts_with("ws:// is without TLS"),
            "{error}"
        );
    }
}
