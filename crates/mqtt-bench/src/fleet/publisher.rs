//! What one client publishes, and what of it is not acknowledged yet.

use std::sync::Arc;

use super::packets::Head;
use super::settings::{Fleet, HeaderFields, Payload};
use super::template::{Client, Random, Template};
use crate::connection::Outbox;
use crate::frame::{PUBACK, PUBCOMP, PUBREC};
use crate::scenario::{QoS, Version};

/// Bytes that may wait at a connection before the next message has to wait too.
const WAITING_MAX: usize = 128 * 1024;
/// What filler is made of.
const FILLER: u8 = b'x';

/// A client that publishes.
#[derive(Debug)]
pub(crate) struct Publisher {
    streams: Vec<Stream>,
    flights: Flights,
    header: HeaderFields,
    version: Version,
    /// The number of the next message.
    next: u64,
    /// How many messages it sends in all.
    limit: u64,
    random: Random,
    text: String,
}

/// Messages to one topic.
#[derive(Debug)]
struct Stream {
    id: u64,
    topic_name: Template,
    varies: bool,
    head: Head,
    body: Body,
    qos: QoS,
    retain: bool,
    /// Subscribers that each message goes to, where that is known.
    copies: u64,
}

#[derive(Clone, Debug)]
enum Body {
    Fixed(Arc<[u8]>),
    Text(Template),
}

/// What has been sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Bytes of the packet.
    pub(crate) len: usize,
    /// Deliveries to come of it.
    pub(crate) copies: u64,
}

/// The payloads of a fleet, which its publishers share.
#[derive(Debug)]
pub(crate) struct Bodies(Vec<Body>);

impl Bodies {
    pub(crate) fn new(fleet: &Fleet) -> Self {
        let bodies = fleet
            .publishing
            .topics
            .iter()
            .map(|topic| match &topic.payload {
                Payload::Size(size) => {
                    let filler = size.saturating_sub(fleet.header.len());
                    Body::Fixed(vec![FILLER; filler].into())
                }
                Payload::Bytes(bytes) => Body::Fixed(bytes.as_slice().into()),
                Payload::Text(text) => Body::Text(Template::new(text)),
            });
        Self(bodies.collect())
    }
}

impl Publisher {
    /// The publisher `index` of the run `run`; each message of topic `n` goes to `copies[n]` subscribers.
    pub(crate) fn new(
        fleet: &Fleet,
        bodies: &Bodies,
        client: &Client<'_>,
        (run, index): (u32, u32),
        copies: &[u64],
    ) -> Self {
        let publishing = &fleet.publishing;
        let version = fleet.protocol.version();
        let topics = publishing.topics.len().max(1);
        let mut random = Random::new(u64::from(run) << 32 | u64::from(index));
        let topics_u32 = u32::try_from(topics).unwrap_or(u32::MAX);
        let mut streams = Vec::with_capacity(topics);
        for (place, (topic, body)) in (0..).zip(publishing.topics.iter().zip(&bodies.0)) {
            let topic_name = Template::new(&topic.name).for_client(client);
            let body = match body {
                Body::Text(text) => Body::Text(text.for_client(client)),
                fixed => fixed.clone(),
            };
            let varies = topic_name.varies() || matches!(body, Body::Text(_));
            let (qos, retain) = (
                topic.qos.unwrap_or(publishing.qos),
                topic.retain.unwrap_or(publishing.retain),
            );
            let len = fleet.header.len() + body.len();
            let name = topic_name.text(0, &mut random);
            let stream = index.wrapping_mul(topics_u32).wrapping_add(place);
            let stream_copies = copies.get(usize::try_from(place).unwrap_or(0));
            streams.push(Stream {
                id: u64::from(run) << 32 | u64::from(stream),
                head: Head::new(version, &name, qos, retain, len),
                topic_name,
                varies,
                body,
                qos,
                retain,
                copies: stream_copies.copied().unwrap_or(0),
            });
        }
        Self {
            streams,
            flights: Flights::new(publishing.inflight),
            header: fleet.header,
            version,
            next: 0,
            limit: limit_of(fleet, index),
            random,
            text: String::new(),
        }
    }

