//! Bytes as people have them: typed, pasted or dumped.

use data_encoding::{BASE64, BASE64_MIME_PERMISSIVE, BASE64URL, BASE64URL_NOPAD};

/// How bytes are written down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InputFormat {
    /// Two hexadecimal digits for each byte, with anything usual between them: spaces, colons,
    /// commas, `0x`, `\x`; or the dump of `xxd`, `hexdump -C`, `od -tx1`, `tshark -x`.
    Hex,
    /// Base64, of either alphabet, with or without padding, in one line or many.
    Base64,
    /// As they are.
    Raw,
    /// A pcap or pcapng file.
    Capture,
}

/// Why a text is not what it was said to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The text is not UTF-8.
    #[error("not text")]
    NotText,
    /// A character that no hexadecimal text has.
    #[error("{character:?} in line {line} is no hexadecimal digit")]
    NotHex {
        /// The character.
        character: char,
        /// The line it is in, counted from 1.
        line: usize,
    },
    /// Half a byte is left.
    #[error("an odd number of hexadecimal digits in line {line}")]
    OddHex {
        /// The line it is in, counted from 1.
        line: usize,
    },
    /// Not Base64.
    #[error("not base64")]
    NotBase64,
}

impl InputFormat {
    /// What `bytes` most likely are.
    #[must_use]
    pub fn guess(bytes: &[u8]) -> Self {
        if crate::is_capture(bytes) {
            return Self::Capture;
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Self::Raw;
        };
        let is_written =
            |character: char| !character.is_control() || character.is_ascii_whitespace();
        if text.trim().is_empty() || !text.chars().all(is_written) {
            return Self::Raw;
        }
        if from_hex(text).is_ok() {
            return Self::Hex;
        }
        match from_base64(text) {
            Ok(_) => Self::Base64,
            // A text that is neither is more likely a mistyped dump than a packet.
            Err(_) if text.is_ascii() => Self::Hex,
            Err(_) => Self::Raw,
        }
    }

    /// The bytes that are written down; those of a capture as they are.
    ///
    /// # Errors
    /// When `bytes` are not written this way.
    pub fn decode(self, bytes: &[u8]) -> Result<Vec<u8>, InputError> {
        let text = || std::str::from_utf8(bytes).map_err(|_| InputError::NotText);
        match self {
            Self::Hex => from_hex(text()?),
            Self::Base64 => from_base64(text()?),
            Self::Raw | Self::Capture => Ok(bytes.to_vec()),
        }
    }
}

fn from_base64(text: &str) -> Result<Vec<u8>, InputError> {
    let text: String = text.split_whitespace().collect();
    let bare = text.trim_end_matches('=');
    let standard = [BASE64, BASE64_MIME_PERMISSIVE];
    standard
        .iter()
        .find_map(|encoding| encoding.decode(text.as_bytes()).ok())
        .or_else(|| BASE64URL.decode(text.as_bytes()).ok())
        .or_else(|| BASE64URL_NOPAD.decode(bare.as_bytes()).ok())
        .or_else(|| data_encoding::BASE64_NOPAD.decode(bare.as_bytes()).ok())
        .ok_or(InputError::NotBase64)
}

fn from_hex(text: &str) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    let is_dump = text.lines().find(|line| !line.trim().is_empty());
    let is_dump = is_dump.is_some_and(|line| dump_line(line).is_some_and(|(at, _)| at == 0));
    for (index, line) in text.lines().enumerate() {
        let dumped = dump_line(line).map(|(_, digits)| digits);
        let digits = match dumped {
            Some(digits) if is_dump => digits,
            // The length of all, which ends a dump.
            None if is_dump && line.trim().len() >= 6 && !line.trim().contains(' ') => "",
            _ => line,
        };
        digits_of(digits, index + 1, &mut bytes)?;
    }
    Ok(bytes)
}

/// The offset at the start of a line of a dump, and its digits without the text beside them.
fn dump_line(line: &str) -> Option<(u64, &str)> {
    let line = line.trim_start();
    let end = line.find(|character: char| !character.is_ascii_hexdigit())?;
    let (offset, rest) = line.split_at_checked(end)?;
    let is_offset = matches!(offset.len(), 4 | 6..=16);
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    if !is_offset || !rest.starts_with([' ', '\t']) {
        return None;
    }
    let rest = rest.trim();
    // A group of as many digits as the offset has is no byte of a dump.
    let first = rest.split_whitespace().next()?;
    if !matches!(first.len(), 2 | 4) || first.len() == offset.len() {
        return None;
    }
    let digits = match rest.split_once('|') {
        // `hexdump -C` has a double space in the middle.
        Some((digits, _)) => digits,
        None => rest.split_once("  ").map_or(rest, |(digits, _)| digits),
    };
    Some((u64::from_str_radix(offset, 16).ok()?, digits))
}

