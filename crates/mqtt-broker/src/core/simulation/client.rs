//! A client of the simulation: it follows the protocol and holds the broker to it.

use super::model::Model;
use super::{Random, VERSIONS};
use mqtt_codec::{
    Ack, Connect, Delivery, Disconnect, Packet, PacketId, Properties, Property, PropertyList,
    ProtocolVersion, Publish, QoS, ReasonCode, Subscribe, SubscribeFilters, SubscriptionOptions,
    TopicFilter, TopicName, Unsubscribe, UnsubscribeFilters, Will,
};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

/// Where clients publish; what starts with `s/` is subscribed to by groups only.
const TOPIC_NAMES: [&str; 7] = ["a", "a/x", "a/y", "b/x", "b/y", "s/1", "s/2"];
/// What clients subscribe to. A group has one QoS for all its members.
const TOPIC_FILTERS: [(&str, Option<QoS>); 9] = [
    ("a", None),
    ("a/#", None),
    ("a/+", None),
    ("+/x", None),
    ("b/#", None),
    ("b/y", None),
    ("$share/g/s/#", Some(QoS::AtLeastOnce)),
    ("$share/h/s/#", Some(QoS::ExactlyOnce)),
    ("$share/g/s/2", Some(QoS::AtLeastOnce)),
];

/// Unfinished messages of one client, at most.
const SENDING_MAX: usize = 30;

/// A packet a client wants to send.
pub(super) struct Asked {
    pub(super) bytes: Vec<u8>,
}

/// A message not yet finished.
#[derive(Clone, Debug)]
struct Sending {
    number: u64,
    topic_name: &'static str,
    qos: QoS,
    retain: bool,
    released: bool,
}

pub(super) struct SimClient {
    index: usize,
    watches: bool,
    pub(super) client_id: String,
    pub(super) version: ProtocolVersion,
    clean_start: bool,
    session_expiry_s: u32,
    receive_maximum: u16,
    aliases: u16,
    last_packet_id: u16,
    /// What it publishes is numbered, so that it can be told apart.
    last_number: u64,
    /// In the order they were begun.
    sending: Vec<(u16, Sending)>,
    /// QoS 2 messages received and not released.
    unreleased: BTreeSet<u16>,
    /// Its session ended with its last connection, whatever the broker has kept of a later one.
    has_forgotten: bool,
    /// PUBLISH packets of this connection received and not acknowledged.
    open: BTreeSet<u16>,
    known_aliases: BTreeMap<u16, String>,
    greeted: bool,
}

impl SimClient {
    pub(super) fn new(index: usize, watches: bool, random: &mut Random) -> Self {
        let version = random.one_of(&VERSIONS);
        let (receive_maximum, aliases) = match version.has_properties() {
            true => (random.one_of(&[1, 3, 65_535]), random.one_of(&[0, 2])),
            false => (65_535, 0),
        };
        Self {
            index,
            watches,
            client_id: format!("client{index}"),
            version,
            clean_start: true,
            session_expiry_s: 0,
            receive_maximum,
            aliases,
            last_packet_id: 0,
            last_number: 0,
            sending: Vec::new(),
            unreleased: BTreeSet::new(),
            has_forgotten: false,
            open: BTreeSet::new(),
            known_aliases: BTreeMap::new(),
            greeted: false,
        }
    }

    /// From now on it comes back to the session it has.
    pub(super) fn keep_session(&mut self) {
        self.watches = true;
    }

    /// CONNECT, now with this and now with that.
    pub(super) fn connect(&mut self, random: &mut Random) -> Vec<u8> {
        self.lost();
        self.clean_start = !self.watches && random.chance(25);
        let lasts = self.watches || random.chance(70);
        self.session_expiry_s = match lasts {
            true if self.watches => 100_000,
            true => random.one_of(&[2, 1000]),
            false => 0,
        };
        if !self.version.has_properties() {
            // Before v5 the session lasts when it is not clean.
            self.session_expiry_s = if self.clean_start { 0 } else { u32::MAX };
        }
        let mut set = Vec::new();
        if self.version.has_properties() {
            set.push(Property::SessionExpiryInterval(self.session_expiry_s));
            set.push(Property::TopicAliasMaximum(self.aliases));
            if let Some(maximum) = NonZeroU16::new(self.receive_maximum) {
                set.push(Property::ReceiveMaximum(maximum));
            }
        }
        let delay = [Property::WillDelayInterval(random.one_of(&[0, 1, 5]))];
        let delays = PropertyList::new(if self.version.has_properties() {
            &delay
        } else {
            &[]
        });
        let (payload, topic_name) = (self.number(), format!("w/{}", self.index));
        let will = Will {
            topic_name: TopicName::try_new(&topic_name).unwrap(),
            payload: payload.as_bytes(),
            qos: random.one_of(&[QoS::AtLeastOnce, QoS::ExactlyOnce]),
            retain: false,
            properties: Properties::from(&delays),
        };
        let list = PropertyList::new(&set);
        let connect = Packet::Connect(Connect {
            clean_start: self.clean_start,
            will: (!self.watches && random.chance(60)).then_some(will),
            properties: Properties::from(&list),
            ..Connect::new(self.version, &self.client_id)
        });
        self.encode(&connect)
    }

