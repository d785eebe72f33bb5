//! `Connector`: from an address to a Network Connection.

mod error;
mod progress;

pub use error::{Attempt, DialError};
pub(crate) use progress::Progress;
pub use progress::Step;

use crate::{Endpoint, Scheme, Stream, TcpOptions, tcp};
use std::time::Duration;
use tokio::time::timeout;

/// From an address to a Network Connection: everything that is decided about transports, to be used many times.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use mqtt_io::{Connector, Endpoint};
/// use std::time::Duration;
///
/// let endpoint = Endpoint::parse("mqtt://broker.example")?;
/// let stream = Connector::new().connect_within(&endpoint, Duration::from_secs(5)).await?;
/// println!("connected to {:?}", stream.peer_addr());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Connector {
    tcp: TcpOptions,
}

impl Connector {
    /// One with TCP_NODELAY, the system's root certificates, and no proxy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the options of TCP sockets; they hold for the way to a proxy, too.
    pub fn tcp(mut self, options: TcpOptions) -> Self {
        self.tcp = options;
        self
    }

    /// Connects, however long it takes. Must be called within a tokio runtime with timers.
    ///
    /// Every address of a name is tried: both families in turn, each 250 ms after the one before, and the first to
    /// answer is taken.
    ///
    /// Cancel safety: dropping the future closes whatever was opened.
    ///
    /// # Errors
    /// What failed, on the way to which address.
    pub async fn connect(&self, endpoint: &Endpoint) -> Result<Stream, DialError> {
        self.dial(endpoint, &Progress::new()).await
    }

    /// Connects within a time that covers everything: looking up the name, TCP, the proxy, TLS and WebSocket.
    ///
    /// Cancel safety: dropping the future closes whatever was opened.
    ///
    /// # Errors
    /// As [`Connector::connect`], and [`DialError::TimedOut`] with what was waited for.
    pub async fn connect_within(
        &self,
        endpoint: &Endpoint,
        limit: Duration,
    ) -> Result<Stream, DialError> {
        let progress = Progress::new();
        match timeout(limit, self.dial(endpoint, &progress)).await {
            Ok(dialled) => dialled,
            Err(_) => Err(progress.timed_out(limit)),
        }
    }

    async fn dial(&self, endpoint: &Endpoint, progress: &Progress) -> Result<Stream, DialError> {
        let scheme = endpoint.scheme();
        check_built_in(scheme)?;
        let stream = match scheme {
            Scheme::Unix => unix(endpoint, progress).await?,
            _ => self.open_tcp(endpoint, progress).await?,
        };
        Ok(stream)
    }

    async fn open_tcp(
        &self,
        endpoint: &Endpoint,
        progress: &Progress,
    ) -> Result<Stream, DialError> {
        let (host, port) = (endpoint.host(), endpoint.port());
        let tcp = tcp::connect(host, port, &self.tcp, progress).await?;
        Ok(Stream::Tcp(tcp))
    }
}

/// Refuses a scheme this build has no code for, before anything is opened.
fn check_built_in(scheme: Scheme) -> Result<(), DialError> {
    let needs_tls = matches!(scheme, Scheme::Mqtts | Scheme::Wss);
    let feature = if needs_tls {
        "tls"
    } else if scheme.is_websocket() {
        "ws"
    } else if scheme == Scheme::Unix && !cfg!(unix) {
        "unix"
    } else {
        return Ok(());
    };
    Err(DialError::NotBuiltIn { scheme, feature })
}

#[cfg(unix)]
async fn unix(endpoint: &Endpoint, progress: &Progress) -> Result<Stream, DialError> {
    progress.begin(Step::Unix);
    let connected = tokio::net::UnixStream::connect(endpoint.host()).await;
    connected
        .map(Stream::Unix)
        .map_err(|source| DialError::Unix {
            path: endpoint.host().into(),
            source,
        })
}

#[cfg(not(unix))]
async fn unix(endpoint: &Endpoint, _: &Progress) -> Result<Stream, DialError> {
    Err(DialError::NotBuiltIn {
        scheme: endpoint.scheme(),
        feature: "unix",
    })
}
