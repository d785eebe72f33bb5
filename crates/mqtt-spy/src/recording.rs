//! What clients publish, as a file that can be published again.

use std::io::{self, Write};
use std::time::Duration;

use mqtt_codec::{PACKET_LEN_MAX, Packet, PacketType, frame};
use mqtt_dissect::{Note, Side, Spoken, What};
use mqtt_record::{Record, Writer};

use crate::Seen;

/// Writes the publications of clients as a recording of `mqtt-record`: those that are seen as a whole
/// and are right, each once.
#[derive(Debug)]
pub struct Recording<W> {
    writer: Writer<W>,
    started: Duration,
    count: u64,
    left_out: u64,
}

impl<W: Write> Recording<W> {
    /// Begins a recording at `started`, counted from the start of 1970.
    ///
    /// # Errors
    /// What `out` says.
    pub fn begin(out: W, started: Duration) -> io::Result<Self> {
        Ok(Self {
            writer: Writer::begin(out, started)?,
            started,
            count: 0,
            left_out: 0,
        })
    }

    /// Writes what was seen, if it is a publication.
    ///
    /// # Errors
    /// What the file says.
    pub fn take(&mut self, seen: &Seen) -> io::Result<()> {
        let What::Packet(spoken) = &seen.what else {
            return Ok(());
        };
        if !is_publication(spoken) {
            return Ok(());
        }
        if !spoken.packet.complete && spoken.packet.fault.is_none() {
            self.left_out += 1;
        }
        match record(seen.time.saturating_sub(self.started), spoken) {
            Some(record) => {
                self.count += 1;
                self.writer.write(&record)
            }
            None => Ok(()),
        }
    }

    /// How many there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// How many are not in it, because they were too long or cut off, and not seen as a whole.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Has what was written reach the file.
    ///
    /// # Errors
    /// What the file says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Whether a client publishes it, for the first time.
fn is_publication(spoken: &Spoken) -> bool {
    let is_publish = spoken.packet.packet_type == Some(PacketType::Publish);
    let mut notes = spoken.notes.iter();
    let is_again = notes.any(|note| matches!(note, Note::Repeats { .. }));
    is_publish && spoken.side == Side::Client && !is_again
}

fn record(at: Duration, spoken: &Spoken) -> Option<Record> {
    let packet = &spoken.packet;
    if !packet.is_right() {
        return None;
    }
    let found = frame(&packet.bytes, PACKET_LEN_MAX).ok()??;
    let Ok(Packet::Publish(publish)) = Packet::decode(found, packet.version) else {
        return None;
    };
    let alias = spoken.notes.iter().find_map(|note| match note {
        Note::Topic { topic_name } => Some(topic_name.as_str()),
        _ => None,
    });
    Record::of_publish(at, &publish, alias)
}
