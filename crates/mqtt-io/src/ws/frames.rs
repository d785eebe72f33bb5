//! `Frames`: what a client's WebSocket frames carry, taken out of them where they were read.

use std::io::Cursor;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// The longest head of a frame: two bytes, eight of length, four of mask.
const HEAD_LEN_MAX: usize = 14;
/// The longest payload of a control frame, in bytes.
const CONTROL_LEN_MAX: u64 = 125;

/// What a client did that ends the connection, and how it is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    /// The code of the Close frame.
    pub(super) code: CloseCode,
    /// Its words.
    pub(super) reason: &'static str,
}

impl Fault {
    const fn protocol(reason: &'static str) -> Self {
        Self {
            code: CloseCode::Protocol,
            reason,
        }
    }
}

/// A control frame that asks for something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    /// A Pong with the same payload.
    Pong(Vec<u8>),
    /// The end; the payload of Close, which is to be sent back.
    Close(Vec<u8>),
}

/// What is between the bytes of a client and what they mean. Spec: v5 [MQTT-6.0.0-1], [MQTT-6.0.0-2].
///
/// It holds the beginning of a head, or of a control frame, and never any of what the client says by MQTT.
#[derive(Debug)]
pub(super) struct Frames {
    head: [u8; HEAD_LEN_MAX],
    head_len: usize,
    /// Payload of the frame under way that is still to come, in bytes.
    left: u64,
    /// The mask of the frame under way, beginning with that of the next byte.
    mask: [u8; 4],
    /// The frame under way, if it is a control frame.
    control: Option<Box<(Control, Vec<u8>)>>,
    /// Bytes of the message whose frames are under way; none between messages.
    message_len: Option<u64>,
    message_len_max: u64,
}

impl Frames {
    pub(super) fn new(message_len_max: usize) -> Self {
        Self {
            head: [0; HEAD_LEN_MAX],
            head_len: 0,
            left: 0,
            mask: [0; 4],
            control: None,
            message_len: None,
            message_len_max: u64::try_from(message_len_max).unwrap_or(u64::MAX),
        }
    }

    /// Leaves in the first bytes of `bytes` what they carry, and says how many that are.
    ///
    /// What control frames ask for goes to `asked`, of several Pings the last; nothing is looked at behind a Close.
    ///
    /// # Errors
    /// The first fault, besides what came before it.
    pub(super) fn take(
        &mut self,
        bytes: &mut [u8],
        asked: &mut Option<Asked>,
    ) -> (usize, Result<(), Fault>) {
        let (mut at, mut taken) = (0, 0);
        while at < bytes.len() {
            if self.left == 0 && self.control.is_none() {
                match self.take_head(bytes.get(at..).unwrap_or_default()) {
                    Err(fault) => return (taken, Err(fault)),
                    Ok(len) => at += len,
                }
            } else {
                let rest = bytes.len() - at;
                let len = usize::try_from(self.left).map_or(rest, |left| left.min(rest));
                let end = at + len;
                if let Some(control) = &mut self.control {
                    let (_, payload) = control.as_mut();
                    let from = payload.len();
                    payload.extend_from_slice(bytes.get(at..end).unwrap_or_default());
                    unmask(payload.get_mut(from..).unwrap_or_default(), &mut self.mask);
                } else {
                    bytes.copy_within(at..end, taken);
                    let carried = bytes.get_mut(taken..taken + len).unwrap_or_default();
                    unmask(carried, &mut self.mask);
                    taken += len;
                }
                at = end;
                self.left -= u64::try_from(len).unwrap_or(self.left);
            }
            if self.left == 0
                && self.head_len == 0
                && let Some(control) = self.control.take()
            {
                let (control, payload) = *control;
                match control {
                    Control::Ping => *asked = Some(Asked::Pong(payload)),
                    Control::Close => {
                        *asked = Some(Asked::Close(payload));
                        return (taken, Ok(()));
                    }
                    Control::Pong | Control::Reserved(_) => {}
                }
            }
        }
        (taken, Ok(()))
    }

    /// Takes a head, or the next part of one; how many bytes of it were there.
    fn take_head(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let had = self.head_len;
        let room = self.head.get_mut(had..).unwrap_or_default();
        let len = room.len().min(bytes.len());
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
        }
        let mut cursor = Cursor::new(self.head.get(..had + len).unwrap_or_default());
        match FrameHeader::parse(&mut cursor) {
            Err(_) => Err(Fault::protocol("a WebSocket frame of an unknown kind")),
            Ok(None) => {
                self.head_len = had + len;
                Ok(len)
            }
            Ok(Some((head, payload_len))) => {
                let head_len = usize::try_from(cursor.position()).unwrap_or(HEAD_LEN_MAX);
                self.head_len = 0;
                self.begin(&head, payload_len)?;
                Ok(head_len.saturating_sub(had))
            }
        }
    }

    fn begin(&mut self, head: &FrameHeader, payload_len: u64) -> Result<(), Fault> {
        if head.rsv1 || head.rsv2 || head.rsv3 {
            return Err(Fault::protocol(
                "a reserved bit of a WebSocket frame is set",
            ));
        }
        let Some(mask) = head.mask else {
            return Err(Fault::protocol("a WebSocket frame without a mask"));
        };
        let message_len = match head.opcode {
            OpCode::Control(control) => {
                if !head.is_final || payload_len > CONTROL_LEN_MAX {
                    return Err(Fault::protocol("a control frame that is long or in parts"));
                }
                self.control = Some(Box::new((control, Vec::new())));
                self.left = payload_len;
                self.mask = mask;
                return Ok(());
            }
            OpCode::Data(Data::Binary) if self.message_len.is_none() => payload_len,
            OpCode::Data(Data::Continue) => match self.message_len {
                Some(before) => before.saturating_add(payload_len),
                None => return Err(Fault::protocol("a WebSocket frame continues nothing")),
            },
            OpCode::Data(Data::Text) if self.message_len.is_none() => {
                return Err(Fault {
                    code: CloseCode::Unsupported,
                    reason: "a text frame, MQTT takes binary ones only",
                });
            }
            OpCode::Data(_) => {
                return Err(Fault::protocol("a WebSocket message within another"));
            }
        };
        if message_len > self.message_len_max {
            return Err(Fault {
                code: CloseCode::Size,
                reason: "a WebSocket message over the limit",
            });
        }
        self.message_len = (!head.is_final).then_some(message_len);
        self.left = payload_len;
        self.mask = mask;
        Ok(())
    }
}

