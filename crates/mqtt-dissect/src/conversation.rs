//! Both directions of a connection, and how their packets belong together.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::flow::Flows;
use crate::note::Note;
use crate::text::{Part, Style};
use crate::{Dissection, Dissector, Settings};

/// Who sent something.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// The one that opened the connection.
    Client,
    /// The one that was called.
    Server,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// `"client"` or `"server"`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// Where a conversation is first heard.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Start {
    /// From its first byte, so that what was never said can be told from what was missed.
    #[default]
    Beginning,
    /// Somewhere later.
    Middle,
}

/// A packet of a conversation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spoken {
    /// Counted from 1 over both directions.
    pub number: u64,
    /// Who sent it.
    pub side: Side,
    /// When its last bytes were seen, as the caller counts time.
    pub time: Option<Duration>,
    /// The packet.
    pub packet: Dissection,
    /// How it belongs to others, and what of it is wrong at this point of the conversation.
    pub notes: Vec<Note>,
}

/// Takes both directions apart and follows what belongs together.
///
/// It holds one unfinished packet of each direction, what is under way (at most 65,535 Packet
/// Identifiers each way) and the topics of Topic Aliases, up to 1 MiB each way.
#[derive(Clone, Debug)]
pub struct Conversation {
    client: Dissector,
    server: Dissector,
    flows: Flows,
    number: u64,
}

impl Conversation {
    /// A conversation that begins, or goes on, with the next bytes.
    #[must_use]
    pub fn new(settings: Settings, start: Start) -> Self {
        Self {
            client: Dissector::new(settings),
            server: Dissector::new(settings),
            flows: Flows::new(start),
            number: 0,
        }
    }

    /// Takes bytes one side sent and gives the packets that end in them.
    ///
    /// `time` is counted from any moment that stays the same; round trips are measured by it.
    pub fn feed(&mut self, side: Side, time: Option<Duration>, bytes: &[u8]) -> Vec<Spoken> {
        let dissector = self.dissector(side);
        let packets = dissector.feed(bytes);
        let version = dissector.version();
        let is_sure = dissector.knows_version();
        // A guess is only as good as what it was made from.
        if let (Some(version), true) = (version, is_sure) {
            self.dissector(side.other()).learn(version);
        }
        packets
            .into_iter()
            .map(|packet| self.speak(side, time, packet))
            .collect()
    }

    /// Tells that `len` bytes of one side are missing; what they cut off comes out as far as it
    /// was there. From then on nobody can say what was never said.
    pub fn gap(&mut self, side: Side, time: Option<Duration>, len: u64) -> Option<Spoken> {
        let cut = self.dissector(side).gap(len);
        self.flows.note_gap();
        cut.map(|packet| self.speak(side, time, packet))
    }

    /// What one side has begun and not finished.
    #[must_use]
    pub fn finish(&mut self, side: Side, time: Option<Duration>) -> Option<Spoken> {
        let cut = self.dissector(side).finish();
        cut.map(|packet| self.speak(side, time, packet))
    }

    /// Whether a packet with an unreadable length has ended the reading of one side.
    #[must_use]
    pub const fn is_lost(&self, side: Side) -> bool {
        match side {
            Side::Client => self.client.is_lost(),
            Side::Server => self.server.is_lost(),
        }
    }

    /// How many packets were sent so far, both ways.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.number
    }

    /// Whether nothing was said yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.number == 0
    }

    /// How many requests wait for their answer.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.flows.under_way()
    }

    /// Topics of Topic Aliases that were not remembered, because there were too many.
    #[must_use]
    pub const fn aliases_forgotten(&self) -> u64 {
        self.flows.aliases_forgotten()
    }

    const fn dissector(&mut self, side: Side) -> &mut Dissector {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn speak(&mut self, side: Side, time: Option<Duration>, packet: Dissection) -> Spoken {
        self.number += 1;
        let notes = self.flows.follow(self.number, side, time, &packet);
        Spoken {
            number: self.number,
            side,
            time,
            packet,
            notes,
        }
    }
}

impl Spoken {
    /// Whether nothing is wrong, neither with the packet nor with its place.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.packet.is_right() && !self.notes.iter().any(Note::is_fault)
    }

    /// One line: number, side, the packet and its notes.
    #[must_use]
    pub fn to_line(&self, style: Style) -> String {
        let mut line = self.head(style);
        line.push(' ');
        line.push_str(&self.packet.to_line(style));
        for note in &self.notes {
            line.push_str("; ");
            line.push_str(&note_text(note, style));
        }
        line
    }

    /// Number and side, the packet with all its fields, and a line for each note.
    #[must_use]
    pub fn to_tree(&self, style: Style) -> String {
        let mut tree = self.head(style);
        tree.push(' ');
        tree.push_str(&self.packet.to_tree(style));
        for note in &self.notes {
            tree.push_str("      ");
            tree.push_str(&note_text(note, style));
            tree.push('\n');
        }
        tree
    }

    fn head(&self, style: Style) -> String {
        let head = format!("#{} {}", self.number, self.side.name());
        style.paint(Part::Offset, &head)
    }
}

fn note_text(note: &Note, style: Style) -> String {
    let text = note.to_string();
    match note.is_fault() {
        true => style.paint(Part::Fault, &text),
        false => text,
    }
}

impl Serialize for Spoken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_entries(&mut map)?;
        map.end()
    }
}

impl Spoken {
    /// The entries of the object, for those who put others beside them.
    pub(crate) fn serialize_entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("number", &self.number)?;
        map.serialize_entry("side", self.side.name())?;
        if let Some(time) = self.time {
            map.serialize_entry("time_us", &micros(time))?;
        }
        self.packet.serialize_entries(map)?;
        map.serialize_entry("notes", &self.notes)
    }
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
