//! How far connecting has come, so that a time-out can tell what it waited for.

use super::{Attempt, DialError};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is done while connecting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Looking up the addresses of a name.
    Resolve,
    /// Connecting by TCP.
    Tcp,
    /// Connecting to a unix socket.
    Unix,
    /// Asking the proxy for a way to the server.
    Proxy,
    /// The handshake of TLS.
    Tls,
    /// The handshake of WebSocket.
    WebSocket,
    /// The handshake of QUIC.
    Quic,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "looking up the address of the name",
            Self::Tcp => "connecting by TCP",
            Self::Unix => "connecting to the unix socket",
            Self::Proxy => "waiting for the proxy",
            Self::Tls => "in the TLS handshake",
            Self::WebSocket => "in the WebSocket handshake",
            Self::Quic => "in the QUIC handshake, for which nothing has answered by UDP",
        })
    }
}

/// How far one attempt to connect has come.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    step: Step,
    attempts: Vec<Attempt>,
}

impl Progress {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Inner {
            step: Step::Resolve,
            attempts: Vec::new(),
        }))
    }

    pub(crate) fn begin(&self, step: Step) {
        self.lock().step = step;
    }

    /// An address is being tried.
    pub(crate) fn started(&self, address: SocketAddr) {
        self.lock().attempts.push(Attempt {
            address,
            error: None,
        });
    }

    /// An address that was tried has failed.
    pub(crate) fn failed(&self, address: SocketAddr, error: io::Error) {
        let mut inner = self.lock();
        let attempt = inner
            .attempts
            .iter_mut()
            .find(|attempt| attempt.address == address);
        if let Some(attempt) = attempt {
            attempt.error = Some(error);
        }
    }

    pub(crate) fn take_attempts(&self) -> Vec<Attempt> {
        std::mem::take(&mut self.lock().attempts)
    }

    pub(crate) fn timed_out(&self, limit: Duration) -> DialError {
        let step = self.lock().step;
        // Further on, one address has answered.
        let attempts = match step {
            Step::Tcp => self.take_attempts(),
            _ => Vec::new(),
        };
        DialError::TimedOut {
            step,
            limit,
            attempts,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing is left half done in there.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
