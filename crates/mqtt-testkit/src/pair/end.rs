//! One end of the simulated connection: a session, its connection, and an application on top.

use super::counts::{Counts, Fault};
use super::referee::{Referees, Verdict, check};
use super::rng::Rng;
use super::{Side, TOPICS};
use mqtt_codec::{
    Ack, Delivery, PACKET_LEN_MAX, Packet, PacketId, Properties, ProtocolVersion, Publish, QoS,
    ReasonCode, ReasonCodes, SubAck, Subscribe, SubscribeFilters, SubscriptionOptions, TopicFilter,
    TopicName, frame,
};
use mqtt_session::{
    AckKind, AckQueue, Link, NotNowReason, PendingAck, PubRecOutcome, Received, Resend, Session,
    Settling,
};
use std::collections::VecDeque;

/// What a session keeps until the last acknowledgement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Item {
    pub(super) number: u32,
    pub(super) topic: u8,
    pub(super) qos: QoS,
    pub(super) padding: u16,
}

/// What an end touches besides itself.
pub(super) struct Around<'a> {
    pub(super) version: ProtocolVersion,
    pub(super) rng: &'a mut Rng,
    pub(super) referees: &'a mut Referees,
    pub(super) counts: &'a mut Counts,
    /// Bytes this end writes.
    pub(super) out: Vec<u8>,
    /// What happened, when somebody wants to read it.
    pub(super) trace: Option<&'a mut Vec<String>>,
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) side: Side,
    pub(super) session: Session<Item>,
    pub(super) connection: Option<Connection>,
    /// What the application wants sent above QoS 0, in order.
    pub(super) waiting: VecDeque<Item>,
    highest_id: u16,
}

/// What ends with the connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) link: Link,
    pub(super) answers: AckQueue<Gate>,
    pub(super) inbound: Vec<u8>,
}

/// What an answer waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    number: u32,
    is_open: bool,
}

impl End {
    pub(super) const fn new(side: Side, session: Session<Item>) -> Self {
        Self {
            side,
            session,
            connection: None,
            waiting: VecDeque::new(),
            highest_id: 0,
        }
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
        for _ in self.session.handle_connection_lost() {
            counts.note(Fault::RequestLost);
        }
    }

