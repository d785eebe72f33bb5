//! A client that does nothing by itself: no acknowledgement, no ping, no reconnect.

use super::hello::{Hello, Welcome};
use super::message::{Message, Post};
use super::options;
use super::server::Server;
use mqtt_codec::{
    Ack, Disconnect, Packet, PacketId, PacketType, Properties, Property, PropertyList,
    ProtocolVersion, QoS, ReasonCode, Subscribe, SubscribeFilters, SubscriptionOptions,
    TopicFilter, Unsubscribe, UnsubscribeFilters,
};
use mqtt_testkit::raw::{RawClient, RawPacket};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) struct Client {
    raw: RawClient,
    /// For SUBSCRIBE and UNSUBSCRIBE, from above what tests use for PUBLISH.
    next_packet_id: u16,
}

impl Client {
    /// A connection on which nothing has been said.
    pub(crate) fn open(server: &Server, version: ProtocolVersion) -> Self {
        Self::open_at(server.addr(), version)
    }

    /// The same at one of several addresses.
    pub(crate) fn open_at(addr: SocketAddr, version: ProtocolVersion) -> Self {
        Self {
            raw: RawClient::connect(addr, version).unwrap(),
            next_packet_id: 30_000,
        }
    }

    /// A client with a fresh session and nothing special.
    pub(crate) fn connect(server: &Server, version: ProtocolVersion, client_id: &str) -> Self {
        Hello::new(version, client_id).connect(server)
    }

    pub(crate) fn raw(&mut self) -> &mut RawClient {
        &mut self.raw
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.raw.send_bytes(bytes).unwrap();
    }

    pub(crate) fn send(&mut self, packet: &Packet<'_>) {
        self.raw.send(packet).unwrap();
    }

    pub(crate) fn receive(&mut self) -> RawPacket {
        self.raw.receive().unwrap()
    }

    /// CONNACK must come.
    pub(crate) fn welcome(&mut self) -> Welcome {
        let received = self.receive();
        let Ok(Packet::ConnAck(connack)) = received.packet() else {
            panic!("not a CONNACK: {received:?}");
        };
        Welcome {
            session_present: connack.session_present,
            reason: connack.reason.get(),
            properties: connack
                .properties
                .iter()
                .map(|property| format!("{property:?}"))
                .collect(),
            assigned_client_id: connack
                .properties
                .assigned_client_identifier()
                .map(str::to_owned),
            bytes: received.bytes().to_vec(),
        }
    }

    /// Sends SUBSCRIBE and does not wait.
    pub(crate) fn ask_to_subscribe(
        &mut self,
        filters: &[(&str, SubscriptionOptions)],
        properties: &[Property<'_>],
    ) -> u16 {
        self.next_packet_id += 1;
        let filters: Vec<_> = filters
            .iter()
            .map(|(filter, options)| (TopicFilter::try_new(filter).unwrap(), *options))
            .collect();
        let list = PropertyList::new(properties);
        self.send(&Packet::Subscribe(Subscribe {
            packet_id: PacketId::new(self.next_packet_id).unwrap(),
            properties: Properties::from(&list),
            filters: SubscribeFilters::from(filters.as_slice()),
        }));
        self.next_packet_id
    }

    /// SUBACK for `packet_id` must come next; its Reason Codes.
    pub(crate) fn suback(&mut self, packet_id: u16) -> Vec<u8> {
        let received = self.receive();
        let Ok(Packet::SubAck(suback)) = received.packet() else {
            panic!("not a SUBACK: {received:?}");
        };
        assert_eq!(suback.packet_id.get(), packet_id);
        suback.reasons.iter().map(ReasonCode::get).collect()
    }

    /// Subscribes as told; the Reason Codes of SUBACK.
    pub(crate) fn subscribe_with(
        &mut self,
        filters: &[(&str, SubscriptionOptions)],
        properties: &[Property<'_>],
    ) -> Vec<u8> {
        let packet_id = self.ask_to_subscribe(filters, properties);
        self.suback(packet_id)
    }

    /// Subscribes, which must be granted as asked.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: QoS) {
        let granted = self.subscribe_with(&[(filter, options(qos))], &[]);
        assert_eq!(granted, [qos.get()], "granted");
    }

    /// Unsubscribes; the Reason Codes of UNSUBACK, none before v5.
    pub(crate) fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        self.next_packet_id += 1;
        let filters: Vec<_> = filters
            .iter()
            .map(|filter| TopicFilter::try_new(filter).unwrap())
            .collect();
        self.send(&Packet::Unsubscribe(Unsubscribe {
            packet_id: PacketId::new(self.next_packet_id).unwrap(),
            properties: Properties::EMPTY,
            filters: UnsubscribeFilters::from(filters.as_slice()),
        }));
        let received = self.receive();
        let Ok(Packet::UnsubAck(unsuback)) = received.packet() else {
            panic!("not an UNSUBACK: {received:?}");
        };
        assert_eq!(unsuback.packet_id.get(), self.next_packet_id);
        unsuback.reasons.iter().map(ReasonCode::get).collect()
    }

