//! Watches both ends from outside and knows the rules in the plainest form: lists that are searched from the front.
//!
//! It sees every packet as it is written and as it is read, and what the applications say and get.

use super::Side;
use mqtt_codec::{Ack, Delivery, Packet, PacketId, QoS, ReasonCode};
use std::collections::{BTreeSet, VecDeque};

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
}

/// What became of one message.
#[derive(Clone, Copy, Debug)]
struct Fate {
    qos: QoS,
    topic: u8,
    /// Deliveries that no refusal took back.
    delivered: u32,
    sent: u32,
    refused: bool,
    /// The last acknowledgement came.
    acknowledged: bool,
    /// The session ended before.
    lost: bool,
}

/// All messages from one side to the other.
#[derive(Debug, Default)]
pub(super) struct Referee {
    open: Vec<Open>,
    fates: Vec<Fate>,
    /// Identifiers in the order their PUBREC came.
    released: Vec<PacketId>,
    /// PUBLISH and PUBREL packets a resume owes, each kind in order.
    due_publish: VecDeque<PacketId>,
    due_pubrel: VecDeque<PacketId>,
    /// PUBREL packets owed to a PUBREC of this connection.
    owed_pubrel: VecDeque<PacketId>,
    /// PUBLISH packets of this connection without their last acknowledgement, as the sender knows it.
    sent: BTreeSet<PacketId>,
    receive_maximum: u16,
    last_number: Option<u32>,
    /// The receiver's answers of this connection, in the order they are due.
    due_puback: VecDeque<PacketId>,
    due_pubrec: VecDeque<PacketId>,
    due_pubcomp: VecDeque<PacketId>,
    /// PUBLISH packets of this connection not finished, as the receiver knows it.
    received: BTreeSet<PacketId>,
}

impl Referee {
    /// The application wants the next message sent; its number.
    pub(super) fn published(&mut self, qos: QoS, topic: u8) -> u32 {
        self.fates.push(Fate {
            qos,
            topic,
            delivered: 0,
            sent: 0,
            refused: false,
            acknowledged: false,
            lost: false,
        });
        u32::try_from(self.fates.len() - 1).unwrap_or(u32::MAX)
    }

    /// A new connection continues the session.
    pub(super) fn resumed(&mut self, receive_maximum: u16) {
        self.connected(receive_maximum);
        self.due_pubrel = self.released.iter().copied().collect();
        let publishes = self.open.iter();
        self.due_publish = publishes
            .filter(|open| matches!(open.wants, Wants::PubAck | Wants::PubRec))
            .map(|open| open.packet_id)
            .collect();
    }

    /// A new connection without a session of before.
    pub(super) fn began_anew(&mut self, receive_maximum: u16, given_back: &[u32]) -> Verdict {
        self.connected(receive_maximum);
        let lost: Vec<u32> = self.open.iter().map(|open| open.number).collect();
        check(lost == given_back, || {
            format!("messages {given_back:?} came back, {lost:?} were open")
        })?;
        for number in lost {
            self.fate(number)?.lost = true;
        }
        self.open.clear();
        self.released.clear();
        Ok(())
    }

    fn connected(&mut self, receive_maximum: u16) {
        self.open.retain(|open| open.wants != Wants::SubAck);
        self.due_publish.clear();
        self.due_pubrel.clear();
        self.owed_pubrel.clear();
        self.sent.clear();
        self.due_puback.clear();
        self.due_pubrec.clear();
        self.due_pubcomp.clear();
        self.received.clear();
        self.receive_maximum = receive_maximum;
    }

