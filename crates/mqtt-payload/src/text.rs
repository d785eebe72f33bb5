//! Hexadecimal and Base64.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER};

use crate::{Codec, Limits, PayloadError};

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Bytes of pairs of digits; space may stand between them, and `0x` in front of all.
pub(crate) fn from_hex(input: &[u8], limits: &Limits) -> Result<Vec<u8>, PayloadError> {
    let mut bytes = Vec::new();
    let mut half: Option<u8> = None;
    let skipped = match input.trim_ascii_start() {
        [b'0', b'x' | b'X', rest @ ..] => input.len() - rest.len(),
        _ => 0,
    };
    for (place, character) in input.iter().enumerate().skip(skipped) {
        if character.is_ascii_whitespace() || matches!(character, b':' | b'-') {
            continue;
        }
        let digit = char::from(*character)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or_else(|| PayloadError::at(Codec::Hex, place, "this is no hexadecimal digit"))?;
        half = match half {
            None => Some(digit << 4),
            Some(high) => {
                if bytes.len() >= limits.output_len_max {
                    return Err(too_long(Codec::Hex, limits));
                }
                bytes.push(high | digit);
                None
            }
        };
    }
    match half {
        None => Ok(bytes),
        Some(_) => {
            let what = "the last byte has one digit only";
            Err(PayloadError::at(Codec::Hex, input.len(), what))
        }
    }
}

/// Either alphabet, with or without padding; space is left out.
pub(crate) fn from_base64(input: &[u8], limits: &Limits) -> Result<Vec<u8>, PayloadError> {
    if input.len() / 4 * 3 > limits.output_len_max {
        return Err(too_long(Codec::Base64, limits));
    }
    let mut places = Vec::new();
    let mut text = Vec::new();
    let mut is_url = false;
    for (place, character) in input.iter().enumerate() {
        if !character.is_ascii_whitespace() {
            is_url |= matches!(character, b'-' | b'_');
            text.push(*character);
            places.push(place);
        }
    }
    while text.pop_if(|last| *last == b'=').is_some() {}
    let alphabet = if is_url {
        BASE64URL_NOPAD
    } else {
        BASE64_NOPAD
    };
    alphabet.decode(&text).map_err(|error| {
        let place = places.get(error.position).copied();
        let what = match error.kind {
            data_encoding::DecodeKind::Symbol => "this is no character of Base64",
            data_encoding::DecodeKind::Length => "characters are missing at its end",
            _ => "its last character has bits that belong to no byte",
        };
        PayloadError::at(Codec::Base64, place.unwrap_or(input.len()), what)
    })
}

pub(crate) fn too_long(codec: Codec, limits: &Limits) -> PayloadError {
    let max = limits.output_len_max;
    PayloadError::of(codec, format_args!("more than {max} bytes come out of it"))
}