    /// Sends PUBLISH and does not wait.
    pub(crate) fn post(&mut self, post: &Post<'_>) {
        let bytes = post.bytes(self.raw.version());
        self.send_bytes(&bytes);
    }

    /// Publishes at QoS 0.
    pub(crate) fn publish(&mut self, topic_name: &str, payload: &str) {
        self.post(&Post::new(topic_name, payload.as_bytes()));
    }

    /// Sends PUBLISH and waits for all its acknowledgements; the Reason Code of the first.
    ///
    /// At QoS 0, where there is none, it waits for PINGRESP instead.
    pub(crate) fn publish_fully(&mut self, post: &Post<'_>) -> u8 {
        self.post(post);
        match post.qos {
            QoS::AtMostOnce => {
                self.ping();
                0
            }
            QoS::AtLeastOnce => self.expect_ack(PacketType::PubAck, post.packet_id),
            QoS::ExactlyOnce => {
                let reason = self.expect_ack(PacketType::PubRec, post.packet_id);
                if reason < 0x80 {
                    self.ack(PacketType::PubRel, post.packet_id);
                    self.expect_ack(PacketType::PubComp, post.packet_id);
                }
                reason
            }
        }
    }

    /// Publishes at QoS 1 and waits until the broker has it.
    pub(crate) fn publish_1(&mut self, topic_name: &str, payload: &str) {
        let reason = self.publish_fully(&Post {
            qos: QoS::AtLeastOnce,
            ..Post::new(topic_name, payload.as_bytes())
        });
        assert!(reason < 0x80, "accepted");
    }

