//! What is under way between the two sides: deliveries, requests, Topic Aliases, limits.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use mqtt_codec::{PacketType, ProtocolVersion};

use crate::conversation::{Side, Start};
use crate::note::Note;
use crate::{Dissection, Field};

/// The most that is remembered of the topics of one side's Topic Aliases. Unit: bytes.
const ALIASES_LEN_MAX: usize = 1 << 20;

/// How many PINGREQ wait for their answer.
const PINGS_MAX: usize = 64;

/// A packet that is waited upon.
#[derive(Clone, Copy, Debug)]
struct Origin {
    number: u64,
    time: Option<Duration>,
    packet_type: PacketType,
}

/// A PUBLISH on its way.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    first: Origin,
    /// The last packet of it, which the next one answers.
    last: Origin,
    qos: u32,
}

/// What one side has said.
#[derive(Clone, Debug, Default)]
struct Said {
    /// Its deliveries, by Packet Identifier.
    deliveries: HashMap<u16, Delivery>,
    /// Its SUBSCRIBE and UNSUBSCRIBE, by Packet Identifier.
    requests: HashMap<u16, Origin>,
    /// Its PINGREQ.
    pings: VecDeque<Origin>,
    /// Its last AUTH.
    auth: Option<Origin>,
    /// The topics of its Topic Aliases.
    aliases: HashMap<u16, String>,
    /// The length of those. Unit: bytes.
    aliases_len: usize,
    /// What it takes; as long as it has not said, nothing can be over it.
    limits: Option<Limits>,
    has_disconnected: bool,
}

/// What one side takes, by its CONNECT or CONNACK.
#[derive(Clone, Copy, Debug)]
struct Limits {
    receive_maximum: u16,
    topic_alias_maximum: u16,
    maximum_packet_size: Option<u32>,
}

/// Follows a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Flows {
    client: Said,
    server: Said,
    connect: Option<Origin>,
    /// Whether all there was has been heard.
    heard_all: bool,
    aliases_forgotten: u64,
}

impl Flows {
    pub(crate) fn new(start: Start) -> Self {
        Self {
            client: Said::default(),
            server: Said::default(),
            connect: None,
            heard_all: start == Start::Beginning,
            aliases_forgotten: 0,
        }
    }

    pub(crate) const fn note_gap(&mut self) {
        self.heard_all = false;
    }

    pub(crate) fn under_way(&self) -> usize {
        [&self.client, &self.server]
            .into_iter()
            .map(|said| said.deliveries.len() + said.requests.len() + said.pings.len())
            .sum()
    }

    pub(crate) const fn aliases_forgotten(&self) -> u64 {
        self.aliases_forgotten
    }

