//! From events to packets: what there is to be shown.

use std::collections::HashMap;
use std::sync::Arc;

use mqtt_codec::PacketType;
use mqtt_dissect::{Conversation, Dissection, Note, Settings, Side, Spoken, Start, Stream, What};

use crate::shown::Shown;
use crate::{Event, Filter, Happening, Seen};

/// What was seen in all, whether it was shown or not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Connections that were relayed.
    pub connections: u64,
    /// Connections that never came to be.
    pub failed: u64,
    /// MQTT packets.
    pub packets: u64,
    /// Those that are malformed, cut off, or wrong at their place.
    pub faults: u64,
    /// Bytes of both directions.
    pub bytes: u64,
}

/// Takes the connections of a proxy apart, and follows what belongs together on each.
///
/// It holds a [`Conversation`] for each connection that is open.
#[derive(Debug)]
pub struct Observer {
    settings: Settings,
    filter: Filter,
    watched: HashMap<u64, Watched>,
    totals: Totals,
}

/// A connection.
#[derive(Debug)]
struct Watched {
    stream: Arc<Stream>,
    client_id: Option<Arc<str>>,
    conversation: Conversation,
    shown: Shown,
    /// Bytes that came after an unreadable length.
    unread: u64,
}

impl Observer {
    /// One that shows what `filter` lets through.
    #[must_use]
    pub fn new(settings: Settings, filter: Filter) -> Self {
        Self {
            settings,
            filter,
            watched: HashMap::new(),
            totals: Totals::default(),
        }
    }

    /// Takes what happened next and gives what is to be shown of it.
    pub fn take(&mut self, event: &Event) -> Vec<Seen> {
        let number = event.stream.number;
        match &event.happening {
            Happening::Opened => {
                self.totals.connections += 1;
                let watched = Watched {
                    stream: Arc::clone(&event.stream),
                    client_id: None,
                    conversation: Conversation::new(self.settings, Start::Beginning),
                    shown: Shown::default(),
                    unread: 0,
                };
                self.watched.insert(number, watched);
                self.events(event, vec![What::Opened])
            }
            Happening::Bytes { side, bytes } => {
                self.totals.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.bytes(event, *side, bytes)
            }
            Happening::Ended { side } => {
                let mut seen = self.cut(event, *side);
                seen.extend(self.events(event, vec![What::Ended { side: *side }]));
                seen
            }
            Happening::Closed { reason } => self.closed(event, reason.clone()),
        }
    }

    /// What was seen so far.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// How many connections are open.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.watched.len()
    }

    fn bytes(&mut self, event: &Event, side: Side, bytes: &[u8]) -> Vec<Seen> {
        let Some(watched) = self.watched.get_mut(&event.stream.number) else {
            return Vec::new();
        };
        if watched.conversation.is_lost(side) {
            watched.unread += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        }
        let packets = watched.conversation.feed(side, Some(event.time), bytes);
        let mut seen = Vec::with_capacity(packets.len());
        for spoken in packets {
            seen.extend(self.packet(event, spoken));
        }
        seen
    }

    /// What one side had begun when it ended.
    fn cut(&mut self, event: &Event, side: Side) -> Vec<Seen> {
        let watched = self.watched.get_mut(&event.stream.number);
        let cut = watched.and_then(|watched| watched.conversation.finish(side, Some(event.time)));
        cut.and_then(|spoken| self.packet(event, spoken))
            .into_iter()
            .collect()
    }

    fn packet(&mut self, event: &Event, spoken: Spoken) -> Option<Seen> {
        let watched = self.watched.get_mut(&event.stream.number)?;
        self.totals.packets += 1;
        self.totals.faults += u64::from(!spoken.is_right());
        watched.learn_client(&spoken.packet);
        // Answers are looked for whether the question was shown or filtered by its type.
        let takes_topic = watched.takes_topic(&self.filter, &spoken);
        let is_shown = takes_topic
            && self.filter.takes_client(watched.client_id.as_deref())
            && self.filter.takes_type(spoken.packet.packet_type);
        is_shown.then(|| Seen {
            stream: Arc::clone(&watched.stream),
            client_id: watched.client_id.clone(),
            time: event.time,
            what: What::Packet(spoken),
        })
    }

    fn closed(&mut self, event: &Event, reason: Option<String>) -> Vec<Seen> {
        let mut seen = Vec::new();
        if reason.is_some() {
            // What was cut off by it; at an end in order it was told with that.
            seen.extend(self.cut(event, Side::Client));
            seen.extend(self.cut(event, Side::Server));
        }
        let unread = match self.watched.get(&event.stream.number) {
            Some(watched) => watched.unread,
            None => {
                self.totals.failed += 1;
                0
            }
        };
        seen.extend(self.events(event, vec![What::Closed { reason, unread }]));
        self.watched.remove(&event.stream.number);
        seen
    }

    /// What is no packet is shown when packets of all types and topics are.
    fn events(&self, event: &Event, whats: Vec<What>) -> Vec<Seen> {
        let watched = self.watched.get(&event.stream.number);
        let client_id = watched.and_then(|watched| watched.client_id.clone());
        let is_shown = !self.filter.has_types()
            && !self.filter.has_topics()
            && self.filter.takes_client(client_id.as_deref());
        let shown = whats.into_iter().filter(|_| is_shown);
        shown
            .map(|what| Seen {
                stream: Arc::clone(&event.stream),
                client_id: client_id.clone(),
                time: event.time,
                what,
            })
            .collect()
    }
}

impl Watched {
    /// Reads who the client is: by its CONNECT, or by the CONNACK when the server has chosen.
    fn learn_client(&mut self, packet: &Dissection) {
        let name = match packet.packet_type {
            Some(PacketType::Connect) if self.client_id.is_none() => "client identifier",
            Some(PacketType::ConnAck) => "assigned client identifier",
            _ => return,
        };
        let client_id = packet.find(name).and_then(|field| packet.text(field));
        if let Some(client_id) = client_id {
            self.client_id = Some(client_id.into());
        }
    }

    /// Whether a packet is about a topic that is shown, or answers one that is.
    fn takes_topic(&mut self, filter: &Filter, spoken: &Spoken) -> bool {
        if !filter.has_topics() {
            return true;
        }
        let answers = spoken.notes.iter().any(|note| match note {
            Note::Answers { number, .. } | Note::Completes { number, .. } => {
                self.shown.has(*number)
            }
            _ => false,
        });
        let takes = answers || !spoken.packet.is_right() || filter.takes_topics_of(spoken);
        if takes && spoken.packet.packet_id().is_some() {
            self.shown.add(spoken.number);
        }
        takes
    }
}