    /// Whether it has sent all it has to.
    pub(crate) fn is_finished(&self) -> bool {
        self.next >= self.limit
    }

    /// Messages under way.
    pub(crate) fn under_way(&self) -> u64 {
        self.flights.under_way
    }

    /// Whether the window lets another message out.
    pub(crate) fn has_room(&self) -> bool {
        self.flights.has_room()
    }

    /// Puts the next message down, due at `due_ns`. `None` when there is no room for it yet.
    pub(crate) fn send(&mut self, due_ns: u64, outbox: &mut Outbox) -> Option<Sent> {
        let streams = u64::try_from(self.streams.len()).unwrap_or(1).max(1);
        let place = usize::try_from(self.next % streams).unwrap_or(0);
        let stream = self.streams.get_mut(place)?;
        if outbox.len() >= WAITING_MAX {
            return None;
        }
        let packet_id = match stream.qos {
            QoS::AtMostOnce => 0,
            _ => self.flights.begin(due_ns)?,
        };
        let out = outbox.bytes_mut();
        let before = out.len();
        let number = self.next / streams;
        let mut text = None;
        if stream.varies {
            if let Body::Text(template) = &stream.body {
                text = Some(template.text(self.next, &mut self.random));
            }
            let body = text.as_ref().map_or(stream.body.len(), String::len);
            self.text.clear();
            stream
                .topic_name
                .write(self.next, &mut self.random, &mut self.text);
            let len = self.header.len() + body;
            stream
                .head
                .set(self.version, &self.text, stream.qos, stream.retain, len);
        }
        stream.head.write(packet_id, out);
        self.header.write(stream.id, number, due_ns, out);
        match (&stream.body, text) {
            (_, Some(text)) => out.extend_from_slice(text.as_bytes()),
            (Body::Fixed(bytes), None) => out.extend_from_slice(bytes),
            (Body::Text(_), None) => {}
        }
        self.next += 1;
        Some(Sent {
            len: out.len() - before,
            copies: stream.copies,
        })
    }

    /// An acknowledgement came. The message's time when it was the last of that message, an error when it has no place.
    pub(crate) fn acknowledged(
        &mut self,
        kind: u8,
        packet_id: u16,
        is_refusal: bool,
    ) -> Result<Option<u64>, Astray> {
        self.flights.answer(kind, packet_id, is_refusal)
    }

    /// The broker takes no more than this at once.
    pub(crate) fn lower_limit(&mut self, receive_maximum: u16) {
        self.flights.lower(receive_maximum);
    }

    /// The connection is gone, and with it what was under way: how many messages.
    pub(crate) fn forget(&mut self) -> u64 {
        self.flights.forget()
    }
}

impl Body {
    fn len(&self) -> usize {
        match self {
            Self::Fixed(bytes) => bytes.len(),
            Self::Text(_) => 0,
        }
    }
}

/// Its part of all messages there are to send.
fn limit_of(fleet: &Fleet, index: u32) -> u64 {
    let Some(limit) = fleet.publishing.limit else {
        return u64::MAX;
    };
    let publishers = u64::from(fleet.publishers.max(1));
    limit / publishers + u64::from(u64::from(index) < limit % publishers)
}

/// An acknowledgement of nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Astray;

