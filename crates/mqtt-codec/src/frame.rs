//! Finding whole Control Packets in a stream of bytes: the fixed header, by hand for speed.

use crate::{DecodeError, Malformed, PacketType};

/// The longest Control Packet there can be: a fixed header of 5 bytes and the largest Remaining
/// Length. Unit: bytes.
///
/// Spec: v5 §2.1.4, v3.1.1 §2.2.3.
pub const PACKET_LEN_MAX: u32 = 268_435_460;

/// The largest value of a Variable Byte Integer. Spec: v5 §1.5.5.
pub(crate) const VAR_INT_MAX: u32 = 268_435_455;

/// Flags that may stand beside each packet type: bit n is for the flags n.
///
/// SUBSCRIBE, UNSUBSCRIBE and PUBREL may also have bit 3 here, because MQTT 3.1 repeats them with
/// DUP and the version is not known yet; decoding for a later version refuses it.
const FLAGS_ALLOWED: [u16; 16] = {
    let only_0 = 1 << 0x0;
    let only_2 = (1 << 0x2) | (1 << 0xA);
    let publish = 0x3F3F;
    [
        0, only_0, only_0, publish, only_0, only_0, only_2, only_0, only_2, only_0, only_2, only_0,
        only_0, only_0, only_0, only_0,
    ]
};

/// One whole Control Packet, not yet read beyond its fixed header.
///
/// Spec: v5 §2.1.1, v3.1.1 §2.2.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Frame<'a> {
    /// The first byte: packet type and flags. Spec: v5 §2.1.1, v3.1.1 §2.2.
    pub first: u8,
    /// Everything behind the fixed header, 0 to 268 435 455 bytes.
    pub body: &'a [u8],
    /// The whole packet with its fixed header, from 2 to [`PACKET_LEN_MAX`]. Unit: bytes.
    pub len: usize,
}

impl Frame<'_> {
    /// The packet type; `None` for the reserved type 0, which [`frame`] never returns.
    ///
    /// Spec: v5 §2.1.2, v3.1.1 §2.2.1.
    #[must_use]
    #[inline]
    pub const fn packet_type(&self) -> Option<PacketType> {
        PacketType::from_u8(self.first >> 4)
    }

    /// Writes the packet as it is on the wire, in two parts: the fixed header and the body.
    ///
    /// Its length in the shortest form, which is how [`frame`] found it.
    #[inline(always)]
    pub fn write_to(&self, mut write: impl FnMut(&[u8])) {
        match u8::try_from(self.body.len()) {
            Ok(len) if len < 0x80 => write(&[self.first, len]),
            _ => {
                let (header, len) = self.long_header();
                write(header.get(..len).unwrap_or_default());
            }
        }
        write(self.body);
    }

    /// The fixed header of a packet with a Remaining Length of two bytes and more, and its length.
    fn long_header(&self) -> ([u8; 5], usize) {
        let mut header = [self.first, 0, 0, 0, 0];
        let mut left = self.body.len();
        let mut len = 1;
        for byte in header.iter_mut().skip(1) {
            let low = u8::try_from(left & 0x7F).unwrap_or(0);
            left >>= 7;
            len += 1;
            *byte = if left == 0 { low } else { low | 0x80 };
            if left == 0 {
                break;
            }
        }
        (header, len)
    }

    /// The offset in the packet of the first byte of `rest`, which is the end of its body.
    #[inline]
    pub(crate) const fn at(&self, rest: &[u8]) -> usize {
        self.len.saturating_sub(rest.len())
    }

    /// The flags beside the packet type, 0 to 15. Spec: v5 §2.1.3, v3.1.1 §2.2.2.
    #[must_use]
    #[inline]
    pub const fn flags(&self) -> u8 {
        self.first & 0x0F
    }
}

/// Takes the first Control Packet from `bytes`.
///
/// `Ok(None)` only ever means that the packet is not there as a whole yet. `packet_len_max` is
/// compared with the whole packet as soon as its Remaining Length is known, so nothing has to be
/// kept of a packet that is too large.
///
/// Spec: v5 §2.1, v3.1.1 §2.2.
///
/// # Errors
/// A reserved type or flags in the first byte, an ill-formed Remaining Length, a packet over
/// `packet_len_max`.
#[inline]
pub fn frame(bytes: &[u8], packet_len_max: u32) -> Result<Option<Frame<'_>>, DecodeError> {
    let Some((&first, after_first)) = bytes.split_first() else {
        return Ok(None);
    };
    check_first(first)?;
    let (remaining_len, header_len) = match after_first.first() {
        Some(&byte) if byte < 0x80 => (u32::from(byte), 2),
        _ => match remaining_len(after_first)? {
            Some((value, used)) => (value, 1 + used),
            None => return Ok(None),
        },
    };
    if remaining_len.saturating_add(header_len) > packet_len_max {
        return Err(DecodeError::new(Malformed::PacketTooLarge, 1));
    }
    let header_len = usize::from(u8::try_from(header_len).unwrap_or(u8::MAX));
    let len = header_len.saturating_add(usize::try_from(remaining_len).unwrap_or(usize::MAX));
    match bytes.get(header_len..len) {
        Some(body) => Ok(Some(Frame { first, body, len })),
        None => Ok(None),
    }
}

/// How many more bytes are needed at least before [`frame`] can return a packet.
///
/// 0 when a whole packet is there, or an error; an error may also show sooner than this says.
/// At most 268 435 455. Unit: bytes.
///
/// Spec: v5 §2.1.4, v3.1.1 §2.2.3.
#[must_use]
pub fn bytes_missing(bytes: &[u8]) -> usize {
    let Some((&first, after_first)) = bytes.split_first() else {
        return 2;
    };
    if check_first(first).is_err() {
        return 0;
    }
    match remaining_len(after_first) {
        Ok(None) => 1,
        Err(_) => 0,
        Ok(Some((value, used))) => {
            let value = usize::try_from(value).unwrap_or(usize::MAX);
            let used = usize::try_from(used).unwrap_or(usize::MAX);
            value.saturating_add(used).saturating_sub(after_first.len())
        }
    }
}

/// Type and flags. Spec: v5 [MQTT-2.1.3-1], v3.1.1 [MQTT-2.2.2-2].
#[inline]
fn check_first(first: u8) -> Result<(), DecodeError> {
    let allowed = FLAGS_ALLOWED
        .get(usize::from(first >> 4))
        .copied()
        .unwrap_or(0);
    if (allowed >> (first & 0x0F)) & 1 == 1 {
        return Ok(());
    }
    Err(DecodeError::new(first_is_wrong(first), 0))
}

#[cold]
fn first_is_wrong(first: u8) -> Malformed {
    match PacketType::from_u8(first >> 4) {
        None => Malformed::PacketTypeReserved,
        Some(PacketType::Publish) => Malformed::QosInvalid,
        Some(packet_type) => Malformed::FlagsReserved { packet_type },
    }
}

/// The Remaining Length and the bytes it takes; `None` while its last byte is not there.
fn remaining_len(bytes: &[u8]) -> Result<Option<(u32, u32)>, DecodeError> {
    let mut value: u32 = 0;
    for (used, byte) in (1..=4).zip(bytes) {
        value |= u32::from(byte & 0x7F) << (7 * (used - 1));
        if byte & 0x80 == 0 {
            if used > 1 && *byte == 0 {
                return Err(DecodeError::new(Malformed::VarIntNotMinimal, 1));
            }
            return Ok(Some((value, used)));
        }
    }
    if bytes.len() < 4 {
        return Ok(None);
    }
    Err(DecodeError::new(Malformed::VarIntTooLong, 1))
}
