//! TLS: how a server's certificate is checked, and what is shown to it.

mod acceptor;
mod certificate;
#[cfg(feature = "encrypted-keys")]
mod encrypted;
mod error;
mod key_log;
mod options;
mod pem;
#[cfg(feature = "pkcs12")]
mod pkcs12;
mod resolver;
mod server;
mod stream;
mod verify;

pub use acceptor::TlsAcceptor;
pub use certificate::PeerCertificate;
pub use error::{PemProblem, TlsError};
pub use options::TlsOptions;
pub use server::{
    ClientCertificates, TlsCertificate, TlsCipher, TlsIdentity, TlsServerOptions, TlsVersion,
};
pub use stream::TlsStream;

use crate::Stream;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::fmt;
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;

/// A client's side of TLS, ready for use; made by [`TlsOptions::build`]. Clones share it, and its session tickets.
#[derive(Clone)]
pub struct TlsConfig {
    client: Arc<ClientConfig>,
    /// The name in the certificate, instead of the host that is connected to.
    server_name: Option<ServerName<'static>>,
}

impl TlsConfig {
    /// What a connector without options uses: the system's root certificates, read on the first call.
    pub(crate) async fn platform() -> Result<Self, TlsError> {
        static PLATFORM: OnceLock<TlsConfig> = OnceLock::new();
        if let Some(tls) = PLATFORM.get() {
            return Ok(tls.clone());
        }
        // Some systems have hundreds of files to read.
        let read = tokio::task::spawn_blocking(|| TlsOptions::new().build());
        let tls = read.await.map_err(std::io::Error::other)??;
        Ok(PLATFORM.get_or_init(|| tls).clone())
    }

    /// Starts TLS as the client on a connection that is open.
    ///
    /// `host` is the name the server's certificate has to have, unless the options say another.
    ///
    /// # Errors
    /// The certificate is not acceptable, the server refuses ours, or the connection ended.
    pub async fn connect(&self, stream: Stream, host: &str) -> Result<Stream, TlsError> {
        let server_name = self.server_name(host)?;
        let connector = TlsConnector::from(Arc::clone(&self.client));
        let connected = connector.connect(server_name, stream).await;
        let tls = connected.map_err(TlsError::of_handshake)?;
        Ok(Stream::Tls(Box::new(TlsStream::new(tls.into()))))
    }

    /// The name the certificate has to have when `host` is connected to.
    pub(crate) fn server_name(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        match &self.server_name {
            Some(server_name) => Ok(server_name.clone()),
            None => server_name(host),
        }
    }

    /// For a transport that does TLS by itself.
    #[cfg(feature = "quic")]
    pub(crate) fn client(&self) -> &ClientConfig {
        &self.client
    }
}

impl From<Arc<ClientConfig>> for TlsConfig {
    fn from(client: Arc<ClientConfig>) -> Self {
        Self {
            client,
            server_name: None,
        }
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// A name or an address as a certificate has it; a zone is none of its business.
fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let host = host.split_once('%').map_or(host, |(address, _)| address);
    ServerName::try_from(host.to_owned()).map_err(|_| TlsError::ServerName { name: host.into() })
}
