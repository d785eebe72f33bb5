//! From an address to a connection by QUIC.

use super::{CLIENT_PING, PROTOCOL, QuicError, QuicStream, transport};
use crate::connector::Progress;
use crate::{DialError, Endpoint, Step, Stream, TlsConfig};
use quinn::crypto::rustls::QuicClientConfig;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long an address has for itself before the next is tried beside it; RFC 8305 §5.
const HEAD_START: Duration = Duration::from_millis(250);

/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 16;

/// Connects to the first address of the endpoint's name that answers, and opens the stream.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    tls: &TlsConfig,
    progress: &Progress,
) -> Result<Stream, DialError> {
    let host = endpoint.host();
    let failed = |source| DialError::Quic {
        host: host.into(),
        source,
    };
    let server_name = tls
        .server_name(host)
        .map_err(|error| failed(error.into()))?;
    let config = client_config(tls).map_err(failed)?;
    progress.begin(Step::Resolve);
    let found = lookup_host((host, endpoint.port())).await;
    let found = found.map_err(|source| DialError::Resolve {
        host: host.into(),
        source,
    })?;
    progress.begin(Step::Quic);
    let mut waiting = found.take(ADDRESSES_MAX).collect::<Vec<_>>().into_iter();
    let mut last = QuicError::Io(io::ErrorKind::AddrNotAvailable.into());
    let mut running = JoinSet::new();
    loop {
        match waiting.next() {
            Some(address) => {
                let server_name = server_name.to_str().into_owned();
                running.spawn(open(address, config.clone(), server_name));
            }
            None if running.is_empty() => return Err(failed(last)),
            None => {}
        }
        let ended = match waiting.len() {
            0 => running.join_next().await,
            _ => timeout(HEAD_START, running.join_next())
                .await
                .ok()
                .flatten(),
        };
        match ended {
            Some(Ok(Ok(stream))) => return Ok(Stream::Quic(Box::new(stream))),
            Some(Ok(Err(error))) => last = error,
            Some(Err(error)) => last = QuicError::Io(io::Error::other(error)),
            None => {}
        }
    }
}

async fn open(
    address: SocketAddr,
    config: quinn::ClientConfig,
    server_name: String,
) -> Result<QuicStream, QuicError> {
    let local: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let endpoint = quinn::Endpoint::client(local)?;
    let connection = endpoint
        .connect_with(config, address, &server_name)?
        .await?;
    let (send, read) = connection.open_bi().await?;
    Ok(QuicStream::new(connection, send, read))
}

fn client_config(tls: &TlsConfig) -> Result<quinn::ClientConfig, QuicError> {
    let mut tls = tls.client().clone();
    if tls.alpn_protocols.is_empty() {
        tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    }
    tls.enable_early_data = false;
    let crypto = QuicClientConfig::try_from(tls).map_err(|_| QuicError::NeedsTls13)?;
    let mut transport = transport();
    transport.keep_alive_interval(Some(CLIENT_PING));
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    Ok(config)
}
