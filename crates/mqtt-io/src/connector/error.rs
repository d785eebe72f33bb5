//! Why there is no connection.

use super::Step;
use crate::Scheme;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// What became of one address of a name.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The address.
    pub address: SocketAddr,
    /// What the system said; none while there is no answer.
    pub error: Option<io::Error>,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => write!(f, "{}: {error}", self.address),
            None => write!(f, "{}: no answer", self.address),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// A transport this program was built without.
    #[error("{scheme}:// is not built in, for which mqtt-io has the feature {feature}")]
    NotBuiltIn {
        /// What was asked for.
        scheme: Scheme,
        /// What it takes.
        feature: &'static str,
    },
    /// The name has no address.
    #[error("cannot find an address of {host}: {source}")]
    Resolve {
        /// The name.
        host: Box<str>,
        /// What the system said.
        source: io::Error,
    },
    /// No address of the name answered well.
    #[error("cannot connect to {}{}", name(host, *port, attempts), list(attempts))]
    Connect {
        /// The name.
        host: Box<str>,
        /// The port.
        port: u16,
        /// Every address that was tried, in order.
        attempts: Vec<Attempt>,
    },
    /// The unix socket cannot be connected to.
    #[error("cannot connect to the unix socket {path}: {source}")]
    Unix {
        /// Where the socket is.
        path: Box<str>,
        /// What the system said.
        source: io::Error,
    },
    /// The time was over.
    #[error("no connection within {limit:?}: still {step}{}", tail(attempts))]
    TimedOut {
        /// What was waited for.
        step: Step,
        /// The time allowed.
        limit: Duration,
        /// The addresses tried until then; empty after TCP.
        attempts: Vec<Attempt>,
    },
    /// The proxy did not let through.
    #[cfg(feature = "proxy")]
    #[error("proxy {proxy}: {source}")]
    Proxy {
        /// Which one, without credentials.
        proxy: Box<str>,
        /// What it said.
        source: crate::ProxyError,
    },
    /// TLS failed.
    #[cfg(feature = "tls")]
    #[error("TLS with {host}: {source}")]
    Tls {
        /// The server.
        host: Box<str>,
        /// What was wrong.
        source: crate::TlsError,
    },
    /// No address of the name answered well by QUIC.
    #[cfg(feature = "quic")]
    #[error("QUIC with {host}: {source}")]
    Quic {
        /// The server.
        host: Box<str>,
        /// What was wrong with the last address.
        source: crate::QuicError,
    },
    /// The server did not open a WebSocket.
    #[cfg(feature = "ws")]
    #[error("WebSocket with {host}: {source}")]
    WebSocket {
        /// The server.
        host: Box<str>,
        /// What was wrong.
        source: crate::WsError,
    },
}

impl DialError {
    /// Whether the same may go well later, with nothing changed at this end.
    ///
    /// A name that is not found is, for networks come and go; a certificate that is not trusted is not.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Resolve { .. } | Self::Connect { .. } | Self::TimedOut { .. } => true,
            Self::Unix { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
            Self::NotBuiltIn { .. } => false,
            #[cfg(feature = "proxy")]
            Self::Proxy { source, .. } => source.is_retryable(),
            #[cfg(feature = "tls")]
            Self::Tls { source, .. } => source.is_retryable(),
            #[cfg(feature = "quic")]
            Self::Quic { source, .. } => source.is_retryable(),
            #[cfg(feature = "ws")]
            Self::WebSocket { source, .. } => source.is_retryable(),
        }
    }
}

/// The name, unless it is the only address that was tried and comes right behind.
fn name(host: &str, port: u16, attempts: &[Attempt]) -> String {
    match attempts {
        [only] if only.address.ip().to_string() == host => String::new(),
        [] => format!("{host} port {port}: no address"),
        _ => format!("{host} port {port}: "),
    }
}

fn list(attempts: &[Attempt]) -> String {
    let shown: Vec<_> = attempts.iter().map(ToString::to_string).collect();
    shown.join("; ")
}

fn tail(attempts: &[Attempt]) -> String {
    match attempts {
        [] => String::new(),
        _ => format!(" ({})", list(attempts)),
    }
}
