//! What was seen as a file for other programs.

use std::io::{self, Write};
use std::net::SocketAddr;

use mqtt_dissect::{CaptureWriter, Stream};

use crate::{Event, Happening};

/// The port that servers have in the file: by it others know that what they read is MQTT.
const PORT: u16 = 1883;

/// Writes the connections of a proxy as pcapng, the MQTT in them as plain TCP on port 1883 whatever
/// it was inside of, so that Wireshark reads it without being told.
#[derive(Debug)]
pub struct Capture<W>(CaptureWriter<W>);

impl<W: Write> Capture<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// What `out` says.
    pub fn begin(out: W) -> io::Result<Self> {
        let description = "relayed MQTT; each server stands on port 1883, without the TLS or WebSocket it may have had";
        CaptureWriter::begin(out, description).map(Self)
    }

    /// Writes what happened next.
    ///
    /// # Errors
    /// What the file says.
    pub fn take(&mut self, event: &Event) -> io::Result<()> {
        let stream = Stream {
            server: SocketAddr::new(event.stream.server.ip(), PORT),
            ..*event.stream
        };
        match &event.happening {
            Happening::Opened => self.0.open(&stream, event.time),
            Happening::Bytes { side, bytes } => self.0.write(&stream, *side, event.time, bytes),
            Happening::Ended { side } => self.0.end(&stream, *side, event.time),
            Happening::Closed { .. } => {
                self.0.close(&stream);
                Ok(())
            }
        }
    }

    /// Has what was written reach the file.
    ///
    /// # Errors
    /// What the file says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