/// Messages above QoS 0 under way, by Packet Identifier.
#[derive(Debug)]
struct Flights {
    /// The message with Packet Identifier `n` at `n - 1`. INVARIANT: at most `max`.
    slots: Vec<Flight>,
    free: Vec<u16>,
    max: u16,
    under_way: u64,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    due_ns: u64,
    awaits: Awaits,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Awaits {
    Nothing,
    First,
    PubComp,
}

impl Flights {
    fn new(inflight: u16) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            max: if inflight == 0 { u16::MAX } else { inflight },
            under_way: 0,
        }
    }

    fn lower(&mut self, receive_maximum: u16) {
        self.max = self.max.min(receive_maximum.max(1));
    }

    fn has_room(&self) -> bool {
        self.under_way < u64::from(self.max)
    }

    fn begin(&mut self, due_ns: u64) -> Option<u16> {
        let flight = Flight {
            due_ns,
            awaits: Awaits::First,
        };
        if !self.has_room() {
            return None;
        }
        let packet_id = match self.free.pop() {
            Some(packet_id) => {
                *self.slots.get_mut(usize::from(packet_id) - 1)? = flight;
                packet_id
            }
            None => {
                let packet_id = u16::try_from(self.slots.len() + 1).ok()?;
                self.slots.push(flight);
                packet_id
            }
        };
        self.under_way += 1;
        Some(packet_id)
    }

    fn answer(
        &mut self,
        kind: u8,
        packet_id: u16,
        is_refusal: bool,
    ) -> Result<Option<u64>, Astray> {
        let place = usize::from(packet_id).checked_sub(1).ok_or(Astray)?;
        let flight = self.slots.get_mut(place).ok_or(Astray)?;
        match (kind, flight.awaits) {
            (PUBREC, Awaits::First) if !is_refusal => {
                flight.awaits = Awaits::PubComp;
                return Ok(None);
            }
            (PUBACK | PUBREC, Awaits::First) | (PUBCOMP, Awaits::PubComp) => {}
            _ => return Err(Astray),
        }
        flight.awaits = Awaits::Nothing;
        self.free.push(packet_id);
        self.under_way -= 1;
        Ok(Some(flight.due_ns))
    }

    fn forget(&mut self) -> u64 {
        self.slots.clear();
        self.free.clear();
        std::mem::take(&mut self.under_way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::settings::Topic;

    fn publisher(fleet: &Fleet) -> Publisher {
        let client = Client {
            number: 3,
            client_id: "c",
            user_name: "",
            host: "h",
        };
        Publisher::new(fleet, &Bodies::new(fleet), &client, (0, 0), &[])
    }

    fn fleet(name: &str, payload: Payload) -> Fleet {
        let mut fleet = Fleet {
            publishers: 1,
            protocol: crate::fleet::settings::Protocol::V311,
            ..Fleet::default()
        };
        fleet.publishing.topics = vec![Topic {
            name: name.to_owned(),
            payload,
            qos: None,
            retain: None,
        }];
        fleet
    }

    #[test]
    fn topics_and_payloads_change_with_the_message() {
        let fleet = fleet("t/%i/%s", Payload::Text("m%s".to_owned()));
        let mut publisher = publisher(&fleet);
        let mut outbox = Outbox::default();
        for _ in 0..2 {
            publisher.send(0, &mut outbox).unwrap();
        }
        assert_eq!(
            outbox.waiting(),
            b"\x30\x09\x00\x05t/3/0m0\x30\x09\x00\x05t/3/1m1"
        );
    }

    #[test]
    fn the_window_is_kept_at_qos_2() {
        let mut fleet = fleet("t", Payload::Size(1));
        fleet.publishing.qos = QoS::ExactlyOnce;
        fleet.publishing.inflight = 2;
        let mut publisher = publisher(&fleet);
        let mut outbox = Outbox::default();
        for due_ns in [10, 20] {
            assert!(publisher.send(due_ns, &mut outbox).is_some());
        }
        assert!(publisher.send(30, &mut outbox).is_none());
        assert_eq!(publisher.acknowledged(PUBREC, 2, false), Ok(None));
        assert!(publisher.send(30, &mut outbox).is_none());
        assert_eq!(publisher.acknowledged(PUBCOMP, 2, false), Ok(Some(20)));
        assert_eq!(publisher.acknowledged(PUBCOMP, 2, false), Err(Astray));
        assert_eq!(publisher.acknowledged(PUBACK, 7, false), Err(Astray));
        assert!(publisher.send(30, &mut outbox).is_some());
        assert_eq!(publisher.acknowledged(PUBREC, 1, true), Ok(Some(10)));
        assert_eq!(publisher.forget(), 1);
    }

    #[test]
    fn a_limit_is_shared_to_the_last_message() {
        let mut fleet = fleet("t", Payload::Size(0));
        fleet.publishers = 7;
        fleet.publishing.limit = Some(100);
        let sum: u64 = (0..7).map(|index| limit_of(&fleet, index)).sum();
        assert_eq!(sum, 100);
    }
}