    /// Takes bytes as they arrive and does what the whole packets among them ask for.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8], around: &mut Around<'_>) -> Verdict {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        connection.inbound.extend_from_slice(bytes);
        let inbound = std::mem::take(&mut connection.inbound);
        let mut rest = inbound.as_slice();
        while let Some(found) = frame(rest, PACKET_LEN_MAX).map_err(|error| format!("{error:?}"))? {
            let packet = Packet::decode(found, around.version);
            let packet = packet.map_err(|error| format!("{error:?}"))?;
            around.note(self.side, "reads", &packet);
            around.referees.read(self.side, &packet)?;
            self.handle_packet(&packet, around)?;
            rest = rest.get(found.len..).unwrap_or_default();
        }
        if !rest.is_empty() {
            around.counts.note(Fault::Split);
        }
        if let Some(connection) = &mut self.connection {
            connection.inbound = rest.to_vec();
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
                around.write(
                    self.side,
                    &Packet::PubComp(answer(ack.packet_id, reason)),
                    0,
                )
            }
            Packet::Subscribe(subscribe) => {
                let reasons = [ReasonCode::SUCCESS];
                let suback = SubAck {
                    packet_id: subscribe.packet_id,
                    properties: Properties::EMPTY,
                    reasons: ReasonCodes::from(reasons.as_slice()),
                };
                around.write(self.side, &Packet::SubAck(suback), 0)
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

    fn handle_publish(&mut self, publish: &Publish<'_>, around: &mut Around<'_>) -> Verdict {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let number = number_of(publish);
        let delivery = publish.delivery;
        let received = self.session.handle_publish(&mut connection.link, delivery);
        let received = received.map_err(|error| error.to_string())?;
        match received {
            Received::Deliver => {
                around.counts.delivered += 1;
                let referee = around.referees.of(self.side.other());
                referee.delivered(number, delivery.qos())?;
            }
            Received::Duplicate => around.counts.note(Fault::KnownDuplicate),
        }
        if let Some(Settling { kind, packet_id }) = Settling::of(delivery) {
            let gate = Gate {
                number,
                is_open: received == Received::Duplicate,
            };
            let reason = ReasonCode::SUCCESS;
            connection.answers.push(
                gate,
                PendingAck {
                    kind,
                    packet_id,
                    reason,
                },
            );
        }
        self.send_answers(around)
    }

    fn handle_pubrec(&mut self, ack: &Ack<'_>, around: &mut Around<'_>) -> Verdict {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let link = &mut connection.link;
        match self.session.handle_pubrec(link, ack.packet_id, ack.reason) {
            Ok(PubRecOutcome::Release(_) | PubRecOutcome::ReleaseAgain) => {
                let pubrel = answer(ack.packet_id, ReasonCode::SUCCESS);
                around.write(self.side, &Packet::PubRel(pubrel), 0)
            }
            Ok(PubRecOutcome::Refused(item)) => self.ended(item, ack.reason, around),
            Err(error) => Err(format!("PUBREC: {error:?}")),
        }
    }

    fn ended(&self, item: Item, reason: ReasonCode, around: &mut Around<'_>) -> Verdict {
        let referee = around.referees.of(self.side);
        referee.ended_for_application(item.number, reason)
    }

    /// The application wants a message sent; at QoS 0 it is sent now or never.
    pub(super) fn publish(&mut self, item: Item, around: &mut Around<'_>) -> Verdict {
        if item.qos != QoS::AtMostOnce {
            self.waiting.push_back(item);
        } else if self.connection.is_some() {
            return around.write_publish(self.side, item, false, Delivery::AtMostOnce);
        }
        self.send_waiting(around)
    }

    /// The application of a client subscribes.
    pub(super) fn request(&mut self, item: Item, around: &mut Around<'_>) -> Verdict {
        if self.connection.is_none() {
            return Ok(());
        }
        let packet_id = self.session.send_request(item);
        let packet_id = packet_id.map_err(|not_now| format!("SUBSCRIBE: {:?}", not_now.reason))?;
        self.note_wrap(packet_id, around);
        let topic_filter = TopicFilter::try_new("t/+").map_err(|error| format!("{error:?}"))?;
        let filters = [(topic_filter, SubscriptionOptions::default())];
        let subscribe = Subscribe {
            packet_id,
            properties: Properties::EMPTY,
            filters: SubscribeFilters::from(filters.as_slice()),
        };
        around.write(self.side, &Packet::Subscribe(subscribe), item.number)
    }

    /// The application has finished with one of the messages it was given.
    pub(super) fn finish_one(&mut self, around: &mut Around<'_>) -> Verdict {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        // Round once, so that each one is seen and the order stays.
        let len = connection.answers.len();
        let chosen = around.rng.below(len);
        let mut older_waits = false;
        for at in 0..len {
            let gate = connection.answers.first_gate().copied();
            let (Some(mut gate), Some(mut ack)) = (gate, connection.answers.pop_if(|_| true))
            else {
                continue;
            };
            if at == chosen && !gate.is_open {
                gate.is_open = true;
                if older_waits {
                    around.counts.note(Fault::FinishedOutOfOrder);
                }
                if around.version.has_ack_reason() && around.rng.chance(20) {
                    ack.reason = ReasonCode::QUOTA_EXCEEDED;
                    around.referees.of(self.side.other()).refused(gate.number)?;
                    // Without one before it the answer leaves at once.
                    if ack.kind == AckKind::PubRec && older_waits {
                        self.session.refuse(ack.packet_id);
                    }
                }
            }
            older_waits |= !gate.is_open;
            connection.answers.push(gate, ack);
        }
        self.send_answers(around)
    }

    fn send_answers(&mut self, around: &mut Around<'_>) -> Verdict {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        while let Some(pending) = connection.answers.pop_if(|gate| gate.is_open) {
            let PendingAck {
                kind,
                packet_id,
                reason,
            } = pending;
            let ack = answer(packet_id, reason);
            let (packet, refused) = match kind {
                AckKind::PubAck => (Packet::PubAck(ack), Fault::RefusedQoS1),
                AckKind::PubRec => (Packet::PubRec(ack), Fault::RefusedQoS2),
                AckKind::PubComp => return Err("PUBCOMP does not wait".to_owned()),
            };
            if reason.is_error() {
                around.counts.note(refused);
            }
            around.write(self.side, &packet, 0)?;
            let settling = Settling { kind, packet_id };
            self.session.settle(&mut connection.link, settling, reason);
        }
        Ok(())
    }

    /// Sends what a resume owes and then what waits, as far as the quota goes.
    pub(super) fn send_waiting(&mut self, around: &mut Around<'_>) -> Verdict {
        if around.rng.chance(20) {
            // Somebody in a hurry, who has to wait for the resume all the same.
            self.send_new(around)?;
        }
        self.send_again(around)?;
        self.send_new(around)
    }

