//! Packets that do not fit the read buffer: whole however they come, and in nobody else's memory.

use crate::kit::{Client, Hello, Post, QOS0, QOS1, Server, V5, V311};
use mqtt_codec::{PacketType, Property, ReasonCode};

/// Text of `len` bytes that is another one for each `nth`.
fn text(nth: usize, len: usize) -> String {
    let letters = (0..len).map(|at| char::from(b'a' + u8::try_from((at / 7 + nth) % 26).unwrap()));
    letters.collect()
}

#[test]
fn large_messages_come_whole_however_they_are_cut() {
    let server = Server::start();
    let lens = [100, 40_000, 100_000, 70_000, 70_000, 20, 9_000, 200_000];
    for version in [V311, V5] {
        let mut subscriber = Client::connect(&server, V5, "subscriber");
        let mut old = Client::connect(&server, V311, "old");
        subscriber.subscribe("t", QOS1);
        old.subscribe("t", QOS0);
        let mut publisher = Client::connect(&server, version, "publisher");
        let texts: Vec<_> = lens
            .into_iter()
            .enumerate()
            .map(|(nth, len)| text(nth, len))
            .collect();
        let mut bytes = Vec::new();
        for (packet_id, text) in (1..).zip(&texts) {
            let post = Post {
                qos: QOS1,
                packet_id,
                ..Post::new("t", text.as_bytes())
            };
            bytes.extend(post.bytes(version));
        }
        for piece_len in [1_000_000, 65_536, 65_535, 40_007, 7_777] {
            for piece in bytes.chunks(piece_len) {
                publisher.send_bytes(piece);
                // Something to do for the broker between two pieces.
                if piece_len > 10_000 {
                    subscriber.send_bytes(&[0xC0, 0]);
                }
            }
            for text in &texts {
                let packet_id = loop {
                    let packet = subscriber.receive();
                    if packet.bytes() == [0xD0, 0] {
                        continue;
                    }
                    assert!(packet.bytes().ends_with(text.as_bytes()));
                    let Ok(mqtt_codec::Packet::Publish(publish)) = packet.packet() else {
                        panic!("not a PUBLISH")
                    };
                    break publish.delivery.packet_id().unwrap().get();
                };
                subscriber.ack(PacketType::PubAck, packet_id);
                assert!(old.message().text() == ("t", text));
            }
            for packet_id in (1..).take(texts.len()) {
                assert_eq!(publisher.expect_ack(PacketType::PubAck, packet_id), 0);
            }
        }
    }
}

/// Covers: v5 [MQTT-1.5.4-2].
#[test]
fn what_is_wrong_inside_a_large_packet_ends_its_connection() {
    let server = Server::start();
    let mut subscriber = Client::connect(&server, V5, "subscriber");
    subscriber.subscribe("#", QOS0);
    let mut publisher = Client::connect(&server, V5, "publisher");
    let good = text(1, 90_000);
    let mut bytes = Post::new("topic", good.as_bytes()).bytes(V5).repeat(2);
    let mut bad = Post::new("topic", good.as_bytes()).bytes(V5);
    // The fixed header takes four bytes, the length of the topic two.
    assert_eq!(bad[6..11], *b"topic");
    bad[8] = 0;
    bytes.extend(bad);
    bytes.extend(Post::new("topic", b"behind").bytes(V5));
    publisher.send_bytes(&bytes);
    publisher.expect_disconnect(ReasonCode::MALFORMED_PACKET);
    let messages = subscriber.drain();
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|message| message.payload == good));
}

#[test]
fn large_messages_that_wait_are_not_written_over() {
    let server = Server::start();
    let lasting = Hello {
        properties: &[Property::SessionExpiryInterval(1_000)],
        ..Hello::lasting(V5, "away")
    };
    let mut away = lasting.connect(&server);
    away.subscribe("kept", QOS1);
    away.disconnect();
    server.wait_for_connections(0);
    let mut publisher = Client::connect(&server, V5, "publisher");
    let mut passing = Client::connect(&server, V5, "passing");
    passing.subscribe("passing", QOS0);
    for nth in 0..60 {
        let text = text(nth, 66_000);
        let topic_name = if nth % 3 == 0 { "kept" } else { "passing" };
        publisher.publish_1(topic_name, &text);
        if topic_name == "passing" {
            assert!(passing.message().payload == text);
        }
    }
    let mut back = lasting.attach(&server, true);
    for nth in (0..60).step_by(3) {
        assert!(back.take().payload == text(nth, 66_000), "message {nth}");
    }
}
