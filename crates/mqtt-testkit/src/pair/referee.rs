//! Watches both ends from outside and knows the rules in the plainest form: lists that are searched from the front.
//!
//! It sees every packet as it is encoded and as it is read, what the applications say and get, and where in its
//! journal an end has it. After a crash it takes back itself what was not durable.

use super::Side;
use super::fates::{Fates, Outcome};
use mqtt_codec::{Ack, Delivery, Packet, PacketId, QoS};
use std::collections::VecDeque;

/// A broken rule, in words.
pub(super) type Verdict = Result<(), String>;

/// What a flow waits for, as its sender knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wants {
    PubAck,
    PubRec,
    PubComp,
    SubAck,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    packet_id: PacketId,
    wants: Wants,
    number: u32,
    /// Where the sender's journal has its beginning.
    begun: u64,
    /// Where it has that PUBREC came.
    released: u64,
}

/// All messages from one side to the other.
#[derive(Debug, Default)]
pub(super) struct Referee {
    pub(super) fates: Fates,
    /// In the order they began.
    open: Vec<Open>,
    /// Ended flows, and where the sender's journal has their end, while that is not durable.
    ended: Vec<(u64, Open)>,
    /// Identifiers in the order their PUBREC came.
    released: Vec<PacketId>,
    /// PUBLISH and PUBREL packets a resume owes, each kind in order.
    due_publish: VecDeque<PacketId>,
    due_pubrel: VecDeque<PacketId>,
    /// PUBREL packets owed to a PUBREC of this connection.
    owed_pubrel: VecDeque<PacketId>,
    /// PUBLISH packets of this connection without their last acknowledgement, as the sender knows it.
    sent: Vec<PacketId>,
    receive_maximum: u16,
    /// The receiver's answers of this connection, in the order they are due.
    due_puback: VecDeque<PacketId>,
    due_pubrec: VecDeque<PacketId>,
    due_pubcomp: VecDeque<PacketId>,
    /// PUBLISH packets of this connection not finished, as the receiver knows it.
    received: Vec<PacketId>,
}

impl Referee {
    /// A new connection continues the session.
    pub(super) fn resumed(&mut self, receive_maximum: u16) {
        self.connected(receive_maximum);
        self.due_pubrel.extend(&self.released);
        let publishes = self.open.iter();
        let publishes =
            publishes.filter(|open| matches!(open.wants, Wants::PubAck | Wants::PubRec));
        self.due_publish
            .extend(publishes.map(|open| open.packet_id));
    }

    /// A new connection without a session of before; the end of that is at `at`, and durable.
    pub(super) fn began_anew(
        &mut self,
        receive_maximum: u16,
        given_back: &[u32],
        at: u64,
    ) -> Verdict {
        self.connected(receive_maximum);
        let lost: Vec<u32> = self.open.iter().map(|open| open.number).collect();
        check(lost == given_back, || {
            format!("messages {given_back:?} came back, {lost:?} were open")
        })?;
        for number in lost {
            self.fates.resolved(number, Outcome::Lost, at)?;
        }
        self.open.clear();
        self.ended.clear();
        self.released.clear();
        Ok(())
    }

    /// The sender learns that its connection is gone: its requests end.
    pub(super) fn connection_lost(&mut self) {
        self.open.retain(|open| open.wants != Wants::SubAck);
        self.due_publish.clear();
        self.due_pubrel.clear();
        self.owed_pubrel.clear();
        self.sent.clear();
    }

    fn connected(&mut self, receive_maximum: u16) {
        self.connection_lost();
        self.due_puback.clear();
        self.due_pubrec.clear();
        self.due_pubcomp.clear();
        self.received.clear();
        self.receive_maximum = receive_maximum;
    }

    /// The sender's journal is durable up to `durable`.
    pub(super) fn sender_durable(&mut self, durable: u64) {
        self.ended.retain(|(at, _)| *at > durable);
    }

    /// The sender's process died with everything behind `durable`.
    pub(super) fn sender_crashed(&mut self, durable: u64) {
        self.connection_lost();
        self.open.extend(self.ended.drain(..).map(|(_, open)| open));
        self.open.retain(|open| open.begun <= durable);
        self.open.sort_by_key(|open| open.begun);
        for open in &mut self.open {
            if open.wants == Wants::PubComp && open.released > durable {
                open.wants = Wants::PubRec;
            }
        }
        let mut released: Vec<&Open> = self
            .open
            .iter()
            .filter(|open| open.wants == Wants::PubComp)
            .collect();
        released.sort_by_key(|open| open.released);
        self.released = released.into_iter().map(|open| open.packet_id).collect();
        self.fates.sender_crashed(durable);
    }