    /// Something to do for a client that is connected.
    pub(super) fn ask(&mut self, random: &mut Random) -> Option<Asked> {
        if !self.greeted {
            return None;
        }
        let bytes = match random.below(100) {
            0..70 => self.publish(random)?,
            70..88 => {
                let (filter, of_group) = random.one_of(&TOPIC_FILTERS);
                let qos = random.one_of(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
                return Some(self.subscribe_to(filter, of_group.unwrap_or(qos)));
            }
            88..97 => {
                let (filter, _) = random.one_of(&TOPIC_FILTERS);
                let filters = [TopicFilter::try_new(filter).unwrap()];
                let packet_id = self.packet_id();
                self.encode(&Packet::Unsubscribe(Unsubscribe {
                    packet_id,
                    properties: Properties::EMPTY,
                    filters: UnsubscribeFilters::from(&filters[..]),
                }))
            }
            _ => {
                let with_will = self.version.has_properties() && random.chance(50);
                let reason = match with_will {
                    true => ReasonCode::DISCONNECT_WITH_WILL_MESSAGE,
                    false => ReasonCode::NORMAL_DISCONNECTION,
                };
                self.encode(&Packet::Disconnect(Disconnect {
                    reason,
                    properties: Properties::EMPTY,
                }))
            }
        };
        Some(Asked { bytes })
    }

    pub(super) fn subscribe_to(&mut self, filter: &str, qos: QoS) -> Asked {
        let filters = [(
            TopicFilter::try_new(filter).unwrap(),
            SubscriptionOptions::new(qos),
        )];
        let packet_id = self.packet_id();
        let bytes = self.encode(&Packet::Subscribe(Subscribe {
            packet_id,
            properties: Properties::EMPTY,
            filters: SubscribeFilters::from(&filters[..]),
        }));
        Asked { bytes }
    }

    fn publish(&mut self, random: &mut Random) -> Option<Vec<u8>> {
        if self.sending.len() >= SENDING_MAX {
            return None;
        }
        let sending = Sending {
            number: 0,
            topic_name: random.one_of(&TOPIC_NAMES),
            qos: random.one_of(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]),
            retain: random.chance(10),
            released: false,
        };
        let payload = self.number();
        let sending = Sending {
            number: payload.parse().unwrap(),
            ..sending
        };
        let packet_id = self.packet_id();
        let bytes = self.publish_bytes(packet_id, &sending, false);
        if sending.qos != QoS::AtMostOnce {
            self.sending.push((packet_id.get(), sending));
        }
        Some(bytes)
    }

    fn publish_bytes(&self, packet_id: PacketId, sending: &Sending, dup: bool) -> Vec<u8> {
        let delivery = match sending.qos {
            QoS::AtMostOnce => Delivery::AtMostOnce,
            qos => Delivery::new(qos, Some(packet_id)).unwrap(),
        };
        self.encode(&Packet::Publish(Publish {
            dup,
            retain: sending.retain,
            delivery,
            topic_name: Some(TopicName::try_new(sending.topic_name).unwrap()),
            properties: Properties::EMPTY,
            payload: sending.number.to_string().as_bytes(),
        }))
    }

    /// Takes a packet of the broker; what it answers.
    pub(super) fn take(&mut self, packet: &Packet<'_>, model: &mut Model) -> Vec<Vec<u8>> {
        assert!(
            self.greeted || matches!(packet, Packet::ConnAck(_)),
            "CONNACK comes first"
        );
        match packet {
            Packet::ConnAck(connack) => {
                assert_eq!(connack.reason, ReasonCode::SUCCESS);
                let session_present = model.session_present(self.index);
                // MQTT 3.1 has no flag for it.
                let is_said = session_present && self.version.level() > 3;
                assert_eq!(connack.session_present, is_said, "Session Present");
                self.greeted = true;
                let has_forgotten = std::mem::take(&mut self.has_forgotten);
                self.begin(session_present && !has_forgotten)
            }
            Packet::Publish(publish) => self.take_publish(publish, model).into_iter().collect(),
            Packet::PubAck(ack) => {
                self.finish(ack.packet_id, QoS::AtLeastOnce);
                Vec::new()
            }
            Packet::PubRec(ack) => {
                let sending = self.find(ack.packet_id);
                assert_eq!(sending.qos, QoS::ExactlyOnce);
                sending.released = true;
                vec![self.encode(&Packet::PubRel(Ack::new(ack.packet_id)))]
            }
            Packet::PubComp(ack) => {
                self.finish(ack.packet_id, QoS::ExactlyOnce);
                Vec::new()
            }
            Packet::PubRel(ack) => {
                self.unreleased.remove(&ack.packet_id.get());
                self.open.remove(&ack.packet_id.get());
                vec![self.encode(&Packet::PubComp(Ack::new(ack.packet_id)))]
            }
            Packet::SubAck(_) | Packet::UnsubAck(_) => Vec::new(),
            other => panic!("client {} did not expect {other:?}", self.index),
        }
    }