    fn send_again(&mut self, around: &mut Around<'_>) -> Verdict {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        while let Some(resend) = self.session.poll_resend(&mut connection.link) {
            match resend {
                Resend::PubRel { packet_id } => {
                    around.counts.note(Fault::PubRelAgain);
                    let pubrel = answer(packet_id, ReasonCode::SUCCESS);
                    around.write(self.side, &Packet::PubRel(pubrel), 0)?;
                }
                Resend::Publish {
                    packet_id,
                    qos,
                    message,
                } => {
                    around.counts.note(Fault::PublishAgain);
                    let item = *message;
                    check(item.qos == qos, || format!("{item:?} is {qos:?} now"))?;
                    around.write_publish(self.side, item, true, delivery(qos, packet_id)?)?;
                }
            }
        }
        Ok(())
    }

    fn send_new(&mut self, around: &mut Around<'_>) -> Verdict {
        while let Some(item) = self.waiting.pop_front() {
            let Some(connection) = &mut self.connection else {
                self.waiting.push_front(item);
                return Ok(());
            };
            let sent = self
                .session
                .send_publish(&mut connection.link, item.qos, item);
            match sent {
                Ok(packet_id) => {
                    let delivery = delivery(item.qos, packet_id)?;
                    around.write_publish(self.side, item, false, delivery)?;
                    self.note_wrap(packet_id, around);
                }
                Err(not_now) => {
                    self.waiting.push_front(not_now.message);
                    around.counts.note(Fault::WindowFull);
                    let referee = around.referees.of(self.side);
                    let is_right = not_now.reason == NotNowReason::Quota && referee.must_wait();
                    return check(is_right, || "the window is not full".to_owned());
                }
            }
        }
        Ok(())
    }

    /// So many requests begin and end that the next identifiers are those that are in use.
    pub(super) fn lap(&mut self, around: &mut Around<'_>) -> Verdict {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        if self.session.inflight() == 0 {
            return Ok(());
        }
        around.counts.note(Fault::Lapped);
        let item = Item {
            number: 0,
            topic: 0,
            qos: QoS::AtMostOnce,
            padding: 0,
        };
        for _ in 0..u16::MAX - 30 {
            let packet_id = self.session.send_request(item);
            let packet_id = packet_id.map_err(|not_now| format!("{:?}", not_now.reason))?;
            around.referees.of(self.side).check_free(packet_id)?;
            let ended = self.session.handle_answer(&mut connection.link, packet_id);
            ended.map_err(|error| format!("{packet_id}: {error:?}"))?;
            self.highest_id = packet_id.get();
        }
        Ok(())
    }

    fn note_wrap(&mut self, packet_id: PacketId, around: &mut Around<'_>) {
        if packet_id.get() < self.highest_id {
            around.counts.note(Fault::IdentifiersWrapped);
        }
        self.highest_id = packet_id.get();
    }
}

impl Around<'_> {
    fn write_publish(&mut self, side: Side, item: Item, dup: bool, delivery: Delivery) -> Verdict {
        let mut payload = item.number.to_be_bytes().to_vec();
        payload.resize(4 + usize::from(item.padding), 0xA5);
        let topic_name = TOPICS.get(usize::from(item.topic)).copied();
        let publish = Publish {
            dup,
            retain: false,
            delivery,
            topic_name: topic_name.and_then(|name| TopicName::try_new(name).ok()),
            properties: Properties::EMPTY,
            payload: &payload,
        };
        self.write(side, &Packet::Publish(publish), item.number)
    }

    /// Encodes `packet`, which belongs to message `number`, and lets the referees see it.
    fn write(&mut self, side: Side, packet: &Packet<'_>, number: u32) -> Verdict {
        let text = |error| format!("{packet:?}: {error:?}");
        let len = packet.encoded_len(self.version).map_err(text)?;
        let at = self.out.len();
        self.out.resize(at + len, 0);
        let out = self.out.get_mut(at..).unwrap_or_default();
        packet.encode(self.version, out).map_err(text)?;
        self.note(side, "writes", packet);
        self.referees.written(side, packet, number)
    }

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
            trace.push(format!(
                "{side:?} {verb} {} {what}",
                packet.packet_type().name()
            ));
        }
    }
}

fn answer(packet_id: PacketId, reason: ReasonCode) -> Ack<'static> {
    Ack {
        packet_id,
        reason,
        properties: Properties::EMPTY,
    }
}

fn delivery(qos: QoS, packet_id: PacketId) -> Result<Delivery, String> {
    let delivery = Delivery::new(qos, Some(packet_id));
    delivery.ok_or_else(|| format!("{packet_id} at {qos:?}"))
}

/// The number in the first four bytes of the payload.
fn number_of(publish: &Publish<'_>) -> u32 {
    let number = publish.payload.first_chunk::<4>();
    number.map_or(u32::MAX, |number| u32::from_be_bytes(*number))
}
