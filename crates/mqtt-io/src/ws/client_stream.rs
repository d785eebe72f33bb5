//! `ClientStream`: a client's bytes in WebSocket frames, by the library.

use crate::Stream;
use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream as _;
use futures_sink::Sink;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};

/// Bytes put into one frame, at most.
const FRAME_LEN_MAX: usize = 16 * 1024;

/// A client's stream of bytes in binary frames, which it has to mask.
pub(super) struct ClientStream {
    ws: WebSocketStream<Stream>,
    /// What the last frame has left.
    unread: Bytes,
    /// Whether the other end sent what it may not.
    is_broken: bool,
}

impl ClientStream {
    pub(super) const fn new(ws: WebSocketStream<Stream>) -> Self {
        Self {
            ws,
            unread: Bytes::new(),
            is_broken: false,
        }
    }

    pub(super) fn inner(&self) -> &Stream {
        self.ws.get_ref()
    }

    pub(super) fn inner_mut(&mut self) -> &mut Stream {
        self.ws.get_mut()
    }

    /// Tells the other end why it is left, if that can be done at once.
    fn refuse(&mut self, cx: &mut Context<'_>, code: CloseCode, reason: &'static str) -> io::Error {
        self.is_broken = true;
        let close = Message::Close(Some(CloseFrame {
            code,
            reason: Utf8Bytes::from_static(reason),
        }));
        let mut ws = Pin::new(&mut self.ws);
        if ws.as_mut().start_send(close).is_ok() {
            // The connection ends either way.
            let _ = ws.poll_flush(cx);
        }
        io::Error::new(io::ErrorKind::InvalidData, reason)
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            if self.is_broken {
                return Poll::Ready(Ok(None));
            }
            match ready!(Pin::new(&mut self.ws).poll_next(cx)) {
                None => return Poll::Ready(Ok(None)),
                Some(Ok(Message::Binary(bytes))) if bytes.is_empty() => {}
                Some(Ok(Message::Binary(bytes))) => return Poll::Ready(Ok(Some(bytes))),
                Some(Ok(Message::Text(_))) => {
                    let error = self.refuse(
                        cx,
                        CloseCode::Unsupported,
                        "a text frame, MQTT takes binary ones only",
                    );
                    return Poll::Ready(Err(error));
                }
                // Ping is answered and Close is returned by the library, as reading goes on.
                Some(Ok(
                    Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_),
                )) => {}
                Some(Err(Error::Capacity(_))) => {
                    let error =
                        self.refuse(cx, CloseCode::Size, "a WebSocket message over the limit");
                    return Poll::Ready(Err(error));
                }
                Some(Err(error)) => return Poll::Ready(end_or_error(error)),
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ws).poll_ready(cx).map_err(io_error)
    }

    fn send(&mut self, bytes: Bytes) -> io::Result<usize> {
        let len = bytes.len();
        let sent = Pin::new(&mut self.ws).start_send(Message::Binary(bytes));
        sent.map(|()| len).map_err(io_error)
    }
}

/// An end that no Close announced is an end all the same: packets tell their own length.
fn end_or_error(error: Error) -> io::Result<Option<Bytes>> {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ok(None),
        error => Err(io_error(error)),
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::SendAfterClosing) => io::ErrorKind::BrokenPipe.into(),
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            match ready!(self.poll_message(cx))? {
                Some(bytes) => self.unread = bytes,
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = self.unread.len().min(read.remaining());
        read.put_slice(self.unread.get(..len).unwrap_or_default());
        self.unread.advance(len);
        if self.unread.is_empty() {
            // An empty rest would still hold the frame's memory.
            self.unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let frame = bytes.get(..FRAME_LEN_MAX).unwrap_or(bytes);
        Poll::Ready(self.send(Bytes::copy_from_slice(frame)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let waiting: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut frame = BytesMut::with_capacity(waiting.min(FRAME_LEN_MAX));
        for slice in slices {
            let room = FRAME_LEN_MAX - frame.len();
            frame.extend_from_slice(slice.get(..room).unwrap_or(slice));
        }
        Poll::Ready(self.send(frame.freeze()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ws).poll_flush(cx).map_err(io_error)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_broken {
            return Poll::Ready(Ok(()));
        }
        match ready!(Pin::new(&mut self.ws).poll_close(cx)) {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(io_error(error))),
        }
    }
}
