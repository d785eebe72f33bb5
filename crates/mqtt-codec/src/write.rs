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
        let [.., high, low] = remaining_len.to_be_bytes();
        if remaining_len < 0x80 {
            writer.array([first, low]);
        } else if remaining_len < 0x4000 {
            writer.array([first, low | 0x80, (high << 1) | (low >> 7)]);
        } else {
            writer.byte(first);
            writer.var_int(u32::try_from(remaining_len).unwrap_or(VAR_INT_MAX));
        }
        writer
    }

    /// As [`Writer::start`] for a packet whose Remaining Length takes one or two bytes; `None`, and
    /// nothing written, if that or `out` is too short.
    #[inline(always)]
    pub(crate) fn start_short(first: u8, remaining_len: usize, out: &'o mut [u8]) -> Option<Self> {
        let [.., high, low] = remaining_len.to_be_bytes();
        if remaining_len < 0x80 {
            let (head, rest) = out.split_first_chunk_mut::<2>()?;
            let rest = rest.get_mut(..remaining_len)?;
            *head = [first, low];
            return Some(Self { rest });
        }
        if remaining_len < 0x4000 {
            let (head, rest) = out.split_first_chunk_mut::<3>()?;
            let rest = rest.get_mut(..remaining_len)?;
            *head = [first, low | 0x80, (high << 1) | (low >> 7)];
            return Some(Self { rest });
        }
        None
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

    #[inline(always)]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if let Some((head, tail)) =
            core::mem::take(&mut self.rest).split_at_mut_checked(bytes.len())
        {
            copy(head, bytes);
            self.rest = tail;
        }
    }

    /// Bytes of which the compiler knows the number.
    #[inline(always)]
    pub(crate) fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some((head, tail)) = core::mem::take(&mut self.rest).split_first_chunk_mut::<N>() {
            *head = bytes;
            self.rest = tail;
        }
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.array([byte]);
    }

    #[inline(always)]
    pub(crate) fn two_byte(&mut self, value: u16) {
        self.array(value.to_be_bytes());
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

    /// As [`Writer::var_int`], for a value that seldom takes more than one byte.
    #[inline(always)]
    pub(crate) fn seldom_long_var_int(&mut self, value: usize) {
        if value < 0x80 {
            let [.., low] = value.to_be_bytes();
            self.byte(low);
        } else {
            self.with_rest(|rest| write_var_int(value, rest));
        }
    }

    /// A string or binary field, with its length in front.
    ///
    /// INVARIANT: it is not longer than [`FIELD_LEN_MAX`].
    #[inline(always)]
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        let len = bytes.len().saturating_add(2);
        let [.., len_high, len_low] = bytes.len().to_be_bytes();
        if let Some((place, rest)) = core::mem::take(&mut self.rest).split_at_mut_checked(len)
            && let [high, low, place @ ..] = place
        {
            [*high, *low] = [len_high, len_low];
            copy(place, bytes);
            self.rest = rest;
        }
    }

    /// As [`Writer::field`], with one byte before it.
    #[inline(always)]
    pub(crate) fn byte_and_field(&mut self, byte: u8, bytes: &[u8]) {
        let len = bytes.len().saturating_add(3);
        let [.., len_high, len_low] = bytes.len().to_be_bytes();
        if let Some((place, rest)) = core::mem::take(&mut self.rest).split_at_mut_checked(len)
            && let [first, high, low, place @ ..] = place
        {
            [*first, *high, *low] = [byte, len_high, len_low];
            copy(place, bytes);
            self.rest = rest;
        }
    }

    /// As [`Writer::field`], with one byte behind it.
    #[inline(always)]
    pub(crate) fn field_and_byte(&mut self, bytes: &[u8], byte: u8) {
        let len = bytes.len().saturating_add(3);
        let [.., len_high, len_low] = bytes.len().to_be_bytes();
        if let Some((place, rest)) = core::mem::take(&mut self.rest).split_at_mut_checked(len)
            && let [high, low, place @ .., last] = place
        {
            [*high, *low] = [len_high, len_low];
            copy(place, bytes);
            *last = byte;
            self.rest = rest;
        }
    }
}

#[cold]
fn write_var_int(value: usize, rest: &mut [u8]) -> &mut [u8] {
    let mut writer = Writer::at(rest);
    writer.var_int(u32::try_from(value).unwrap_or(VAR_INT_MAX));
    writer.rest()
}

/// Copies all of `from` to `to`, which is as long: what is short in a few moves, without the call
/// that costs more than they do.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    let len = from.len();
    if len < 16 {
        if len >= 8 {
            copy_ends::<8>(to, from);
        } else if len >= 4 {
            copy_ends::<4>(to, from);
        } else {
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
            }
        }
    } else if len <= 32 {
        copy_ends::<16>(to, from);
    } else if len <= 64 {
        copy_ends::<32>(to, from);
    } else if to.len() == len {
        to.copy_from_slice(from);
    }
}

/// Copies the first and the last `N` bytes, which may overlap.
#[inline(always)]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (to.last_chunk_mut::<N>(), from.last_chunk::<N>()) {
        *to = *from;
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
#[inline(always)]
pub(crate) fn string_len(field: Field, text: &str) -> Result<usize, EncodeError> {
    match valid_string_len(text) {
        Some(len) => Ok(len),
        None => Err(string_is_wrong(field, text)),
    }
}

#[cold]
fn string_is_wrong(field: Field, text: &str) -> EncodeError {
    match binary_len(field, text.as_bytes()) {
        Ok(_) => EncodeError::NullCharacter { field },
        Err(error) => error,
    }
}

/// As [`binary_len`], without saying what is wrong.
#[inline(always)]
pub(crate) fn valid_binary_len(bytes: &[u8]) -> Option<usize> {
    (bytes.len() <= FIELD_LEN_MAX).then_some(2 + bytes.len())
}

/// As [`string_len`], without saying what is wrong.
#[inline(always)]
pub(crate) fn valid_string_len(text: &str) -> Option<usize> {
    let len = valid_binary_len(text.as_bytes())?;
    if read::has_nul(text.as_bytes()) {
        return None;
    }
    Some(len)
}