    /// What is unfinished goes on, if there is something to go on with.
    fn begin(&mut self, session_present: bool) -> Vec<Vec<u8>> {
        if !session_present {
            // The broker knows nothing of it any more: what was not acknowledged is sent as new.
            self.unreleased.clear();
            self.sending.retain(|(_, sending)| !sending.released);
        }
        let sending = self.sending.clone();
        let again = sending.iter().map(|(packet_id, sending)| {
            let packet_id = PacketId::new(*packet_id).unwrap();
            match sending.released {
                true => self.encode(&Packet::PubRel(Ack::new(packet_id))),
                false => self.publish_bytes(packet_id, sending, session_present),
            }
        });
        again.collect()
    }

    fn take_publish(&mut self, publish: &Publish<'_>, model: &mut Model) -> Option<Vec<u8>> {
        let topic_name = self.resolve(publish);
        let qos = publish.delivery.qos();
        let payload = std::str::from_utf8(publish.payload).unwrap();
        let number: u64 = payload.parse().unwrap();
        let Some(packet_id) = publish.delivery.packet_id() else {
            model.received(self.index, &topic_name, number, qos, publish.retain, false);
            return None;
        };
        let is_new = self.open.insert(packet_id.get());
        assert!(is_new, "{packet_id:?} is in use on this connection");
        assert!(
            self.open.len() <= usize::from(self.receive_maximum),
            "Receive Maximum"
        );
        if qos == QoS::AtLeastOnce {
            self.open.remove(&packet_id.get());
            model.received(
                self.index,
                &topic_name,
                number,
                qos,
                publish.retain,
                publish.dup,
            );
            return Some(self.encode(&Packet::PubAck(Ack::new(packet_id))));
        }
        if self.unreleased.insert(packet_id.get()) {
            model.received(
                self.index,
                &topic_name,
                number,
                qos,
                publish.retain,
                publish.dup,
            );
        } else {
            assert!(
                publish.dup,
                "an identifier that is not released, without DUP"
            );
        }
        Some(self.encode(&Packet::PubRec(Ack::new(packet_id))))
    }

    fn resolve(&mut self, publish: &Publish<'_>) -> String {
        let alias = publish.properties.topic_alias().map(NonZeroU16::get);
        assert!(
            alias.is_none_or(|alias| alias <= self.aliases),
            "Topic Alias Maximum"
        );
        match (publish.topic_name, alias) {
            (Some(topic_name), Some(alias)) => {
                let topic_name = topic_name.as_str().to_owned();
                self.known_aliases.insert(alias, topic_name.clone());
                topic_name
            }
            (Some(topic_name), None) => topic_name.as_str().to_owned(),
            (None, Some(alias)) => self.known_aliases[&alias].clone(),
            (None, None) => panic!("a message without a topic"),
        }
    }

    /// The connection is gone.
    pub(super) fn lost(&mut self) {
        self.end_session();
        self.open.clear();
        self.known_aliases.clear();
        self.greeted = false;
    }

    /// What ends with its connection is over for the client too; v3.1.1 §3.1.2.4.
    fn end_session(&mut self) {
        if self.greeted && self.session_expiry_s == 0 {
            self.unreleased.clear();
            self.has_forgotten = true;
        }
    }

    fn find(&mut self, packet_id: PacketId) -> &mut Sending {
        let found = self
            .sending
            .iter_mut()
            .find(|(own, _)| *own == packet_id.get());
        &mut found.expect("it is the client's own").1
    }

    fn finish(&mut self, packet_id: PacketId, qos: QoS) {
        assert_eq!(self.find(packet_id).qos, qos);
        self.sending.retain(|(own, _)| *own != packet_id.get());
    }

    fn packet_id(&mut self) -> PacketId {
        loop {
            self.last_packet_id = self.last_packet_id % 200 + 1;
            let used = self
                .sending
                .iter()
                .any(|(own, _)| *own == self.last_packet_id);
            if !used {
                return PacketId::new(self.last_packet_id).unwrap();
            }
        }
    }

    fn number(&mut self) -> String {
        self.last_number += 1;
        (self.last_number * 100 + u64::try_from(self.index).unwrap()).to_string()
    }

    fn encode(&self, packet: &Packet<'_>) -> Vec<u8> {
        let mut bytes = vec![0; packet.encoded_len(self.version).unwrap()];
        packet.encode(self.version, &mut bytes).unwrap();
        bytes
    }
}
