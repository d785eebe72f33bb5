//! Cuts what the broker sends into packets and reads the few fields the generator needs.

use crate::frame::MARK_LEN;
use crate::scenario::Version;

/// Bytes kept of a packet that arrives in pieces; enough for all fields that are read.
const HEAD_MAX: usize = 256;
/// Bytes kept of fields that are longer than usual: a Topic Name, properties.
const FIELDS_MAX: usize = 256 * 1024;

/// One whole packet, or its beginning when it came in pieces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Frame<'a> {
    /// The whole packet, or at least the first bytes the splitter keeps.
    pub(crate) head: &'a [u8],
    /// Where the bytes after the fixed header begin: 2 to 5.
    pub(crate) body_at: usize,
    /// Length of the whole packet in bytes.
    pub(crate) len: usize,
}

/// A Remaining Length of more than four bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MalformedLength;

/// Cuts a byte stream into packets, however it is split. Keeps no payload.
#[derive(Debug)]
pub(crate) struct FrameSplitter {
    /// The beginning of a packet that is not whole yet, at most its fields and `head_max` bytes.
    head: Vec<u8>,
    head_max: usize,
    /// The version by which its fields are kept, however long they are; `None` for those of our own packets.
    version: Option<Version>,
    /// `body_at` and `len` of that packet, once its fixed header is there.
    size: Option<(usize, usize)>,
    /// Bytes of that packet seen so far; 0 when no packet is open.
    seen: usize,
}

impl Default for FrameSplitter {
    fn default() -> Self {
        Self {
            head: Vec::new(),
            head_max: HEAD_MAX,
            version: None,
            size: None,
            seen: 0,
        }
    }
}

impl FrameSplitter {
    /// Keeps so many bytes of a packet that comes in pieces, and its fields in front of them.
    pub(crate) fn keeping(head_max: usize, version: Version) -> Self {
        Self {
            head_max,
            version: Some(version),
            ..Self::default()
        }
    }

    /// Takes the next packet off the front of `rest`. `None` when all of `rest` is used up.
    pub(crate) fn next<'s, 'b: 's>(
        &'s mut self,
        rest: &mut &'b [u8],
    ) -> Result<Option<Frame<'s>>, MalformedLength> {
        if self.seen == 0
            && let Some((body_at, len)) = size_of(rest)?
            && let Some((head, after)) = rest.split_at_checked(len)
        {
            *rest = after;
            return Ok(Some(Frame { head, body_at, len }));
        }
        self.resume(rest)
    }

    /// Takes and reads the next packet off the front of `rest`. `None` when all of `rest` is used
    /// up, `Some(None)` when the packet cannot be read.
    pub(crate) fn next_incoming(
        &mut self,
        version: Version,
        rest: &mut &[u8],
    ) -> Option<Option<Incoming>> {
        match self.next(rest) {
            Ok(Some(frame)) => Some(Incoming::read(version, &frame)),
            Ok(None) => None,
            Err(MalformedLength) => Some(None),
        }
    }

    fn resume(&mut self, rest: &mut &[u8]) -> Result<Option<Frame<'_>>, MalformedLength> {
        if self.seen == 0 {
            self.head.clear();
            self.size = None;
        }
        let (body_at, len) = loop {
            if let Some(size) = self.size {
                break size;
            }
            let Some((byte, after)) = rest.split_first() else {
                return Ok(None);
            };
            self.head.push(*byte);
            self.seen += 1;
            *rest = after;
            self.size = size_of(&self.head)?;
        };
        let (taken, after) = rest.split_at(rest.len().min(len - self.seen));
        let mut left = taken;
        loop {
            // With more of it, it is known how much its fields are.
            let wanted = self.head_max + self.fields_end(body_at);
            let kept = wanted.saturating_sub(self.head.len()).min(left.len());
            let (kept, behind) = left.split_at(kept);
            if kept.is_empty() {
                break;
            }
            self.head.extend_from_slice(kept);
            left = behind;
        }
        self.seen += taken.len();
        *rest = after;
        if self.seen < len {
            return Ok(None);
        }
        self.seen = 0;
        Ok(Some(Frame {
            head: &self.head,
            body_at,
            len,
        }))
    }
}

