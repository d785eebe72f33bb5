//! Why there is no QUIC connection.

use crate::TlsError;
use quinn::{ConnectError, ConnectionError};
use rustls::AlertDescription;
use std::io;

/// The first of the codes that stand for the alerts of TLS. RFC 9001 §4.8.
const ALERTS: u64 = 0x100;

/// Why there is no QUIC connection, or no more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuicError {
    /// What was decided about TLS cannot be had with QUIC, which takes TLS 1.3 and one of its cipher suites.
    #[error("QUIC takes TLS 1.3 with TLS_AES_128_GCM_SHA256 among its cipher suites")]
    NeedsTls13,
    /// TLS cannot be begun.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A proxy was set, and none of those known forwards UDP.
    #[error("no proxy forwards QUIC")]
    Proxy,
    /// The other end sent an alert of TLS.
    #[error("refused by the other end: {alert:?}{}", behind(reason))]
    Refused {
        /// What it says.
        alert: AlertDescription,
        /// In its words, if there are any.
        reason: Box<str>,
    },
    /// We have found something wrong in the handshake or later, such as a certificate that is not trusted.
    #[error("{reason}")]
    Protocol {
        /// What.
        reason: Box<str>,
    },
    /// The other end has closed the connection with a code of its own.
    #[error("closed by the other end with code {code}{}", behind(reason))]
    Closed {
        /// Which.
        code: u64,
        /// In its words, if there are any.
        reason: Box<str>,
    },
    /// The other end has gone without a word, or started anew.
    #[error("the other end has forgotten the connection")]
    Reset,
    /// Nothing was heard for too long.
    #[error("nothing was heard from the other end for too long")]
    TimedOut,
    /// It was closed here.
    #[error("closed at this end")]
    LocallyClosed,
    /// The socket could not be made or used.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl QuicError {
    /// Whether the same may go well later, with nothing changed at this end.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NeedsTls13 | Self::Proxy | Self::Protocol { .. } | Self::Refused { .. } => false,
            Self::Tls(error) => error.is_retryable(),
            Self::Closed { .. }
            | Self::Reset
            | Self::TimedOut
            | Self::LocallyClosed
            | Self::Io(_) => true,
        }
    }
}

impl From<ConnectionError> for QuicError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionClosed(close) => {
                let code = u64::from(close.error_code);
                let reason = String::from_utf8_lossy(&close.reason).into();
                match code.checked_sub(ALERTS).map(u8::try_from) {
                    Some(Ok(alert)) => Self::Refused {
                        alert: AlertDescription::from(alert),
                        reason,
                    },
                    _ => Self::Closed { code, reason },
                }
            }
            ConnectionError::ApplicationClosed(close) => Self::Closed {
                code: close.error_code.into_inner(),
                reason: String::from_utf8_lossy(&close.reason).into(),
            },
            ConnectionError::TransportError(error) => Self::Protocol {
                reason: match error.reason.is_empty() {
                    true => error.to_string().into(),
                    false => error.reason.into(),
                },
            },
            ConnectionError::Reset => Self::Reset,
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::LocallyClosed => Self::LocallyClosed,
            ConnectionError::VersionMismatch | ConnectionError::CidsExhausted => Self::Protocol {
                reason: error.to_string().into(),
            },
        }
    }
}

impl From<ConnectError> for QuicError {
    fn from(error: ConnectError) -> Self {
        Self::Protocol {
            reason: error.to_string().into(),
        }
    }
}

fn behind(reason: &str) -> String {
    match reason {
        "" => String::new(),
        reason => format!(" ({reason})"),
    }
}
