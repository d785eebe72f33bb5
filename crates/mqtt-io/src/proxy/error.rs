//! Why a proxy does not let through.

use crate::EndpointError;
use std::io;

/// Why a text names no proxy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyParseError {
    /// A scheme that is none of a proxy.
    #[error("scheme {scheme:?} is none of socks5, socks5h, http")]
    Scheme {
        /// What stands before `://`.
        scheme: Box<str>,
    },
    /// What follows names no host.
    #[error(transparent)]
    Address(#[from] EndpointError),
}

/// Why a proxy does not let through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It does not take our user name and password, or wants some.
    #[error("user name and password are wrong or missing")]
    Credentials,
    /// It said no to the server that was asked for.
    #[error("{target} is refused: {reason}")]
    Refused {
        /// Host and port that were asked for.
        target: Box<str>,
        /// What it said.
        reason: Box<str>,
        /// Whether it may say yes another time.
        is_retryable: bool,
    },
    /// The name of the server has no address; it is looked up on this side with `socks5`.
    #[error("cannot find an address of {host}: {source}")]
    Resolve {
        /// The name.
        host: Box<str>,
        /// What the system said.
        source: io::Error,
    },
    /// What came is not what such a proxy says.
    #[error("it does not speak {protocol}: {problem}")]
    Protocol {
        /// What it was spoken to in.
        protocol: &'static str,
        /// What is wrong.
        problem: Box<str>,
    },
    /// The connection ended before an answer.
    #[error("the connection ended before an answer")]
    Ended,
    /// The connection failed.
    #[error(transparent)]
    Io(io::Error),
}

impl ProxyError {
    /// Whether the same may go well later, with nothing changed at this end.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Credentials | Self::Protocol { .. } => false,
            Self::Refused { is_retryable, .. } => *is_retryable,
            Self::Resolve { .. } | Self::Ended | Self::Io(_) => true,
        }
    }
}

impl From<io::Error> for ProxyError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Ended,
            _ => Self::Io(error),
        }
    }
}
