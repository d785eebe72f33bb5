//! WebSocket at the client, as little as MQTT needs: payloads out of frames, in place, and into them.

use std::io::{self, IoSlice};

/// The end of a head in HTTP.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// What the answer to a request begins with that a server takes.
const SWITCHING: &[u8] = b"HTTP/1.1 101 ";
/// Bytes of the first line of an answer that are kept to be told.
const STATUS_LEN_MAX: usize = 100;
/// The most that a control frame can carry. RFC 6455 §5.5.
const CONTROL_LEN_MAX: usize = 125;
/// With this mask a payload stays as it is; servers cannot tell.
const MASK: [u8; 4] = [0; 4];

const CONTINUATION: u8 = 0x0;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// The bit of a frame's first byte that says that a message ends with it.
const FIN: u8 = 0x80;
/// A closing of the usual kind: 1000.
const NORMAL_CLOSURE: [u8; 2] = [0x03, 0xE8];

/// Frames of a WebSocket, at the client.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// How much of the end of the server's answer has come.
    head_seen: usize,
    /// The first line of that answer, until it is looked at.
    status: Vec<u8>,
    /// The beginning of a frame that is not whole yet.
    header: Vec<u8>,
    /// The kind of the frame under way.
    opcode: u8,
    /// Bytes of the payload under way that are still to come.
    payload_left: usize,
    /// The payload of a control frame, as far as it has come.
    ///
    /// INVARIANT: at most [`CONTROL_LEN_MAX`].
    control: Vec<u8>,
    /// The answer to the last control frame that asks for one; of several PINGs the last is answered. RFC 6455 §5.5.3.
    answer: Option<(u8, Vec<u8>)>,
    /// Whether the server has closed the WebSocket.
    is_closed: bool,
    /// Whether a closing frame is on its way or under way to it.
    says_close: bool,
    /// What still has to be written: the request, and the rest of a frame.
    pending: Vec<u8>,
}

impl Frames {
    /// Of a connection that begins with this request.
    pub(crate) fn beginning_with(upgrade: &[u8]) -> Self {
        Self {
            pending: upgrade.to_vec(),
            ..Self::default()
        }
    }

    /// What waits to be written, of which a part may be taken away; answers stand behind what was there.
    pub(crate) fn pending(&mut self) -> &mut Vec<u8> {
        if self.pending.is_empty()
            && let Some((opcode, payload)) = self.answer.take()
        {
            self.says_close |= opcode == CLOSE;
            self.frame(opcode, &[IoSlice::new(&payload)]);
        }
        &mut self.pending
    }

    /// Whether something waits to be written.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty() || self.answer.is_some()
    }

    /// Whether the server has closed it: nothing more comes.
    pub(crate) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Puts one frame of all this behind what waits. How many bytes that were.
    pub(crate) fn take(&mut self, slices: &[IoSlice<'_>]) -> usize {
        self.frame(BINARY, slices)
    }

    /// Puts a closing frame behind what waits, once, unless the request itself still waits.
    pub(crate) fn close(&mut self) {
        if !std::mem::replace(&mut self.says_close, true) && self.has_opened() {
            self.answer = None;
            self.frame(CLOSE, &[IoSlice::new(&NORMAL_CLOSURE)]);
        }
    }

    fn has_opened(&self) -> bool {
        self.head_seen == HEAD_END.len()
    }

    fn frame(&mut self, opcode: u8, slices: &[IoSlice<'_>]) -> usize {
        let len = slices.iter().map(|slice| slice.len()).sum();
        self.begin(opcode, len);
        for slice in slices {
            self.pending.extend_from_slice(slice);
        }
        len
    }

    /// Puts down the head of a frame with so many bytes.
    fn begin(&mut self, opcode: u8, len: usize) {
        self.pending.push(FIN | opcode);
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(short @ 0..126), _) => self.pending.push(0x80 | short),
            (_, Ok(len)) => {
                self.pending.push(0x80 | 126);
                self.pending.extend(len.to_be_bytes());
            }
            _ => {
                self.pending.push(0x80 | 127);
                let len = u64::try_from(len).unwrap_or(u64::MAX);
                self.pending.extend(len.to_be_bytes());
            }
        }
        self.pending.extend(MASK);
    }

    /// Leaves in `bytes` the payloads alone, in front: how many bytes they are.
    pub(crate) fn strip(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut at = self.skip_head(bytes)?;
        let mut kept = 0;
        while at < bytes.len() && !self.is_closed {
            if self.payload_left > 0 {
                let len = self.payload_left.min(bytes.len() - at);
                if self.opcode < CLOSE {
                    bytes.copy_within(at..at + len, kept);
                    kept += len;
                } else {
                    let part = bytes.get(at..at + len).unwrap_or_default();
                    self.control.extend_from_slice(part);
                }
                self.payload_left -= len;
                at += len;
            } else {
                self.header.extend(bytes.get(at).copied());
                at += 1;
                let Some((opcode, len)) = announced(&self.header)? else {
                    continue;
                };
                self.opcode = opcode;
                self.payload_left = len;
                self.header.clear();
            }
            if self.payload_left == 0 && self.opcode >= CLOSE {
                self.obey();
            }
        }
        Ok(kept)
    }

    /// Where the first frame begins, or the end of `bytes`.
    fn skip_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut at = 0;
        while !self.has_opened() {
            let Some(byte) = bytes.get(at) else {
                return Ok(at);
            };
            if self.head_seen == 0 && self.status.len() < STATUS_LEN_MAX && *byte != b'\r' {
                self.status.push(*byte);
            }
            self.head_seen = match HEAD_END.get(self.head_seen) == Some(byte) {
                true => self.head_seen + 1,
                false => usize::from(*byte == b'\r'),
            };
            at += 1;
            if self.has_opened() && !self.status.starts_with(SWITCHING) {
                let line = self.status.split(|byte| *byte == b'\n').next();
                let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
                return Err(io::Error::other(format!(
                    "no WebSocket is there, the server answers: {line}"
                )));
            }
        }
        Ok(at)
    }

    /// Does what the control frame that is whole now asks for.
    fn obey(&mut self) {
        let payload = std::mem::take(&mut self.control);
        match std::mem::take(&mut self.opcode) {
            PING => self.answer = Some((PONG, payload)),
            CLOSE => {
                self.is_closed = true;
                // The code comes back, and no reason.
                let code = payload.get(..2).unwrap_or_default().to_vec();
                self.answer = Some((CLOSE, code)).filter(|_| !self.says_close);
            }
            _ => {}
        }
    }
}

