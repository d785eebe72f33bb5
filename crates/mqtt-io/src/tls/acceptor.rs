//! `TlsAcceptor`: the server's side of TLS.

use super::{TlsError, TlsStream};
use crate::Stream;
use rustls::ServerConfig;
use std::fmt;
use std::sync::Arc;

/// The server's side of TLS; clones share it.
#[derive(Clone)]
pub struct TlsAcceptor(tokio_rustls::TlsAcceptor);

impl TlsAcceptor {
    /// Starts TLS as the server on a connection that has come in.
    ///
    /// It has no time limit of its own: a client may send its handshake as slowly as its owner allows.
    ///
    /// # Errors
    /// The client's certificate is not acceptable, it refuses ours, or it speaks no TLS.
    pub async fn accept(&self, stream: Stream) -> Result<Stream, TlsError> {
        let accepted = self.0.accept(stream).await;
        let tls = accepted.map_err(TlsError::of_handshake)?;
        Ok(Stream::Tls(Box::new(TlsStream::new(tls.into()))))
    }

    /// What was decided, for a transport that does TLS by itself.
    pub fn config(&self) -> &Arc<ServerConfig> {
        self.0.config()
    }
}

impl From<Arc<ServerConfig>> for TlsAcceptor {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self(config.into())
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsAcceptor")
    }
}