fn digits_of(text: &str, line: usize, bytes: &mut Vec<u8>) -> Result<(), InputError> {
    let mut high: Option<u32> = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if let Some(digit) = character.to_digit(16) {
            // The prefix of a number: `0x10`.
            if digit == 0 && high.is_none() && matches!(characters.peek(), Some('x' | 'X')) {
                characters.next();
                continue;
            }
            high = match high {
                None => Some(digit),
                Some(high) => {
                    bytes.push(u8::try_from(high << 4 | digit).unwrap_or(0));
                    None
                }
            };
            continue;
        }
        match character {
            // The prefix in a string: `\x10`.
            'x' | 'X' | '\\' if high.is_none() => {}
            ' ' | '\t' | '\r' | ':' | ',' | ';' | '-' | '_' | '{' | '}' | '[' | ']' | '"'
            | '\'' => {
                if high.is_some() {
                    return Err(InputError::OddHex { line });
                }
            }
            character => return Err(InputError::NotHex { character, line }),
        }
    }
    match high {
        None => Ok(()),
        Some(_) => Err(InputError::OddHex { line }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: &[u8] = b"\xC0\0";
    const PACKET: &[u8] = b"\x30\x14\0\x03a/bthe payload 123";

    #[test]
    fn hexadecimal_is_read_as_people_write_it() {
        for text in [
            "C000",
            "c0 00",
            " c0:00\n",
            "0xC0, 0x00",
            "{0xc0,0x00}",
            r#""\xC0\x00""#,
            "c0-00",
            "C0\n00",
            "[c0, 00]",
        ] {
            assert_eq!(
                InputFormat::guess(text.as_bytes()),
                InputFormat::Hex,
                "{text}"
            );
            assert_eq!(from_hex(text).as_deref(), Ok(PING), "{text}");
        }
    }

    #[test]
    fn dumps_are_read() {
        let xxd = "00000000: 3014 0003 612f 6274 6865 2070 6179 6c6f  0...a/bthe paylo\n\
                   00000010: 6164 2031 3233                           ad 123\n";
        let hexdump = "00000000  30 14 00 03 61 2f 62 74  68 65 20 70 61 79 6c 6f  |0...a/bthe paylo|\n\
                       00000010  61 64 20 31 32 33                                 |ad 123|\n\
                       00000016\n";
        let od = "0000000 30 14 00 03 61 2f 62 74 68 65 20 70 61 79 6c 6f\n\
                  0000020 61 64 20 31 32 33\n\
                  0000026\n";
        let tshark = "0000  30 14 00 03 61 2f 62 74 68 65 20 70 61 79 6c 6f   0...a/bthe paylo\n\
                      0010  61 64 20 31 32 33                                 ad 123\n";
        for dump in [xxd, hexdump, od, tshark] {
            assert_eq!(
                InputFormat::guess(dump.as_bytes()),
                InputFormat::Hex,
                "{dump}"
            );
            assert_eq!(from_hex(dump).as_deref(), Ok(PACKET), "{dump}");
        }
    }

    #[test]
    fn base64_of_either_alphabet_is_read() {
        for text in [
            "MBQAA2EvYnRoZSBwYXlsb2FkIDEyMw==",
            "MBQAA2EvYnRoZSBwYXlsb2FkIDEyMw",
            "MBQAA2EvYnRo\nZSBwYXlsb2FkIDEyMw==",
        ] {
            assert_eq!(InputFormat::guess(text.as_bytes()), InputFormat::Base64);
            assert_eq!(from_base64(text).as_deref(), Ok(PACKET), "{text}");
        }
        assert_eq!(from_base64("-_-_").as_deref(), Ok(&b"\xFB\xFF\xBF"[..]));
        assert_eq!(from_base64("a"), Err(InputError::NotBase64));
    }

    #[test]
    fn mistakes_are_found_where_they_are() {
        let not_hex = InputError::NotHex {
            character: 'g',
            line: 2,
        };
        assert_eq!(from_hex("c0\n0g"), Err(not_hex));
        assert_eq!(from_hex("c0 0"), Err(InputError::OddHex { line: 1 }));
        assert_eq!(InputFormat::guess(b"\xC0\0"), InputFormat::Raw);
        assert_eq!(InputFormat::guess(b"0\x05\0\x01abc"), InputFormat::Raw);
        assert_eq!(InputFormat::guess(b""), InputFormat::Raw);
    }
}
