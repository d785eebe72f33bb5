//! `QuicStream`: a stream of bytes in QUIC.

use super::NO_ERROR;
use crate::PeerCertificate;
use quinn::{Connection, ConnectionError, ReadError, RecvStream, SendStream, StoppedError, VarInt};
use rustls::pki_types::CertificateDer;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long what was written may still be under way after the stream has been dropped, as a system lets the last bytes
/// of a socket.
const LINGER: Duration = Duration::from_secs(5);

/// A stream of bytes in QUIC: the only stream of its connection, which ends with it.
///
/// Dropped, it still delivers what was written, for 5 s.
pub struct QuicStream {
    connection: Connection,
    send: SendStream,
    read: RecvStream,
    /// Until the other end has all of what was written; from the first call of shutdown on.
    ending: Option<Ending>,
}

/// Waits until the other end has all of what was written.
struct Ending(Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>> + Send + Sync>>);

impl QuicStream {
    pub(super) const fn new(connection: Connection, send: SendStream, read: RecvStream) -> Self {
        Self {
            connection,
            send,
            read,
            ending: None,
        }
    }

    /// The address of the other end as it is now: a client may have moved to another network.
    pub fn peer_addr(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    /// What the other end's certificate says, if it has shown one.
    pub fn peer_certificate(&self) -> Option<PeerCertificate> {
        let shown = self.connection.peer_identity()?;
        let shown = shown.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        PeerCertificate::from_der(shown.first()?)
    }

    fn finish(&mut self) -> Ending {
        // It fails where all is over already.
        let _ = self.send.finish();
        Ending(Box::pin(self.send.stopped()))
    }
}

/// An end in order is one that was closed without an error: packets tell their own length.
fn end_or_error(error: io::Error) -> io::Result<()> {
    let lost = match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(ReadError::ConnectionLost(lost)) => lost.clone(),
        _ => return Err(error),
    };
    match lost {
        ConnectionError::ApplicationClosed(close) if close.error_code == NO_ERROR => Ok(()),
        lost => Err(lost.into()),
    }
}

impl Drop for QuicStream {
    fn drop(&mut self) {
        let ending = match self.ending.take() {
            Some(ending) => ending,
            None => self.finish(),
        };
        let connection = self.connection.clone();
        let is_open = connection.close_reason().is_none();
        if let Ok(runtime) = Handle::try_current()
            && is_open
        {
            runtime.spawn(async move {
                let _ = timeout(LINGER, ending.0).await;
                connection.close(NO_ERROR, b"");
            });
        }
    }
}

impl AsyncRead for QuicStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let done = ready!(AsyncRead::poll_read(Pin::new(&mut self.read), cx, read));
        Poll::Ready(done.or_else(end_or_error))
    }
}

impl AsyncWrite for QuicStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), cx, bytes)
    }

    /// What was written is sent without being asked to.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ready when the other end has all of what was written, or the connection is gone.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut ending = match self.ending.take() {
            Some(ending) => ending,
            None => self.finish(),
        };
        let ended = ending.0.as_mut().poll(cx);
        if ended.is_pending() {
            self.ending = Some(ending);
            return Poll::Pending;
        }
        self.ending = Some(Ending(Box::pin(std::future::ready(Ok(None)))));
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for QuicStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QuicStream")
            .field(&self.peer_addr())
            .finish()
    }
}
