//! What must hold for any bytes a socket delivers, however they are cut: each function takes input of no particular
//! form, and a test or a fuzz target calls it and nothing else.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what does not hold fails a test"
)]

use mqtt_io::{ProxyHeader, Stream, WsAcceptor};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// The longest WebSocket message the acceptor takes here. Unit: bytes.
const MESSAGE_LEN_MAX: usize = 1024;

/// The most of an input that is cut at every byte. Unit: bytes.
const CUT_LEN_MAX: usize = 512;

/// A handshake that is taken, so that frames are reached.
const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

/// A PROXY header is the same however its bytes come, is found without the bytes behind it, and reading takes none of
/// those; an error, once shown, stays whatever follows.
///
/// The first byte says how many bytes come at a time.
///
/// # Panics
/// When it does not hold.
pub fn proxy_header(input: &[u8]) {
    let Some((&step, bytes)) = input.split_first() else {
        return;
    };
    let decoded = ProxyHeader::decode(bytes);
    let cuts = bytes.len().min(CUT_LEN_MAX);
    for cut in 0..cuts {
        let head = bytes.get(..cut).unwrap_or_default();
        match (&decoded, ProxyHeader::decode(head)) {
            (Ok(Some((_, len))), Ok(None)) => assert!(cut < *len, "known late"),
            (Ok(Some((header, len))), Ok(Some((earlier, found)))) => {
                assert!(cut >= *len && found == *len && earlier == *header);
            }
            (_, Ok(None)) => {}
            (Err(error), Err(earlier)) => assert_eq!(error.to_string(), earlier.to_string()),
            (decoded, head) => panic!("{head:?} becomes {decoded:?}"),
        }
    }
    let mut stream = stream(Pieces::new(&[], bytes, step));
    let (read, rest) = block_on(async {
        let read = ProxyHeader::read(&mut stream).await;
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest).await;
        assert!(ended.is_ok());
        (read, rest)
    });
    match (decoded, read) {
        (Ok(Some((header, len))), Ok(read)) => {
            assert_eq!(header, read);
            assert_eq!(bytes.get(len..), Some(rest.as_slice()));
        }
        (Ok(None) | Err(_), Err(error)) => assert!(!error.to_string().is_empty()),
        (decoded, read) => panic!("decoded {decoded:?}, read {read:?}"),
    }
}

/// A WebSocket delivers no more than what came; behind the handshake it does not depend on how bytes are cut.
///
/// The first byte says how many bytes come at a time; with its highest bit a good handshake precedes the rest, in one
/// piece, because the library takes many small ones for an attack and more than a request for a mistake.
///
/// # Panics
/// When it does not hold.
pub fn websocket(input: &[u8]) {
    let Some((&first, bytes)) = input.split_first() else {
        return;
    };
    let step = first & 0x7F;
    let opening = if first & 0x80 == 0 { &[][..] } else { REQUEST };
    let pieces = deliver(Pieces::new(opening, bytes, step));
    assert!(pieces.0.len() <= bytes.len());
    let whole = deliver(Pieces::new(opening, bytes, 0));
    assert!(opening.is_empty() || whole == pieces);
}

/// What comes out of a WebSocket, and how it ends.
fn deliver(pieces: Pieces) -> (Vec<u8>, String) {
    let acceptor = WsAcceptor::new().message_len_max(MESSAGE_LEN_MAX);
    block_on(async {
        let mut delivered = Vec::new();
        let end = match acceptor.accept(stream(pieces)).await {
            Err(error) => error.to_string(),
            Ok((mut stream, _)) => match stream.read_to_end(&mut delivered).await {
                Err(error) => error.to_string(),
                Ok(_) => "end".to_owned(),
            },
        };
        (delivered, end)
    })
}

/// A connection on which these bytes come; what is written to it goes nowhere.
fn stream(pieces: Pieces) -> Stream {
    Stream::other(tokio::io::join(pieces, tokio::io::sink()))
}

/// Bytes that come in pieces, with a wait before each.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    /// Length of the next piece, and of those after it.
    lens: (usize, usize),
    is_waiting: bool,
}

impl Pieces {
    /// `opening` at once, then `step` of `bytes` at a time, or all for 0.
    fn new(opening: &[u8], bytes: &[u8], step: u8) -> Self {
        let step = match step {
            0 => usize::MAX,
            step => usize::from(step),
        };
        let first = if opening.is_empty() {
            step
        } else {
            opening.len()
        };
        Self {
            bytes: [opening, bytes].concat(),
            at: 0,
            lens: (first, step),
            is_waiting: false,
        }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_waiting = !self.is_waiting;
        if self.is_waiting {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let len = self.lens.0.min(read.remaining());
        let left = self.bytes.get(self.at..).unwrap_or_default();
        let piece = left.get(..len).unwrap_or(left);
        read.put_slice(piece);
        let len = piece.len();
        self.at += len;
        self.lens.0 = self.lens.1;
        Poll::Ready(Ok(()))
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without drivers").block_on(future)
}