    /// What is to be said of the next packet.
    pub(crate) fn follow(
        &mut self,
        number: u64,
        side: Side,
        time: Option<Duration>,
        packet: &Dissection,
    ) -> Vec<Note> {
        let mut notes = Vec::new();
        let Some(packet_type) = packet.packet_type else {
            return notes;
        };
        let origin = Origin {
            number,
            time,
            packet_type,
        };
        self.check_place(side, packet_type, packet, &mut notes);
        self.check_limits(side, packet, &mut notes);
        match packet_type {
            PacketType::Connect => self.connect(side, origin, packet, &mut notes),
            PacketType::ConnAck => {
                self.said(side).limits = limits(packet);
                let connect = self.connect;
                self.answer(connect, origin, &mut notes);
            }
            PacketType::Publish => self.publish(side, origin, packet, &mut notes),
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                self.acknowledge(side, origin, packet, &mut notes);
            }
            PacketType::Subscribe | PacketType::Unsubscribe => {
                self.request(side, origin, packet, &mut notes);
            }
            PacketType::SubAck | PacketType::UnsubAck => {
                let said = self.said(side.other());
                let request = packet.packet_id().and_then(|id| said.requests.remove(&id));
                self.answer(request, origin, &mut notes);
            }
            PacketType::PingReq => {
                let pings = &mut self.said(side).pings;
                if pings.len() == PINGS_MAX {
                    pings.pop_front();
                }
                pings.push_back(origin);
            }
            PacketType::PingResp => {
                let ping = self.said(side.other()).pings.pop_front();
                self.answer(ping, origin, &mut notes);
            }
            PacketType::Disconnect => self.said(side).has_disconnected = true,
            PacketType::Auth => {
                if let Some(auth) = self.said(side.other()).auth.take() {
                    self.answer(Some(auth), origin, &mut notes);
                }
                self.said(side).auth = Some(origin);
            }
        }
        notes
    }

    const fn said(&mut self, side: Side) -> &mut Said {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Whether such a packet may come from this side, and at this point.
    fn check_place(
        &mut self,
        side: Side,
        packet_type: PacketType,
        packet: &Dissection,
        notes: &mut Vec<Note>,
    ) {
        if !may_send(side, packet_type, packet.version) {
            notes.push(Note::WrongSide);
        }
        if packet_type == PacketType::Connect {
            return;
        }
        if self.heard_all && self.connect.is_none() {
            notes.push(Note::BeforeConnect);
        }
        if self.said(side).has_disconnected {
            notes.push(Note::AfterDisconnect);
        }
    }

    /// Whether the packet is longer than the other side takes.
    fn check_limits(&mut self, side: Side, packet: &Dissection, notes: &mut Vec<Note>) {
        let limits = self.said(side.other()).limits;
        let Some(maximum) = limits.and_then(|limits| limits.maximum_packet_size) else {
            return;
        };
        if u32::try_from(packet.len).unwrap_or(u32::MAX) > maximum {
            notes.push(Note::PacketTooLarge { maximum });
        }
    }

    fn connect(&mut self, side: Side, origin: Origin, packet: &Dissection, notes: &mut Vec<Note>) {
        if self.connect.is_some() {
            notes.push(Note::SecondConnect);
        }
        self.connect = Some(origin);
        self.said(side).limits = limits(packet);
    }

    fn publish(&mut self, side: Side, origin: Origin, packet: &Dissection, notes: &mut Vec<Note>) {
        self.alias(side, packet, notes);
        let qos = packet.find("qos").and_then(Field::number).unwrap_or(0);
        let Some(id) = packet.packet_id() else {
            return;
        };
        let is_dup = packet.find("dup").and_then(Field::flag) == Some(true);
        let delivery = Delivery {
            first: origin,
            last: origin,
            qos,
        };
        let said = self.said(side);
        match said.deliveries.get_mut(&id) {
            Some(known) if is_dup => {
                notes.push(Note::Repeats {
                    number: known.first.number,
                });
                // The answer may be to either; the time is that since the last.
                known.last = origin;
            }
            Some(known) => {
                notes.push(Note::PacketIdInUse {
                    number: known.first.number,
                });
                *known = delivery;
            }
            None => {
                if let Some(request) = said.requests.get(&id) {
                    notes.push(Note::PacketIdInUse {
                        number: request.number,
                    });
                }
                said.deliveries.insert(id, delivery);
            }
        }
        let under_way = self.said(side).deliveries.len();
        if self.heard_all
            && let Some(limits) = self.said(side.other()).limits
            && under_way > usize::from(limits.receive_maximum)
        {
            notes.push(Note::ReceiveMaximumExceeded {
                maximum: limits.receive_maximum,
            });
        }
    }

    /// Sets a Topic Alias or looks it up.
    fn alias(&mut self, side: Side, packet: &Dissection, notes: &mut Vec<Note>) {
        let alias = packet.find("topic alias").and_then(Field::number);
        let Some(alias) = alias.and_then(|alias| u16::try_from(alias).ok()) else {
            return;
        };
        if let Some(limits) = self.said(side.other()).limits
            && alias > limits.topic_alias_maximum
        {
            notes.push(Note::AliasTooHigh {
                maximum: limits.topic_alias_maximum,
            });
        }
        let topic_name = packet.find("topic name");
        let topic_name = topic_name.and_then(|field| packet.text(field));
        let remembers_all = self.heard_all && self.aliases_forgotten == 0;
        let said = self.said(side);
        match topic_name {
            Some(topic_name) if !topic_name.is_empty() => {
                let old_len = said.aliases.remove(&alias).map_or(0, |topic| topic.len());
                said.aliases_len = said.aliases_len.saturating_sub(old_len);
                if said.aliases_len + topic_name.len() > ALIASES_LEN_MAX {
                    self.aliases_forgotten += 1;
                    return;
                }
                said.aliases_len += topic_name.len();
                said.aliases.insert(alias, topic_name.into_owned());
            }
            _ => match said.aliases.get(&alias) {
                Some(topic_name) => notes.push(Note::Topic {
                    topic_name: topic_name.clone(),
                }),
                None if remembers_all => notes.push(Note::AliasUnknown),
                None => {}
            },
        }
    }

    /// PUBACK and PUBREC answer the PUBLISH of the other side, PUBREL the PUBREC, PUBCOMP the
    /// PUBREL.
    fn acknowledge(
        &mut self,
        side: Side,
        origin: Origin,
        packet: &Dissection,
        notes: &mut Vec<Note>,
    ) {
        let sender = match origin.packet_type {
            PacketType::PubRel => side,
            _ => side.other(),
        };
        let Some(id) = packet.packet_id() else {
            return;
        };
        let code = packet.find("reason code").and_then(Field::number);
        let is_refused = code.is_some_and(|code| code >= 0x80);
        let deliveries = &mut self.said(sender).deliveries;
        let known = deliveries.get(&id).copied().filter(|known| {
            let is_last = |types: &[PacketType]| types.contains(&known.last.packet_type);
            match origin.packet_type {
                PacketType::PubAck => known.qos == 1,
                PacketType::PubRec => known.qos == 2,
                PacketType::PubRel => is_last(&[PacketType::PubRec, PacketType::PubRel]),
                _ => is_last(&[PacketType::PubRel]),
            }
        });
        let ends = match origin.packet_type {
            PacketType::PubAck | PacketType::PubComp => true,
            PacketType::PubRec => is_refused,
            _ => false,
        };
        match known {
            Some(_) if ends => {
                deliveries.remove(&id);
            }
            Some(known) => {
                let last = origin;
                deliveries.insert(id, Delivery { last, ..known });
            }
            None => {}
        }
        match known {
            Some(known) if known.last.packet_type == origin.packet_type => {
                notes.push(Note::Repeats {
                    number: known.last.number,
                });
            }
            // A resumed session goes on with PUBREL, and with nothing else.
            None if origin.packet_type == PacketType::PubRel => {
                let delivery = Delivery {
                    first: origin,
                    last: origin,
                    qos: 2,
                };
                self.said(sender).deliveries.insert(id, delivery);
                notes.push(Note::RequestNotHeard);
            }
            None => self.answer(None, origin, notes),
            Some(known) => self.answer(Some(known.last), origin, notes),
        }
        if let Some(known) = known
            && origin.packet_type == PacketType::PubComp
            && known.first.packet_type == PacketType::Publish
        {
            notes.push(Note::Completes {
                number: known.first.number,
                after: since(known.first, origin),
            });
        }
    }

    fn request(&mut self, side: Side, origin: Origin, packet: &Dissection, notes: &mut Vec<Note>) {
        let Some(id) = packet.packet_id() else {
            return;
        };
        let said = self.said(side);
        let delivery = said.deliveries.get(&id).map(|known| known.first);
        let in_use = said.requests.insert(id, origin).or(delivery);
        if let Some(known) = in_use {
            notes.push(Note::PacketIdInUse {
                number: known.number,
            });
        }
    }

    fn answer(&self, request: Option<Origin>, origin: Origin, notes: &mut Vec<Note>) {
        notes.push(match request {
            Some(request) => Note::Answers {
                number: request.number,
                packet: request.packet_type.name(),
                after: since(request, origin),
            },
            None if self.heard_all => Note::AnswersNothing,
            None => Note::RequestNotHeard,
        });
    }
}

fn since(from: Origin, to: Origin) -> Option<Duration> {
    to.time?.checked_sub(from.time?)
}

fn may_send(side: Side, packet_type: PacketType, version: ProtocolVersion) -> bool {
    match packet_type {
        PacketType::Connect
        | PacketType::Subscribe
        | PacketType::Unsubscribe
        | PacketType::PingReq => side == Side::Client,
        PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp => {
            side == Side::Server
        }
        PacketType::Disconnect => side == Side::Client || version.server_may_disconnect(),
        _ => true,
    }
}

/// What the sender of a CONNECT or CONNACK takes. Spec: v5 §3.1.2.11, v5 §3.2.2.3.
fn limits(packet: &Dissection) -> Option<Limits> {
    let number = |name| packet.find(name).and_then(Field::number);
    let two_byte = |name| number(name).and_then(|number| u16::try_from(number).ok());
    packet.version.has_properties().then(|| Limits {
        receive_maximum: two_byte("receive maximum").unwrap_or(u16::MAX),
        topic_alias_maximum: two_byte("topic alias maximum").unwrap_or(0),
        maximum_packet_size: number("maximum packet size"),
    })
}
