//! One end of the simulated connection: a session with its journal, a connection, and an application on top.

use super::application::Held;
use super::counts::{Counts, Fault};
use super::fates::Outcome;
use super::referee::{Referees, Verdict};
use super::rng::Rng;
use super::{Side, TOPICS};
use mqtt_codec::{
    Ack, Delivery, PACKET_LEN_MAX, Packet, PacketId, Properties, ProtocolVersion, Publish, QoS,
    ReasonCode, ReasonCodes, SubAck, TopicName, frame,
};
use mqtt_session::{AckQueue, Barrier, Link, MemoryJournal, PubRecOutcome, Session, WriteGates};
use std::collections::VecDeque;

/// What a session keeps until the last acknowledgement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Item {
    pub(super) number: u32,
    pub(super) topic: u8,
    pub(super) qos: QoS,
    pub(super) padding: u16,
    /// From then on it need not be sent, in milliseconds.
    pub(super) expires_ms: u64,
}

impl Item {
    /// A request, or nothing in particular.
    pub(super) const fn request(number: u32) -> Self {
        Self {
            number,
            topic: 0,
            qos: QoS::AtMostOnce,
            padding: 0,
            expires_ms: u64::MAX,
        }
    }
}

/// What an end touches besides itself.
pub(super) struct Around<'a> {
    pub(super) version: ProtocolVersion,
    pub(super) now_ms: u64,
    pub(super) rng: &'a mut Rng,
    pub(super) referees: &'a mut Referees,
    pub(super) counts: &'a mut Counts,
    /// What happened, when somebody wants to read it.
    pub(super) trace: Option<&'a mut Vec<String>>,
}

/// A session that remembers what is durable when its process dies.
pub(super) type Journaled = Session<Item, MemoryJournal<Item>>;

#[derive(Debug)]
pub(super) struct End {
    pub(super) side: Side,
    pub(super) session: Journaled,
    pub(super) connection: Option<Connection>,
    /// What the application wants sent above QoS 0, in order.
    pub(super) waiting: VecDeque<Item>,
    /// What the session began and its journal has not durable, in order.
    pub(super) begun: VecDeque<(u64, Item)>,
    /// What the application was given and has not finished with.
    pub(super) held: Vec<Held>,
    pub(super) journal_is_full: bool,
    pub(super) highest_id: u16,
}

/// What ends with the connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) link: Link,
    pub(super) answers: AckQueue<Gate>,
    pub(super) inbound: Vec<u8>,
    /// Encoded bytes that have not left.
    pub(super) out: Vec<u8>,
    pub(super) gates: WriteGates<Barrier>,
    /// The Maximum Packet Size of this end and of its peer, in bytes.
    pub(super) own_len_max: u32,
    pub(super) peer_len_max: u32,
}

/// What an answer waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    pub(super) number: u32,
    pub(super) is_open: bool,
}

impl End {
    pub(super) fn new(side: Side, session: Journaled) -> Self {
        Self {
            side,
            session,
            connection: None,
            waiting: VecDeque::new(),
            begun: VecDeque::new(),
            held: Vec::new(),
            journal_is_full: false,
            highest_id: 0,
        }
    }

    /// The place of the last record in the journal.
    pub(super) fn appended(&self) -> u64 {
        self.session.journal().appended().0
    }

