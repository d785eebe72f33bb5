//! Writes a `mosquitto.db` of any format, as the formats are laid out.

/// A file being written.
pub(crate) struct DbFile {
    version: u32,
    pub(crate) bytes: Vec<u8>,
}

/// What a message's chunk says.
pub(crate) struct Message<'a> {
    pub(crate) id: u64,
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) publisher: &'a str,
    pub(crate) expires_s: i64,
    /// With their length in front; empty before format 5.
    pub(crate) properties: &'a [u8],
}

impl Default for Message<'_> {
    fn default() -> Self {
        Self {
            id: 1,
            topic: "t",
            payload: b"p",
            qos: 1,
            retain: false,
            publisher: "",
            expires_s: 0,
            properties: &[],
        }
    }
}

/// States of a message of a client.
pub(crate) mod state {
    pub(crate) const WAIT_FOR_PUBACK: u8 = 3;
    pub(crate) const WAIT_FOR_PUBREC: u8 = 5;
    pub(crate) const WAIT_FOR_PUBREL: u8 = 7;
    pub(crate) const WAIT_FOR_PUBCOMP: u8 = 9;
    pub(crate) const QUEUED: u8 = 11;
}

impl DbFile {
    pub(crate) fn new(version: u32) -> Self {
        let mut bytes = b"\0\xB5\0mosquitto db\0\0\0\0".to_vec();
        bytes.extend(version.to_be_bytes());
        let mut file = Self { version, bytes };
        let mut config = Vec::new();
        match version {
            0..=4 => {
                config.extend([1, 8]);
                config.extend(100_u64.to_le_bytes());
            }
            _ => {
                config.extend(100_u64.to_le_bytes());
                config.extend([1, 8, 0, 0, 0, 0, 0, 0]);
            }
        }
        file.chunk(1, &config);
        file
    }

    pub(crate) fn chunk(&mut self, kind: u16, body: &[u8]) {
        match self.version {
            0..=4 => self.bytes.extend(kind.to_be_bytes()),
            _ => self.bytes.extend(u32::from(kind).to_be_bytes()),
        }
        let len = u32::try_from(body.len()).unwrap();
        self.bytes.extend(len.to_be_bytes());
        self.bytes.extend(body);
    }

    pub(crate) fn message(&mut self, message: &Message<'_>) {
        let mut body = Vec::new();
        let payload_len = u32::try_from(message.payload.len()).unwrap().to_be_bytes();
        body.extend(message.id.to_le_bytes());
        if self.version < 5 {
            text(&mut body, message.publisher);
            if self.version == 4 {
                text(&mut body, "user");
                body.extend([0, 0]);
            }
            body.extend([0, 0, 0, 0]);
            text(&mut body, message.topic);
            body.extend([message.qos, u8::from(message.retain)]);
            body.extend(payload_len);
            body.extend(message.payload);
        } else {
            body.extend(message.expires_s.to_le_bytes());
            body.extend(payload_len);
            body.extend([0, 0]);
            body.extend(len_of(message.publisher));
            body.extend(len_of("user"));
            body.extend(len_of(message.topic));
            body.extend([0, 0, message.qos, u8::from(message.retain)]);
            body.extend(message.publisher.as_bytes());
            body.extend(b"user");
            body.extend(message.topic.as_bytes());
            body.extend(message.payload);
            body.extend(message.properties);
        }
        self.chunk(2, &body);
    }

    /// A session; `expires_s` is when it ends (formats 5 and 6), or when it was left (3 and 4).
    pub(crate) fn client(&mut self, client_id: &str, expiry_s: u32, expires_s: i64) {
        let mut body = Vec::new();
        if self.version < 5 {
            text(&mut body, client_id);
            body.extend([0, 7]);
            if self.version > 2 {
                body.extend(expires_s.to_le_bytes());
            }
        } else {
            body.extend(expires_s.to_le_bytes());
            body.extend(expiry_s.to_be_bytes());
            body.extend([0, 7]);
            body.extend(len_of(client_id));
            if self.version > 5 {
                body.extend([7, 91]);
                body.extend(len_of("user"));
                body.extend([0; 4]);
            }
            body.extend(client_id.as_bytes());
            if self.version > 5 {
                body.extend(b"user");
            }
        }
        self.chunk(6, &body);
    }

    /// A message of a session; `subscription_id` from format 5 on.
    #[expect(clippy::too_many_arguments, reason = "the chunk has as many fields")]
    pub(crate) fn client_message(
        &mut self,
        client_id: &str,
        message: u64,
        packet_id: u16,
        qos: u8,
        state: u8,
        is_incoming: bool,
        subscription_id: Option<u8>,
    ) {
        let mut body = Vec::new();
        let direction = u8::from(!is_incoming);
        if self.version < 5 {
            text(&mut body, client_id);
            body.extend(message.to_le_bytes());
            body.extend(packet_id.to_be_bytes());
            body.extend([qos, 0, direction, state, 0]);
        } else {
            body.extend(message.to_le_bytes());
            body.extend(packet_id.to_be_bytes());
            body.extend(len_of(client_id));
            body.extend([qos, state, 0, direction]);
            body.extend(client_id.as_bytes());
            if let Some(id) = subscription_id {
                body.extend([2, 0x0B, id]);
            }
        }
        self.chunk(3, &body);
    }

    pub(crate) fn subscription(&mut self, client_id: &str, filter: &str, qos: u8, options: u8) {
        let mut body = Vec::new();
        if self.version < 5 {
            text(&mut body, client_id);
            text(&mut body, filter);
            body.push(qos);
        } else {
            body.extend(5_u32.to_be_bytes());
            body.extend(len_of(client_id));
            body.extend(len_of(filter));
            body.extend([qos, options, 0, 0]);
            body.extend(client_id.as_bytes());
            body.extend(filter.as_bytes());
        }
        self.chunk(5, &body);
    }

    pub(crate) fn retained(&mut self, message: u64) {
        self.chunk(4, &message.to_le_bytes());
    }
}

fn len_of(text: &str) -> [u8; 2] {
    u16::try_from(text.len()).unwrap().to_be_bytes()
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend(len_of(text));
    body.extend(text.as_bytes());
}
