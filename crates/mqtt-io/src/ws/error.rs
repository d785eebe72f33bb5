//! Why there is no WebSocket.

use crate::{EndpointError, is_end};
use std::io;
use tokio_tungstenite::tungstenite::error::{ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::{self, http};

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WsError {
    /// A header that cannot be sent, or that the handshake needs itself.
    #[error("the header {name:?} cannot be set")]
    Header {
        /// Its name.
        name: Box<str>,
    },
    /// A path that cannot be asked for.
    #[error(transparent)]
    Path(#[from] EndpointError),
    /// A host and path that together are no request.
    #[error("{target:?} cannot be asked for")]
    Target {
        /// The path.
        target: Box<str>,
    },
    /// The server answered with an HTTP status other than 101.
    #[error("the server answered {status}{}{}", reason(*status), to(location))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Where it sends the client instead.
        location: Option<Box<str>>,
    },
    /// The server did not agree to the subprotocol. Spec: v5 [MQTT-6.0.0-4].
    #[error(
        "the server does not speak the subprotocol mqtt; is there another service on this path?"
    )]
    Subprotocol,
    /// What came is no HTTP.
    #[error("the other end does not speak HTTP on this port")]
    NotHttp,
    /// The connection ended in the handshake.
    #[error("the connection ended in the handshake; a port without WebSocket does that, too")]
    Ended,
    /// A client asked for a path that is not served, at the server.
    #[error("{path:?} is not served")]
    UnknownPath {
        /// What was asked for.
        path: Box<str>,
    },
    /// A page from elsewhere asks, at the server.
    #[error("origin {origin:?} is not allowed")]
    Origin {
        /// Where the page is from.
        origin: Box<str>,
    },
    /// A client that does not offer the subprotocol, at the server. Spec: v5 [MQTT-6.0.0-3].
    #[error("the client does not offer the subprotocol mqtt")]
    SubprotocolMissing,
    /// A request that asks for no WebSocket, at the server.
    #[error("an HTTP request that asks for no WebSocket")]
    NoUpgrade,
    /// A request that is longer than is looked at, at the server.
    #[error("the HTTP request is too long")]
    RequestTooLong,
    /// The handshake went wrong otherwise.
    #[error("{source}")]
    Handshake {
        /// What was wrong.
        source: Box<tungstenite::Error>,
    },
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl WsError {
    /// Whether the same may go well later, with nothing changed at this end.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status >= 500 || matches!(status, 408 | 425 | 429),
            Self::Io(_) | Self::Ended => true,
            _ => false,
        }
    }

    pub(super) fn of_handshake(error: tungstenite::Error) -> Self {
        use tungstenite::Error;
        match error {
            Error::Io(error) if is_end(&error) => Self::Ended,
            Error::Io(error) => Self::Io(error),
            Error::Http(response) => Self::Refused {
                status: response.status().as_u16(),
                location: location(&response),
            },
            Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(
                SubProtocolError::NoSubProtocol | SubProtocolError::InvalidSubProtocol,
            )) => Self::Subprotocol,
            Error::Protocol(ProtocolError::HandshakeIncomplete) => Self::Ended,
            Error::Protocol(ProtocolError::HttparseError(_) | ProtocolError::WrongHttpVersion) => {
                Self::NotHttp
            }
            error => Self::Handshake {
                source: Box::new(error),
            },
        }
    }
}

fn location<T>(response: &http::Response<T>) -> Option<Box<str>> {
    let location = response.headers().get(http::header::LOCATION)?;
    location.to_str().ok().map(Into::into)
}

fn reason(status: u16) -> String {
    let status = StatusCode::from_u16(status).ok();
    let reason = status.and_then(|status| status.canonical_reason());
    reason
        .map(|reason| format!(" {reason}"))
        .unwrap_or_default()
}

fn to(location: &Option<Box<str>>) -> String {
    match location {
        Some(location) => format!(", go to {location}"),
        None => String::new(),
    }
}