impl FrameSplitter {
    /// Where the fields of the packet end that is not whole yet, as far as its beginning tells.
    fn fields_end(&self, body_at: usize) -> usize {
        let (Some(version), Some(first)) = (self.version, self.head.first()) else {
            return 0;
        };
        if first >> 4 != 3 {
            // All of these are fields.
            return FIELDS_MAX;
        }
        let body = self.head.get(body_at..).unwrap_or_default();
        let Some(topic_len) = body.first_chunk().map(|len| u16::from_be_bytes(*len)) else {
            return body_at;
        };
        let packet_id_len = if first >> 1 & 3 > 0 { 2 } else { 0 };
        let names_len = 2 + usize::from(topic_len) + packet_id_len;
        let properties_len = match version {
            Version::V311 => None,
            Version::V5 => length_of(body.get(names_len..).unwrap_or_default()),
        };
        let (length_len, properties_len) = properties_len.unwrap_or_default();
        (body_at + names_len + length_len + properties_len).min(FIELDS_MAX)
    }
}

/// Length of the fixed header and of the whole packet; `None` when the header is cut off.
pub(crate) fn size_of(bytes: &[u8]) -> Result<Option<(usize, usize)>, MalformedLength> {
    let mut remaining = 0;
    for (shift, position) in [(0, 1), (7, 2), (14, 3), (21, 4)] {
        let Some(&byte) = bytes.get(position) else {
            return Ok(None);
        };
        remaining |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(Some((position + 1, position + 1 + remaining)));
        }
    }
    Err(MalformedLength)
}

/// What the generator reads of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Incoming {
    /// CONNACK.
    ConnAck {
        /// Return code or Reason Code.
        reason: u8,
        /// v5: the Receive Maximum, 65 535 if absent.
        receive_maximum: u16,
        /// v5: the Server Keep Alive in seconds.
        keep_alive_s: Option<u16>,
    },
    /// SUBACK, with the highest code: a refusal if there is any.
    SubAck {
        /// Granted QoS or Reason Code.
        reason: u8,
    },
    /// PUBLISH made by this generator.
    Publish {
        /// QoS bits.
        qos: u8,
        /// 0 at QoS 0.
        packet_id: u16,
        /// Number of the publisher, from the payload.
        publisher: u32,
        /// Low 32 bits of the message's number, from the payload.
        sequence: u32,
        /// Bytes of the payload.
        payload_len: usize,
    },
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack {
        /// First byte without the low four bits.
        kind: u8,
        /// Which message.
        packet_id: u16,
        /// v5: Reason Code; 0 when absent.
        reason: u8,
    },
    /// DISCONNECT.
    Disconnect {
        /// Reason Code; 0 when absent.
        reason: u8,
    },
    /// Anything else, by its first byte.
    Other(u8),
}

impl Incoming {
    /// Reads a packet; `None` if it is too short for its fields.
    pub(crate) fn read(version: Version, frame: &Frame<'_>) -> Option<Self> {
        let first_byte = *frame.head.first()?;
        let body = frame.head.get(frame.body_at..)?;
        match first_byte >> 4 {
            3 => publish(version, first_byte, body, frame.len - frame.body_at),
            4..=7 => {
                let packet_id = u16::from_be_bytes(*body.first_chunk()?);
                let reason = body.get(2).copied().unwrap_or(0);
                Some(Self::Ack {
                    kind: first_byte & 0xF0,
                    packet_id,
                    reason,
                })
            }
            2 => {
                let reason = *body.get(1)?;
                let (receive_maximum, keep_alive_s) = match version {
                    Version::V311 => (None, None),
                    Version::V5 => {
                        let properties = body.get(2..)?;
                        let find = |name| property_u16(properties, name);
                        (find(0x21), find(0x13))
                    }
                };
                Some(Self::ConnAck {
                    reason,
                    receive_maximum: receive_maximum.unwrap_or(u16::MAX),
                    keep_alive_s,
                })
            }
            9 => {
                let after_id = body.get(2..)?;
                let codes = match version {
                    Version::V311 => after_id,
                    Version::V5 => split_properties(after_id)?.1,
                };
                Some(Self::SubAck {
                    reason: *codes.iter().max()?,
                })
            }
            14 => Some(Self::Disconnect {
                reason: body.first().copied().unwrap_or(0),
            }),
            _ => Some(Self::Other(first_byte)),
        }
    }
}

fn publish(version: Version, first_byte: u8, body: &[u8], body_len: usize) -> Option<Incoming> {
    let topic_len = usize::from(u16::from_be_bytes(*body.first_chunk()?));
    let mut rest = body.get(2 + topic_len..)?;
    let qos = first_byte >> 1 & 3;
    let mut packet_id = 0;
    if qos > 0 {
        packet_id = u16::from_be_bytes(*rest.first_chunk()?);
        rest = rest.get(2..)?;
    }
    if version == Version::V5 {
        rest = split_properties(rest)?.1;
    }
    let mark: &[u8; MARK_LEN] = rest.first_chunk()?;
    let publisher = u32::from_be_bytes(*mark.first_chunk()?);
    let sequence = u32::from_be_bytes(*mark.last_chunk()?);
    let payload_len = body_len - (body.len() - rest.len());
    Some(Incoming::Publish {
        qos,
        packet_id,
        publisher,
        sequence,
        payload_len,
    })
}

