//! `Stream`: a Network Connection, whatever it runs over.

use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// What a Network Connection needs: an ordered, lossless stream of bytes in both directions.
///
/// Spec: v5 §4.2.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A Network Connection, whatever it runs over.
#[non_exhaustive]
pub enum Stream {
    /// Plain TCP, with TCP_NODELAY set.
    Tcp(TcpStream),
    /// A unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
    /// TLS over any of these.
    #[cfg(feature = "tls")]
    Tls(Box<crate::TlsStream>),
    /// WebSocket over any of these.
    #[cfg(feature = "ws")]
    Ws(Box<crate::WsStream>),
    /// The stream of a QUIC connection.
    #[cfg(feature = "quic")]
    Quic(Box<crate::QuicStream>),
    /// Any other ordered, lossless stream of bytes.
    Other(Box<dyn Transport>),
}

impl Stream {
    /// Connects by TCP, trying every address of `host` in turn.
    ///
    /// # Errors
    /// The name has no address, or that of the last address tried.
    pub async fn connect_tcp(host: &str, port: u16) -> io::Result<Self> {
        Self::from_tcp(TcpStream::connect((host, port)).await?)
    }

    /// Takes over a connected socket and sets TCP_NODELAY: a packet is not held back for the one after it.
    ///
    /// # Errors
    /// The option cannot be set, because the connection is gone already.
    pub fn from_tcp(tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        Ok(Self::Tcp(tcp))
    }

    /// Takes over any ordered, lossless stream of bytes.
    pub fn other(transport: impl Transport + 'static) -> Self {
        Self::Other(Box::new(transport))
    }

    /// Moves the connection to the tokio runtime this is called on: from now on that one is told of its readiness.
    ///
    /// TCP and unix sockets move, with TLS and WebSocket over them; what waits in those is not told of again, so whoever
    /// moves a connection reads from it next.
    ///
    /// # Errors
    /// The runtime cannot watch the socket.
    pub fn into_current_runtime(self) -> io::Result<Self> {
        match self {
            Self::Tcp(tcp) => Ok(Self::Tcp(TcpStream::from_std(tcp.into_std()?)?)),
            #[cfg(unix)]
            Self::Unix(unix) => Ok(Self::Unix(UnixStream::from_std(unix.into_std()?)?)),
            #[cfg(feature = "tls")]
            Self::Tls(mut tls) => {
                tls.inner_mut().move_to_current_runtime()?;
                Ok(Self::Tls(tls))
            }
            #[cfg(feature = "ws")]
            Self::Ws(mut ws) => {
                ws.inner_mut().move_to_current_runtime()?;
                Ok(Self::Ws(ws))
            }
            #[cfg(feature = "quic")]
            Self::Quic(_) => Ok(self),
            Self::Other(_) => Ok(self),
        }
    }

    /// The same in place.
    ///
    /// # Errors
    /// As [`Stream::into_current_runtime`]; the connection is closed then.
    pub fn move_to_current_runtime(&mut self) -> io::Result<()> {
        let moved = mem::replace(self, Self::Other(Box::new(tokio::io::empty())));
        *self = moved.into_current_runtime()?;
        Ok(())
    }

    /// Whether [`Stream::into_current_runtime`] moves it.
    pub fn can_move(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            #[cfg(unix)]
            Self::Unix(_) => true,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.inner().can_move(),
            #[cfg(feature = "ws")]
            Self::Ws(ws) => ws.inner().can_move(),
            #[cfg(feature = "quic")]
            Self::Quic(_) => false,
            Self::Other(_) => false,
        }
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// The socket's own, or [`io::ErrorKind::Unsupported`] for a transport without addresses.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(tcp) => tcp.peer_addr(),
            #[cfg(unix)]
            Self::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.inner().peer_addr(),
            #[cfg(feature = "ws")]
            Self::Ws(ws) => ws.inner().peer_addr(),
            #[cfg(feature = "quic")]
            Self::Quic(quic) => Ok(quic.peer_addr()),
            Self::Other(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The address of this end.
    ///
    /// # Errors
    /// As [`Stream::peer_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(tcp) => tcp.local_addr(),
            #[cfg(unix)]
            Self::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.inner().local_addr(),
            #[cfg(feature = "ws")]
            Self::Ws(ws) => ws.inner().local_addr(),
            #[cfg(feature = "quic")]
            Self::Quic(_) => Err(io::ErrorKind::Unsupported.into()),
            Self::Other(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// What the certificate of the other end says, if TLS is somewhere below and one was shown that can be read.
    #[cfg(feature = "tls")]
    pub fn peer_certificate(&self) -> Option<crate::PeerCertificate> {
        match self {
            Self::Tls(tls) => crate::PeerCertificate::from_der(tls.peer_certificates()?.first()?),
            #[cfg(feature = "ws")]
            Self::Ws(ws) => ws.inner().peer_certificate(),
            #[cfg(feature = "quic")]
            Self::Quic(quic) => quic.peer_certificate(),
            _ => None,
        }
    }

    fn transport(self: Pin<&mut Self>) -> Pin<&mut dyn Transport> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp),
            #[cfg(unix)]
            Self::Unix(unix) => Pin::new(unix),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(tls.as_mut()),
            #[cfg(feature = "ws")]
            Self::Ws(ws) => Pin::new(ws.as_mut()),
            #[cfg(feature = "quic")]
            Self::Quic(quic) => Pin::new(quic.as_mut()),
            Self::Other(other) => Pin::new(other.as_mut()),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(tcp) => f.debug_tuple("Tcp").field(tcp).finish(),
            #[cfg(unix)]
            Self::Unix(unix) => f.debug_tuple("Unix").field(unix).finish(),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => f.debug_tuple("Tls").field(tls.inner()).finish(),
            #[cfg(feature = "ws")]
            Self::Ws(ws) => f.debug_tuple("Ws").field(ws.inner()).finish(),
            #[cfg(feature = "quic")]
            Self::Quic(quic) => quic.fmt(f),
            Self::Other(_) => f.write_str("Other"),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.transport().poll_read(cx, read)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.transport().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.transport().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(unix) => unix.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.is_write_vectored(),
            #[cfg(feature = "ws")]
            Self::Ws(ws) => ws.is_write_vectored(),
            #[cfg(feature = "quic")]
            Self::Quic(quic) => quic.is_write_vectored(),
            Self::Other(other) => other.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport().poll_shutdown(cx)
    }
}
