//! `WriteQueue`: bytes waiting for the socket.

use bytes::Bytes;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Pieces handed to one vectored write, at most.
const SLICES_MAX: usize = 128;
/// A buffer up to this many bytes is joined to the one in front of it.
const JOIN_LEN_MAX: usize = 4 * 1024;
/// An emptied buffer above this capacity, in bytes, is freed instead of kept for reuse.
const SPARE_CAPACITY_MAX: usize = 128 * 1024;
/// Emptied places for what stands in a buffer that are kept for reuse, at most.
const SPARE_WOVEN_MAX: usize = 256;
/// Places for pieces that are kept when the queue runs empty.
const PLACES_KEPT_MAX: usize = 32;

/// Bytes waiting for the socket, in order; shared payloads are not copied.
///
/// Bounds nothing itself: its owner compares [`WriteQueue::len`] with a limit before it pushes.
#[derive(Debug, Default)]
pub struct WriteQueue {
    /// INVARIANT: no piece is empty.
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that have left already.
    front_written: usize,
    /// INVARIANT: the bytes of all pieces, less `front_written`.
    len: usize,
    /// Whether the stream may hold bytes back until it is flushed.
    unflushed: bool,
    spare: Option<Vec<u8>>,
    /// INVARIANT: empty.
    spare_woven: Vec<Woven>,
}

#[derive(Debug)]
enum Piece {
    Owned(Vec<u8>),
    Shared(Bytes),
    Woven(Box<WovenPiece>),
}

/// Shared bytes that stand in a buffer without being in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Woven {
    /// How many bytes of the buffer stand before them.
    pub at: usize,
    /// The bytes; not empty.
    pub bytes: Bytes,
}

#[derive(Debug)]
struct WovenPiece {
    buffer: Vec<u8>,
    /// INVARIANT: in order of `at`, which is at most the length of `buffer`.
    woven: Vec<Woven>,
    /// INVARIANT: the bytes in `buffer` and in `woven`.
    len: usize,
    /// How many of `woven`, from the first, have left with all that stands before them.
    left: usize,
    /// INVARIANT: the bytes up to the end of the last one that has left.
    left_len: usize,
}

impl WovenPiece {
    /// Where in the buffer the bytes behind what has left begin.
    fn begin(&self) -> usize {
        let last = self.left.checked_sub(1).and_then(|at| self.woven.get(at));
        last.map_or(0, |woven| woven.at)
    }

    /// The first `written` bytes have left.
    fn leave(&mut self, written: usize) {
        let mut from = self.begin();
        while let Some(next) = self.woven.get_mut(self.left) {
            let until = self.left_len + (next.at - from) + next.bytes.len();
            if until > written {
                break;
            }
            from = next.at;
            next.bytes = Bytes::new();
            self.left += 1;
            self.left_len = until;
        }
    }
}

impl WriteQueue {
    /// An empty queue; allocates nothing.
    pub const fn new() -> Self {
        Self {
            pieces: VecDeque::new(),
            front_written: 0,
            len: 0,
            unflushed: false,
            spare: None,
            spare_woven: Vec::new(),
        }
    }

    /// Takes over `buffer`; a small one is joined to a small tail and becomes the spare buffer.
    pub fn push(&mut self, mut buffer: Vec<u8>) {
        self.len += buffer.len();
        if let Some(Piece::Owned(tail)) = self.pieces.back_mut()
            && tail.len() <= JOIN_LEN_MAX
            && buffer.len() <= JOIN_LEN_MAX
        {
            tail.append(&mut buffer);
        }
        if buffer.is_empty() {
            self.keep_spare(buffer);
        } else {
            self.pieces.push_back(Piece::Owned(buffer));
        }
    }

    /// Takes over `buffer` with the bytes that stand in it, in order of their places; these are not copied.
    pub fn push_woven(&mut self, buffer: Vec<u8>, woven: Vec<Woven>) {
        if woven.is_empty() {
            return self.push(buffer);
        }
        let shared: usize = woven.iter().map(|woven| woven.bytes.len()).sum();
        let len = buffer.len() + shared;
        self.len += len;
        let piece = WovenPiece {
            buffer,
            woven,
            len,
            left: 0,
            left_len: 0,
        };
        self.pieces.push_back(Piece::Woven(Box::new(piece)));
    }

    /// Puts shared bytes at the end; short ones are copied to a small tail.
    pub fn push_shared(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        match self.pieces.back_mut() {
            _ if bytes.is_empty() => {}
            Some(Piece::Owned(tail)) if tail.len() + bytes.len() <= JOIN_LEN_MAX => {
                tail.extend_from_slice(&bytes);
            }
            _ => self.pieces.push_back(Piece::Shared(bytes)),
        }
    }

    /// Bytes waiting.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no byte waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// An emptied buffer for reuse, of 128 KiB at most; a connection that falls silent takes and drops it.
    pub const fn take_spare(&mut self) -> Option<Vec<u8>> {
        self.spare.take()
    }

