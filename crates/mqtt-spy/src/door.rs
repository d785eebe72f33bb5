//! How clients come in.

use std::time::Duration;

use mqtt_io::{Stream, TlsAcceptor, TlsError, WsAcceptor, WsError};
use tokio::time::timeout;

/// How long a handshake of TLS and WebSocket may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(15);

/// The longest message of a WebSocket: as long as the longest packet. Unit: bytes.
const MESSAGE_LEN_MAX: usize = 256 << 20;

/// By which transport clients come in.
#[derive(Clone, Debug, Default)]
pub struct Door {
    tls: Option<TlsAcceptor>,
    websocket: Option<WsAcceptor>,
}

/// Why a client did not come in.
#[derive(Debug)]
pub enum DoorError {
    /// The handshake of TLS failed.
    Tls(TlsError),
    /// The handshake of WebSocket failed.
    WebSocket(WsError),
    /// A handshake took too long.
    TimedOut,
}

impl Door {
    /// Plain TCP, as the listener has it.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// With TLS.
    #[must_use]
    pub fn tls(mut self, acceptor: TlsAcceptor) -> Self {
        self.tls = Some(acceptor);
        self
    }

    /// As WebSocket on these paths, with TLS if that was said.
    #[must_use]
    pub fn websocket<P: Into<Box<str>>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        let acceptor = WsAcceptor::new()
            .paths(paths)
            .subprotocol_may_be_missing()
            .message_len_max(MESSAGE_LEN_MAX);
        self.websocket = Some(acceptor);
        self
    }

    /// Does the handshakes.
    pub(crate) async fn enter(&self, stream: Stream) -> Result<Stream, DoorError> {
        let entered = timeout(HANDSHAKE_MAX, self.handshakes(stream)).await;
        entered.unwrap_or(Err(DoorError::TimedOut))
    }

    async fn handshakes(&self, stream: Stream) -> Result<Stream, DoorError> {
        let stream = match &self.tls {
            Some(acceptor) => acceptor.accept(stream).await.map_err(DoorError::Tls)?,
            None => stream,
        };
        match &self.websocket {
            Some(acceptor) => {
                let accepted = acceptor.accept(stream).await;
                accepted
                    .map(|(stream, _)| stream)
                    .map_err(DoorError::WebSocket)
            }
            None => Ok(stream),
        }
    }
}

impl std::fmt::Display for DoorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tls(error) => write!(f, "TLS with the client: {error}"),
            Self::WebSocket(error) => write!(f, "WebSocket with the client: {error}"),
            Self::TimedOut => f.write_str("the client's handshake took too long"),
        }
    }
}

impl std::error::Error for DoorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            Self::WebSocket(error) => Some(error),
            Self::TimedOut => None,
        }
    }
}
