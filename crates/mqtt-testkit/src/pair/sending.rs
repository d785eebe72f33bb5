//! What an end sends of its own accord: new messages, requests, and what a resume owes.

use super::counts::Fault;
use super::end::{Around, End, Item, answer, with_publish};
use super::fates::Outcome;
use super::referee::{Verdict, check};
use mqtt_codec::{
    Delivery, Packet, PacketId, Properties, QoS, ReasonCode, Subscribe, SubscribeFilters,
    SubscriptionOptions, TopicFilter,
};
use mqtt_session::{Change, GivenUp, NotNowReason, Record, Resend};

impl End {
    /// The application wants a message sent; at QoS 0 it is sent now or never.
    pub(super) fn publish(&mut self, item: Item, around: &mut Around<'_>) -> Verdict {
        if item.qos != QoS::AtMostOnce {
            self.waiting.push_back(item);
        } else if self.connection.is_some() && self.fits(item, around) {
            return self.write_publish(item, false, Delivery::AtMostOnce, around);
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
        self.write(&Packet::Subscribe(subscribe), item.number, around)
    }

    /// Sends what a resume owes and then what waits, as far as the quota goes.
    pub(super) fn send_waiting(&mut self, around: &mut Around<'_>) -> Verdict {
        if self.connection.is_none() {
            return Ok(());
        }
        if around.rng.chance(20) {
            // Somebody in a hurry, who has to wait for the resume all the same.
            self.send_new(around)?;
        }
        self.send_again(around)?;
        self.send_new(around)
    }

    fn send_again(&mut self, around: &mut Around<'_>) -> Verdict {
        while let Some(connection) = &mut self.connection {
            match self.session.poll_resend(&mut connection.link) {
                None => return Ok(()),
                Some(Resend::PubRel { packet_id }) => {
                    around.counts.note(Fault::PubRelAgain);
                    let pubrel = answer(packet_id, ReasonCode::SUCCESS);
                    self.write(&Packet::PubRel(pubrel), 0, around)?;
                }
                Some(Resend::Publish {
                    packet_id,
                    qos,
                    message,
                }) => {
                    let item = *message;
                    check(item.qos == qos, || format!("{item:?} is {qos:?} now"))?;
                    if self.fits(item, around) {
                        around.counts.note(Fault::PublishAgain);
                        let delivery = delivery(qos, packet_id)?;
                        self.write_publish(item, true, delivery, around)?;
                    } else {
                        around.counts.note(Fault::TooLargeAgain);
                        self.give_up(packet_id, around)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A PUBLISH cannot be sent again: QoS 1 ends, QoS 2 goes on with PUBREL.
    fn give_up(&mut self, packet_id: PacketId, around: &mut Around<'_>) -> Verdict {
        around.say(self.side, &format!("{packet_id} is too large now"));
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let given_up = self.session.give_up(&mut connection.link, packet_id);
        let given_up = given_up.map_err(|error| format!("giving up {packet_id}: {error:?}"))?;
        let ended = match given_up {
            GivenUp::Ended(item) => Some(item),
            GivenUp::Release(_) => None,
        };
        let at = self.appended();
        around.referees.of(self.side).gave_up(packet_id, at)?;
        match ended {
            Some(item) => {
                let fates = &mut around.referees.of(self.side).fates;
                fates.resolved(item.number, Outcome::TooLarge, at)
            }
            None => {
                let pubrel = answer(packet_id, ReasonCode::SUCCESS);
                self.write(&Packet::PubRel(pubrel), 0, around)
            }
        }
    }

    fn send_new(&mut self, around: &mut Around<'_>) -> Verdict {
        while let Some(item) = self.waiting.pop_front() {
            let at = self.appended();
            let fates = &mut around.referees.of(self.side).fates;
            if around.now_ms >= item.expires_ms {
                around.counts.note(Fault::MessageExpired);
                fates.resolved(item.number, Outcome::Expired, 0)?;
                continue;
            }
            if !self.fits(item, around) {
                around.counts.note(Fault::TooLarge);
                let fates = &mut around.referees.of(self.side).fates;
                fates.resolved(item.number, Outcome::TooLarge, 0)?;
                continue;
            }
            let Some(connection) = &mut self.connection else {
                self.waiting.push_front(item);
                return Ok(());
            };
            let sent = self
                .session
                .send_publish(&mut connection.link, item.qos, item);
            match sent {
                Ok(packet_id) => {
                    let begun = self.appended();
                    check(begun > at, || {
                        "a journal is not told of a message".to_owned()
                    })?;
                    self.begun.push_back((begun, item));
                    let delivery = delivery(item.qos, packet_id)?;
                    self.write_publish(item, false, delivery, around)?;
                    self.note_wrap(packet_id, around);
                }
                Err(not_now) => {
                    self.waiting.push_front(not_now.message);
                    let is_right = match not_now.reason {
                        NotNowReason::Quota => around.referees.of(self.side).must_wait(),
                        NotNowReason::Journal => self.journal_is_full,
                        NotNowReason::PacketIds | NotNowReason::Capacity => false,
                    };
                    around.counts.note(match not_now.reason {
                        NotNowReason::Journal => Fault::JournalFull,
                        _ => Fault::WindowFull,
                    });
                    return check(is_right, || format!("{:?} is no reason", not_now.reason));
                }
            }
        }
        Ok(())
    }

    /// Whether the PUBLISH of `item` is within the peer's Maximum Packet Size.
    fn fits(&self, item: Item, around: &Around<'_>) -> bool {
        let Some(connection) = &self.connection else {
            return true;
        };
        let Ok(delivery) = delivery(item.qos, PacketId::MIN) else {
            return false;
        };
        let len = with_publish(item, false, delivery, |publish| {
            Packet::Publish(*publish).encoded_len(around.version)
        });
        let len = len.ok().and_then(|len| u32::try_from(len).ok());
        len.is_some_and(|len| len <= connection.peer_len_max)
    }

    /// The next identifiers are those that are in use, as after very many messages.
    pub(super) fn lap(&mut self, around: &mut Around<'_>) {
        let Some(oldest) = around.referees.of(self.side).oldest() else {
            return;
        };
        around.counts.note(Fault::Lapped);
        let before = PacketId::new(oldest.get() - 1).unwrap_or(PacketId::MAX);
        let _ = self
            .session
            .replay(Record::Change(Change::LastPacketId(before)));
        self.highest_id = before.get();
    }

    /// The same the long way: so many requests begin and end.
    pub(super) fn lap_slowly(&mut self, around: &mut Around<'_>) -> Verdict {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        if self.session.inflight() == 0 {
            return Ok(());
        }
        around.counts.note(Fault::Lapped);
        for _ in 0..u16::MAX - 30 {
            let packet_id = self.session.send_request(Item::request(0));
            let packet_id = packet_id.map_err(|not_now| format!("{:?}", not_now.reason))?;
            around.referees.of(self.side).check_free(packet_id)?;
            let ended = self.session.handle_answer(&mut connection.link, packet_id);
            ended.map_err(|error| format!("{packet_id}: {error:?}"))?;
            self.highest_id = packet_id.get();
        }
        Ok(())
    }
}

fn delivery(qos: QoS, packet_id: PacketId) -> Result<Delivery, String> {
    let delivery = Delivery::new(qos, Some(packet_id));
    delivery.ok_or_else(|| format!("{packet_id} at {qos:?}"))
}
