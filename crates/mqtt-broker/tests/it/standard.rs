//! Statements that no other page of these tests is about.

use crate::kit::{Client, Hello, Message, Post, QOS0, QOS1, QOS2, Server, V5, V31, V311, options};
use mqtt_codec::{Packet, PacketType, Property, ProtocolVersion, SubscriptionIdentifier};

/// Covers: v5 [MQTT-3.3.4-5].
#[test]
fn v5_separate_copies_carry_the_identifier_of_their_own_subscription() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    for (filter, id) in [("t", 1), ("#", 2), ("$share/g/t", 3)] {
        let id = Property::SubscriptionIdentifier(SubscriptionIdentifier::new(id).unwrap());
        client.subscribe_with(&[(filter, options(QOS1))], &[id]);
    }
    Client::connect(&server, V5, "p").publish_1("t", "x");
    let mut copies: Vec<_> = (0..2).map(|_| client.take().properties).collect();
    copies.sort();
    let id = |id: u32| format!("SubscriptionIdentifier(SubscriptionIdentifier({id}))");
    // One for both plain subscriptions together, one as a member of the group.
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[1], [id(3)], "{copies:?}");
    let mut plain = copies[0].clone();
    plain.sort();
    assert_eq!(plain, [id(1), id(2)]);
    client.expect_nothing();
}

/// Covers: v3.1.1 [MQTT-3.3.1-7].
#[test]
fn a_retained_message_of_qos_0_takes_the_place_of_the_older_one() {
    let server = Server::start();
    for version in ProtocolVersion::ALL {
        let mut publisher = Client::connect(&server, version, "p");
        publisher.retain("t", "old", QOS2);
        publisher.retain("t", "new", QOS0);
        let mut client = Client::connect(&server, version, "c");
        client.subscribe("t", QOS2);
        let message = client.take();
        assert_eq!((message.text(), message.qos), (("t", "new"), 0));
        client.expect_nothing();
        publisher.retain("t", "", QOS0);
    }
}

/// Covers: v3.1.1 [MQTT-4.6.0-5], v3.1.1 [MQTT-4.6.0-6], v5 [MQTT-4.6.0-5], v5 [MQTT-4.6.0-6].
#[test]
fn every_topic_is_ordered_unless_something_else_is_configured() {
    // So small that most messages have to wait for room in flight.
    let server = Server::with(|config| config.mqtt.max_inflight = 3);
    for version in ProtocolVersion::ALL {
        for qos in [QOS0, QOS1, QOS2] {
            let mut client = Client::connect(&server, version, "c");
            for topic in ["a", "b"] {
                client.subscribe(topic, qos);
            }
            let mut publishers: Vec<_> = ["p0", "p1"]
                .map(|name| Client::connect(&server, version, name))
                .into();
            for n in 0..20 {
                for (nth, publisher) in publishers.iter_mut().enumerate() {
                    for topic in ["a", "b"] {
                        let text = format!("{nth}:{n}");
                        let packet_id = if topic == "a" { 1 } else { 2 };
                        publisher.publish_fully(&Post {
                            qos,
                            packet_id,
                            ..Post::new(topic, text.as_bytes())
                        });
                    }
                }
            }
            let mut next = [[0; 2]; 2];
            for _ in 0..80 {
                let message = next_of_many(&mut client);
                let (nth, n) = message.payload.split_once(':').unwrap();
                let nth: usize = nth.parse().unwrap();
                let place = &mut next[nth][usize::from(message.topic_name == "b")];
                assert_eq!(n.parse::<u32>().unwrap(), *place, "{message:?}");
                *place += 1;
            }
        }
    }
}

/// The next message, with all acknowledgements that others ask for meanwhile.
fn next_of_many(client: &mut Client) -> Message {
    loop {
        let received = client.receive();
        match received.packet().unwrap() {
            Packet::Publish(publish) => {
                let message = Message::of(&publish);
                match (message.qos, message.packet_id) {
                    (1, Some(packet_id)) => client.ack(PacketType::PubAck, packet_id),
                    (2, Some(packet_id)) => client.ack(PacketType::PubRec, packet_id),
                    _ => {}
                }
                return message;
            }
            Packet::PubRel(ack) => client.ack(PacketType::PubComp, ack.packet_id.get()),
            other => panic!("unexpected: {other:?}"),
        }
    }
}

/// Covers: v5 [MQTT-4.2-1], v3.1.1 [MQTT-7.1.1-1].
#[test]
fn packets_travel_over_tcp_in_whatever_pieces() {
    let server = Server::start();
    for version in [V31, V311, V5] {
        let mut watcher = Client::connect(&server, version, "watcher");
        watcher.subscribe("#", QOS0);
        let mut client = Client::open(&server, version);
        let mut bytes = Hello::new(version, "c").bytes();
        for n in 0..20_u8 {
            bytes.extend(Post::new("t", &[b'a' + n; 40]).bytes(version));
        }
        // Byte by byte first, then in pieces that begin and end anywhere.
        let (slow, rest) = bytes.split_at(60);
        for byte in slow {
            client.send_bytes(&[*byte]);
        }
        for piece in rest.chunks(33) {
            client.send_bytes(piece);
        }
        assert_eq!(client.welcome().reason, 0);
        for n in 0..20_u8 {
            let expected = String::from_utf8(vec![b'a' + n; 40]).unwrap();
            assert_eq!(watcher.message().text(), ("t", expected.as_str()));
        }
    }
}
