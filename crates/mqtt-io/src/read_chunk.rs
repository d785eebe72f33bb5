//! One read buffer per worker thread, so that a connection waiting for bytes owns none.

use bytes::{Bytes, BytesMut};
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes one read takes at most.
pub const READ_CHUNK_LEN: usize = 64 * 1024;

/// Buffers of one thread that others may keep parts of at the same time.
const LENT_MAX: usize = 4;

thread_local! {
    static CHUNK: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
    static SHARED: Cell<SharedChunks> = const { Cell::new(SharedChunks::new()) };
}

/// Buffers whose bytes may be kept without a copy.
struct SharedChunks {
    /// One that nobody uses; all of its bytes are initialized.
    free: Option<BytesMut>,
    /// INVARIANT: at most [`LENT_MAX`], the youngest last.
    lent: Vec<Bytes>,
}

impl SharedChunks {
    const fn new() -> Self {
        Self {
            free: None,
            lent: Vec::new(),
        }
    }

    /// A buffer to read into, the likeliest to be in the processor's cache; none while too many are kept elsewhere.
    fn take(&mut self) -> Option<BytesMut> {
        if let Some(free) = self.free.take() {
            return Some(free);
        }
        let returned = self.lent.iter().rposition(Bytes::is_unique);
        if let Some(at) = returned {
            return self.lent.remove(at).try_into_mut().ok();
        }
        let has_place = self.lent.len() < LENT_MAX;
        has_place.then(|| BytesMut::zeroed(READ_CHUNK_LEN))
    }

    fn put(&mut self, chunk: Bytes) {
        match chunk.try_into_mut() {
            Ok(free) => self.free = Some(free),
            Err(lent) if self.lent.len() < LENT_MAX => self.lent.push(lent),
            // Read inside a read; it belongs to those who keep parts of it.
            Err(_) => {}
        }
    }
}

impl Default for SharedChunks {
    fn default() -> Self {
        Self::new()
    }
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

/// As [`poll_read_chunk`], with the buffer of which the bytes may be kept without a copy, as long as that is little.
///
/// Parts of at most four buffers of a thread are kept elsewhere; then there is none.
///
/// # Errors
/// What `stream` reports.
pub fn poll_read_shared<S: AsyncRead + Unpin, R>(
    stream: &mut S,
    cx: &mut Context<'_>,
    use_bytes: impl FnOnce(&[u8], Option<&Bytes>) -> R,
) -> Poll<io::Result<R>> {
    let mut chunks = SHARED.take();
    let Some(mut chunk) = chunks.take() else {
        SHARED.set(chunks);
        return poll_read_chunk(stream, cx, |bytes| use_bytes(bytes, None));
    };
    SHARED.set(chunks);
    let mut read = ReadBuf::new(&mut chunk);
    let polled = Pin::new(stream).poll_read(cx, &mut read);
    let len = read.filled().len();
    let chunk = chunk.freeze();
    let used = polled.map_ok(|()| use_bytes(chunk.get(..len).unwrap_or_default(), Some(&chunk)));
    let mut chunks = SHARED.take();
    chunks.put(chunk);
    SHARED.set(chunks);
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn read_shared(bytes: &'static [u8]) -> Option<Bytes> {
        let mut stream = bytes;
        let mut cx = Context::from_waker(Waker::noop());
        let read = poll_read_shared(&mut stream, &mut cx, |bytes, chunk| {
            chunk.map(|chunk| chunk.slice_ref(bytes))
        });
        match read {
            Poll::Ready(Ok(kept)) => kept,
            other => panic!("slices are always ready: {other:?}"),
        }
    }

    #[test]
    fn a_buffer_is_read_into_again_when_nobody_keeps_a_part_of_it() {
        let first = read_shared(b"first").unwrap();
        let second = read_shared(b"second").unwrap();
        assert_eq!((&first[..], &second[..]), (&b"first"[..], &b"second"[..]));
        let place = second.as_ptr();
        drop(second);
        let third = read_shared(b"third").unwrap();
        assert_eq!((&first[..], &third[..]), (&b"first"[..], &b"third"[..]));
        assert_eq!(third.as_ptr(), place);
    }

    #[test]
    fn no_more_than_the_bound_is_kept_of_buffers() {
        let mut kept: Vec<_> = (0..LENT_MAX).map(|_| read_shared(b"kept")).collect();
        assert!(kept.iter().all(Option::is_some));
        assert_eq!(read_shared(b"copied"), None);
        kept.pop();
        assert!(read_shared(b"kept again").is_some());
        assert_eq!(kept.len(), LENT_MAX - 1);
    }

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
