//! `Endpoint`: where a server is, and by which transport it is reached.

mod error;
mod parse;

pub use error::EndpointError;
#[cfg(feature = "ws")]
pub(crate) use parse::request_target;

use std::fmt;
use std::str::FromStr;

/// The request target of a WebSocket when the address has none, as brokers have it by default.
pub(crate) const WS_PATH: &str = "/mqtt";

/// By which transport a server is reached.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Scheme {
    /// TCP: `mqtt://` or `tcp://`.
    Mqtt,
    /// TLS over TCP: `mqtts://`, `ssl://` or `tls://`.
    Mqtts,
    /// WebSocket over TCP: `ws://`.
    Ws,
    /// WebSocket over TLS: `wss://`.
    Wss,
    /// A unix socket: `unix://` and a path.
    Unix,
    /// QUIC over UDP: `quic://`.
    Quic,
}

impl Scheme {
    /// The scheme of this name, in upper or lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "mqtt" | "tcp" => Self::Mqtt,
            "mqtts" | "ssl" | "tls" => Self::Mqtts,
            "ws" => Self::Ws,
            "wss" => Self::Wss,
            "unix" => Self::Unix,
            "quic" => Self::Quic,
            _ => return None,
        })
    }

    /// Its first name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Unix => "unix",
            Self::Quic => "quic",
        }
    }

    /// The port when an address names none; none for a unix socket.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Mqtt => Some(1883),
            Self::Mqtts => Some(8883),
            Self::Ws => Some(80),
            Self::Wss => Some(443),
            Self::Unix => None,
            Self::Quic => Some(14567),
        }
    }

    /// Whether nobody on the way can read or change what is sent.
    pub const fn is_secure(self) -> bool {
        match self {
            Self::Mqtts | Self::Wss | Self::Unix | Self::Quic => true,
            Self::Mqtt | Self::Ws => false,
        }
    }

    /// Whether packets travel in WebSocket frames.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a server is: scheme, host and port, with the credentials that stood in the address.
///
/// Neither `Display` nor `Debug` shows credentials.
///
/// ```
/// use mqtt_io::{Endpoint, Scheme};
///
/// let endpoint: Endpoint = "wss://alice:p%40ss@broker.example:8084/mqtt?tenant=7".parse()?;
/// assert_eq!((endpoint.scheme(), endpoint.host(), endpoint.port()), (Scheme::Wss, "broker.example", 8084));
/// assert_eq!((endpoint.username(), endpoint.password()), (Some("alice"), Some(&b"p@ss"[..])));
/// assert_eq!(endpoint.to_string(), "wss://broker.example:8084/mqtt?tenant=7");
/// # Ok::<(), mqtt_io::EndpointError>(())
/// ```
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Endpoint {
    scheme: Scheme,
    /// A name, an IPv4 or an IPv6 address without brackets; the path of a unix socket.
    host: Box<str>,
    /// 0 for a unix socket, else 1 to 65,535.
    port: u16,
    /// The request target of a WebSocket, with its leading slash; otherwise empty.
    path: Box<str>,
    username: Option<Box<str>>,
    password: Option<Box<[u8]>>,
}

impl Endpoint {
    /// Reads `[scheme://][user[:password]@]host[:port][/path]`; without a scheme it is `mqtt`.
    ///
    /// User and password are percent-encoded, an IPv6 address is in brackets, a path is for WebSockets only.
    /// `unix://` is followed by the path of a socket, as it is.
    ///
    /// # Errors
    /// What is wrong, and which part of the text it is; never the password.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        parse::endpoint(text, None)
    }

    /// An endpoint by its parts; `host` may be an IPv6 address with or without brackets.
    ///
    /// Without a port it is the scheme's own. For [`Scheme::Unix`] the host is a path and the port is ignored.
    ///
    /// # Errors
    /// The host is none, or the port is 0.
    pub fn new(scheme: Scheme, host: &str, port: Option<u16>) -> Result<Self, EndpointError> {
        parse::parts(scheme, host, port)
    }

    /// By which transport the server is reached.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// A name or an address, without brackets; the path of a unix socket.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// 1 to 65,535; 0 for a unix socket.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The request target of a WebSocket, `/mqtt` when the address had none; empty for other transports.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The User Name that stood in the address.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The Password that stood in the address.
    pub fn password(&self) -> Option<&[u8]> {
        self.password.as_deref()
    }

    /// The same server without the credentials of the address.
    #[must_use]
    pub fn without_credentials(mut self) -> Self {
        self.username = None;
        self.password = None;
        self
    }

    /// The servers a Server Reference names, reached as this one is and without its credentials, in their order.
    ///
    /// Spec: v5 §4.13.
    ///
    /// # Errors
    /// A reference is no address, or it leads from an encrypted transport to an open one.
    pub fn redirected(&self, server_reference: &str) -> Result<Vec<Self>, EndpointError> {
        let servers = server_reference.split_ascii_whitespace().map(|text| {
            let mut endpoint = parse::endpoint(text, Some(self.scheme))?.without_credentials();
            if self.scheme.is_secure() && !endpoint.scheme.is_secure() {
                return Err(EndpointError::Downgrade {
                    from: self.scheme,
                    to: endpoint.scheme,
                });
            }
            if endpoint.scheme.is_websocket() && !text.contains('/') {
                endpoint.path.clone_from(&self.path);
            }
            Ok(endpoint)
        });
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        if servers.is_empty() {
            return Err(EndpointError::HostMissing);
        }
        Ok(servers)
    }

    /// Reads `[user[:password]@]host[:port]` of what is no MQTT server.
    #[cfg(feature = "proxy")]
    pub(crate) fn parse_with_port(text: &str, port: u16) -> Result<Self, EndpointError> {
        parse::authority(text, port)
    }

    /// `host:port` as a URL has it: an IPv6 address in brackets, the sign before its zone encoded.
    pub(crate) fn authority(&self) -> String {
        let port = self.port;
        match self.host.contains(':') {
            true => format!("[{}]:{port}", self.host.replacen('%', "%25", 1)),
            false => format!("{}:{port}", self.host),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Self::parse(text)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, path, .. } = self;
        match scheme {
            Scheme::Unix => write!(f, "{scheme}://{}", self.host),
            _ => write!(f, "{scheme}://{}{path}", self.authority()),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = if self.username.is_some() {
            " with credentials"
        } else {
            ""
        };
        write!(f, "Endpoint({self}{hidden})")
    }
}