/// Topic Name, payload and what else is read of a PUBLISH of anybody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AnyPublish<'a> {
    /// QoS bits.
    pub(crate) qos: u8,
    /// 0 at QoS 0.
    pub(crate) packet_id: u16,
    pub(crate) topic_name: &'a [u8],
    /// As much of it as is there.
    pub(crate) payload: &'a [u8],
}

impl<'a> AnyPublish<'a> {
    /// Reads a PUBLISH; `None` if it is too short for its fields.
    pub(crate) fn read(version: Version, frame: &Frame<'a>) -> Option<Self> {
        let qos = frame.head.first()? >> 1 & 3;
        let body = frame.head.get(frame.body_at..)?;
        let topic_len = usize::from(u16::from_be_bytes(*body.first_chunk()?));
        let (topic_name, mut payload) = body.get(2..)?.split_at_checked(topic_len)?;
        let mut packet_id = 0;
        if qos > 0 {
            packet_id = u16::from_be_bytes(*payload.first_chunk()?);
            payload = payload.get(2..)?;
        }
        if version == Version::V5 {
            payload = split_properties(payload)?.1;
        }
        Some(Self {
            qos,
            packet_id,
            topic_name,
            payload,
        })
    }
}

/// Splits v5 properties from what follows them.
fn split_properties(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length_len, len) = length_of(bytes)?;
    bytes.get(length_len..)?.split_at_checked(len)
}

/// The bytes of a Property Length, and what it says.
fn length_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    for (shift, position) in [(0, 0), (7, 1), (14, 2), (21, 3)] {
        let byte = *bytes.get(position)?;
        len |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some((position + 1, len));
        }
    }
    None
}

/// Finds a property of two bytes among those of a CONNACK.
/// Properties after one of unknown size are not looked at.
fn property_u16(bytes: &[u8], name: u8) -> Option<u16> {
    let mut rest = split_properties(bytes).map_or(&[][..], |(properties, _)| properties);
    while let Some((property, value)) = rest.split_first() {
        if *property == name {
            return value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
        }
        let size = match property {
            0x24 | 0x25 | 0x28 | 0x29 | 0x2A => 1,
            0x13 | 0x21 | 0x22 => 2,
            0x11 | 0x27 => 4,
            0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => string_size(value),
            0x26 => {
                let name = string_size(value);
                name + string_size(value.get(name..).unwrap_or_default())
            }
            _ => break,
        };
        rest = value.get(size..).unwrap_or_default();
    }
    None
}

