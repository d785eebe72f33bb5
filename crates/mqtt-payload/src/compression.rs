//! gzip, zlib and deflate.

use std::io::{Read, Write};

use flate2::{
    Compression,
    read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder},
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};

use crate::{Codec, Limits, PayloadError, text::too_long};

pub(crate) fn gunzip(input: &[u8], limits: &Limits) -> Result<Vec<u8>, PayloadError> {
    whole(Codec::Gzip, MultiGzDecoder::new(input), limits)
}

pub(crate) fn zlib(input: &[u8], limits: &Limits) -> Result<Vec<u8>, PayloadError> {
    let mut decoder = ZlibDecoder::new(input);
    let bytes = whole(Codec::Zlib, &mut decoder, limits)?;
    used_up(Codec::Zlib, decoder.total_in(), input)?;
    Ok(bytes)
}

/// With the header of zlib or without: both are called deflate.
pub(crate) fn inflate(input: &[u8], limits: &Limits) -> Result<Vec<u8>, PayloadError> {
    if has_zlib_header(input)
        && let Ok(bytes) = zlib(input, limits)
    {
        return Ok(bytes);
    }
    let mut decoder = DeflateDecoder::new(input);
    let bytes = whole(Codec::Deflate, &mut decoder, limits)?;
    used_up(Codec::Deflate, decoder.total_in(), input)?;
    Ok(bytes)
}

pub(crate) const fn has_gzip_header(input: &[u8]) -> bool {
    matches!(input, [0x1F, 0x8B, 0x08, ..])
}

pub(crate) fn has_zlib_header(input: &[u8]) -> bool {
    match input {
        [
            method @ (0x18 | 0x28 | 0x38 | 0x48 | 0x58 | 0x68 | 0x78),
            flags,
            ..,
        ] => u16::from_be_bytes([*method, *flags]).is_multiple_of(31) && flags & 0x20 == 0,
        _ => false,
    }
}

pub(crate) fn compress(codec: Codec, input: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let level = Compression::default();
    let written = match codec {
        Codec::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(input).and_then(|()| encoder.finish())
        }
        Codec::Zlib => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(input).and_then(|()| encoder.finish())
        }
        _ => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(input).and_then(|()| encoder.finish())
        }
    };
    written.map_err(|error| PayloadError::of(codec, error))
}

fn whole(codec: Codec, decoder: impl Read, limits: &Limits) -> Result<Vec<u8>, PayloadError> {
    let max = u64::try_from(limits.output_len_max).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    decoder
        .take(max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| PayloadError::of(codec, error))?;
    if bytes.len() > limits.output_len_max {
        return Err(too_long(codec, limits));
    }
    Ok(bytes)
}

fn used_up(codec: Codec, used: u64, input: &[u8]) -> Result<(), PayloadError> {
    match usize::try_from(used) {
        Ok(used) if used == input.len() => Ok(()),
        Ok(used) => Err(PayloadError::at(codec, used, "bytes follow its end")),
        Err(_) => Ok(()),
    }
}
