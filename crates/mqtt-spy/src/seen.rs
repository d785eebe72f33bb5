//! What was seen, as text and as JSON.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use mqtt_dissect::{Heard, Stream, Style, What, utc_text};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// How many bytes stand on a line of a dump.
const DUMP_LINE_LEN: usize = 16;

/// Something that was seen on a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// Where.
    pub stream: Arc<Stream>,
    /// Whose connection it is, as far as that was said.
    pub client_id: Option<Arc<str>>,
    /// When: the time since the start of 1970.
    pub time: Duration,
    /// What.
    pub what: What,
}

impl Seen {
    /// One line: the time of the day in UTC, the connection, its client, and what it is.
    #[must_use]
    pub fn to_line(&self, style: Style) -> String {
        let mut line = style.aside(&self.head());
        line.push(' ');
        match &self.what {
            What::Opened => {
                let Stream { client, server, .. } = &*self.stream;
                let _ = write!(line, "opened, {client} > {server}");
            }
            what => line.push_str(&what.to_line(style)),
        }
        line
    }

    /// The same, and below it all fields of a packet.
    #[must_use]
    pub fn to_tree(&self, style: Style) -> String {
        match &self.what {
            What::Packet(spoken) => {
                format!("{} {}", style.aside(&self.head()), spoken.to_tree(style))
            }
            _ => format!("{}\n", self.to_line(style)),
        }
    }

    /// The same, and below it the bytes of a packet.
    #[must_use]
    pub fn to_dump(&self, style: Style) -> String {
        let mut text = self.to_tree(style);
        if let What::Packet(spoken) = &self.what {
            for (index, bytes) in spoken.packet.bytes.chunks(DUMP_LINE_LEN).enumerate() {
                let _ = write!(text, "      {:04x} ", index * DUMP_LINE_LEN);
                for byte in bytes {
                    let _ = write!(text, " {byte:02x}");
                }
                text.push('\n');
            }
        }
        text
    }

    fn head(&self) -> String {
        let time = utc_text(self.time);
        // Whoever watches knows what day it is.
        let time = time.get(11..26).unwrap_or(&time);
        let number = self.stream.number;
        match &self.client_id {
            Some(client_id) => format!("{time} {number} {}", client_id.escape_debug()),
            None => format!("{time} {number}"),
        }
    }
}

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(client_id) = &self.client_id {
            map.serialize_entry("client_id", &**client_id)?;
        }
        let heard = Heard {
            stream: &self.stream,
            time: self.time,
            what: self.what.clone(),
        };
        heard.serialize_entries(&mut map)?;
        map.end()
    }
}
