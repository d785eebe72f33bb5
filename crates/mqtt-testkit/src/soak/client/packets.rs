//! What a client does with the packets it receives.

use super::{Client, SUBSCRIBE_ID, Stage, World};
use crate::soak::judge::Fate;
use crate::soak::message::Message;
use mqtt_codec::{Ack, ConnAck, Delivery, Packet, PacketId, PacketType, Publish, QoS, SubAck};

impl Client {
    pub(super) fn handle(&mut self, packet: &Packet<'_>, world: &mut World) {
        if matches!(self.stage, Stage::Greeting { .. }) != matches!(packet, Packet::ConnAck(_)) {
            self.accuse(world, &format!("got {packet:?} at the wrong time"));
            return;
        }
        match packet {
            Packet::ConnAck(connack) => self.welcome(connack, world),
            Packet::Publish(publish) => self.take(publish, world),
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => {
                self.acknowledged(packet.packet_type(), ack, world);
            }
            Packet::PubRel(ack) => {
                self.unreleased.remove(&ack.packet_id);
                self.send(world, &Packet::PubComp(Ack::new(ack.packet_id)));
            }
            Packet::SubAck(suback) => self.subscribed(suback, world),
            Packet::PingResp => {}
            _ => {
                self.accuse(world, &format!("got {packet:?}"));
                self.lose(world, Fate::Maybe);
            }
        }
    }

    fn welcome(&mut self, connack: &ConnAck<'_>, world: &mut World) {
        if connack.reason.is_error() {
            self.accuse(world, &format!("was refused: {:?}", connack.reason));
            self.lose(world, Fate::Never);
            return;
        }
        let had_session = self.player.keeps && self.connection > 1;
        let says = self.player.version.has_session_present();
        if says && connack.session_present != had_session {
            let present = connack.session_present;
            self.accuse(world, &format!("was told Session Present {present}"));
        }
        world.events.resumed += u64::from(had_session);
        self.stage = Stage::Up { since: world.now };
        self.ping_at = world.now + super::PING_EVERY;
        self.plan_fault(world);
        self.subscribe(world);
        self.resume(world);
    }

    fn subscribed(&mut self, suback: &SubAck<'_>, world: &mut World) {
        let wanted = self.player.filters.iter().map(|(_, qos)| qos.get());
        let granted = suback.reasons.iter().map(|reason| reason.get());
        if suback.packet_id != SUBSCRIBE_ID || !granted.eq(wanted) {
            self.accuse(world, &format!("was answered {suback:?}"));
        }
        self.subscribed = true;
    }

    fn take(&mut self, publish: &Publish<'_>, world: &mut World) {
        let alias = publish.properties.topic_alias();
        if let Some(alias) = alias {
            if alias.get() > self.player.topic_aliases {
                self.accuse(world, &format!("was sent Topic Alias {alias}"));
            }
            if let Some(topic_name) = publish.topic_name {
                self.aliases.insert(alias, topic_name.as_str().to_owned());
            }
        }
        let named = alias.and_then(|alias| self.aliases.get(&alias));
        let topic_name = match publish.topic_name {
            Some(topic_name) => topic_name.as_str(),
            None => named.map_or("", String::as_str),
        };
        let message = Message {
            topic_name,
            payload: publish.payload,
            qos: publish.delivery.qos(),
            dup: publish.dup,
            retain: publish.retain,
        };
        match publish.delivery {
            Delivery::AtMostOnce => world.judge.receive(self.number, &message),
            Delivery::AtLeastOnce(packet_id) => {
                world.judge.receive(self.number, &message);
                self.send(world, &Packet::PubAck(Ack::new(packet_id)));
            }
            Delivery::ExactlyOnce(packet_id) => {
                if self.unreleased.insert(packet_id) {
                    world.judge.receive(self.number, &message);
                } else {
                    world.events.again += 1;
                    if !publish.dup {
                        self.accuse(world, &format!("was sent {packet_id:?} twice"));
                    }
                }
                self.send(world, &Packet::PubRec(Ack::new(packet_id)));
            }
        }
    }

    fn acknowledged(&mut self, packet_type: PacketType, ack: &Ack<'_>, world: &mut World) {
        let failed = ack.reason.is_error() && packet_type != PacketType::PubComp;
        let place = self.place_of(packet_type, ack.packet_id);
        let (Some(place), false) = (place, failed) else {
            let packet_id = ack.packet_id.get();
            let reason = ack.reason;
            self.accuse(
                world,
                &format!("got {packet_type:?} for {packet_id}: {reason:?}"),
            );
            return;
        };
        if packet_type == PacketType::PubRec {
            if let Some(message) = self.in_flight.get_mut(place) {
                message.released = true;
            }
            self.send(world, &Packet::PubRel(Ack::new(ack.packet_id)));
        } else if let Some(message) = self.in_flight.remove(place) {
            world.judge.acknowledge(message.stream, message.number);
        }
    }

    /// The message an acknowledgement is about.
    fn place_of(&self, packet_type: PacketType, packet_id: PacketId) -> Option<usize> {
        self.in_flight.iter().position(|message| {
            let fits = match packet_type {
                PacketType::PubAck => message.qos == QoS::AtLeastOnce,
                PacketType::PubRec => message.qos == QoS::ExactlyOnce,
                _ => message.released,
            };
            fits && message.packet_id == packet_id
        })
    }

    pub(super) fn accuse(&self, world: &mut World, what: &str) {
        let (number, version, connection) = (self.number, self.player.version, self.connection);
        world.judge.accuse(format!(
            "client {number} ({version:?}, connection {connection}) {what}"
        ));
    }
}