    /// The sender encodes `packet`, with the number of its message if it has one; its journal ends at `at`.
    pub(super) fn sender_writes(&mut self, packet: &Packet<'_>, number: u32, at: u64) -> Verdict {
        match packet {
            Packet::Publish(publish) if publish.dup => self.sent_again(publish.delivery, number),
            Packet::Publish(publish) => self.sent_first(publish.delivery, number, at),
            Packet::PubRel(ack) => {
                let owed = take_front(&mut self.owed_pubrel, ack.packet_id)
                    || take_front(&mut self.due_pubrel, ack.packet_id);
                check(owed, || format!("PUBREL {} is not due", ack.packet_id))
            }
            Packet::Subscribe(subscribe) => {
                self.check_free(subscribe.packet_id)?;
                self.open.push(Open {
                    packet_id: subscribe.packet_id,
                    wants: Wants::SubAck,
                    number,
                    begun: u64::MAX,
                    released: 0,
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn sent_first(&mut self, delivery: Delivery, number: u32, at: u64) -> Verdict {
        self.fates.sent(number)?;
        let (wants, packet_id) = match delivery {
            Delivery::AtMostOnce => return Ok(()),
            Delivery::AtLeastOnce(packet_id) => (Wants::PubAck, packet_id),
            Delivery::ExactlyOnce(packet_id) => (Wants::PubRec, packet_id),
        };
        check(
            self.due_publish.is_empty() && self.due_pubrel.is_empty(),
            || format!("new message {number} goes before the resume is through"),
        )?;
        self.fates.begun(number, at)?;
        self.check_free(packet_id)?;
        self.open.push(Open {
            packet_id,
            wants,
            number,
            begun: at,
            released: 0,
        });
        self.count(packet_id)
    }

    fn sent_again(&mut self, delivery: Delivery, number: u32) -> Verdict {
        let wants = match delivery.qos() {
            QoS::AtMostOnce => return Err("DUP at QoS 0".to_owned()),
            QoS::AtLeastOnce => Wants::PubAck,
            QoS::ExactlyOnce => Wants::PubRec,
        };
        let packet_id = delivery.packet_id();
        check(self.due_publish.pop_front() == packet_id, || {
            format!("message {number} is sent again out of turn")
        })?;
        let same = self.open.iter().any(|open| {
            Some(open.packet_id) == packet_id && open.wants == wants && open.number == number
        });
        check(same, || format!("message {number} is another one now"))?;
        self.fates.sent(number)?;
        packet_id.map_or(Ok(()), |packet_id| self.count(packet_id))
    }

    fn count(&mut self, packet_id: PacketId) -> Verdict {
        self.sent.push(packet_id);
        let (sent, most) = (self.sent.len(), usize::from(self.receive_maximum));
        check(sent <= most, || {
            format!("{sent} unacknowledged where {most} are allowed")
        })
    }

    /// The turn of a PUBLISH to be sent again has come, and it is too large now; the journal has that at `at`.
    ///
    /// A QoS 2 flow goes on with PUBREL.
    pub(super) fn gave_up(&mut self, packet_id: PacketId, at: u64) -> Verdict {
        check(self.due_publish.pop_front() == Some(packet_id), || {
            format!("{packet_id} is given up out of turn")
        })?;
        let place = self
            .open
            .iter()
            .position(|open| open.packet_id == packet_id);
        let open = place.and_then(|place| self.open.get_mut(place));
        let Some(open) = open else {
            return Err(format!("{packet_id} is given up and not open"));
        };
        self.fates.given_up(open.number, at)?;
        match open.wants {
            Wants::PubRec => {
                open.wants = Wants::PubComp;
                open.released = at;
                self.released.push(packet_id);
                self.owed_pubrel.push_back(packet_id);
                Ok(())
            }
            wants => self.end(packet_id, wants, at),
        }
    }

    /// No flow of this side has `packet_id`.
    pub(super) fn check_free(&self, packet_id: PacketId) -> Verdict {
        let in_use = self.open.iter().find(|open| open.packet_id == packet_id);
        check(in_use.is_none(), || {
            format!("packet identifier {packet_id} is used before the end of {in_use:?}")
        })
    }

    /// The identifier of the oldest flow.
    pub(super) fn oldest(&self) -> Option<PacketId> {
        self.open.first().map(|open| open.packet_id)
    }

    /// The sender reads an answer; what its journal has of it is at `at`.
    pub(super) fn sender_reads(&mut self, packet: &Packet<'_>, at: u64) -> Verdict {
        match packet {
            Packet::PubAck(ack) => self.end(ack.packet_id, Wants::PubAck, at),
            Packet::PubRec(ack) if ack.reason.is_error() => {
                self.end(ack.packet_id, Wants::PubRec, at)
            }
            Packet::PubRec(ack) => self.release(ack.packet_id, at),
            Packet::PubComp(ack) => self.end(ack.packet_id, Wants::PubComp, at),
            Packet::SubAck(suback) => self.end(suback.packet_id, Wants::SubAck, at),
            _ => Ok(()),
        }
    }

    fn release(&mut self, packet_id: PacketId, at: u64) -> Verdict {
        let mut open = self.open.iter_mut();
        let Some(open) = open.find(|open| open.packet_id == packet_id) else {
            return Err(format!("PUBREC {packet_id} names no flow"));
        };
        if open.wants == Wants::PubRec {
            open.wants = Wants::PubComp;
            open.released = at;
            self.released.push(packet_id);
        }
        self.due_publish.retain(|due| *due != packet_id);
        self.due_pubrel.retain(|due| *due != packet_id);
        self.owed_pubrel.push_back(packet_id);
        Ok(())
    }

    fn end(&mut self, packet_id: PacketId, wants: Wants, at: u64) -> Verdict {
        let place = self
            .open
            .iter()
            .position(|open| open.packet_id == packet_id);
        let open = place.map(|place| self.open.remove(place));
        let Some(open) = open.filter(|open| open.wants == wants) else {
            return Err(format!(
                "the answer to {packet_id} names {open:?}, not {wants:?}"
            ));
        };
        self.released.retain(|released| *released != packet_id);
        self.due_publish.retain(|due| *due != packet_id);
        self.sent.retain(|sent| *sent != packet_id);
        if wants != Wants::SubAck {
            self.ended.push((at, open));
        }
        Ok(())
    }

    /// The receiver reads PUBLISH or PUBREL.
    pub(super) fn receiver_reads(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::Publish(publish) => match publish.delivery {
                Delivery::AtMostOnce => {}
                Delivery::AtLeastOnce(packet_id) => {
                    self.received.push(packet_id);
                    self.due_puback.push_back(packet_id);
                }
                Delivery::ExactlyOnce(packet_id) => {
                    self.received.push(packet_id);
                    self.due_pubrec.push_back(packet_id);
                }
            },
            Packet::PubRel(ack) => {
                self.received.retain(|received| *received != ack.packet_id);
                self.due_pubcomp.push_back(ack.packet_id);
            }
            _ => {}
        }
    }

    /// The receiver encodes an answer.
    pub(super) fn receiver_writes(&mut self, packet: &Packet<'_>) -> Verdict {
        let (due, ack) = match packet {
            Packet::PubAck(ack) => (&mut self.due_puback, ack),
            Packet::PubRec(ack) => (&mut self.due_pubrec, ack),
            Packet::PubComp(ack) => (&mut self.due_pubcomp, ack),
            _ => return Ok(()),
        };
        let Ack {
            packet_id, reason, ..
        } = *ack;
        let front = due.front().copied();
        check(take_front(due, packet_id), || {
            format!("answer {packet_id} leaves where {front:?} is due")
        })?;
        if !matches!(packet, Packet::PubRec(_)) || reason.is_error() {
            self.received.retain(|received| *received != packet_id);
        }
        Ok(())
    }

    /// PUBLISH packets above QoS 0 on this connection without their last acknowledgement, as the sender knows it.
    pub(super) fn sent_unacknowledged(&self) -> u16 {
        u16::try_from(self.sent.len()).unwrap_or(u16::MAX)
    }

    /// The same as the receiver knows it.
    pub(super) fn received_unfinished(&self) -> u16 {
        u16::try_from(self.received.len()).unwrap_or(u16::MAX)
    }

    /// Whether a new message may not be sent now.
    pub(super) fn must_wait(&self) -> bool {
        let is_resuming = !self.due_publish.is_empty() || !self.due_pubrel.is_empty();
        is_resuming || self.sent_unacknowledged() == self.receive_maximum
    }

    /// Flows without their last acknowledgement.
    pub(super) const fn open_len(&self) -> usize {
        self.open.len()
    }

    /// Whether `packet_id` names an open flow of QoS 2.
    pub(super) fn is_open_qos_2(&self, packet_id: PacketId) -> bool {
        self.open.iter().any(|open| {
            open.packet_id == packet_id && matches!(open.wants, Wants::PubRec | Wants::PubComp)
        })
    }

    /// Everything has come to rest: no message is missing.
    pub(super) fn at_rest(&self) -> Verdict {
        check(self.open.is_empty(), || {
            format!("still open: {:?}", self.open)
        })?;
        self.fates.at_rest()
    }
}

/// Both directions, by the side that sends the messages.
pub(super) type Referees = super::Both<Referee>;

impl Referees {
    /// `side` encodes `packet`.
    pub(super) fn written(
        &mut self,
        side: Side,
        packet: &Packet<'_>,
        number: u32,
        at: u64,
    ) -> Verdict {
        self.of(side).sender_writes(packet, number, at)?;
        self.of(side.other()).receiver_writes(packet)
    }

    /// `side` reads `packet`.
    pub(super) fn read(&mut self, side: Side, packet: &Packet<'_>, at: u64) -> Verdict {
        self.of(side.other()).receiver_reads(packet);
        self.of(side).sender_reads(packet, at)
    }

    /// The process of `side` died with everything behind `durable`.
    pub(super) fn crashed(&mut self, side: Side, durable: u64) -> Verdict {
        self.of(side).sender_crashed(durable);
        self.of(side.other()).fates.receiver_crashed(durable)
    }
}

fn take_front(due: &mut VecDeque<PacketId>, packet_id: PacketId) -> bool {
    let is_due = due.front() == Some(&packet_id);
    if is_due {
        due.pop_front();
    }
    is_due
}

/// An error in the words of `otherwise` unless `holds`.
pub(super) fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}
