//! Packet framing over byte streams, the queue of bytes for a socket, and the transports both ends use.
//!
//! On tokio, and without protocol rules: which packet may come when is the business of the layers above.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod connector;
mod endpoint;
mod listener;
#[cfg(feature = "proxy")]
mod proxy;
#[cfg(feature = "proxy-protocol")]
mod proxy_protocol;
#[cfg(feature = "quic")]
mod quic;
mod read_chunk;
mod reader;
mod spare_packets;
#[cfg(feature = "srv")]
mod srv;
mod stream;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
mod write_queue;
#[cfg(feature = "ws")]
mod ws;

pub use connector::{Attempt, Connector, DialError, Step};
pub use endpoint::{Endpoint, EndpointError, Scheme};
pub use listener::{LOCAL_PEER, Listener};
pub use mqtt_codec::{DecodeError, Frame};
#[cfg(feature = "proxy")]
pub use proxy::{Proxy, ProxyError, ProxyParseError};
#[cfg(feature = "proxy-protocol")]
pub use proxy_protocol::{ProxyAddresses, ProxyHeader, ProxyHeaderError, ProxyTls};
#[cfg(feature = "quic")]
pub use quic::{QuicError, QuicHandshake, QuicListener, QuicStream};
pub use read_chunk::{READ_CHUNK_LEN, poll_read_chunk, poll_read_chunk_of, poll_read_shared};
pub use reader::{Fed, PacketReader, Verdict};
#[cfg(feature = "srv")]
pub use srv::{SrvError, SrvResolver};
pub use stream::{Stream, Transport};
pub use tcp::TcpOptions;
#[cfg(feature = "tls")]
pub use tls::{
    ClientCertificates, PeerCertificate, PemProblem, TlsAcceptor, TlsCertificate, TlsCipher,
    TlsConfig, TlsError, TlsIdentity, TlsOptions, TlsServerOptions, TlsStream, TlsVersion,
};
pub use write_queue::{Woven, WriteQueue};
#[cfg(feature = "ws")]
pub use ws::{WsAcceptor, WsError, WsOptions, WsRequest, WsStream};

/// The library behind the feature `tls`: for a configuration of your own, see [`TlsConfig`] and [`TlsAcceptor`].
#[cfg(feature = "tls")]
pub use rustls;

/// Whether the other end has gone, in order or not.
#[cfg(any(feature = "tls", feature = "ws"))]
fn is_end(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe
    )
}
