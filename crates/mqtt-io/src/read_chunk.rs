//! One read buffer per worker thread, so that a connection waiting for bytes owns none.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes one read takes at most.
pub const READ_CHUNK_LEN: usize = 64 * 1024;

thread_local! {
    static CHUNK: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Reads once from `stream` into this thread's buffer and hands the bytes to `use_bytes` in the same poll.
///
/// An empty slice is the end of the stream. `use_bytes` may call this function again: it then gets a fresh buffer.
///
/// # Errors
/// What `stream` reports.
pub fn poll_read_chunk<S: AsyncRead + Unpin, R>(
    stream: &mut S,
    cx: &mut Context<'_>,
    use_bytes: impl FnOnce(&[u8]) -> R,
) -> Poll<io::Result<R>> {
    poll_read_chunk_of(stream, cx, READ_CHUNK_LEN, use_bytes)
}

/// The same, with at most `len_max` bytes; [`READ_CHUNK_LEN`] is the most there can be.
///
/// # Errors
/// What `stream` reports.
pub fn poll_read_chunk_of<S: AsyncRead + Unpin, R>(
    stream: &mut S,
    cx: &mut Context<'_>,
    len_max: usize,
    use_bytes: impl FnOnce(&[u8]) -> R,
) -> Poll<io::Result<R>> {
    let mut chunk = CHUNK
        .take()
        .unwrap_or_else(|| vec![0; READ_CHUNK_LEN].into_boxed_slice());
    let len = len_max.clamp(1, chunk.len());
    let mut read = ReadBuf::new(chunk.get_mut(..len).unwrap_or_default());
    let polled = Pin::new(stream)
        .poll_read(cx, &mut read)
        .map_ok(|()| use_bytes(read.filled()));
    CHUNK.set(Some(chunk));
    Poll::Ready(ready!(polled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn a_read_inside_a_read_gets_its_own_buffer() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut outer: &[u8] = b"outer";
        let mut inner: &[u8] = b"inner";
        let read = poll_read_chunk(&mut outer, &mut cx, |bytes| {
            let nested = poll_read_chunk(
                &mut inner,
                &mut Context::from_waker(Waker::noop()),
                <[u8]>::to_vec,
            );
            (bytes.to_vec(), nested)
        });
        let Poll::Ready(Ok((bytes, Poll::Ready(Ok(nested))))) = read else {
            panic!("slices are always ready")
        };
        assert_eq!(
            (bytes.as_slice(), nested.as_slice()),
            (&b"outer"[..], &b"inner"[..])
        );
    }

    #[test]
    fn the_end_of_the_stream_is_an_empty_slice() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut empty: &[u8] = b"";
        let read = poll_read_chunk(&mut empty, &mut cx, <[u8]>::is_empty);
        assert!(matches!(read, Poll::Ready(Ok(true))));
    }
}
