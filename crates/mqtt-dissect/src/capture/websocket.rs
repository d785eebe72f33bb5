//! WebSocket taken off one direction: the upgrade over HTTP, then frames.

/// The longest header of HTTP that is read. Unit: bytes.
const HTTP_LEN_MAX: usize = 16 << 10;

/// How many fields such a header may have.
const FIELDS_MAX: usize = 96;

/// The longest header of a frame: two bytes, eight of length, four of mask.
const FRAME_HEADER_LEN_MAX: usize = 14;

/// What one direction has come to.
#[derive(Clone, Debug)]
enum State {
    /// In the header of HTTP.
    Http,
    /// In the header of a frame.
    Header,
    /// In what a frame carries.
    Body {
        /// Unit: bytes.
        left: u64,
        mask: Option<[u8; 4]>,
        /// Where in the mask the next byte is.
        at: usize,
        /// Whether the bytes are of the application.
        is_data: bool,
    },
    /// Nothing more can be read.
    Over,
}

/// Why nothing more can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Over {
    /// It is not the upgrade to a WebSocket.
    NoUpgrade,
    /// Frames are compressed.
    Compressed,
}

/// One direction.
#[derive(Clone, Debug)]
pub(super) struct Unwrap {
    state: State,
    /// An unfinished header.
    head: Vec<u8>,
}

impl Unwrap {
    /// A direction from its start.
    pub(super) const fn from_start() -> Self {
        Self {
            state: State::Http,
            head: Vec::new(),
        }
    }

    /// A direction from the start of some frame.
    pub(super) const fn from_frame() -> Self {
        Self {
            state: State::Header,
            head: Vec::new(),
        }
    }

    /// Whether the upgrade is behind it.
    pub(super) const fn is_in_frames(&self) -> bool {
        matches!(self.state, State::Header | State::Body { .. })
    }

    /// Nobody knows where the next frame starts.
    pub(super) fn lose(&mut self, len: u64) {
        match &mut self.state {
            State::Body {
                left,
                at,
                mask: _,
                is_data: _,
            } if *left >= len => {
                *left -= len;
                *at = (*at + usize::try_from(len % 4).unwrap_or(0)) % 4;
            }
            state => *state = State::Over,
        }
    }

    /// Takes bytes and gives those of the application in them.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, Over> {
        let mut unwrapped = Vec::new();
        while !bytes.is_empty() {
            match &mut self.state {
                State::Http => bytes = self.http(bytes)?,
                State::Header => bytes = self.header(bytes)?,
                State::Body {
                    left,
                    mask,
                    at,
                    is_data,
                } => {
                    let len = usize::try_from(*left).unwrap_or(usize::MAX);
                    let (body, rest) = bytes.split_at(len.min(bytes.len()));
                    for byte in body {
                        let key = mask.and_then(|mask| mask.get(*at % 4).copied());
                        if *is_data {
                            unwrapped.push(byte ^ key.unwrap_or(0));
                        }
                        *at = (*at + 1) % 4;
                    }
                    *left -= u64::try_from(body.len()).unwrap_or(0);
                    if *left == 0 {
                        self.state = State::Header;
                    }
                    bytes = rest;
                }
                State::Over => break,
            }
        }
        Ok(unwrapped)
    }

    /// Reads on in the header of HTTP; returns what is behind it.
    fn http<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Over> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let end = self.head.windows(4).position(|end| end == b"\r\n\r\n");
        let Some(end) = end else {
            return match self.head.len() > HTTP_LEN_MAX {
                true => self.end(Over::NoUpgrade),
                false => Ok(&[]),
            };
        };
        let head = std::mem::take(&mut self.head);
        match upgrade(&head) {
            Ok(()) => {
                self.state = State::Header;
                Ok(bytes.get(end + 4 - before..).unwrap_or_default())
            }
            Err(over) => self.end(over),
        }
    }

    /// Reads on in the header of a frame; returns what is behind it.
    fn header<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Over> {
        let before = self.head.len();
        let room = FRAME_HEADER_LEN_MAX.saturating_sub(before);
        let more = bytes.get(..room).unwrap_or(bytes);
        self.head.extend_from_slice(more);
        let Some((header_len, first, left, mask)) = frame_header(&self.head) else {
            return Ok(bytes.get(more.len()..).unwrap_or_default());
        };
        self.head.clear();
        if first & 0x70 != 0 {
            return self.end(Over::Compressed);
        }
        self.state = match left {
            0 => State::Header,
            left => State::Body {
                left,
                mask,
                at: 0,
                // Continuation, text and binary; the others are of the WebSocket itself.
                is_data: first & 0x0F <= 2,
            },
        };
        Ok(bytes.get(header_len - before..).unwrap_or_default())
    }

    fn end<'b>(&mut self, over: Over) -> Result<&'b [u8], Over> {
        self.state = State::Over;
        self.head = Vec::new();
        Err(over)
    }
}

