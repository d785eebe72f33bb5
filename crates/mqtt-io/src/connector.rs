//! `Connector`: from an address to a Network Connection.

mod error;
mod progress;

pub use error::{Attempt, DialError};
pub(crate) use progress::Progress;
pub use progress::Step;

#[cfg(feature = "proxy")]
use crate::Proxy;
#[cfg(feature = "tls")]
use crate::TlsConfig;
#[cfg(feature = "ws")]
use crate::WsOptions;
use crate::{Endpoint, Scheme, Stream, TcpOptions, tcp};
use std::sync::Arc;
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
    settings: Arc<Settings>,
}

#[derive(Clone, Debug, Default)]
struct Settings {
    tcp: TcpOptions,
    #[cfg(feature = "tls")]
    tls: Option<TlsConfig>,
    #[cfg(feature = "ws")]
    websocket: WsOptions,
    #[cfg(feature = "proxy")]
    proxy: Option<Proxy>,
}

impl Connector {
    /// One with TCP_NODELAY, the system's root certificates, and no proxy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the options of TCP sockets; they hold for the way to a proxy, too.
    pub fn tcp(mut self, options: TcpOptions) -> Self {
        self.set().tcp = options;
        self
    }

    /// Sets how the server's certificate is checked, and which one is shown to it.
    ///
    /// When not set, the system's root certificates decide; they are read once per process, on the first use.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.set().tls = Some(tls);
        self
    }

    /// Sets what a WebSocket is asked for.
    #[cfg(feature = "ws")]
    pub fn websocket(mut self, options: WsOptions) -> Self {
        self.set().websocket = options;
        self
    }

    /// Connects through a proxy; unix sockets are still reached directly, and QUIC is refused: it could only pass by
    /// what the proxy is there for.
    #[cfg(feature = "proxy")]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.set().proxy = Some(proxy);
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

    fn set(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }

    async fn dial(&self, endpoint: &Endpoint, progress: &Progress) -> Result<Stream, DialError> {
        let scheme = endpoint.scheme();
        check_built_in(scheme)?;
        #[cfg(feature = "quic")]
        if scheme == Scheme::Quic {
            return self.open_quic(endpoint, progress).await;
        }
        let stream = match scheme {
            Scheme::Unix => unix(endpoint, progress).await?,
            _ => self.open_tcp(endpoint, progress).await?,
        };
        #[cfg(feature = "tls")]
        let stream = match scheme {
            Scheme::Mqtts | Scheme::Wss => self.open_tls(stream, endpoint, progress).await?,
            _ => stream,
        };
        #[cfg(feature = "ws")]
        let stream = if scheme.is_websocket() {
            progress.begin(Step::WebSocket);
            let opened = crate::ws::connect(stream, endpoint, &self.settings.websocket).await;
            opened.map_err(|source| DialError::WebSocket {
                host: endpoint.host().into(),
                source,
            })?
        } else {
            stream
        };
        Ok(stream)
    }

    async fn open_tcp(
        &self,
        endpoint: &Endpoint,
        progress: &Progress,
    ) -> Result<Stream, DialError> {
        let (host, port) = (endpoint.host(), endpoint.port());
        #[cfg(feature = "proxy")]
        if let Some(proxy) = &self.settings.proxy {
            let tcp =
                tcp::connect(proxy.host(), proxy.port(), &self.settings.tcp, progress).await?;
            progress.begin(Step::Proxy);
            let tunnel = proxy.tunnel(tcp, endpoint).await;
            return tunnel.map(Stream::Tcp).map_err(|source| DialError::Proxy {
                proxy: proxy.to_string().into(),
                source,
            });
        }
        let tcp = tcp::connect(host, port, &self.settings.tcp, progress).await?;
        Ok(Stream::Tcp(tcp))
    }

    #[cfg(feature = "tls")]
    async fn open_tls(
        &self,
        stream: Stream,
        endpoint: &Endpoint,
        progress: &Progress,
    ) -> Result<Stream, DialError> {
        progress.begin(Step::Tls);
        let connected = match self.tls_or_platform().await {
            Ok(tls) => tls.connect(stream, endpoint.host()).await,
            Err(error) => Err(error),
        };
        connected.map_err(|source| DialError::Tls {
            host: endpoint.host().into(),
            source,
        })
    }

    #[cfg(feature = "quic")]
    async fn open_quic(
        &self,
        endpoint: &Endpoint,
        progress: &Progress,
    ) -> Result<Stream, DialError> {
        let refused = |source| DialError::Quic {
            host: endpoint.host().into(),
            source,
        };
        #[cfg(feature = "proxy")]
        if self.settings.proxy.is_some() {
            return Err(refused(crate::QuicError::Proxy));
        }
        let tls = self.tls_or_platform().await;
        let tls = tls.map_err(|error| refused(error.into()))?;
        crate::quic::connect(endpoint, &tls, progress).await
    }

    #[cfg(feature = "tls")]
    async fn tls_or_platform(&self) -> Result<TlsConfig, crate::TlsError> {
        match &self.settings.tls {
            Some(tls) => Ok(tls.clone()),
            None => TlsConfig::platform().await,
        }
    }
}

/// Refuses a scheme this build has no code for, before anything is opened.
fn check_built_in(scheme: Scheme) -> Result<(), DialError> {
    let needs_tls = matches!(scheme, Scheme::Mqtts | Scheme::Wss);
    let feature = if needs_tls && !cfg!(feature = "tls") {
        "tls"
    } else if scheme.is_websocket() && !cfg!(feature = "ws") {
        "ws"
    } else if scheme == Scheme::Unix && !cfg!(unix) {
        "unix"
    } else if scheme == Scheme::Quic && !cfg!(feature = "quic") {
        "quic"
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