    /// Emptied places for what stands in a buffer, for reuse; 256 at most.
    pub fn take_spare_woven(&mut self) -> Vec<Woven> {
        std::mem::take(&mut self.spare_woven)
    }

    /// Writes until nothing waits and the stream is flushed, or until the stream takes no more.
    ///
    /// Ready with the bytes this call wrote. After `Pending`, [`WriteQueue::len`] tells what is left.
    ///
    /// # Errors
    /// What `stream` reports; [`io::ErrorKind::WriteZero`] when it takes no byte.
    pub fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let waiting = self.len;
        while !self.is_empty() {
            let written = ready!(self.poll_write(Pin::new(stream), cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.advance(written);
        }
        if self.unflushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(waiting))
    }

    fn poll_write<'a, S: AsyncWrite>(
        &'a self,
        stream: Pin<&mut S>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Some(Piece::Owned(front)) = self.pieces.front()
            && self.pieces.len() == 1
        {
            return stream.poll_write(cx, front.get(self.front_written..).unwrap_or_default());
        }
        let front = self.pieces.front().map(Piece::left_len);
        let mut skipped = self.front_written - front.unwrap_or(0);
        let is_vectored = stream.is_write_vectored();
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let most = if is_vectored { SLICES_MAX } else { 1 };
        let mut places = slices.iter_mut().take(most);
        let mut count = 0;
        let mut add = |part: &'a [u8]| {
            let part = match skipped {
                0 => part,
                _ => {
                    let rest = part.get(skipped..).unwrap_or_default();
                    skipped = skipped.saturating_sub(part.len());
                    rest
                }
            };
            if part.is_empty() {
                return true;
            }
            let Some(place) = places.next() else {
                return false;
            };
            *place = IoSlice::new(part);
            count += 1;
            true
        };
        for piece in &self.pieces {
            if !piece.show(&mut add) {
                break;
            }
        }
        let slices = slices.get(..count).unwrap_or_default();
        match slices {
            [one] => stream.poll_write(cx, one),
            many => stream.poll_write_vectored(cx, many),
        }
    }

    fn advance(&mut self, written: usize) {
        self.len = self.len.saturating_sub(written);
        self.front_written += written;
        while let Some(front) = self.pieces.front()
            && self.front_written >= front.len()
        {
            self.front_written -= front.len();
            match self.pieces.pop_front() {
                Some(Piece::Owned(buffer)) => self.keep_spare(buffer),
                Some(Piece::Woven(piece)) => {
                    self.keep_spare_woven(piece.woven);
                    self.keep_spare(piece.buffer);
                }
                Some(Piece::Shared(_)) | None => {}
            }
        }
        if let Some(Piece::Woven(front)) = self.pieces.front_mut() {
            front.leave(self.front_written);
        }
        if self.pieces.is_empty() && self.pieces.capacity() > PLACES_KEPT_MAX {
            self.pieces = VecDeque::new();
        }
    }

    fn keep_spare_woven(&mut self, mut woven: Vec<Woven>) {
        let is_larger = self.spare_woven.capacity() < woven.capacity();
        if is_larger && woven.capacity() <= SPARE_WOVEN_MAX {
            woven.clear();
            self.spare_woven = woven;
        }
    }

    fn keep_spare(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > SPARE_CAPACITY_MAX {
            return;
        }
        if self
            .spare
            .as_ref()
            .is_none_or(|spare| spare.capacity() < buffer.capacity())
        {
            buffer.clear();
            self.spare = Some(buffer);
        }
    }
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Owned(buffer) => buffer.len(),
            Self::Shared(bytes) => bytes.len(),
            Self::Woven(piece) => piece.len,
        }
    }

    /// How many of its bytes [`Piece::show`] passes over, which have left.
    fn left_len(&self) -> usize {
        match self {
            Self::Woven(piece) => piece.left_len,
            Self::Owned(_) | Self::Shared(_) => 0,
        }
    }

    /// Shows its bytes in order, from [`Piece::left_len`] on, until `use_part` says `false`; whether it has not.
    #[inline]
    fn show<'a>(&'a self, mut use_part: impl FnMut(&'a [u8]) -> bool) -> bool {
        let piece = match self {
            Self::Owned(buffer) => return use_part(buffer),
            Self::Shared(bytes) => return use_part(bytes),
            Self::Woven(piece) => piece,
        };
        let mut from = piece.begin();
        for woven in piece.woven.get(piece.left..).unwrap_or_default() {
            let before = piece.buffer.get(from..woven.at).unwrap_or_default();
            if !use_part(before) || !use_part(&woven.bytes) {
                return false;
            }
            from = woven.at;
        }
        use_part(piece.buffer.get(from..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::task::Waker;

    /// Takes `accepts` bytes per write in turn; 0 stands for a full socket.
    #[derive(Debug)]
    struct MockStream {
        accepts: Vec<usize>,
        turn: usize,
        vectored: bool,
        written: Vec<u8>,
        writes: usize,
        flushed_at: usize,
    }

    impl MockStream {
        fn new(accepts: &[usize], vectored: bool) -> Self {
            let accepts = accepts.to_vec();
            Self {
                accepts,
                turn: 0,
                vectored,
                written: Vec::new(),
                writes: 0,
                flushed_at: 0,
            }
        }

        fn next_accept(&mut self) -> usize {
            let accept = self.accepts[self.turn % self.accepts.len()];
            self.turn += 1;
            accept
        }
    }

    impl AsyncWrite for MockStream {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.as_mut()
                .poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let accept = self.next_accept();
            if accept == 0 {
                return Poll::Pending;
            }
            self.writes += 1;
            let mut taken = 0;
            for slice in slices {
                let len = slice.len().min(accept - taken);
                self.written.extend_from_slice(&slice[..len]);
                taken += len;
            }
            Poll::Ready(Ok(taken))
        }

        fn is_write_vectored(&self) -> bool {
            self.vectored
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushed_at = self.written.len();
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn flush(queue: &mut WriteQueue, stream: &mut MockStream) -> Poll<io::Result<usize>> {
        queue.poll_flush(stream, &mut Context::from_waker(Waker::noop()))
    }

    proptest! {
        #[test]
        fn partial_writes_keep_every_byte_in_order(
            pieces in proptest::collection::vec((0..3u8, 0usize..6000), 1..80),
            accepts in proptest::collection::vec(0usize..9000, 1..10),
            vectored in any::<bool>(),
        ) {
            prop_assume!(accepts.iter().any(|accept| *accept > 0));
            let mut queue = WriteQueue::new();
            let mut expected = Vec::new();
            let mut stream = MockStream::new(&accepts, vectored);
            for (at, (kind, len)) in pieces.into_iter().enumerate() {
                let bytes = vec![u8::try_from(at).unwrap(); len];
                expected.extend_from_slice(&bytes);
                match kind {
                    0 => queue.push_shared(bytes.into()),
                    1 => queue.push(bytes),
                    _ => {
                        let cut = len / 3;
                        let (front, rest) = bytes.split_at(cut);
                        let (middle, back) = rest.split_at(cut);
                        let shared = |part: &[u8]| Woven { at: cut, bytes: Bytes::copy_from_slice(part) };
                        let woven = [middle.get(..cut / 2), middle.get(cut / 2..)];
                        let woven = woven.into_iter().flatten().filter(|part| !part.is_empty());
                        queue.push_woven([front, back].concat(), woven.map(shared).collect());
                    }
                }
                if at % 7 == 0 {
                    let _ = flush(&mut queue, &mut stream);
                }
                prop_assert_eq!(queue.len() + stream.written.len(), expected.len());
            }
            while flush(&mut queue, &mut stream).is_pending() {}
            prop_assert!(queue.is_empty());
            prop_assert_eq!(stream.flushed_at, expected.len());
            prop_assert_eq!(stream.written, expected);
        }
    }

    #[test]
    fn many_pieces_leave_in_one_vectored_write() {
        let mut queue = WriteQueue::new();
        for _ in 0..20 {
            queue.push(vec![1; 10]);
            queue.push_shared(Bytes::from(vec![2; 10_000]));
        }
        let mut stream = MockStream::new(&[usize::MAX], true);
        assert!(matches!(
            flush(&mut queue, &mut stream),
            Poll::Ready(Ok(200_200))
        ));
        assert_eq!(stream.writes, 1);
    }

    #[test]
    fn small_buffers_are_joined_and_leave_a_spare() {
        let mut queue = WriteQueue::new();
        for _ in 0..10 {
            queue.push(vec![1; 10]);
        }
        assert_eq!(queue.pieces.len(), 1);
        assert!(
            queue
                .take_spare()
                .is_some_and(|spare| spare.is_empty() && spare.capacity() >= 10)
        );
    }

    #[test]
    fn places_in_a_buffer_are_used_again_unless_they_are_too_many() {
        let woven = |count| {
            vec![
                Woven {
                    at: 0,
                    bytes: Bytes::from_static(b"x")
                };
                count
            ]
        };
        let mut queue = WriteQueue::new();
        let mut stream = MockStream::new(&[usize::MAX], true);
        for (count, kept) in [(SPARE_WOVEN_MAX, SPARE_WOVEN_MAX), (SPARE_WOVEN_MAX + 1, 0)] {
            queue.push_woven(Vec::new(), woven(count));
            while flush(&mut queue, &mut stream).is_pending() {}
            let spare = queue.take_spare_woven();
            assert_eq!((spare.len(), spare.capacity()), (0, kept));
        }
    }

    #[test]
    fn a_large_buffer_is_not_kept_as_spare() {
        let mut queue = WriteQueue::new();
        queue.push(vec![1; SPARE_CAPACITY_MAX + 1]);
        let mut stream = MockStream::new(&[usize::MAX], false);
        assert!(flush(&mut queue, &mut stream).is_ready());
        assert_eq!(queue.take_spare(), None);
    }
}