/// Length, first byte, length of what is carried, and mask; `None` while it is not all there.
fn frame_header(head: &[u8]) -> Option<(usize, u8, u64, Option<[u8; 4]>)> {
    let [first, second, rest @ ..] = head else {
        return None;
    };
    let (len_len, left) = match second & 0x7F {
        126 => (2, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (8, u64::from_be_bytes(*rest.first_chunk()?)),
        len => (0, u64::from(len)),
    };
    let behind = rest.get(len_len..)?;
    match second & 0x80 {
        0 => Some((2 + len_len, *first, left, None)),
        _ => Some((6 + len_len, *first, left, Some(*behind.first_chunk()?))),
    }
}

/// Whether a header of HTTP asks for a WebSocket with MQTT in it, or grants one.
fn upgrade(head: &[u8]) -> Result<(), Over> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let parsed: Vec<(&str, &[u8])> = if head.starts_with(b"HTTP/") {
        let mut response = httparse::Response::new(&mut fields);
        let status = response.parse(head).map_err(|_| Over::NoUpgrade)?;
        if status.is_partial() || response.code != Some(101) {
            return Err(Over::NoUpgrade);
        }
        named(response.headers)
    } else {
        let mut request = httparse::Request::new(&mut fields);
        let status = request.parse(head).map_err(|_| Over::NoUpgrade)?;
        if status.is_partial() {
            return Err(Over::NoUpgrade);
        }
        named(request.headers)
    };
    let has = |name: &str, word: &str| {
        parsed.iter().any(|(known, value)| {
            let value = String::from_utf8_lossy(value).to_ascii_lowercase();
            known.eq_ignore_ascii_case(name) && value.contains(word)
        })
    };
    if !has("upgrade", "websocket") || !has("sec-websocket-protocol", "mqtt") {
        return Err(Over::NoUpgrade);
    }
    Ok(())
}

fn named<'h>(fields: &[httparse::Header<'h>]) -> Vec<(&'h str, &'h [u8])> {
    fields
        .iter()
        .map(|field| (field.name, field.value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

    #[test]
    fn frames_are_unwrapped_in_pieces_of_any_size() {
        let mask = [1, 2, 3, 4];
        let masked: Vec<u8> = b"hello"
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect();
        let mut stream = REQUEST.to_vec();
        // A fragment, a ping between, the last fragment.
        stream.extend([0x02, 0x85, 1, 2, 3, 4]);
        stream.extend(&masked);
        stream.extend([0x89, 0x81, 9, 9, 9, 9, 7]);
        stream.extend([0x80, 0xFE, 0, 5, 1, 2, 3, 4]);
        stream.extend(&masked);
        for len in [1, 2, 3, 11, 1000] {
            let mut direction = Unwrap::from_start();
            let mut out = Vec::new();
            for piece in stream.chunks(len) {
                out.extend(direction.feed(piece).unwrap());
            }
            assert_eq!(out, b"hellohello", "in pieces of {len}");
            assert!(direction.is_in_frames());
        }
    }

    #[test]
    fn what_is_no_websocket_for_mqtt_is_said() {
        let feed = |bytes: &[u8]| Unwrap::from_start().feed(bytes);
        assert_eq!(feed(b"GET / HTTP/1.1\r\n\r\n"), Err(Over::NoUpgrade));
        assert_eq!(feed(b"HTTP/1.1 404 No\r\n\r\n"), Err(Over::NoUpgrade));
        assert_eq!(feed(&[b'a'; HTTP_LEN_MAX + 1]), Err(Over::NoUpgrade));
        assert_eq!(
            Unwrap::from_frame().feed(&[0xC2, 0x01, 0]),
            Err(Over::Compressed)
        );
    }
}