/// What the head of a server's frame announces, when it is whole: its kind, and how much follows.
fn announced(header: &[u8]) -> io::Result<Option<(u8, usize)>> {
    let wrong = |what| Err(io::Error::other(what));
    let [first, len, rest @ ..] = header else {
        return Ok(None);
    };
    let opcode = first & 0x0F;
    match opcode {
        _ if first & 0x70 != 0 => {
            return wrong("a frame of WebSocket by an extension nobody asked for");
        }
        CONTINUATION | BINARY => {}
        CLOSE | PING | PONG if first & FIN == 0 || usize::from(*len) > CONTROL_LEN_MAX => {
            return wrong("a control frame of WebSocket that is too long, or a part of one");
        }
        CLOSE | PING | PONG => {}
        _ => return wrong("a frame of WebSocket that is not binary"),
    }
    let len = match len {
        126 => rest
            .first_chunk()
            .map(|bytes| u16::from_be_bytes(*bytes).into()),
        127 => {
            let len = rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
            len.map(|len| usize::try_from(len).unwrap_or(usize::MAX))
        }
        0x80.. => return wrong("a frame of WebSocket with a mask, which servers have none of"),
        len => Some((*len).into()),
    };
    Ok(len.map(|len| (opcode, len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nx: y\r\n\r\n";

    fn stripped(frames: &mut Frames, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = bytes.to_vec();
        let kept = frames.strip(&mut bytes)?;
        bytes.truncate(kept);
        Ok(bytes)
    }

    fn opened() -> Frames {
        let mut frames = Frames::default();
        assert_eq!(stripped(&mut frames, HEAD).unwrap(), b"");
        frames
    }

    #[test]
    fn payloads_are_found_wherever_a_read_ends() {
        let mut stream = HEAD.to_vec();
        let mut expected = Vec::new();
        for len in [0, 5, 125, 126, 70_000] {
            // Between any two frames a server may ask whether somebody is there.
            stream.extend(b"\x89\x03abc\x8A\x00");
            let payload = vec![7; len];
            stream.push(0x82);
            match len {
                0..126 => stream.push(u8::try_from(len).unwrap()),
                126..65_536 => {
                    stream.push(126);
                    stream.extend(u16::try_from(len).unwrap().to_be_bytes());
                }
                _ => {
                    stream.push(127);
                    stream.extend(u64::try_from(len).unwrap().to_be_bytes());
                }
            }
            stream.extend(&payload);
            expected.extend(payload);
        }
        for step in [1, 2, 3, 1000, stream.len()] {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for part in stream.chunks(step) {
                found.extend(stripped(&mut frames, part).unwrap());
            }
            assert_eq!(found, expected, "{step}");
            assert_eq!(frames.pending(), b"\x8A\x83\0\0\0\0abc");
        }
    }

    #[test]
    fn the_last_ping_is_answered_behind_a_frame_under_way() {
        let mut frames = opened();
        frames.take(&[IoSlice::new(b"first")]);
        let first = frames.pending().clone();
        stripped(&mut frames, b"\x89\x01a\x89\x01b").unwrap();
        assert_eq!(*frames.pending(), first);
        frames.pending().clear();
        assert!(frames.has_pending());
        assert_eq!(frames.pending(), b"\x8A\x81\0\0\0\0b");
        frames.pending().clear();
        assert!(!frames.has_pending());
    }

    #[test]
    fn a_close_is_answered_with_its_code_and_nothing_follows() {
        let mut frames = opened();
        let kept = stripped(&mut frames, b"\x82\x01x\x88\x05\x03\xE9bye\x82\x01y").unwrap();
        assert_eq!((kept.as_slice(), frames.is_closed()), (&b"x"[..], true));
        assert_eq!(frames.pending(), b"\x88\x82\0\0\0\0\x03\xE9");
        frames.pending().clear();
        frames.close();
        assert!(!frames.has_pending());

        let mut frames = opened();
        frames.close();
        frames.close();
        assert_eq!(frames.pending(), b"\x88\x82\0\0\0\0\x03\xE8");
        frames.pending().clear();
        // It is the answer.
        stripped(&mut frames, b"\x88\x00").unwrap();
        assert!(frames.is_closed() && !frames.has_pending());
    }

    #[test]
    fn what_is_no_websocket_is_told() {
        for (bytes, what) in [
            (
                &b"HTTP/1.1 404 Not Found\r\n\r\n<html>"[..],
                "HTTP/1.1 404 Not Found",
            ),
            (&[HEAD, b"\x81\x02"].concat(), "not binary"),
            (&[HEAD, b"\x82\x82"].concat(), "with a mask"),
            (&[HEAD, b"\xC2\x02"].concat(), "extension"),
            (&[HEAD, b"\x09\x00"].concat(), "control frame"),
            (&[HEAD, b"\x89\x7E"].concat(), "control frame"),
        ] {
            let error = stripped(&mut Frames::default(), bytes).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
    }
}
