//! `PacketReader`: splits a byte stream into Control Packets, wherever the stream was cut.

use crate::spare_packets;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use mqtt_codec::{DecodeError, Frame, bytes_missing, frame};
use std::future::Future;
use std::io;
use std::mem;
use std::pin::pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Packets from this many bytes on are worth keeping without a copy.
const LARGE: usize = 8 * 1024;
/// The rest of a packet from this many bytes on is read to where it belongs: a second read is cheaper than a copy.
const DIRECT: usize = 32 * 1024;
/// How many times as much memory as it has sent of a packet a client gets for it.
const GROWTH: usize = 4;
/// What a client has to send once before it gets as much at once, in units of [`DIRECT`]: 1 MiB at most.
const PROVEN_MAX: u8 = 32;
/// Bytes read behind a large packet where another one is expected: its beginning, which is copied.
const HEAD_LEN: usize = 4 * 1024;

/// What a handler says about the packet it was shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Consumed; on with the next.
    Continue,
    /// Not consumed: the packet and everything behind it is kept and offered again by the next feed.
    Pause,
    /// Consumed, and the connection ends: nothing behind it is looked at any more.
    Stop,
}

/// What became of the bytes that were fed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fed {
    /// Every whole packet was handled; the start of the next may be kept.
    All,
    /// The handler asked for a pause; go on with `feed(&[], ..)`, and read nothing from the stream until then.
    Paused,
    /// The handler ended the connection; whatever is fed from now on is discarded.
    Stopped,
}

/// Splits a byte stream into Control Packets.
///
/// Whole packets are shown where they lie; only an incomplete tail (or what is behind a pause) is copied, and of a
/// large packet only its beginning, if what follows is read by [`PacketReader::poll_fill`].
/// The memory for it grows as bytes arrive, to four times as many or what this client has sent in one packet before
/// (1 MiB at most), never by the announced length alone. It is given back when it is used up: a reader between
/// packets owns no memory. Spec: v5 §2.1, v3.1.1 §2.2.
#[derive(Debug)]
pub struct PacketReader {
    /// An incomplete packet, or what waits behind a pause.
    kept: BytesMut,
    packet_len_max: u32,
    /// The longest packet that came whole, in units of [`DIRECT`] and rounded up; at most [`PROVEN_MAX`].
    proven: u8,
    /// `kept` begins where its memory begins.
    is_at_front: bool,
    /// The last packet was put together by [`PacketReader::poll_fill`].
    was_filled: bool,
    ended: bool,
}

impl PacketReader {
    /// A reader that refuses packets longer than `packet_len_max` bytes, fixed header included.
    pub fn new(packet_len_max: u32) -> Self {
        Self {
            kept: BytesMut::new(),
            packet_len_max,
            proven: 0,
            is_at_front: true,
            was_filled: false,
            ended: false,
        }
    }

    /// Sets the longest packet accepted from now on, in bytes.
    pub const fn set_packet_len_max(&mut self, packet_len_max: u32) {
        self.packet_len_max = packet_len_max;
    }

    /// Bytes kept: an incomplete packet, or what waits behind a pause.
    pub fn buffered(&self) -> usize {
        self.kept.len()
    }

    /// Whether a large packet is incomplete, and the next bytes are best read by [`PacketReader::poll_fill`].
    #[inline]
    pub fn is_filling(&self) -> bool {
        !self.kept.is_empty() && self.is_inside_large()
    }

    fn is_inside_large(&self) -> bool {
        let missing = bytes_missing(&self.kept);
        missing > 0 && self.kept.len() + missing >= DIRECT
    }

    /// How many bytes the next read takes best where [`PacketReader::is_filling`] says no: few when a packet like the
    /// last, large one is expected, whose rest need not be copied then.
    #[inline]
    pub const fn read_len(&self) -> usize {
        match self.was_filled {
            true => HEAD_LEN,
            false => crate::READ_CHUNK_LEN,
        }
    }

