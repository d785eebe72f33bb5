//! Capture files: pcap and pcapng to the conversations in them.

mod file;
mod link;
mod protocol;
mod reassembly;
mod streams;
mod text;
mod websocket;
mod writer;

use std::io::Read;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::conversation::micros;
use crate::{Settings, Side, Spoken};
use streams::Streams;

pub use text::utc_text;
pub use writer::CaptureWriter;

/// What is to be looked for in a capture.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CaptureSettings {
    /// How packets are taken apart.
    pub dissect: Settings,
    /// Ports on which servers speak MQTT, also where the beginning is not in the capture. On any
    /// other port a connection has to begin with a CONNECT, or with a WebSocket for MQTT.
    /// Default: 1883 and 8083.
    pub ports: Vec<u16>,
    /// Connections that are followed at a time; beyond it those that are over, or were silent for
    /// longest, are given up. From 1, default 10,000.
    pub streams_max: usize,
    /// What is held of one direction while bytes in front of it are missing; beyond it they are
    /// given up. Default 1 MiB. Unit: bytes.
    pub held_len_max: usize,
}

impl Default for CaptureSettings {
    fn default() -> Self {
        Self {
            dissect: Settings::default(),
            ports: vec![1883, 8083],
            streams_max: 10_000,
            held_len_max: 1 << 20,
        }
    }
}

/// A connection in a capture.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stream {
    /// Counted from 1, in the order of their first packets.
    pub number: u64,
    /// Who opened it, as far as that can be told.
    pub client: SocketAddr,
    /// Who was called.
    pub server: SocketAddr,
}

/// Something in a capture.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Heard<'a> {
    /// Where.
    pub stream: &'a Stream,
    /// When: the time since the start of 1970, as the capture says it.
    pub time: Duration,
    /// What.
    pub what: What,
}

/// What there is in a capture.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// An MQTT packet.
    Packet(Spoken),
    /// Bytes that are not in the capture.
    Gap {
        /// Who sent them.
        side: Side,
        /// How many. Unit: bytes.
        len: u64,
    },
    /// The connection is encrypted; nothing of it can be read.
    Tls,
    /// The connection is a WebSocket from here on.
    WebSocket,
    /// The WebSocket is compressed; nothing of it can be read.
    Compressed,
    /// The server did not agree to a WebSocket.
    NoWebSocket,
    /// The connection was opened. Said by those who relay it, not of a capture.
    Opened,
    /// One side sends nothing more. Said by those who relay it, not of a capture.
    Ended {
        /// Who.
        side: Side,
    },
    /// The connection is over. Said by those who relay it, not of a capture.
    Closed {
        /// What cut it off, in words; `None` when both sides have ended it.
        reason: Option<String>,
        /// Bytes of both sides that no packet could be made of.
        unread: u64,
    },
}

/// What a capture held.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CaptureReport {
    /// Packets of the network.
    pub frames: u64,
    /// Those that carry TCP.
    pub segments: u64,
    /// Those that nobody here can read: links of an unknown kind, fragments of IP, damaged headers.
    pub unread: u64,
    /// TCP connections.
    pub streams: u64,
    /// Those with MQTT in them.
    pub mqtt_streams: u64,
    /// MQTT packets.
    pub packets: u64,
    /// MQTT packets that are malformed, cut, or wrong at their place.
    pub faults: u64,
    /// Bytes that came more than once.
    pub repeated: u64,
    /// Bytes that are missing.
    pub missing: u64,
    /// Connections given up because there were too many.
    pub given_up: u64,
    /// Whether the file ends in the middle of a packet.
    pub cut_short: bool,
}

/// Why a capture cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// It is neither pcap nor pcapng.
    #[error("neither pcap nor pcapng")]
    NotACapture,
    /// The reader failed.
    #[error("the capture cannot be read")]
    Read,
    /// A block of the file is damaged, or longer than 16 MiB.
    #[error("the capture is damaged after {frames} packets")]
    Damaged {
        /// Packets of the network that were read before.
        frames: u64,
    },
}

/// Whether these are the first bytes of a pcap or pcapng file.
#[must_use]
pub fn is_capture(bytes: &[u8]) -> bool {
    file::has_magic(bytes)
}

/// Reads a capture file to its end, or until `each` breaks.
///
/// # Errors
/// When the file is no capture or is damaged. What came before was given to `each`.
pub fn read_capture(
    reader: impl Read + Send,
    settings: &CaptureSettings,
    mut each: impl FnMut(Heard<'_>) -> ControlFlow<()>,
) -> Result<CaptureReport, CaptureError> {
    let mut streams = Streams::new(settings, &mut each);
    let cut_short = file::each_frame(reader, |frame| streams.take(&frame))?;
    let mut report = streams.finish();
    report.cut_short = cut_short;
    Ok(report)
}

impl Serialize for Heard<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_entries(&mut map)?;
        map.end()
    }
}

impl Heard<'_> {
    /// The entries of the JSON object, for those who put others beside them.
    ///
    /// # Errors
    /// What `map` says.
    pub fn serialize_entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("stream", &self.stream.number)?;
        map.serialize_entry("client", &self.stream.client)?;
        map.serialize_entry("server", &self.stream.server)?;
        let event = |name| ("event", name);
        let (key, name) = match &self.what {
            What::Packet(spoken) => {
                return spoken.serialize_entries(map);
            }
            What::Gap { side, len } => {
                map.serialize_entry("side", side.name())?;
                map.serialize_entry("len", len)?;
                event("gap")
            }
            What::Tls => event("tls"),
            What::WebSocket => event("websocket"),
            What::Compressed => event("compressed websocket"),
            What::NoWebSocket => event("no websocket"),
            What::Opened => event("opened"),
            What::Ended { side } => {
                map.serialize_entry("side", side.name())?;
                event("ended")
            }
            What::Closed { reason, unread } => {
                if let Some(reason) = reason {
                    map.serialize_entry("reason", reason)?;
                }
                map.serialize_entry("unread", unread)?;
                event("closed")
            }
        };
        map.serialize_entry("time_us", &micros(self.time))?;
        map.serialize_entry(key, name)
    }
}
