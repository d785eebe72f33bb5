//! `PacketReader`: splits a byte stream into Control Packets, wherever the stream was cut.

use bytes::Bytes;
use mqtt_codec::{DecodeError, Frame, bytes_missing, frame};
use std::mem;

/// Packets from this many bytes on are worth keeping without a copy.
const LARGE: usize = 8 * 1024;
/// How much more memory than it has sent a client gets for the rest of a packet.
const GROWTH: usize = 3;

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
/// Whole packets are shown where they lie; only an incomplete tail (or what is behind a pause) is copied.
/// The copy grows as bytes arrive, never by the announced length, and is given back when it is used up:
/// a reader between packets owns no memory. Spec: v5 §2.1, v3.1.1 §2.2.
#[derive(Debug)]
pub struct PacketReader {
    packet_len_max: u32,
    /// INVARIANT: empty, or longer than `consumed`.
    kept: Vec<u8>,
    /// Bytes at the front of `kept` that were handled already.
    consumed: usize,
    ended: bool,
}

impl PacketReader {
    /// A reader that refuses packets longer than `packet_len_max` bytes, fixed header included.
    pub const fn new(packet_len_max: u32) -> Self {
        Self {
            packet_len_max,
            kept: Vec::new(),
            consumed: 0,
            ended: false,
        }
    }

    /// Sets the longest packet accepted from now on, in bytes.
    pub const fn set_packet_len_max(&mut self, packet_len_max: u32) {
        self.packet_len_max = packet_len_max;
    }

    /// Bytes kept: an incomplete packet, or what waits behind a pause.
    pub fn buffered(&self) -> usize {
        self.kept.len() - self.consumed
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
        mut handle: impl FnMut(Frame<'_>, Option<&Bytes>) -> Verdict,
    ) -> Result<Fed, DecodeError> {
        if self.ended {
            return Ok(Fed::Stopped);
        }
        let fed = match self.feed_kept(chunk, &mut handle) {
            Ok(Step::Rest(rest)) => self.feed_in_place(rest, &mut handle),
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
            let bytes = self.kept.get(self.consumed..).unwrap_or_default();
            let Some(found) = frame(bytes, self.packet_len_max)? else {
                if rest.is_empty() {
                    return Ok(Step::Done(Fed::All));
                }
                let (wanted, behind) = rest.split_at(bytes_missing(bytes).clamp(1, rest.len()));
                self.keep(wanted);
                rest = behind;
                continue;
            };
            let len = found.len;
            if self.is_one_large(len) {
                let packet = Bytes::from(mem::take(&mut self.kept));
                let whole = frame(&packet, self.packet_len_max)?;
                match whole.map_or(Verdict::Continue, |whole| handle(whole, Some(&packet))) {
                    Verdict::Continue => {}
                    Verdict::Pause => {
                        self.kept = packet.into();
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
        handle: &mut impl FnMut(Frame<'_>, Option<&Bytes>) -> Verdict,
    ) -> Result<Fed, DecodeError> {
        while let Some(frame) = frame(rest, self.packet_len_max)? {
            let len = frame.len;
            match handle(frame, None) {
                Verdict::Continue => rest = rest.get(len..).unwrap_or_default(),
                Verdict::Pause => {
                    self.keep(rest);
                    return Ok(Fed::Paused);
                }
                Verdict::Stop => return Ok(Fed::Stopped),
            }
        }
        let missing = bytes_missing(rest);
        if missing <= rest.len() * GROWTH {
            // Most of it is here, so that the rest has its place at once.
            self.kept.reserve_exact(rest.len() + missing);
        }
        self.keep(rest);
        Ok(Fed::All)
    }

    /// Whether a packet of `len` bytes is all that is kept, and large, in memory not much larger.
    fn is_one_large(&self, len: usize) -> bool {
        len >= LARGE
            && self.consumed == 0
            && self.kept.len() == len
            && self.kept.capacity() <= len + len / 4
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.consumed > self.kept.len() / 2 {
            // Moves fewer bytes than were consumed since the last move, so each byte moves once at most on average.
            self.kept.drain(..self.consumed);
            self.consumed = 0;
        }
        self.kept.extend_from_slice(bytes);
    }

    fn consume(&mut self, len: usize) {
        self.consumed += len;
        if self.consumed >= self.kept.len() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        self.kept = Vec::new();
        self.consumed = 0;
    }
}

/// How far the kept bytes went.
enum Step<'c> {
    /// Nothing is kept any more; these bytes of the chunk are left.
    Rest(&'c [u8]),
    Done(Fed),
}

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
