//! `WsStream`: a stream of bytes in WebSocket frames.

use super::client_stream::ClientStream;
use super::server_stream::ServerStream;
use crate::{Stream, Transport};
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of bytes in binary WebSocket frames. Where a frame begins or ends says nothing about packets.
///
/// Spec: v5 [MQTT-6.0.0-1], [MQTT-6.0.0-2].
pub struct WsStream(End);

/// Which end of the WebSocket it is.
enum End {
    Client(ClientStream),
    Server(ServerStream),
}

impl WsStream {
    pub(super) const fn client(stream: ClientStream) -> Self {
        Self(End::Client(stream))
    }

    pub(super) const fn server(stream: ServerStream) -> Self {
        Self(End::Server(stream))
    }

    /// What the WebSocket runs over.
    pub fn inner(&self) -> &Stream {
        match &self.0 {
            End::Client(stream) => stream.inner(),
            End::Server(stream) => stream.inner(),
        }
    }

    /// The same, to move it to another runtime.
    pub(crate) fn inner_mut(&mut self) -> &mut Stream {
        match &mut self.0 {
            End::Client(stream) => stream.inner_mut(),
            End::Server(stream) => stream.inner_mut(),
        }
    }

    fn end(self: Pin<&mut Self>) -> Pin<&mut dyn Transport> {
        match &mut self.get_mut().0 {
            End::Client(stream) => Pin::new(stream),
            End::Server(stream) => Pin::new(stream),
        }
    }
}

impl fmt::Debug for WsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WsStream").field(self.inner()).finish()
    }
}

impl AsyncRead for WsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.end().poll_read(cx, read)
    }
}

impl AsyncWrite for WsStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.end().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.end().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end().poll_shutdown(cx)
    }
}