    /// The connection is gone for this end.
    pub(super) fn disconnect(&mut self, counts: &mut Counts) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        counts.note(match connection.inbound.is_empty() {
            true => Fault::CutBetweenPackets,
            false => Fault::CutInsidePacket,
        });
        while let Some(answer) = connection.answers.pop_if(|_| true) {
            if answer.reason.is_error() {
                counts.note(Fault::RefusalLost);
            }
        }
        // What was taken at QoS 1 and not acknowledged comes again as a new message.
        self.held.retain(Held::outlives_connection);
        for _ in self.session.handle_connection_lost() {
            counts.note(Fault::RequestLost);
        }
    }

    /// Everything up to some place in the journal is durable; with `wholly` up to its end.
    pub(super) fn commit(&mut self, wholly: bool, around: &mut Around<'_>) {
        let (durable, appended) = (self.session.journal().durable().0, self.appended());
        let left = usize::try_from(appended - durable).unwrap_or(usize::MAX);
        if left == 0 {
            return;
        }
        let more = match wholly {
            true => left,
            false => 1 + around.rng.below(left),
        };
        let durable = durable + u64::try_from(more).unwrap_or(0);
        self.session.journal_mut().make_durable(Barrier(durable));
        while self.begun.front().is_some_and(|(at, _)| *at <= durable) {
            self.begun.pop_front();
        }
        around.referees.of(self.side).sender_durable(durable);
        if let Some(trace) = &mut around.trace {
            trace.push(format!(
                "{:?}: durable up to {durable} of {appended}",
                self.side
            ));
        }
    }

    /// The bytes that may leave.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        let durable = self.session.journal().durable();
        let Some(connection) = &mut self.connection else {
            return Vec::new();
        };
        let len = connection.gates.open_len(durable);
        connection.gates.written(len);
        let rest = connection.out.split_off(len);
        std::mem::replace(&mut connection.out, rest)
    }

    /// Takes bytes as they arrive and does what the whole packets among them ask for.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8], around: &mut Around<'_>) -> Verdict {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let own_len_max = usize::try_from(connection.own_len_max).unwrap_or(usize::MAX);
        connection.inbound.extend_from_slice(bytes);
        let mut inbound = std::mem::take(&mut connection.inbound);
        let mut done = 0;
        while let Some(found) = frame(inbound.get(done..).unwrap_or_default(), PACKET_LEN_MAX)
            .map_err(|error| format!("{error:?}"))?
        {
            if found.len > own_len_max {
                return Err(format!(
                    "{} bytes where {own_len_max} are allowed",
                    found.len
                ));
            }
            done += found.len;
            let packet = Packet::decode(found, around.version);
            let packet = packet.map_err(|error| format!("{error:?}"))?;
            around.note(self.side, "reads", &packet);
            // What the session records because of it comes next.
            around
                .referees
                .read(self.side, &packet, self.appended() + 1)?;
            self.handle_packet(&packet, around)?;
        }
        inbound.drain(..done);
        if !inbound.is_empty() {
            around.counts.note(Fault::Split);
        }
        if let Some(connection) = &mut self.connection {
            connection.inbound = inbound;
        }
        self.send_waiting(around)
    }

    fn handle_packet(&mut self, packet: &Packet<'_>, around: &mut Around<'_>) -> Verdict {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let link = &mut connection.link;
        match packet {
            Packet::Publish(publish) => self.handle_publish(publish, around),
            Packet::PubAck(ack) => {
                let ended = self.session.handle_puback(link, ack.packet_id);
                let item = ended.map_err(|error| format!("PUBACK: {error:?}"))?;
                self.ended(item, ack.reason, around)
            }
            Packet::PubComp(ack) => {
                let ended = self.session.handle_pubcomp(link, ack.packet_id);
                let item = ended.map_err(|error| format!("PUBCOMP: {error:?}"))?;
                self.ended(item, ReasonCode::SUCCESS, around)
            }
            Packet::PubRec(ack) => self.handle_pubrec(ack, around),
            Packet::PubRel(ack) => {
                let mut reason = self.session.handle_pubrel(link, ack.packet_id);
                if reason.is_error() {
                    around.counts.note(Fault::UnknownPubRel);
                }
                if !around.version.has_ack_reason() {
                    reason = ReasonCode::SUCCESS;
                }
                self.write(&Packet::PubComp(answer(ack.packet_id, reason)), 0, around)
            }
            Packet::Subscribe(subscribe) => {
                let reasons = [ReasonCode::SUCCESS];
                let suback = SubAck {
                    packet_id: subscribe.packet_id,
                    properties: Properties::EMPTY,
                    reasons: ReasonCodes::from(reasons.as_slice()),
                };
                self.write(&Packet::SubAck(suback), 0, around)
            }
            Packet::SubAck(suback) => {
                let ended = self.session.handle_answer(link, suback.packet_id);
                ended
                    .map(drop)
                    .map_err(|error| format!("SUBACK: {error:?}"))
            }
            other => Err(format!("nobody sends {other:?}")),
        }
    }

    fn handle_pubrec(&mut self, ack: &Ack<'_>, around: &mut Around<'_>) -> Verdict {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let link = &mut connection.link;
        match self.session.handle_pubrec(link, ack.packet_id, ack.reason) {
            Ok(PubRecOutcome::Release(_) | PubRecOutcome::ReleaseAgain) => {
                let pubrel = answer(ack.packet_id, ReasonCode::SUCCESS);
                self.write(&Packet::PubRel(pubrel), 0, around)
            }
            Ok(PubRecOutcome::Refused(item)) => self.ended(item, ack.reason, around),
            Err(error) => Err(format!("PUBREC: {error:?}")),
        }
    }

    fn ended(&self, item: Item, reason: ReasonCode, around: &mut Around<'_>) -> Verdict {
        let outcome = match reason.is_error() {
            true => Outcome::Refused,
            false => Outcome::Acknowledged,
        };
        if around.now_ms >= item.expires_ms {
            around.counts.note(Fault::ExpiredOnItsWay);
        }
        let fates = &mut around.referees.of(self.side).fates;
        fates.resolved(item.number, outcome, self.appended())
    }

    pub(super) fn write_publish(
        &mut self,
        item: Item,
        dup: bool,
        delivery: Delivery,
        around: &mut Around<'_>,
    ) -> Verdict {
        with_publish(item, dup, delivery, |publish| {
            self.write(&Packet::Publish(*publish), item.number, around)
        })
    }

    /// Encodes `packet`, which belongs to message `number`, behind the journal, and lets the referees see it.
    pub(super) fn write(
        &mut self,
        packet: &Packet<'_>,
        number: u32,
        around: &mut Around<'_>,
    ) -> Verdict {
        let (barrier, at) = (self.session.barrier(), self.appended());
        let Some(connection) = &mut self.connection else {
            return Err(format!("{packet:?} without a connection"));
        };
        let text = |error| format!("{packet:?}: {error:?}");
        let len = packet.encoded_len(around.version).map_err(text)?;
        let out = &mut connection.out;
        let from = out.len();
        out.resize(from + len, 0);
        let place = out.get_mut(from..).unwrap_or_default();
        packet.encode(around.version, place).map_err(text)?;
        connection.gates.push(len, barrier);
        around.note(self.side, "encodes", packet);
        around.referees.written(self.side, packet, number, at)
    }

    pub(super) fn note_wrap(&mut self, packet_id: PacketId, around: &mut Around<'_>) {
        if packet_id.get() < self.highest_id {
            around.counts.note(Fault::IdentifiersWrapped);
        }
        self.highest_id = packet_id.get();
    }
}