    /// Reads once from `stream`, straight into the incomplete packet, and not far beyond it.
    ///
    /// Ready with the number of bytes, which is 0 at the end of the stream; feed an empty chunk next, for the packet
    /// may be whole.
    ///
    /// # Errors
    /// What `stream` reports.
    pub fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let missing = bytes_missing(&self.kept).max(1);
        if self.room() == 0 {
            self.grow(self.kept.len(), self.kept.len() + missing);
        }
        let len_max = missing + self.head_len();
        let mut room = (&mut self.kept).limit(len_max);
        // Dropped when it is not ready, it has read nothing.
        let read = pin!(stream.read_buf(&mut room)).poll(cx);
        self.was_filled = true;
        read
    }

    /// Bytes that may be read behind a large packet.
    const fn head_len(&self) -> usize {
        match self.was_filled {
            true => HEAD_LEN,
            false => 0,
        }
    }

    /// Feeds the next bytes of the stream; `handle` sees every whole packet, in order.
    ///
    /// # Errors
    /// The fixed header of the next packet is malformed or announces too many bytes.
    /// All packets in front of it were handled; the stream cannot be read any further.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        mut handle: impl FnMut(Frame<'_>) -> Verdict,
    ) -> Result<Fed, DecodeError> {
        self.feed_shared(chunk, |frame, _| handle(frame))
    }

    /// The same; with a large packet that was put together here comes a handle to its bytes, to keep without a copy.
    ///
    /// # Errors
    /// As [`PacketReader::feed`].
    pub fn feed_shared(
        &mut self,
        chunk: &[u8],
        handle: impl FnMut(Frame<'_>, Option<&Bytes>) -> Verdict,
    ) -> Result<Fed, DecodeError> {
        self.feed_from(chunk, None, handle)
    }

    /// The same, where the bytes of `chunk` are in `shared`, which comes with every packet that lies in them.
    ///
    /// # Errors
    /// As [`PacketReader::feed`].
    pub fn feed_from(
        &mut self,
        chunk: &[u8],
        shared: Option<&Bytes>,
        mut handle: impl FnMut(Frame<'_>, Option<&Bytes>) -> Verdict,
    ) -> Result<Fed, DecodeError> {
        if self.ended {
            return Ok(Fed::Stopped);
        }
        let fed = match self.feed_kept(chunk, &mut handle) {
            Ok(Step::Rest(rest)) => self.feed_in_place(rest, shared, &mut handle),
            Ok(Step::Done(fed)) => Ok(fed),
            Err(error) => Err(error),
        };
        if matches!(fed, Ok(Fed::Stopped) | Err(_)) {
            self.ended = true;
            self.give_back();
        }
        fed
    }

    /// Handles what was kept, completed with as much of `chunk` as it needs.
    fn feed_kept<'c>(
        &mut self,
        chunk: &'c [u8],
        handle: &mut impl FnMut(Frame<'_>, Option<&Bytes>) -> Verdict,
    ) -> Result<Step<'c>, DecodeError> {
        let mut rest = chunk;
        while !self.kept.is_empty() {
            let Some(found) = frame(&self.kept, self.packet_len_max)? else {
                if rest.is_empty() {
                    return Ok(Step::Done(Fed::All));
                }
                let missing = bytes_missing(&self.kept);
                let (wanted, behind) = rest.split_at(missing.clamp(1, rest.len()));
                if self.room() < wanted.len() {
                    let len = self.kept.len();
                    self.grow(len + wanted.len(), len + missing);
                }
                self.kept.extend_from_slice(wanted);
                rest = behind;
                continue;
            };
            let len = found.len;
            if self.is_one_large(len) {
                let capacity = self.kept.capacity();
                let packet = self.take_large(len);
                let whole = frame(&packet, self.packet_len_max)?;
                match whole.map_or(Verdict::Continue, |whole| handle(whole, Some(&packet))) {
                    Verdict::Continue => spare_packets::give(packet, capacity),
                    Verdict::Pause => {
                        let behind = mem::replace(&mut self.kept, packet.into());
                        self.keep(&behind);
                        self.keep(rest);
                        return Ok(Step::Done(Fed::Paused));
                    }
                    Verdict::Stop => return Ok(Step::Done(Fed::Stopped)),
                }
                continue;
            }
            match handle(found, None) {
                Verdict::Continue => self.consume(len),
                Verdict::Pause => {
                    self.keep(rest);
                    return Ok(Step::Done(Fed::Paused));
                }
                Verdict::Stop => return Ok(Step::Done(Fed::Stopped)),
            }
        }
        Ok(Step::Rest(rest))
    }

    /// Handles packets where they lie in `rest`; nothing is kept when it begins.
    fn feed_in_place(
        &mut self,
        mut rest: &[u8],
        shared: Option<&Bytes>,
        handle: &mut impl FnMut(Frame<'_>, Option<&Bytes>) -> Verdict,
    ) -> Result<Fed, DecodeError> {
        while let Some(frame) = frame(rest, self.packet_len_max)? {
            let len = frame.len;
            self.was_filled = false;
            match handle(frame, shared) {
                Verdict::Continue => rest = rest.get(len..).unwrap_or_default(),
                Verdict::Pause => {
                    self.keep(rest);
                    return Ok(Fed::Paused);
                }
                Verdict::Stop => return Ok(Fed::Stopped),
            }
        }
        if !rest.is_empty() {
            self.grow(rest.len(), rest.len() + bytes_missing(rest));
            self.kept.extend_from_slice(rest);
        }
        Ok(Fed::All)
    }

    /// Bytes that `kept` can take without more memory.
    fn room(&self) -> usize {
        self.kept.capacity() - self.kept.len()
    }

    /// Other memory for `kept`; see [`PacketReader::memory_for`].
    fn grow(&mut self, sent: usize, whole: usize) {
        let larger = self.memory_for(sent, whole);
        let smaller = mem::replace(&mut self.kept, larger);
        self.kept.extend_from_slice(&smaller);
        self.is_at_front = true;
    }

    /// Memory for a packet of `whole` bytes, as much of it as this client may ask for: at least for those `sent`.
    fn memory_for(&self, sent: usize, whole: usize) -> BytesMut {
        let proven = usize::from(self.proven) * DIRECT;
        let head_len = match whole >= DIRECT && whole <= proven {
            true => self.head_len(),
            false => 0,
        };
        let wanted = sent.max(whole.min(proven.max(sent * GROWTH)) + head_len);
        let spare = spare_packets::take(wanted);
        spare.unwrap_or_else(|| BytesMut::with_capacity(wanted))
    }

    /// Whether a packet of `len` bytes is large and nearly all that is kept, in memory not much larger.
    fn is_one_large(&self, len: usize) -> bool {
        len >= LARGE && self.is_at_front && self.kept.capacity() <= len + len / 4
    }

    /// Takes the large packet out of `kept`, where what is behind it stays.
    fn take_large(&mut self, len: usize) -> Bytes {
        let units = u8::try_from(len.div_ceil(DIRECT)).unwrap_or(u8::MAX);
        self.proven = self.proven.max(units.min(PROVEN_MAX));
        let mut packet = mem::take(&mut self.kept);
        let behind = packet.get(len..).unwrap_or_default();
        if !behind.is_empty() {
            self.kept = self.memory_for(behind.len(), behind.len() + bytes_missing(behind));
            self.kept.extend_from_slice(behind);
        }
        packet.truncate(len);
        packet.freeze()
    }

    /// Keeps what waits behind a pause.
    fn keep(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
    }

    fn consume(&mut self, len: usize) {
        self.kept.advance(len);
        self.is_at_front = false;
        self.was_filled = false;
        if self.kept.is_empty() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        self.kept = BytesMut::new();
        self.is_at_front = true;
    }
}

/// How far the kept bytes went.
enum Step<'c> {
    /// Nothing is kept any more; these bytes of the chunk are left.
    Rest(&'c [u8]),
    Done(Fed),
}

#[cfg(test)]
mod fill_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_codec::PACKET_LEN_MAX;
    use proptest::prelude::*;

    /// PINGREQ, a PUBACK, a PUBLISH with `payload_len` bytes, PINGREQ.
    fn stream(payload_len: usize) -> Vec<u8> {
        let mut bytes = vec![0xC0, 0, 0x40, 2, 0, 7, 0x30];
        let mut remaining = payload_len + 3;
        while remaining >= 0x80 {
            bytes.push(u8::try_from(remaining & 0x7F).unwrap() | 0x80);
            remaining >>= 7;
        }
        bytes.push(u8::try_from(remaining).unwrap());
        bytes.extend([0, 1, b't']);
        bytes.extend(std::iter::repeat_n(b'x', payload_len));
        bytes.extend([0xC0, 0]);
        bytes
    }

    fn packets(reader: &mut PacketReader, chunk: &[u8], seen: &mut Vec<(u8, Vec<u8>)>) -> Fed {
        reader
            .feed(chunk, |frame| {
                seen.push((frame.first, frame.body.to_vec()));
                Verdict::Continue
            })
            .unwrap()
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_packets(
            payload_len in 0usize..40_000,
            cuts in proptest::collection::vec(0usize..41_000, 0..40),
        ) {
            let bytes = stream(payload_len);
            let mut whole = Vec::new();
            packets(&mut PacketReader::new(PACKET_LEN_MAX), &bytes, &mut whole);
            prop_assert_eq!(whole.len(), 4);

            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % bytes.len()).collect();
            cuts.sort_unstable();
            let mut reader = PacketReader::new(PACKET_LEN_MAX);
            let mut split = Vec::new();
            let mut from = 0;
            for to in cuts.into_iter().chain([bytes.len()]) {
                packets(&mut reader, &bytes[from..to], &mut split);
                from = to;
            }
            prop_assert_eq!(&whole, &split);
            prop_assert_eq!(reader.buffered(), 0);
        }

        #[test]
        fn any_pauses_give_the_same_packets(
            payload_len in 0usize..300,
            pauses in proptest::collection::vec(any::<bool>(), 64),
            chunk_len in 1usize..200,
        ) {
            let mut bytes = stream(payload_len);
            bytes.extend(stream(payload_len));
            let mut whole = Vec::new();
            packets(&mut PacketReader::new(PACKET_LEN_MAX), &bytes, &mut whole);

            let mut pauses = pauses.into_iter();
            let mut reader = PacketReader::new(PACKET_LEN_MAX);
            let mut seen = Vec::new();
            for chunk in bytes.chunks(chunk_len) {
                let mut chunk = chunk;
                loop {
                    let fed = reader.feed(chunk, |frame| {
                        if pauses.next() == Some(true) {
                            return Verdict::Pause;
                        }
                        seen.push((frame.first, frame.body.to_vec()));
                        Verdict::Continue
                    });
                    chunk = &[];
                    match fed.unwrap() {
                        Fed::Paused => {}
                        Fed::All => break,
                        Fed::Stopped => prop_assert!(false, "nobody stopped"),
                    }
                }
            }
            prop_assert_eq!(&whole, &seen);
        }
    }

    #[test]
    fn a_large_packet_in_pieces_is_handed_over_whole() {
        let bytes = stream(70_000);
        for cut in [5, 20_000, 65_536] {
            let mut reader = PacketReader::new(PACKET_LEN_MAX);
            let mut kept = Vec::new();
            let mut pauses = 1;
            let mut handle = |frame: Frame<'_>, packet: Option<&Bytes>| {
                if frame.len > LARGE && pauses > 0 {
                    pauses -= 1;
                    return Verdict::Pause;
                }
                kept.extend(packet.cloned().map(|packet| (packet, frame.body.len())));
                Verdict::Continue
            };
            let mut fed = Fed::All;
            for part in [&bytes[..cut], &bytes[cut..], &[]] {
                fed = reader.feed_shared(part, &mut handle).unwrap();
            }
            assert_eq!((fed, reader.buffered()), (Fed::All, 0));
            // Bytes from behind the pause lie in the same memory only where it happened to be cut so.
            for (packet, body_len) in kept {
                assert_eq!(packet[packet.len() - 70_000..], [b'x'; 70_000]);
                assert_eq!(body_len, 70_003);
            }
        }
        let mut reader = PacketReader::new(PACKET_LEN_MAX);
        let mut handles = 0;
        for part in [&bytes[..60_000], &bytes[60_000..]] {
            let fed = reader.feed_shared(part, |_, packet| {
                handles += usize::from(packet.is_some());
                Verdict::Continue
            });
            assert_eq!(fed.unwrap(), Fed::All);
        }
        assert_eq!(handles, 1, "the large one and no other");
    }

    #[test]
    fn a_byte_at_a_time_is_enough() {
        let bytes = stream(300);
        let mut reader = PacketReader::new(PACKET_LEN_MAX);
        let mut seen = Vec::new();
        for byte in &bytes {
            packets(&mut reader, std::slice::from_ref(byte), &mut seen);
        }
        let types: Vec<u8> = seen.iter().map(|(first, _)| *first).collect();
        assert_eq!(types, [0xC0, 0x40, 0x30, 0xC0]);
    }

    #[test]
    fn a_paused_packet_is_offered_again_with_all_behind_it() {
        let bytes = stream(5);
        let mut reader = PacketReader::new(PACKET_LEN_MAX);
        let mut offered = Vec::new();
        let fed = reader.feed(&bytes, |frame| {
            offered.push(frame.first);
            if frame.first == 0x40 {
                Verdict::Pause
            } else {
                Verdict::Continue
            }
        });
        assert_eq!(fed, Ok(Fed::Paused));
        assert_eq!(reader.buffered(), bytes.len() - 2);
        let mut seen = Vec::new();
        assert_eq!(packets(&mut reader, &[], &mut seen), Fed::All);
        let types: Vec<u8> = seen.iter().map(|(first, _)| *first).collect();
        assert_eq!((offered, types), (vec![0xC0, 0x40], vec![0x40, 0x30, 0xC0]));
    }

    #[test]
    fn nothing_is_seen_after_stop() {
        let bytes = stream(5);
        let mut reader = PacketReader::new(PACKET_LEN_MAX);
        let mut count = 0;
        for _ in 0..2 {
            let fed = reader.feed(&bytes, |_| {
                count += 1;
                Verdict::Stop
            });
            assert_eq!(fed, Ok(Fed::Stopped));
        }
        assert_eq!((count, reader.buffered()), (1, 0));
    }

    #[test]
    fn a_packet_too_large_is_refused_from_its_header_after_those_before_it() {
        let mut reader = PacketReader::new(16);
        let mut count = 0;
        let fed = reader.feed(&[0xC0, 0, 0x30, 0x80, 0x01], |_| {
            count += 1;
            Verdict::Continue
        });
        assert_eq!(
            fed.unwrap_err().reason_code(),
            mqtt_codec::ReasonCode::PACKET_TOO_LARGE,
            "130 bytes are announced, none of the body has come"
        );
        assert_eq!((count, reader.buffered()), (1, 0));
    }

    #[test]
    fn memory_follows_the_bytes_that_came_and_is_given_back() {
        let mut bytes = stream(1_000_000);
        let tail = bytes.split_off(10);
        let mut reader = PacketReader::new(PACKET_LEN_MAX);
        let mut seen = Vec::new();
        packets(&mut reader, &bytes, &mut seen);
        assert!(
            reader.kept.capacity() < 100,
            "the announced megabyte is not reserved"
        );
        for chunk in tail.chunks(8192) {
            packets(&mut reader, chunk, &mut seen);
        }
        assert_eq!((seen.len(), reader.kept.capacity()), (4, 0));
    }
}
