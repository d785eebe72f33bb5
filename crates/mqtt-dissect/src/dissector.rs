//! Packets out of one direction of a connection, piece by piece.

use mqtt_codec::{PACKET_LEN_MAX, Packet, PacketType, ProtocolVersion, frame};

use crate::Dissection;
use crate::dissection::keeps_the_stream;

/// What a [`Dissector`] is told beforehand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// The version, where no CONNECT is going to say it; `None` to learn or guess it.
    pub version: Option<ProtocolVersion>,
    /// The most that is kept of one packet; of a longer one the fields in its first part are
    /// shown. From 16, default 1 MiB. Unit: bytes.
    pub packet_len_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: None,
            packet_len_max: 1 << 20,
        }
    }
}

/// Takes the bytes of one direction apart, in pieces of any size.
///
/// It holds no more than one unfinished packet, up to [`Settings::packet_len_max`].
#[derive(Clone, Debug)]
pub struct Dissector {
    packet_len_max: usize,
    version: Option<ProtocolVersion>,
    /// Whether the version came from a CONNECT or from the caller.
    is_sure: bool,
    /// INVARIANT: begins with the first byte of a packet, and holds no whole one.
    buffer: Vec<u8>,
    /// Where in the stream the first byte of `buffer` is, or would be.
    offset: u64,
    /// What is still to come of a packet that was too long to be kept.
    skip: u64,
    /// Whether nothing more can be read, because a packet's length could not.
    lost: bool,
}

impl Dissector {
    /// A dissector at the start of a stream.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            packet_len_max: settings.packet_len_max.max(16),
            version: settings.version,
            is_sure: settings.version.is_some(),
            buffer: Vec::new(),
            offset: 0,
            skip: 0,
            lost: false,
        }
    }

    /// Takes the next bytes and gives the packets that end in them.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Dissection> {
        let mut found = Vec::new();
        let mut bytes = self.skipped(bytes);
        while !self.lost && !bytes.is_empty() {
            // Never more than what one packet may take.
            let room = self.packet_len_max.saturating_sub(self.buffer.len()).max(1);
            let (taken, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(taken);
            self.take_packets(&mut found);
            bytes = self.skipped(later);
        }
        if self.lost {
            self.offset = self.offset.saturating_add(as_u64(bytes.len()));
        }
        found
    }

    /// Tells that `len` bytes of the stream are missing. The packet they belong to is given as
    /// far as it came; where the next one starts is known only if they all were in that one.
    pub fn gap(&mut self, len: u64) -> Option<Dissection> {
        if self.skip >= len {
            self.skip -= len;
            self.offset = self.offset.saturating_add(len);
            return None;
        }
        let cut = self.finish();
        let missing = cut.as_ref().map_or(0, |cut| {
            as_u64(cut.len).saturating_sub(as_u64(cut.bytes.len()))
        });
        let kept = cut.as_ref().map_or(0, |cut| as_u64(cut.bytes.len()));
        self.offset = self.offset.saturating_add(kept).saturating_add(len);
        self.buffer.clear();
        // Beyond the packet it is not known where another one starts: what follows is taken for
        // the start of one, as after a pause in the stream.
        self.skip = missing.saturating_sub(len);
        cut
    }

    /// What has come of a packet that is not there as a whole; `None` at the end of one.
    #[must_use]
    pub fn finish(&self) -> Option<Dissection> {
        if self.lost {
            return None;
        }
        let mut cut = Dissection::of(&self.buffer, self.version_of(&self.buffer))?;
        cut.offset = self.offset;
        Some(cut)
    }

    /// The version in use: told, learnt or guessed; `None` when nothing is known of it yet.
    #[must_use]
    pub const fn version(&self) -> Option<ProtocolVersion> {
        self.version
    }

    /// Whether [`Dissector::version`] was told by the caller or by a CONNECT.
    #[must_use]
    pub const fn knows_version(&self) -> bool {
        self.is_sure
    }

    /// Tells the version that the other direction has learnt.
    pub const fn learn(&mut self, version: ProtocolVersion) {
        self.version = Some(version);
        self.is_sure = true;
    }

    /// How many bytes wait for the end of their packet.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether a packet with an unreadable length has ended the reading.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.lost
    }

    fn skipped<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let skip = usize::try_from(self.skip)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let (skipped, rest) = bytes.split_at(skip);
        self.skip = self.skip.saturating_sub(as_u64(skipped.len()));
        self.offset = self.offset.saturating_add(as_u64(skipped.len()));
        rest
    }

    /// Takes all whole packets from the buffer.
    fn take_packets(&mut self, found: &mut Vec<Dissection>) {
        let mut start = 0;
        while !self.lost {
            let rest = self.buffer.get(start..).unwrap_or_default();
            let version = self.version_of(rest);
            if !ends_here(rest, self.packet_len_max) {
                break;
            }
            let Some(mut packet) = Dissection::of(rest, version) else {
                break;
            };
            packet.offset = self.offset;
            self.note_version(&packet);
            let kept = packet.bytes.len();
            self.lost = packet.fault.is_some_and(|fault| !keeps_the_stream(fault));
            self.skip = as_u64(packet.len.saturating_sub(kept));
            self.offset = self.offset.saturating_add(as_u64(kept));
            start += kept;
            found.push(packet);
        }
        self.buffer.drain(..start);
    }

    fn note_version(&mut self, packet: &Dissection) {
        let is_connect = packet.packet_type == Some(PacketType::Connect);
        if is_connect && packet.find("protocol version").is_some() {
            self.learn(packet.version);
        } else if !self.is_sure && packet.is_right() {
            self.version = Some(packet.version);
        }
    }

    /// The version to read a packet by.
    fn version_of(&self, packet: &[u8]) -> ProtocolVersion {
        match self.version {
            Some(version) if self.is_sure => version,
            likely => guess(packet, likely),
        }
    }
}