fn string_size(bytes: &[u8]) -> usize {
    bytes
        .first_chunk()
        .map_or(0, |len| 2 + usize::from(u16::from_be_bytes(*len)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;
    use crate::scenario::QoS;

    /// Feeds `bytes` in pieces of `piece` bytes and reads all packets.
    fn read_all(version: Version, bytes: &[u8], piece: usize) -> Vec<Incoming> {
        let mut splitter = FrameSplitter::default();
        let mut found = Vec::new();
        for piece in bytes.chunks(piece) {
            let mut rest = piece;
            while let Some(frame) = splitter.next(&mut rest).unwrap() {
                found.push(Incoming::read(version, &frame).unwrap());
            }
            assert!(rest.is_empty());
        }
        found
    }

    #[test]
    fn packets_are_the_same_however_the_stream_is_split() {
        for version in [Version::V311, Version::V5] {
            let mut bytes = Vec::new();
            for payload_len in [8, 64, 120, 300, 20_000] {
                bytes.extend(frame::publish(
                    version,
                    "a/b",
                    QoS::AtLeastOnce,
                    9,
                    4,
                    payload_len,
                ));
                bytes.extend(frame::ack(frame::PUBREC, 513));
                bytes.extend([0xD0, 0]);
                bytes.extend(frame::publish(
                    version,
                    "a/b",
                    QoS::AtMostOnce,
                    0,
                    5,
                    payload_len,
                ));
            }
            let whole = read_all(version, &bytes, bytes.len());
            assert_eq!(whole.len(), 20);
            assert_eq!(
                whole.get(16..18),
                Some(
                    &[
                        Incoming::Publish {
                            qos: 1,
                            packet_id: 9,
                            publisher: 4,
                            sequence: 0,
                            payload_len: 20_000
                        },
                        Incoming::Ack {
                            kind: frame::PUBREC,
                            packet_id: 513,
                            reason: 0
                        },
                    ][..]
                )
            );
            for piece in [1, 2, 3, 7, 63, 64, 255, 256, 257, 1000, 19_999] {
                assert_eq!(read_all(version, &bytes, piece), whole, "pieces of {piece}");
            }
        }
    }

    #[test]
    fn long_fields_of_others_are_kept_however_the_stream_is_split() {
        let topic_name = "t".repeat(1000);
        let value = "v".repeat(900);
        let mut body = vec![0x03, 0xE8];
        body.extend(topic_name.bytes());
        body.extend([0, 7]);
        // A user property "u".
        body.extend([0x8A, 0x07, 0x26, 0, 1, b'u', 0x03, 0x84]);
        body.extend(value.bytes());
        body.extend([b'p'; 5000]);
        let bytes = frame::with_header(0x32, &body);
        for piece in [1, 7, 255, 1000, bytes.len() - 1] {
            let mut splitter = FrameSplitter::keeping(128, Version::V5);
            let mut found = None;
            for piece in bytes.chunks(piece) {
                let mut rest = piece;
                if let Some(frame) = splitter.next(&mut rest).unwrap() {
                    let publish = AnyPublish::read(Version::V5, &frame).unwrap();
                    assert_eq!(publish.topic_name, topic_name.as_bytes());
                    assert!(publish.payload.len() >= 128 && publish.payload.len() < 5000);
                    assert!(publish.payload.iter().all(|byte| *byte == b'p'));
                    found = Some((publish.qos, publish.packet_id));
                }
            }
            assert_eq!(found, Some((1, 7)), "pieces of {piece}");
        }
        // Nor is a refusal overlooked among many.
        let mut body = vec![0, 1, 0];
        body.extend([0; 300]);
        body.push(0x87);
        let mut splitter = FrameSplitter::keeping(128, Version::V5);
        let bytes = frame::with_header(0x90, &body);
        let (first, last) = bytes.split_at(200);
        assert_eq!(splitter.next(&mut { first }), Ok(None));
        let frame = splitter.next(&mut { last }).unwrap().unwrap();
        let read = Incoming::read(Version::V5, &frame);
        assert_eq!(read, Some(Incoming::SubAck { reason: 0x87 }));
    }

    #[test]
    fn a_fifth_length_byte_is_refused() {
        let bytes = [0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1];
        let mut splitter = FrameSplitter::default();
        assert_eq!(splitter.next(&mut &bytes[..]), Err(MalformedLength));
        let mut splitter = FrameSplitter::default();
        assert_eq!(splitter.next(&mut &bytes[..2]), Ok(None));
        assert_eq!(splitter.next(&mut &bytes[2..]), Err(MalformedLength));
    }

    #[test]
    fn fields_of_packets_without_payload() {
        let v311 = read_all(Version::V311, &[0x20, 2, 0, 5, 0x90, 3, 0, 1, 0x80], 100);
        assert_eq!(
            v311,
            [
                Incoming::ConnAck {
                    reason: 5,
                    receive_maximum: u16::MAX,
                    keep_alive_s: None,
                },
                Incoming::SubAck { reason: 0x80 }
            ]
        );
        // Session Expiry Interval, an assigned client identifier "x", Receive Maximum 20, Server Keep Alive 9.
        let properties = [0x11, 0, 0, 0, 9, 0x12, 0, 1, b'x', 0x21, 0, 20, 0x13, 0, 9];
        let mut connack = vec![0, 0, 15];
        connack.extend(properties);
        let v5 = read_all(Version::V5, &frame::with_header(0x20, &connack), 3);
        assert_eq!(
            v5,
            [Incoming::ConnAck {
                reason: 0,
                receive_maximum: 20,
                keep_alive_s: Some(9),
            }]
        );
        let v5 = read_all(
            Version::V5,
            &[0x90, 4, 0, 1, 0, 2, 0x40, 3, 0, 7, 0x87],
            100,
        );
        assert_eq!(
            v5,
            [
                Incoming::SubAck { reason: 2 },
                Incoming::Ack {
                    kind: frame::PUBACK,
                    packet_id: 7,
                    reason: 0x87
                }
            ]
        );
    }

    #[test]
    fn a_short_packet_has_no_fields() {
        for bytes in [
            &[0x20, 1, 0][..],
            &[0x40, 1, 0],
            &[0x30, 2, 0, 9],
            &[0x90, 2, 0, 1],
        ] {
            let mut splitter = FrameSplitter::default();
            let mut rest = bytes;
            let frame = splitter.next(&mut rest).unwrap().unwrap();
            assert_eq!(Incoming::read(Version::V311, &frame), None);
        }
    }
}
