//! What messages of a soak say, so that each can be recognised.

use mqtt_codec::QoS;

/// A message as a client received it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) topic_name: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) qos: QoS,
    pub(super) dup: bool,
    pub(super) retain: bool,
}

/// Which message it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tag {
    /// A message of a publisher.
    Stream { stream: usize, number: u64 },
    /// The Will of a connection.
    Will { client: usize, connection: u32 },
}

impl Tag {
    /// The payload that says so, padded to at least `len` bytes.
    pub(super) fn write(self, len: usize) -> Vec<u8> {
        let mut payload = match self {
            Self::Stream { stream, number } => format!("m {stream} {number} "),
            Self::Will { client, connection } => format!("w {client} {connection} "),
        }
        .into_bytes();
        if payload.len() < len {
            payload.resize(len, b'.');
        }
        payload
    }

    /// What a payload says.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        let mut words = text.split(' ');
        let (kind, first, second) = (words.next()?, words.next()?, words.next()?);
        // What follows is padding; a payload that was cut short has no third space.
        words
            .next()?
            .bytes()
            .all(|byte| byte == b'.')
            .then_some(())?;
        match kind {
            "m" => Some(Self::Stream {
                stream: first.parse().ok()?,
                number: second.parse().ok()?,
            }),
            "w" => Some(Self::Will {
                client: first.parse().ok()?,
                connection: second.parse().ok()?,
            }),
            _ => None,
        }
    }
}
