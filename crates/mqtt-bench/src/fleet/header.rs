//! What stands in front of a payload, so that the receiver can tell which message it is and how old.

use super::settings::{HeaderFields, HeaderForm};

/// The first bytes of a header of ours; a byte with the fields follows.
const MARK: [u8; 3] = *b"mqb";
/// The field with stream and number is there.
const HAS_NUMBER: u8 = 1;
/// The field with the time is there.
const HAS_TIME: u8 = 2;
/// Nanoseconds in a millisecond.
const MS: u64 = 1_000_000;

/// What a header says of a message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Stamp {
    /// Which stream of messages, and which number in it, from 0 on.
    pub(crate) place: Option<(u64, u64)>,
    /// When the message was due, in nanoseconds since 1970.
    pub(crate) due_ns: Option<u64>,
}

impl HeaderFields {
    /// Bytes of the header; 0 when there is none.
    #[must_use]
    pub fn len(self) -> usize {
        let (number, time) = (usize::from(self.number), usize::from(self.time));
        match self.form {
            _ if number + time == 0 => 0,
            HeaderForm::Own => MARK.len() + 1 + 16 * number + 8 * time,
            HeaderForm::EmqttBench => 8 * (number + time),
        }
    }

    /// Whether there is no header.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether it is one of ours, with the number of the run.
    pub(crate) fn is_own(self) -> bool {
        self.form == HeaderForm::Own && self.number
    }

    /// Appends the header of message `number` of `stream`, due at `due_ns`.
    pub(crate) fn write(self, stream: u64, number: u64, due_ns: u64, out: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        if self.form == HeaderForm::EmqttBench {
            if self.number {
                out.extend_from_slice(&number.to_be_bytes());
            }
            if self.time {
                out.extend_from_slice(&(due_ns / MS).to_be_bytes());
            }
            return;
        }
        let has_number = HAS_NUMBER * u8::from(self.number);
        let fields = has_number | (HAS_TIME * u8::from(self.time));
        out.extend_from_slice(&MARK);
        out.push(fields);
        if self.number {
            out.extend_from_slice(&stream.to_be_bytes());
            out.extend_from_slice(&number.to_be_bytes());
        }
        if self.time {
            out.extend_from_slice(&due_ns.to_be_bytes());
        }
    }

    /// Reads the header of a payload. One of ours says itself which fields it has; for one of emqtt-bench these do, and
    /// the topic is the stream. `None` when there is none.
    pub(crate) fn read(self, topic_name: &[u8], payload: &[u8]) -> Option<Stamp> {
        if self.form == HeaderForm::EmqttBench && !self.is_empty() {
            let mut rest = payload;
            let mut stamp = Stamp::default();
            if self.number {
                stamp.place = Some((hash(topic_name), take(&mut rest)?));
            }
            if self.time {
                stamp.due_ns = Some(take(&mut rest)?.saturating_mul(MS));
            }
            return Some(stamp);
        }
        let (fields, mut rest) = payload.strip_prefix(&MARK)?.split_first()?;
        let mut stamp = Stamp::default();
        if fields & HAS_NUMBER != 0 {
            stamp.place = Some((take(&mut rest)?, take(&mut rest)?));
        }
        if fields & HAS_TIME != 0 {
            stamp.due_ns = Some(take(&mut rest)?);
        }
        (fields & !(HAS_NUMBER | HAS_TIME) == 0).then_some(stamp)
    }
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_be_bytes(*bytes))
}

/// FNV-1a: few topics, and nobody who would want two to meet.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(form: HeaderForm, number: bool, time: bool) -> HeaderFields {
        HeaderFields { form, number, time }
    }

    #[test]
    fn what_is_written_is_read() {
        let topic = b"a/b";
        for form in [HeaderForm::Own, HeaderForm::EmqttBench] {
            for (number, time) in [(true, true), (true, false), (false, true)] {
                let fields = fields(form, number, time);
                let mut payload = Vec::new();
                fields.write(9, 1, 77 * MS, &mut payload);
                assert_eq!(payload.len(), fields.len());
                payload.extend(b"rest");
                let stream = match form {
                    HeaderForm::Own => 9,
                    HeaderForm::EmqttBench => hash(topic),
                };
                let expected = Stamp {
                    place: number.then_some((stream, 1)),
                    due_ns: time.then_some(77 * MS),
                };
                assert_eq!(fields.read(topic, &payload), Some(expected));
            }
        }
    }

    #[test]
    fn bytes_of_both_forms() {
        let mut own = Vec::new();
        fields(HeaderForm::Own, false, true).write(1, 2, 3, &mut own);
        assert_eq!(own, b"mqb\x02\0\0\0\0\0\0\0\x03");
        let mut other = Vec::new();
        fields(HeaderForm::EmqttBench, true, true).write(1, 2, 3 * MS, &mut other);
        assert_eq!(other, b"\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03");
    }

    #[test]
    fn foreign_payloads_have_no_header() {
        let own = HeaderFields::default();
        for payload in [&b""[..], b"mqb", b"mqb\x03\0", b"mqb\x04", b"21.5"] {
            assert_eq!(own.read(b"t", payload), None, "{payload:?}");
        }
        let other = fields(HeaderForm::EmqttBench, true, true);
        assert_eq!(other.read(b"t", b"0123456789"), None);
    }
}