impl Around<'_> {
    fn note(&mut self, side: Side, verb: &str, packet: &Packet<'_>) {
        if let Some(trace) = &mut self.trace {
            let what = match packet {
                Packet::Publish(publish) => {
                    let (number, dup) = (number_of(publish), publish.dup);
                    format!("message {number} {:?} dup {dup}", publish.delivery)
                }
                Packet::PubAck(ack)
                | Packet::PubRec(ack)
                | Packet::PubRel(ack)
                | Packet::PubComp(ack) => format!("{} {:?}", ack.packet_id, ack.reason),
                _ => String::new(),
            };
            let name = packet.packet_type().name();
            trace.push(format!("{side:?} {verb} {name} {what}"));
        }
    }

    /// Something that is no packet happened to `side`.
    pub(super) fn say(&mut self, side: Side, what: &str) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{side:?}: {what}"));
        }
    }
}

pub(super) fn answer(packet_id: PacketId, reason: ReasonCode) -> Ack<'static> {
    Ack {
        packet_id,
        reason,
        properties: Properties::EMPTY,
    }
}

/// The PUBLISH of `item`, its number in the first four bytes of the payload.
pub(super) fn with_publish<T>(
    item: Item,
    dup: bool,
    delivery: Delivery,
    use_it: impl FnOnce(&Publish<'_>) -> T,
) -> T {
    let mut payload = [0xA5; 4 + 300];
    if let Some(number) = payload.first_chunk_mut::<4>() {
        *number = item.number.to_be_bytes();
    }
    let topic_name = TOPICS.get(usize::from(item.topic)).copied();
    use_it(&Publish {
        dup,
        retain: false,
        delivery,
        topic_name: topic_name.and_then(|name| TopicName::try_new(name).ok()),
        properties: Properties::EMPTY,
        payload: payload
            .get(..4 + usize::from(item.padding))
            .unwrap_or_default(),
    })
}

/// The number in the first four bytes of the payload.
pub(super) fn number_of(publish: &Publish<'_>) -> u32 {
    let number = publish.payload.first_chunk::<4>();
    number.map_or(u32::MAX, |number| u32::from_be_bytes(*number))
}