/// Takes the mask off `bytes`, and turns it to where the next bytes go on.
fn unmask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= mask;
    }
    mask.rotate_left(rest.len() % 4);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MASK: [u8; 4] = [0x11, 0xA2, 0x33, 0xC4];

    /// A frame as a client writes it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
            len @ 126..0x1_0000 => {
                frame.push(0xFE);
                frame.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
            len => {
                frame.push(0xFF);
                frame.extend(u64::try_from(len).unwrap().to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(
            payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        frame
    }

    /// What `bytes` carry when they come in pieces of these lengths, over and over.
    fn carried(bytes: &[u8], piece_lens: &[usize]) -> (Vec<u8>, Vec<Asked>, Option<Fault>) {
        let mut frames = Frames::new(1_000_000);
        let (mut out, mut all_asked, mut at) = (Vec::new(), Vec::new(), 0);
        let mut lens = piece_lens.iter().cycle();
        loop {
            let len = bytes.len().min(at + lens.next().unwrap()) - at;
            let mut piece = bytes[at..at + len].to_vec();
            at += len;
            let mut asked = None;
            let (taken, fault) = frames.take(&mut piece, &mut asked);
            out.extend_from_slice(&piece[..taken]);
            all_asked.extend(asked);
            if fault.is_err() || at == bytes.len() {
                return (out, all_asked, fault.err());
            }
        }
    }

    proptest! {
        /// Covers: v5 [MQTT-6.0.0-2], v3.1.1 [MQTT-6.0.0-2].
        #[test]
        fn what_frames_carry_does_not_depend_on_where_they_are_cut(
            payload_lens in prop::collection::vec(0..700_usize, 1..6),
            long in prop::option::of(65_530..65_540_usize),
            piece_lens in prop::collection::vec(1..900_usize, 1..5),
        ) {
            let payload_lens: Vec<usize> = payload_lens.into_iter().chain(long).collect();
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            for (index, len) in payload_lens.iter().enumerate() {
                let payload: Vec<u8> = (0..*len).map(|at| (at * 7 + index).to_le_bytes()[0]).collect();
                expected.extend_from_slice(&payload);
                // The second half of every other message is a frame of its own, behind a Pong.
                let (first, second) = payload.split_at(if index % 2 == 0 { *len } else { len / 2 });
                let is_whole = second.is_empty();
                bytes.extend(frame(if is_whole { 0x82 } else { 0x02 }, first));
                if !is_whole {
                    bytes.extend(frame(0x8A, b"pong"));
                    bytes.extend(frame(0x80, second));
                }
            }
            bytes.extend(frame(0x89, b"well?"));
            let (out, asked, fault) = carried(&bytes, &piece_lens);
            prop_assert_eq!(out, expected);
            prop_assert_eq!(asked, [Asked::Pong(b"well?".to_vec())]);
            prop_assert_eq!(fault, None);
        }
    }

    #[test]
    fn each_fault_has_its_code_and_takes_nothing_from_what_came_before() {
        let mut unmasked = frame(0x82, b"x");
        unmasked[1] &= 0x7F;
        for (bytes, code, words) in [
            (frame(0x81, b"x"), CloseCode::Unsupported, "text"),
            (frame(0xC2, b"x"), CloseCode::Protocol, "reserved bit"),
            (frame(0x83, b"x"), CloseCode::Protocol, "unknown kind"),
            (frame(0x80, b"x"), CloseCode::Protocol, "continues nothing"),
            (frame(0x09, b"x"), CloseCode::Protocol, "in parts"),
            (frame(0x89, &[0; 126]), CloseCode::Protocol, "long"),
            (
                [frame(0x02, b""), frame(0x82, b"")].concat(),
                CloseCode::Protocol,
                "within",
            ),
            (frame(0x82, &vec![0; 1_000_001]), CloseCode::Size, "limit"),
            (
                [
                    frame(0x02, &vec![0; 600_000]),
                    frame(0x80, &vec![0; 600_000]),
                ]
                .concat(),
                CloseCode::Size,
                "limit",
            ),
            (unmasked, CloseCode::Protocol, "mask"),
        ] {
            let bytes = [frame(0x82, b"before"), bytes].concat();
            let (out, _, fault) = carried(&bytes, &[usize::MAX / 2]);
            let fault = fault.unwrap();
            assert!(fault.reason.contains(words), "{fault:?}");
            assert_eq!(fault.code, code, "{fault:?}");
            assert!(out.starts_with(b"before"), "{fault:?}");
        }
    }

    #[test]
    fn nothing_is_looked_at_behind_a_close() {
        let bytes = [frame(0x82, b"a"), frame(0x88, &[3, 232]), frame(0x81, b"b")].concat();
        let (out, asked, fault) = carried(&bytes, &[usize::MAX / 2]);
        assert_eq!((out, fault), (b"a".to_vec(), None));
        assert_eq!(asked, [Asked::Close(vec![3, 232])]);
    }
}