    /// The sender writes `packet`, with the number of its message if it has one.
    pub(super) fn sender_writes(&mut self, packet: &Packet<'_>, number: u32) -> Verdict {
        match packet {
            Packet::Publish(publish) if publish.dup => self.sent_again(publish.delivery, number),
            Packet::Publish(publish) => self.sent_first(publish.delivery, number),
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
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn sent_first(&mut self, delivery: Delivery, number: u32) -> Verdict {
        self.fate(number)?.sent += 1;
        let (wants, packet_id) = match delivery {
            Delivery::AtMostOnce => return Ok(()),
            Delivery::AtLeastOnce(packet_id) => (Wants::PubAck, packet_id),
            Delivery::ExactlyOnce(packet_id) => (Wants::PubRec, packet_id),
        };
        check(
            self.due_publish.is_empty() && self.due_pubrel.is_empty(),
            || format!("new message {number} goes before the resume is through"),
        )?;
        check(self.last_number < Some(number), || {
            format!(
                "message {number} is first sent after {:?}",
                self.last_number
            )
        })?;
        self.check_free(packet_id)?;
        self.last_number = Some(number);
        self.open.push(Open {
            packet_id,
            wants,
            number,
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
        self.fate(number)?.sent += 1;
        packet_id.map_or(Ok(()), |packet_id| self.count(packet_id))
    }

    fn count(&mut self, packet_id: PacketId) -> Verdict {
        self.sent.insert(packet_id);
        let (sent, most) = (self.sent.len(), usize::from(self.receive_maximum));
        check(sent <= most, || {
            format!("{sent} unacknowledged where {most} are allowed")
        })
    }

    /// No flow of this side has `packet_id`.
    pub(super) fn check_free(&self, packet_id: PacketId) -> Verdict {
        let in_use = self.open.iter().find(|open| open.packet_id == packet_id);
        check(in_use.is_none(), || {
            format!("packet identifier {packet_id} is used before the end of {in_use:?}")
        })
    }

    /// The sender reads an answer.
    pub(super) fn sender_reads(&mut self, packet: &Packet<'_>) -> Verdict {
        match packet {
            Packet::PubAck(ack) => self.ended(ack.packet_id, Wants::PubAck),
            Packet::PubRec(ack) if ack.reason.is_error() => {
                self.ended(ack.packet_id, Wants::PubRec)
            }
            Packet::PubRec(ack) => self.released(ack.packet_id),
            Packet::PubComp(ack) => self.ended(ack.packet_id, Wants::PubComp),
            Packet::SubAck(suback) => self.ended(suback.packet_id, Wants::SubAck),
            _ => Ok(()),
        }
    }

    fn released(&mut self, packet_id: PacketId) -> Verdict {
        let mut open = self.open.iter_mut();
        let Some(open) = open.find(|open| open.packet_id == packet_id) else {
            return Err(format!("PUBREC {packet_id} names no flow"));
        };
        if open.wants == Wants::PubRec {
            open.wants = Wants::PubComp;
            self.released.push(packet_id);
        }
        self.due_publish.retain(|due| *due != packet_id);
        self.due_pubrel.retain(|due| *due != packet_id);
        self.owed_pubrel.push_back(packet_id);
        Ok(())
    }

    fn ended(&mut self, packet_id: PacketId, wants: Wants) -> Verdict {
        let at = self
            .open
            .iter()
            .position(|open| open.packet_id == packet_id);
        let open = at.map(|at| self.open.remove(at));
        let Some(open) = open.filter(|open| open.wants == wants) else {
            return Err(format!(
                "the answer to {packet_id} names {open:?}, not {wants:?}"
            ));
        };
        self.released.retain(|released| *released != packet_id);
        self.due_publish.retain(|due| *due != packet_id);
        self.sent.remove(&packet_id);
        if wants == Wants::SubAck {
            return Ok(());
        }
        self.fate(open.number)?.acknowledged = true;
        Ok(())
    }

    /// The receiver reads PUBLISH or PUBREL.
    pub(super) fn receiver_reads(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::Publish(publish) => match publish.delivery {
                Delivery::AtMostOnce => {}
                Delivery::AtLeastOnce(packet_id) => {
                    self.received.insert(packet_id);
                    self.due_puback.push_back(packet_id);
                }
                Delivery::ExactlyOnce(packet_id) => {
                    self.received.insert(packet_id);
                    self.due_pubrec.push_back(packet_id);
                }
            },
            Packet::PubRel(ack) => {
                self.received.remove(&ack.packet_id);
                self.due_pubcomp.push_back(ack.packet_id);
            }
            _ => {}
        }
    }

    /// The receiver writes an answer.
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
            self.received.remove(&packet_id);
        }
        Ok(())
    }

    /// The receiver's application gets a message.
    pub(super) fn delivered(&mut self, number: u32, reached: QoS) -> Verdict {
        let Fate { qos, topic, .. } = *self.fate(number)?;
        check(qos == reached, || {
            format!("message {number} of {qos:?} came as {reached:?}")
        })?;
        let later = usize::try_from(number)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let overtaken = self.fates.iter().skip(later).any(|fate| {
            fate.qos == qos && fate.topic == topic && fate.delivered > 0 && !fate.refused
        });
        let fate = self.fate(number)?;
        // What comes again, and what was refused before, may come late.
        let in_order = !overtaken || fate.delivered > 0 || fate.refused;
        fate.delivered += 1;
        let most = if qos == QoS::AtLeastOnce {
            fate.sent
        } else {
            1
        };
        let delivered = fate.delivered;
        check(in_order, || format!("message {number} was overtaken"))?;
        check(delivered <= most, || {
            format!("message {number} of {qos:?} was delivered {delivered} times")
        })
    }

    /// The receiver's application refuses a message it got.
    pub(super) fn refused(&mut self, number: u32) -> Verdict {
        let fate = self.fate(number)?;
        fate.refused = true;
        fate.delivered = fate.delivered.saturating_sub(1);
        Ok(())
    }

    /// The sender's application hears the end of a message.
    pub(super) fn ended_for_application(&mut self, number: u32, reason: ReasonCode) -> Verdict {
        let fate = self.fate(number)?;
        let (qos, delivered) = (fate.qos, fate.delivered);
        let expected = match (qos, reason.is_error()) {
            (QoS::AtMostOnce, _) => false,
            (QoS::AtLeastOnce, true) => true,
            (QoS::AtLeastOnce, false) => delivered > 0,
            (QoS::ExactlyOnce, error) => delivered == u32::from(!error),
        };
        check(expected && fate.acknowledged, || {
            format!("message {number} of {qos:?} ends with {reason:?} after {delivered} deliveries")
        })
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
        for (number, fate) in self.fates.iter().enumerate() {
            let Fate {
                qos,
                delivered: count,
                ..
            } = *fate;
            let is_right = match qos {
                QoS::AtMostOnce => count <= 1,
                _ if fate.lost => qos == QoS::AtLeastOnce || count <= 1,
                QoS::AtLeastOnce => fate.acknowledged && (count >= 1 || fate.refused),
                QoS::ExactlyOnce if fate.refused => fate.acknowledged && count <= 1,
                QoS::ExactlyOnce => fate.acknowledged && count == 1,
            };
            check(is_right, || {
                format!("in the end message {number} is {fate:?}")
            })?;
        }
        Ok(())
    }

    fn fate(&mut self, number: u32) -> Result<&mut Fate, String> {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let fate = self.fates.get_mut(at);
        fate.ok_or_else(|| format!("there is no message {number}"))
    }
}

/// Both directions, by the side that sends the messages.
pub(super) type Referees = super::Both<Referee>;

impl Referees {
    /// `side` writes `packet`.
    pub(super) fn written(&mut self, side: Side, packet: &Packet<'_>, number: u32) -> Verdict {
        self.of(side).sender_writes(packet, number)?;
        self.of(side.other()).receiver_writes(packet)
    }

    /// `side` reads `packet`.
    pub(super) fn read(&mut self, side: Side, packet: &Packet<'_>) -> Verdict {
        self.of(side.other()).receiver_reads(packet);
        self.of(side).sender_reads(packet)
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
