//! `QuicListener`: where connections come in by UDP.

use super::{PROTOCOL, QuicError, QuicStream, transport};
use crate::Stream;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, Incoming, TokioRuntime, VarInt};
use rustls::ServerConfig;
use rustls::quic::{ServerConnection, Version};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Handshakes that wait to be taken, at most; the bytes they may bring with them; and those of all. Unit: bytes.
const INCOMING_MAX: usize = 1024;
const INCOMING_LEN_MAX: u64 = 16 * 1024;
const INCOMING_TOTAL_MAX: u64 = 4 * 1024 * 1024;

/// The code clients are told when a listener is closed.
const GOING: VarInt = VarInt::from_u32(0);

/// A UDP socket on which QUIC comes in. It does its work on the runtime it was bound on.
///
/// There is no 0-RTT: what comes that way can be played again by anybody who saw it, and so could a PUBLISH.
/// A client may move to another address and stay connected.
pub struct QuicListener {
    endpoint: Endpoint,
    config: Arc<Mutex<Arc<quinn::ServerConfig>>>,
}

/// A client that asks for a connection; dropped, it is refused.
pub struct QuicHandshake {
    incoming: Incoming,
    config: Arc<Mutex<Arc<quinn::ServerConfig>>>,
}

impl QuicListener {
    /// Listens on `addr`; port 0 lets the system choose. Must be called within a tokio runtime.
    ///
    /// `tls` is made by [`TlsServerOptions::build_config`](crate::TlsServerOptions::build_config).
    ///
    /// # Errors
    /// The address is in use, is not of this machine, or needs a privilege; TLS 1.3 is switched off.
    pub fn bind(addr: SocketAddr, tls: ServerConfig) -> Result<Self, QuicError> {
        let config = server_config(tls)?;
        let shared = Arc::new(Mutex::new(Arc::new(config.clone())));
        let socket = udp(addr)?;
        let endpoint = Endpoint::new(
            EndpointConfig::default(),
            Some(config),
            socket,
            Arc::new(TokioRuntime),
        )?;
        Ok(Self {
            endpoint,
            config: shared,
        })
    }

    /// Shows another certificate from now on, to clients too that have asked and are not accepted yet; connections that
    /// are there stay.
    ///
    /// # Errors
    /// TLS 1.3 is switched off; then nothing has changed.
    pub fn set_tls(&self, tls: ServerConfig) -> Result<(), QuicError> {
        let crypto = crypto(tls)?;
        let mut shared = lock(&self.config);
        // All else stays, so that an address proved before counts.
        let mut config = quinn::ServerConfig::clone(&shared);
        config.crypto = crypto;
        *shared = Arc::new(config.clone());
        self.endpoint.set_server_config(Some(config));
        Ok(())
    }

    /// The address in force, with the port the system chose.
    ///
    /// # Errors
    /// What the system reports.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// The next client that asks for a connection; none after [`QuicListener::close`].
    ///
    /// Cancel safety: a dropped call loses no client.
    pub async fn accept(&self) -> Option<QuicHandshake> {
        let incoming = self.endpoint.accept().await?;
        Some(QuicHandshake {
            incoming,
            config: Arc::clone(&self.config),
        })
    }

    /// Takes no more clients, and leaves those that are connected.
    pub fn refuse_more(&self) {
        self.endpoint.set_server_config(None);
    }

    /// Closes every connection, and takes no more.
    pub fn close(&self) {
        self.endpoint.close(GOING, b"");
    }

    /// Waits until the last bytes of every connection are delivered or given up; call it after [`QuicListener::close`].
    pub async fn wait_idle(&self) {
        self.endpoint.wait_idle().await;
    }
}

impl QuicHandshake {
    /// Where it says it comes from; nothing shows yet that it does, unless [`QuicHandshake::is_address_proved`].
    pub fn peer_addr(&self) -> SocketAddr {
        self.incoming.remote_address()
    }

    /// Whether the client receives what is sent to its address.
    pub fn is_address_proved(&self) -> bool {
        self.incoming.remote_address_validated()
    }

    /// Has the client prove its address first, which costs it a round trip and this end nothing: for times when many
    /// handshakes are under way. It comes again as another handshake.
    pub fn demand_proof(self) {
        if let Err(again) = self.incoming.retry() {
            again.into_incoming().refuse();
        }
    }

    /// Tells the client that it is not served.
    pub fn refuse(self) {
        self.incoming.refuse();
    }

    /// The connection, once its handshake is done and the client has opened its stream.
    ///
    /// It has no time limit of its own: a client may take as long as its owner allows.
    ///
    /// # Errors
    /// The client's certificate is not acceptable, it refuses ours, it does not speak MQTT, or it has gone.
    pub async fn accept(self) -> Result<Stream, QuicError> {
        let config = Arc::clone(&lock(&self.config));
        let connection = self.incoming.accept_with(config)?.await?;
        let (send, read) = connection.accept_bi().await?;
        Ok(Stream::Quic(Box::new(QuicStream::new(
            connection, send, read,
        ))))
    }
}

fn lock(config: &Mutex<Arc<quinn::ServerConfig>>) -> MutexGuard<'_, Arc<quinn::ServerConfig>> {
    // It is exchanged as a whole.
    config.lock().unwrap_or_else(PoisonError::into_inner)
}

fn crypto(mut tls: ServerConfig) -> Result<Arc<QuicServerConfig>, QuicError> {
    if tls.alpn_protocols.is_empty() {
        tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    }
    tls.max_early_data_size = 0;
    let tls = Arc::new(tls);
    // The library panics later where this fails.
    ServerConnection::new(Arc::clone(&tls), Version::V1, Vec::new())
        .map_err(|_| QuicError::NeedsTls13)?;
    let crypto = QuicServerConfig::try_from(tls).map_err(|_| QuicError::NeedsTls13)?;
    Ok(Arc::new(crypto))
}

fn server_config(tls: ServerConfig) -> Result<quinn::ServerConfig, QuicError> {
    let mut config = quinn::ServerConfig::with_crypto(crypto(tls)?);
    config
        .transport_config(Arc::new(transport()))
        .migration(true)
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_LEN_MAX)
        .incoming_buffer_size_total(INCOMING_TOTAL_MAX);
    Ok(config)
}

/// As a TCP listener's: an IPv6 address takes IPv6 only.
fn udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

impl fmt::Debug for QuicListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QuicListener")
            .field(&self.local_addr().ok())
            .finish()
    }
}

impl fmt::Debug for QuicHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QuicHandshake")
            .field(&self.peer_addr())
            .finish()
    }
}
