//! What the driver has encoded: packets, between which long payloads stand where the application has put them.

use bytes::Bytes;
use mqtt_io::Woven;
use mqtt_session::Output;

/// Payloads from this many bytes on are not copied; to copy shorter ones is as cheap.
const SHARED_LEN_MIN: usize = 2048;

/// Encoded and not yet in the write queue.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) bytes: Vec<u8>,
    /// In order.
    pub(crate) woven: Vec<Woven>,
    /// INVARIANT: the bytes in `woven`.
    woven_len: usize,
    expected: Expected,
}

/// What is not copied when it is to be put to the end.
#[derive(Debug, Default)]
enum Expected {
    #[default]
    Nothing,
    Shared(Bytes),
    /// What lies at this address, and is [given](Out::give) afterwards.
    Promised {
        addr: usize,
        len: usize,
    },
    /// It is in its place, which is empty until it is given.
    Owed {
        len: usize,
    },
}

impl Out {
    /// The next packet is a PUBLISH with `payload`, as it lies there.
    pub(crate) fn expect(&mut self, payload: &Bytes) {
        if payload.len() >= SHARED_LEN_MIN {
            self.expected = Expected::Shared(payload.clone());
        }
    }

    /// As [`Out::expect`], where the payload comes back and can be [given](Out::give): it is not counted twice.
    pub(crate) fn expect_promised(&mut self, payload: &Bytes) {
        if payload.len() >= SHARED_LEN_MIN {
            let (addr, len) = (payload.as_ptr().addr(), payload.len());
            self.expected = Expected::Promised { addr, len };
        }
    }

    /// The payload that was promised, if it was put to the end.
    pub(crate) fn give(&mut self, payload: Bytes) {
        if let Expected::Owed { .. } = self.expected
            && let Some(last) = self.woven.last_mut()
        {
            last.bytes = payload;
            self.expected = Expected::Nothing;
        }
    }

    /// The packet is there, or is not to be.
    pub(crate) fn expect_nothing(&mut self) {
        debug_assert!(
            !matches!(self.expected, Expected::Owed { .. }),
            "a promise is kept"
        );
        self.expected = Expected::Nothing;
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len() + self.woven_len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all there is; `bytes` and `woven`, which are empty, are written to from now on.
    pub(crate) fn replace(&mut self, bytes: Vec<u8>, woven: Vec<Woven>) -> Self {
        let next = Self {
            bytes,
            woven,
            ..Self::default()
        };
        std::mem::replace(self, next)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Output for Out {
    fn len(&self) -> usize {
        self.len()
    }

    fn room(&self) -> usize {
        usize::MAX - self.len()
    }

    fn extend_by(&mut self, len: usize) -> Option<&mut [u8]> {
        self.bytes.extend_by(len)
    }

    fn extend_from(&mut self, bytes: &[u8]) -> bool {
        let taken = match &mut self.expected {
            Expected::Shared(expected) if std::ptr::eq(&**expected, bytes) => {
                let expected = std::mem::take(expected);
                self.expected = Expected::Nothing;
                Some(expected)
            }
            Expected::Promised { addr, len }
                if *addr == bytes.as_ptr().addr() && *len == bytes.len() =>
            {
                self.expected = Expected::Owed { len: bytes.len() };
                Some(Bytes::new())
            }
            _ => None,
        };
        match taken {
            None => self.bytes.extend_from_slice(bytes),
            Some(shared) => {
                self.woven_len += bytes.len();
                let at = self.bytes.len();
                self.woven.push(Woven { at, bytes: shared });
            }
        }
        true
    }

    fn truncate(&mut self, len: usize) {
        if let Expected::Owed { len } = self.expected {
            // What is cut off at all is cut off from the last packet on.
            self.woven.pop();
            self.woven_len -= len;
            self.expected = Expected::Nothing;
        }
        while let Some(last) = self.woven.last_mut() {
            let before = self.woven_len - last.bytes.len();
            let start = last.at + before;
            if start + last.bytes.len() <= len {
                break;
            }
            if start < len {
                last.bytes.truncate(len - start);
                self.woven_len = before + last.bytes.len();
                break;
            }
            self.woven_len = before;
            self.woven.pop();
        }
        self.bytes.truncate(len.saturating_sub(self.woven_len));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_payload_that_is_expected_is_not_copied() {
        let (payload, other) = (
            Bytes::from(vec![1; SHARED_LEN_MIN]),
            vec![2; SHARED_LEN_MIN],
        );
        let mut out = Out::default();
        out.expect(&payload);
        assert!(out.extend_from(b"head") && out.extend_from(&other));
        assert!(out.woven.is_empty());
        assert!(out.extend_from(&payload));
        assert_eq!(out.woven.len(), 1);
        assert!(out.extend_from(&payload), "once");
        assert_eq!((out.woven.len(), out.len()), (1, 4 + 3 * SHARED_LEN_MIN));
    }

    #[test]
    fn a_payload_that_is_promised_is_put_where_it_belongs() {
        let payload = Bytes::from(vec![1; SHARED_LEN_MIN]);
        let mut out = Out::default();
        out.expect_promised(&payload);
        assert!(out.extend_from(b"head") && out.extend_from(&payload));
        out.give(payload.clone());
        out.expect_nothing();
        let woven = Woven {
            at: 4,
            bytes: payload.clone(),
        };
        assert_eq!(out.woven, [woven]);
        assert_eq!(out.len(), 4 + SHARED_LEN_MIN);

        out.expect_promised(&payload);
        assert!(out.extend_from(b"more") && out.extend_from(&payload));
        out.truncate(4 + SHARED_LEN_MIN);
        out.give(payload.clone());
        assert_eq!((out.woven.len(), out.len()), (1, 4 + SHARED_LEN_MIN));

        let short = payload.slice(1..);
        out.expect_promised(&short);
        assert!(out.extend_from(&short), "copied");
        out.give(short);
        assert_eq!((out.woven.len(), out.bytes.len()), (1, 3 + SHARED_LEN_MIN));
    }

    #[test]
    fn a_packet_that_is_not_to_be_leaves_nothing() {
        let payload = Bytes::from(vec![1; SHARED_LEN_MIN]);
        let mut out = Out::default();
        for head in [b"1", b"2"] {
            out.expect(&payload);
            assert!(out.extend_from(head) && out.extend_from(&payload));
        }
        let first = 1 + SHARED_LEN_MIN;
        out.truncate(first);
        assert_eq!((out.len(), out.woven.len()), (first, 1));
        assert_eq!(out.bytes, b"1");
        out.truncate(0);
        assert!(out.is_empty() && out.woven.is_empty());
    }
}
