//! `ServerStream`: a client's WebSocket at the server, read and written without a buffer of its own.

use super::frames::{Asked, Fault, Frames};
use crate::Stream;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// Bytes put into one frame, at most.
const FRAME_LEN_MAX: usize = 64 * 1024;
/// Slices written at once, at most.
const SLICES_MAX: usize = 64;
/// Reads that bring nothing but control frames, in a row, before others have their turn.
const READS_PER_TURN: usize = 8;

/// A server's stream of bytes in binary frames.
///
/// Frames are taken apart in the reader's own memory, and a head is written together with the caller's slices.
pub(super) struct ServerStream {
    stream: Stream,
    frames: Frames,
    /// What came behind the request of the handshake.
    rest: Vec<u8>,
    /// A head under way, and how much of it has gone.
    head: Vec<u8>,
    head_sent: usize,
    /// Payload of the frame under way that is still to be written, in bytes.
    left: usize,
    /// Whole control frames that wait for the end of the frame under way, and for room.
    control: Vec<u8>,
    /// What the client did wrong, told to it behind what it said before.
    fault: Option<Fault>,
    /// Nothing more is read.
    is_over: bool,
    /// Close has been put on its way.
    is_closing: bool,
}

impl ServerStream {
    /// `rest` is what was read behind the request of the handshake.
    pub(super) fn new(stream: Stream, rest: Vec<u8>, message_len_max: usize) -> Self {
        Self {
            stream,
            frames: Frames::new(message_len_max),
            rest,
            head: Vec::new(),
            head_sent: 0,
            left: 0,
            control: Vec::new(),
            fault: None,
            is_over: false,
            is_closing: false,
        }
    }

    pub(super) const fn inner(&self) -> &Stream {
        &self.stream
    }

    pub(super) const fn inner_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Puts what a control frame asked for on its way.
    fn answer(&mut self, asked: Asked) {
        match asked {
            Asked::Close(payload) => {
                self.is_over = true;
                self.close(&payload);
            }
            // Who asks faster than it takes the answers gets the one to its last question.
            Asked::Pong(payload) if self.control.is_empty() => {
                push_frame(&mut self.control, Control::Pong, &payload);
            }
            Asked::Pong(_) => {}
        }
    }

    fn close(&mut self, payload: &[u8]) {
        if !mem::replace(&mut self.is_closing, true) {
            push_frame(&mut self.control, Control::Close, payload);
        }
    }

    /// Tells the other end why it is left, if that can be done at once.
    fn refuse(&mut self, cx: &mut Context<'_>, fault: Fault) -> io::Error {
        self.is_over = true;
        let mut payload = u16::from(fault.code).to_be_bytes().to_vec();
        payload.extend_from_slice(fault.reason.as_bytes());
        self.close(&payload);
        // The connection ends either way.
        let _ = self.poll_control(cx);
        io::Error::new(io::ErrorKind::InvalidData, fault.reason)
    }

    /// Writes what control frames there are, unless a frame is under way.
    fn poll_control(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.left > 0 {
            return Poll::Ready(Ok(()));
        }
        while !self.control.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.control))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.control.drain(..written.min(self.control.len()));
        }
        self.control = Vec::new();
        Poll::Ready(Ok(()))
    }
}

/// A control frame of a server; its payload is never longer than what a client may send.
fn push_frame(out: &mut Vec<u8>, control: Control, payload: &[u8]) {
    push_head(out, OpCode::Control(control), payload.len());
    out.extend_from_slice(payload);
}

fn push_head(out: &mut Vec<u8>, opcode: OpCode, payload_len: usize) {
    let head = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    let payload_len = u64::try_from(payload_len).unwrap_or(u64::MAX);
    // Writing to a vector does not fail.
    let _ = head.format(payload_len, out);
}

impl AsyncRead for ServerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        for _ in 0..READS_PER_TURN {
            if let Poll::Ready(written) = this.poll_control(cx) {
                written?;
            }
            if let Some(fault) = this.fault.take() {
                return Poll::Ready(Err(this.refuse(cx, fault)));
            }
            if this.is_over || read.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let before = read.filled().len();
            if this.rest.is_empty() {
                ready!(Pin::new(&mut this.stream).poll_read(cx, read))?;
            } else {
                let len = this.rest.len().min(read.remaining());
                read.put_slice(this.rest.get(..len).unwrap_or_default());
                this.rest.drain(..len);
                this.rest.shrink_to_fit();
            }
            let came = read.filled_mut().get_mut(before..).unwrap_or_default();
            if came.is_empty() {
                this.is_over = true;
                return Poll::Ready(Ok(()));
            }
            let mut asked = None;
            let (len, taken) = this.frames.take(came, &mut asked);
            read.set_filled(before + len);
            this.fault = taken.err();
            if let Some(asked) = asked {
                this.answer(asked);
            }
            if len > 0 {
                if let Poll::Ready(written) = this.poll_control(cx) {
                    written?;
                }
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_control(cx))?;
        if this.left == 0 {
            let slices = slices.get(..SLICES_MAX).unwrap_or(slices);
            let waiting: usize = slices.iter().map(|slice| slice.len()).sum();
            let len = waiting.min(FRAME_LEN_MAX);
            if len == 0 {
                return Poll::Ready(Ok(0));
            }
            if this.is_closing {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            this.head.clear();
            this.head_sent = 0;
            push_head(&mut this.head, OpCode::Data(Data::Binary), len);
            this.left = len;
        }
        loop {
            let head = this.head.get(this.head_sent..).unwrap_or_default();
            let mut parts = [IoSlice::new(&[]); SLICES_MAX + 1];
            let mut room = this.left;
            let payload = slices.iter().map(|slice| {
                let bytes = slice.get(..room).unwrap_or(slice);
                room -= bytes.len();
                bytes
            });
            let mut count = 0;
            for (part, bytes) in parts.iter_mut().zip(std::iter::once(head).chain(payload)) {
                *part = IoSlice::new(bytes);
                count += 1;
            }
            let parts = parts.get(..count).unwrap_or_default();
            let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, parts))?;
            let of_head = written.min(head.len());
            this.head_sent += of_head;
            let of_payload = written - of_head;
            this.left -= of_payload.min(this.left);
            if of_payload > 0 || written == 0 {
                return Poll::Ready(Ok(of_payload));
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_control(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            let normal = u16::from(CloseCode::Normal).to_be_bytes();
            self.close(&normal);
        }
        ready!(self.poll_control(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