/// Whether a packet ends in `bytes`, or as much of it is there as is kept.
fn ends_here(bytes: &[u8], packet_len_max: usize) -> bool {
    let mut len: usize = 0;
    let lengths = [0, 7, 14, 21].into_iter().zip(bytes.iter().skip(1));
    let mut used = 1;
    for (shift, byte) in lengths {
        len |= usize::from(byte & 0x7F) << shift;
        used += 1;
        if byte & 0x80 == 0 {
            return bytes.len() >= (used + len).min(packet_len_max);
        }
    }
    // Four bytes without an end are an error that does not wait for more.
    used == 5
}

/// The version by which a packet is right; among several `likely`, else the newest.
///
/// A PUBLISH of v5 nearly always reads as one of 3.1.1 too, whose payload begins with a null
/// byte, and seldom the other way round.
fn guess(packet: &[u8], likely: Option<ProtocolVersion>) -> ProtocolVersion {
    let mut newest_first = ProtocolVersion::ALL.into_iter().rev();
    let newest = likely.or_else(|| newest_first.clone().next());
    let Ok(Some(found)) = frame(packet, PACKET_LEN_MAX) else {
        return newest.unwrap_or(ProtocolVersion::V311); // version: any, nothing can be read
    };
    let is_right = |version: &ProtocolVersion| Packet::decode(found, *version).is_ok();
    likely
        .filter(is_right)
        .or_else(|| newest_first.find(is_right))
        .or(newest)
        .unwrap_or(ProtocolVersion::V311) // version: any, none reads it
}

pub(crate) fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECT: &[u8] = b"\x10\x0D\0\x04MQTT\x05\x02\0\x3C\0\0\0";

    #[test]
    fn packets_come_out_whole_however_they_go_in() {
        let stream = [CONNECT, b"\xC0\0\x30\x05\0\x01a\0x"].concat();
        let whole = Dissector::new(Settings::default()).feed(&stream);
        assert_eq!(whole.len(), 3);
        assert!(whole.iter().all(Dissection::is_right));
        assert_eq!(whole[2].offset, 17);
        let mut dissector = Dissector::new(Settings::default());
        let pieces: Vec<_> = stream
            .chunks(1)
            .flat_map(|piece| dissector.feed(piece))
            .collect();
        assert_eq!(pieces, whole);
        assert!(dissector.knows_version());
        assert_eq!(dissector.finish(), None);
    }

    #[test]
    fn a_long_packet_is_cut_and_the_next_one_found() {
        let mut stream = b"\x30\xE8\x07\0\x01t".to_vec();
        stream.resize(1003, b'p');
        stream.extend(b"\xC0\0");
        for piece_len in [1, 7, 64, 2000] {
            let mut dissector = Dissector::new(Settings {
                packet_len_max: 64,
                ..Settings::default()
            });
            let mut found = Vec::new();
            let mut buffered = 0;
            for piece in stream.chunks(piece_len) {
                found.extend(dissector.feed(piece));
                buffered = buffered.max(dissector.buffered());
            }
            assert_eq!(found.len(), 2);
            assert_eq!((found[0].len, found[0].bytes.len()), (1003, 64));
            assert!(!found[0].complete);
            assert!(found[1].is_right());
            assert_eq!(found[1].offset, 1003);
            assert!(buffered <= 64);
        }
    }

    #[test]
    fn an_unreadable_length_ends_the_reading() {
        let mut dissector = Dissector::new(Settings::default());
        let found = dissector.feed(b"\x30\xFF\xFF\xFF\xFF\x01\xC0\0");
        assert_eq!(found.len(), 1);
        assert!(found[0].fault.is_some());
        assert!(dissector.is_lost());
        assert!(dissector.feed(b"\xC0\0").is_empty());
    }

    #[test]
    fn the_version_is_guessed_by_what_reads() {
        let version = |bytes: &[u8]| {
            let mut dissector = Dissector::new(Settings::default());
            dissector.feed(bytes);
            dissector.version()
        };
        // A CONNACK without properties, and one with.
        assert_eq!(version(b"\x20\x02\0\0"), Some(ProtocolVersion::V311));
        assert_eq!(version(b"\x20\x03\0\0\0"), Some(ProtocolVersion::V5));
        assert_eq!(version(b"\x30\x06\0\x01ahey"), Some(ProtocolVersion::V311));
    }

    #[test]
    fn a_gap_inside_one_packet_does_not_lose_the_next() {
        let mut dissector = Dissector::new(Settings::default());
        assert!(dissector.feed(b"\x30\x20\0\x01t").is_empty());
        let cut = dissector.gap(20).unwrap();
        assert_eq!((cut.len, cut.bytes.len(), cut.complete), (34, 5, false));
        let found = dissector.feed(b"123456789\xC0\0");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].offset, 34);
    }
}
