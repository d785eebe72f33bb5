//! Where packets are encoded to: the end of a buffer of the caller.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use mqtt_codec::{EncodeError, MeasuredHead, Packet, ProtocolVersion};

/// A buffer whose end packets are encoded to: a `Vec` (feature `alloc`), or an [`OutputBuffer`] of fixed size.
///
/// What does not fit is refused before anything changes, so a buffer never has half a packet.
pub trait Output {
    /// Bytes in it.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that still fit.
    fn room(&self) -> usize;

    /// `len` more bytes at the end, which the caller overwrites; none, and no change, when they do not fit.
    fn extend_by(&mut self, len: usize) -> Option<&mut [u8]>;

    /// Puts `bytes` to the end; `false`, and no change, when they do not fit.
    fn extend_from(&mut self, bytes: &[u8]) -> bool {
        self.extend_by(bytes.len())
            .map(|place| place.copy_from_slice(bytes))
            .is_some()
    }

    /// Drops what is behind the first `len` bytes.
    fn truncate(&mut self, len: usize);
}

#[cfg(feature = "alloc")]
impl Output for Vec<u8> {
    fn len(&self) -> usize {
        self.len()
    }

    fn room(&self) -> usize {
        usize::MAX - self.len()
    }

    fn extend_by(&mut self, len: usize) -> Option<&mut [u8]> {
        let at = self.len();
        self.resize(at.checked_add(len)?, 0);
        self.get_mut(at..)
    }

    fn extend_from(&mut self, bytes: &[u8]) -> bool {
        self.extend_from_slice(bytes);
        true
    }

    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }
}

/// Output in memory of the caller.
#[derive(Debug)]
pub struct OutputBuffer<'a> {
    bytes: &'a mut [u8],
    /// INVARIANT: at most the length of `bytes`.
    len: usize,
}

impl<'a> OutputBuffer<'a> {
    /// Nothing in it, and as much room as `bytes` has.
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, len: 0 }
    }

    /// What is to be sent.
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The first `sent` bytes have been sent; the others move to the front.
    pub fn consume(&mut self, sent: usize) {
        let sent = sent.min(self.len);
        self.bytes.copy_within(sent..self.len, 0);
        self.len -= sent;
    }
}

impl Output for OutputBuffer<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn room(&self) -> usize {
        self.bytes.len() - self.len
    }

    fn extend_by(&mut self, len: usize) -> Option<&mut [u8]> {
        let end = self.len.checked_add(len)?;
        let place = self.bytes.get_mut(self.len..end)?;
        self.len = end;
        Some(place)
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

/// Encodes `packet` to the end of `out`; leaves `out` as it was on an error.
///
/// # Errors
/// The packet is none of this version, or [`EncodeError::BufferTooSmall`] when it does not fit.
pub(crate) fn append(
    packet: &Packet<'_>,
    version: ProtocolVersion,
    out: &mut impl Output,
) -> Result<(), EncodeError> {
    let at = out.len();
    let needed = packet.encoded_len(version)?;
    let place = out.extend_by(needed);
    let place = place.ok_or(EncodeError::BufferTooSmall { needed })?;
    let encoded = packet.encode(version, place);
    if encoded.is_err() {
        out.truncate(at);
    }
    encoded.map(drop)
}

/// Encodes the PUBLISH whose `head` was measured, with `payload`, to the end of `out`; leaves `out` as it was on an
/// error.
///
/// # Errors
/// [`EncodeError::BufferTooSmall`] when it does not fit.
pub(crate) fn append_measured(
    head: &MeasuredHead<'_>,
    payload: &[u8],
    out: &mut impl Output,
) -> Result<(), EncodeError> {
    let (at, needed) = (out.len(), head.packet_len());
    let too_small = EncodeError::BufferTooSmall { needed };
    if out.room() < needed {
        return Err(too_small);
    }
    let is_written = out
        .extend_by(head.len())
        .is_some_and(|place| head.write(place))
        && out.extend_from(payload);
    if !is_written {
        out.truncate(at);
        return Err(too_small);
    }
    Ok(())
}
