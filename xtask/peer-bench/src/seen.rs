//! What a decoder found, in words all codecs share.

/// The parts of a packet that an application looks at first.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// Topic Name, Client Identifier or all Topic Filters.
    pub text: String,
    /// Payload of a PUBLISH or of a Will.
    pub payload: Vec<u8>,
    /// 0 where there is none.
    pub packet_id: u16,
    /// QoS of a PUBLISH, Keep Alive of a CONNECT, all QoS of a SUBSCRIBE.
    pub number: u64,
    /// Content Type of a PUBLISH.
    pub content_type: String,
}

impl Seen {
    /// A PUBLISH.
    #[must_use]
    pub fn publish(
        topic: &str,
        qos: u8,
        packet_id: u16,
        payload: &[u8],
        content_type: Option<&str>,
    ) -> Self {
        Self {
            text: topic.to_owned(),
            payload: payload.to_vec(),
            packet_id,
            number: u64::from(qos),
            content_type: content_type.unwrap_or_default().to_owned(),
        }
    }

    /// A PUBACK that says success.
    #[must_use]
    pub fn puback(packet_id: u16) -> Self {
        Self {
            packet_id,
            ..Self::default()
        }
    }

    /// A SUBSCRIBE.
    pub fn subscribe<'f>(packet_id: u16, filters: impl Iterator<Item = (&'f str, u8)>) -> Self {
        let mut seen = Self::puback(packet_id);
        for (filter, qos) in filters {
            seen.text.push_str(filter);
            seen.text.push(' ');
            seen.number = seen.number * 3 + u64::from(qos);
        }
        seen
    }

    /// A CONNECT.
    #[must_use]
    pub fn connect(client_id: &str, keep_alive: u16, will: Option<&[u8]>) -> Self {
        Self {
            text: client_id.to_owned(),
            payload: will.unwrap_or_default().to_vec(),
            number: u64::from(keep_alive),
            ..Self::default()
        }
    }
}
