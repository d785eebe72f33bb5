//! Writing the data types of the standard. Lengths are computed first, so that writing cannot fail.

use crate::encode_error::{EncodeError, Field};
use crate::frame::VAR_INT_MAX;
use crate::read;

/// Longest string or binary field. Unit: bytes. Spec: v5 §1.5.4, v5 §1.5.6.
const FIELD_LEN_MAX: usize = 65_535;

/// Fills a buffer from its start.
///
/// INVARIANT: the buffer has the length computed beforehand. Were it shorter, the fields that do
/// not fit would be left out.
pub(crate) struct Writer<'o> {
    rest: &'o mut [u8],
}

impl<'o> Writer<'o> {
    /// Writes the fixed header of a packet whose length is `packet_len(remaining_len)`.
    ///
    /// Returns the writer for the body and the length of the packet.
    #[inline]
    pub(crate) fn start(
        first: u8,
        remaining_len: usize,
        out: &'o mut [u8],
    ) -> Result<(Self, usize), EncodeError> {
        let needed = packet_len(remaining_len)?;
        match out.get_mut(..needed) {
            None => Err(EncodeError::BufferTooSmall { needed }),
            Some(rest) => Ok((Self::header(first, remaining_len, rest), needed)),
        }
    }

    /// Writes a fixed header into a buffer that is known to be long enough.
    #[inline]
    pub(crate) fn header(first: u8, remaining_len: usize, out: &'o mut [u8]) -> Self {
        let mut writer = Self { rest: out };
        writer.byte(first);
        writer.var_int(u32::try_from(remaining_len).unwrap_or(VAR_INT_MAX));
        writer
    }

    /// Writes into a buffer that is known to be long enough.
    #[inline]
    pub(crate) fn at(rest: &'o mut [u8]) -> Self {
        Self { rest }
    }

    /// What is not filled yet.
    #[inline]
    pub(crate) fn rest(self) -> &'o mut [u8] {
        self.rest
    }

    /// Lets `fill` fill the start of what is left and return the end of it.
    #[inline(always)]
    pub(crate) fn with_rest(&mut self, fill: impl FnOnce(&'o mut [u8]) -> &'o mut [u8]) {
        self.rest = fill(core::mem::take(&mut self.rest));
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if let Some((head, tail)) =
            core::mem::take(&mut self.rest).split_at_mut_checked(bytes.len())
        {
            head.copy_from_slice(bytes);
            self.rest = tail;
        }
    }

    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes(&[byte]);
    }

    #[inline]
    pub(crate) fn two_byte(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Spec: v5 §1.5.5.
    #[inline]
    pub(crate) fn var_int(&mut self, mut value: u32) {
        loop {
            let [.., low] = value.to_be_bytes();
            value >>= 7;
            if value == 0 {
                self.byte(low & 0x7F);
                return;
            }
            self.byte(low | 0x80);
        }
    }

    /// A string or binary field, with its length in front.
    #[inline]
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.two_byte(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
        self.bytes(bytes);
    }

    /// As [`Writer::field`], with one byte behind it.
    #[inline]
    pub(crate) fn field_and_byte(&mut self, bytes: &[u8], byte: u8) {
        let len = bytes.len().saturating_add(3);
        if let Some((place, rest)) = core::mem::take(&mut self.rest).split_at_mut_checked(len)
            && let [high, low, place @ .., last] = place
        {
            [*high, *low] = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
            place.copy_from_slice(bytes);
            *last = byte;
            self.rest = rest;
        }
    }
}

/// The bytes a Variable Byte Integer takes: 1 to 4.
#[inline]
pub(crate) const fn var_int_len(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// The length of a packet with this Remaining Length.
#[inline]
pub(crate) fn packet_len(remaining_len: usize) -> Result<usize, EncodeError> {
    let max = usize::try_from(VAR_INT_MAX).unwrap_or(usize::MAX);
    if remaining_len > max {
        return Err(EncodeError::TooLong {
            field: Field::Packet,
            max,
        });
    }
    Ok(1 + var_int_len(remaining_len) + remaining_len)
}

/// The length of a binary field with the two bytes in front.
#[inline]
pub(crate) fn binary_len(field: Field, bytes: &[u8]) -> Result<usize, EncodeError> {
    valid_binary_len(bytes).ok_or(EncodeError::TooLong {
        field,
        max: FIELD_LEN_MAX,
    })
}

/// The length of a string with the two bytes in front. Spec: v5 [MQTT-1.5.4-2].
#[inline]
pub(crate) fn string_len(field: Field, text: &str) -> Result<usize, EncodeError> {
    let len = binary_len(field, text.as_bytes())?;
    if read::has_nul(text.as_bytes()) {
        return Err(EncodeError::NullCharacter { field });
    }
    Ok(len)
}

/// As [`binary_len`], without saying what is wrong.
#[inline]
pub(crate) fn valid_binary_len(bytes: &[u8]) -> Option<usize> {
    (bytes.len() <= FIELD_LEN_MAX).then_some(2 + bytes.len())
}

/// As [`string_len`], without saying what is wrong.
#[inline]
pub(crate) fn valid_string_len(text: &str) -> Option<usize> {
    valid_binary_len(text.as_bytes()).filter(|_| !read::has_nul(text.as_bytes()))
}
