//! `TlsStream`: a connection inside TLS.

use super::TlsError;
use crate::Stream;
use rustls::pki_types::CertificateDer;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection inside TLS.
///
/// An end without the notice that TLS has for it is an end all the same: an MQTT packet tells its own length, so what is
/// cut off is noticed.
pub struct TlsStream(tokio_rustls::TlsStream<Stream>);

impl TlsStream {
    pub(super) const fn new(tls: tokio_rustls::TlsStream<Stream>) -> Self {
        Self(tls)
    }

    /// What TLS runs over.
    pub fn inner(&self) -> &Stream {
        self.0.get_ref().0
    }

    /// The same, to move it to another runtime.
    pub(crate) fn inner_mut(&mut self) -> &mut Stream {
        self.0.get_mut().0
    }

    /// The protocol both ends agreed on (ALPN).
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.0.get_ref().1.alpn_protocol()
    }

    /// The certificates of the other end, its own first; none from a client that showed none.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.0.get_ref().1.peer_certificates()
    }

    /// The name the client asked for (SNI), at the server.
    pub fn server_name(&self) -> Option<&str> {
        match &self.0 {
            tokio_rustls::TlsStream::Server(tls) => tls.get_ref().1.server_name(),
            tokio_rustls::TlsStream::Client(_) => None,
        }
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsStream").field(self.inner()).finish()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(cx, read)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            // A server of TLS 1.3 says no to our certificate only here.
            read => Poll::Ready(read.map_err(TlsError::explain)),
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0)
            .poll_write(cx, bytes)
            .map_err(TlsError::explain)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0)
            .poll_write_vectored(cx, slices)
            .map_err(TlsError::explain)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0)
            .poll_flush(cx)
            .map_err(TlsError::explain)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