    /// Publishes to a topic this client has subscribed to at QoS 2, and takes the message, both to the end.
    pub(crate) fn publish_to(&mut self, topic_name: &str, qos: QoS) {
        self.post(&Post {
            qos,
            packet_id: 998,
            ..Post::new(topic_name, b"x")
        });
        match qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => {
                self.expect_ack(PacketType::PubAck, 998);
            }
            QoS::ExactlyOnce => {
                self.expect_ack(PacketType::PubRec, 998);
            }
        }
        assert_eq!(self.take().topic_name, topic_name);
        if qos == QoS::ExactlyOnce {
            self.ack(PacketType::PubRel, 998);
            self.expect_ack(PacketType::PubComp, 998);
        }
    }

    /// Publishes to `t`, which this client may have subscribed to, and waits for the first acknowledgement.
    pub(crate) fn publish_to_t(&mut self, qos: QoS) {
        self.post(&Post {
            qos,
            packet_id: 999,
            ..Post::new("t", b"x")
        });
        match qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => {
                self.expect_ack(PacketType::PubAck, 999);
            }
            QoS::ExactlyOnce => {
                self.expect_ack(PacketType::PubRec, 999);
            }
        }
    }

    /// Keeps or clears the retained message of a topic, and waits until it is done.
    pub(crate) fn retain(&mut self, topic_name: &str, payload: &str, qos: QoS) {
        let reason = self.publish_fully(&Post {
            qos,
            retain: true,
            ..Post::new(topic_name, payload.as_bytes())
        });
        assert!(reason < 0x80, "accepted");
    }

    pub(crate) fn ack(&mut self, packet_type: PacketType, packet_id: u16) {
        self.ack_with(packet_type, packet_id, ReasonCode::SUCCESS);
    }

    pub(crate) fn ack_with(&mut self, packet_type: PacketType, packet_id: u16, reason: ReasonCode) {
        let ack = Ack {
            reason,
            ..Ack::new(PacketId::new(packet_id).unwrap())
        };
        self.send(&match packet_type {
            PacketType::PubAck => Packet::PubAck(ack),
            PacketType::PubRec => Packet::PubRec(ack),
            PacketType::PubRel => Packet::PubRel(ack),
            PacketType::PubComp => Packet::PubComp(ack),
            _ => panic!("not an acknowledgement"),
        });
    }

    /// An acknowledgement must come next; its Reason Code.
    pub(crate) fn expect_ack(&mut self, packet_type: PacketType, packet_id: u16) -> u8 {
        let received = self.receive();
        let packet = received.packet().unwrap();
        let (Packet::PubAck(ack)
        | Packet::PubRec(ack)
        | Packet::PubRel(ack)
        | Packet::PubComp(ack)) = packet
        else {
            panic!("not an acknowledgement: {packet:?}");
        };
        assert_eq!(packet.packet_type(), packet_type);
        assert_eq!(ack.packet_id.get(), packet_id);
        ack.reason.get()
    }

    /// PUBLISH must come next.
    pub(crate) fn message(&mut self) -> Message {
        let received = self.receive();
        match received.packet() {
            Ok(Packet::Publish(publish)) => Message::of(&publish),
            other => panic!("not a PUBLISH: {other:?}"),
        }
    }

    /// PUBLISH must come next and is acknowledged to its end.
    pub(crate) fn take(&mut self) -> Message {
        let message = self.message();
        match (message.qos, message.packet_id) {
            (1, Some(packet_id)) => self.ack(PacketType::PubAck, packet_id),
            (2, Some(packet_id)) => {
                self.ack(PacketType::PubRec, packet_id);
                self.expect_ack(PacketType::PubRel, packet_id);
                self.ack(PacketType::PubComp, packet_id);
            }
            _ => {}
        }
        message
    }

    pub(crate) fn ping(&mut self) {
        self.send_bytes(&[0xC0, 0]);
        assert_eq!(self.receive().bytes(), [0xD0, 0], "PINGRESP");
    }

    /// Everything that was on its way to this client, up to a message it sends to itself.
    pub(crate) fn drain(&mut self) -> Vec<Message> {
        static BARRIERS: AtomicUsize = AtomicUsize::new(0);
        let barrier = format!("barrier/{}", BARRIERS.fetch_add(1, Ordering::Relaxed));
        self.ask_to_subscribe(&[(&barrier, options(QoS::AtMostOnce))], &[]);
        self.publish(&barrier, "");
        let mut messages = Vec::new();
        // A log may hold SUBACK back for longer than the message.
        let (mut is_granted, mut is_through) = (false, false);
        while !(is_granted && is_through) {
            let received = self.receive();
            match received.packet().unwrap() {
                Packet::SubAck(_) => is_granted = true,
                Packet::Publish(publish) => {
                    let message = Message::of(&publish);
                    match message.topic_name == barrier {
                        true => is_through = true,
                        false => messages.push(message),
                    }
                }
                other => panic!("not a PUBLISH: {other:?}"),
            }
        }
        messages
    }

    /// Nothing is on its way to this client.
    pub(crate) fn expect_nothing(&mut self) {
        assert_eq!(self.drain(), []);
    }

    /// Says goodbye, with which reason if it is v5.
    pub(crate) fn disconnect_with(mut self, reason: ReasonCode, properties: &[Property<'_>]) {
        let list = PropertyList::new(properties);
        self.send(&Packet::Disconnect(Disconnect {
            reason,
            properties: Properties::from(&list),
        }));
        self.expect_close();
    }

    /// Says goodbye and waits until the broker has closed.
    pub(crate) fn disconnect(self) {
        self.disconnect_with(ReasonCode::NORMAL_DISCONNECTION, &[]);
    }

    /// Nothing more will be sent.
    pub(crate) fn finish(&self) {
        self.raw.finish_sending().unwrap();
    }

    /// The broker must close, and say nothing before.
    pub(crate) fn expect_close(&mut self) {
        let rest = self.raw.receive_to_end().unwrap();
        assert!(rest.is_empty(), "closed in silence, not after {rest:?}");
    }

    /// The broker must close after DISCONNECT with `reason` if the version has that, else in silence.
    pub(crate) fn expect_disconnect(&mut self, reason: ReasonCode) {
        if self.raw.version().server_may_disconnect() {
            let received = self.receive();
            match received.packet() {
                Ok(Packet::Disconnect(disconnect)) => {
                    assert_eq!(disconnect.reason, reason);
                    assert_eq!(disconnect.properties.session_expiry_interval_s(), None);
                }
                other => panic!("not a DISCONNECT: {other:?}"),
            }
        }
        self.expect_close();
    }

    /// Nothing may come for so long: for what must wait for something the test controls.
    pub(crate) fn expect_silence(&mut self, time: Duration) {
        self.raw.set_time_limit(time);
        let received = self.raw.receive();
        self.raw.set_time_limit(Duration::from_secs(10));
        assert_eq!(received.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
