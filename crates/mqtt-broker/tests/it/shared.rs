//! Shared Subscriptions: each message for one member of the group.

use crate::kit::{Client, Hello, Message, Post, QOS0, QOS1, QOS2, Server, V5, V311, options};
use mqtt_broker::QueueFull;
use mqtt_codec::{
    PacketType, Property, ProtocolVersion, ReasonCode, SubscriptionIdentifier, SubscriptionOptions,
};

const GROUP: &str = "$share/g/t";

fn id(value: u32) -> Property<'static> {
    Property::SubscriptionIdentifier(SubscriptionIdentifier::new(value).unwrap())
}

fn payloads(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|one| one.payload.as_str()).collect()
}

/// A client that has left its session behind with a subscription to `filter`.
fn away(server: &Server, version: ProtocolVersion, client_id: &str, filter: &str) {
    let mut client = Hello::lasting(version, client_id).connect(server);
    client.subscribe(filter, QOS2);
    client.disconnect();
}

#[test]
fn each_message_goes_to_one_member_in_turn() {
    let server = Server::start();
    let mut publisher = Client::connect(&server, V5, "p");
    let mut members: Vec<_> = [(V311, "a"), (V5, "b"), (V311, "c")]
        .into_iter()
        .map(|(version, client_id)| Client::connect(&server, version, client_id))
        .collect();
    for member in &mut members {
        member.subscribe(GROUP, QOS1);
    }
    for nth in 0..9 {
        publisher.publish_1("t", &nth.to_string());
    }
    for (member, expected) in
        members
            .iter_mut()
            .zip([["0", "3", "6"], ["1", "4", "7"], ["2", "5", "8"]])
    {
        assert_eq!(payloads(&member.drain()), expected);
    }
    assert_eq!(server.broker().sizes().subscriptions, 3 + 3);
}

#[test]
fn a_group_serves_its_filter_and_no_other() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    for (filter, yes, no) in [
        (
            "$share/g/a/+",
            &["a/b"][..],
            &["a", "a/b/c", "g/a/b", "$share/g/a/b"][..],
        ),
        ("$share/g/x/#", &["x", "x/a"], &["y", "$x/a"]),
        ("$share/g//finance", &["/finance"], &["finance"]),
    ] {
        client.subscribe(filter, QOS0);
        for topic_name in yes.iter().chain(no) {
            client.publish(topic_name, "");
        }
        let names: Vec<_> = client
            .drain()
            .into_iter()
            .map(|one| one.topic_name)
            .collect();
        assert_eq!(names, yes, "{filter}");
        assert_eq!(client.unsubscribe(&[filter]), [0]);
        client.publish(yes[0], "");
        client.expect_nothing();
    }
}

#[test]
fn groups_are_told_apart_by_name_and_by_filter_and_plain_subscriptions_get_their_own_copy() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    for (filter, number) in [
        (GROUP, 1),
        ("$share/h/t", 2),
        ("$share/g/+", 3),
        ("t", 4),
        ("#", 5),
    ] {
        client.subscribe_with(&[(filter, options(QOS0))], &[id(number)]);
    }
    let mut publisher = Client::connect(&server, V311, "p");
    publisher.publish("t", "x");
    publisher.ping();
    let mut ids: Vec<_> = client
        .drain()
        .into_iter()
        .map(|one| one.subscription_ids)
        .collect();
    ids.sort();
    assert_eq!(ids, [vec![1], vec![2], vec![3], vec![4, 5]]);
}

/// Covers: v5 [MQTT-4.8.2-3].
#[test]
fn v5_4_8_2_3_each_member_has_its_own_qos() {
    let server = Server::start();
    let mut publisher = Client::connect(&server, V5, "p");
    let mut members = Vec::new();
    for qos in [QOS0, QOS1, QOS2] {
        let mut member = Client::connect(&server, V5, &format!("m{}", qos.get()));
        member.subscribe(GROUP, qos);
        members.push(member);
    }
    for _ in 0..3 {
        publisher.publish_fully(&Post {
            qos: QOS2,
            ..Post::new("t", b"x")
        });
    }
    for (member, qos) in members.iter_mut().zip(0..) {
        assert_eq!(member.take().qos, qos);
        member.expect_nothing();
    }
}

#[test]
fn a_second_subscribe_changes_the_options_and_adds_no_membership() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.subscribe(GROUP, QOS0);
    client.subscribe_with(&[(GROUP, options(QOS1))], &[id(7)]);
    let mut publisher = Client::connect(&server, V5, "p");
    publisher.publish_1("t", "x");
    let message = client.take();
    assert_eq!((message.qos, message.subscription_ids), (1, vec![7]));
    client.expect_nothing();
    assert_eq!(client.unsubscribe(&[GROUP, GROUP]), [0, 0x11]);
    publisher.publish_1("t", "x");
    client.expect_nothing();
}

#[test]
fn no_retained_message_comes_with_a_shared_subscription() {
    let server = Server::start();
    let mut client = Client::connect(&server, V5, "c");
    client.retain("t", "kept", QOS1);
    client.subscribe(GROUP, QOS1);
    client.expect_nothing();
    client.retain("t", "new", QOS1);
    let message = client.take();
    assert_eq!((message.text(), message.retain), (("t", "new"), false));
    let as_published = SubscriptionOptions {
        retain_as_published: true,
        ..options(QOS1)
    };
    client.subscribe_with(&[(GROUP, as_published)], &[]);
    client.expect_nothing();
    client.retain("t", "newer", QOS1);
    assert!(client.take().retain);
}

#[test]
fn connack_says_that_shared_subscriptions_are_available() {
    let server = Server::start();
    let (_client, welcome) = Hello::new(V5, "c").ask(&server);
    let unavailable = welcome
        .properties
        .iter()
        .any(|one| one.contains("SharedSubscriptionAvailable(false)"));
    assert!(!unavailable, "{:?}", welcome.properties);
}

#[test]
fn members_with_a_connection_come_first() {
    let server = Server::start();
    for version in [V311, V5] {
        away(&server, version, "away", GROUP);
        let mut here = Client::connect(&server, version, "here");
        here.subscribe(GROUP, QOS1);
        let mut publisher = Client::connect(&server, version, "p");
        for nth in 0..4 {
            publisher.publish_1("t", &nth.to_string());
        }
        for nth in 0..4 {
            assert_eq!(here.take().payload, nth.to_string());
        }
        here.disconnect();
        server.wait_for_connections(1);
        publisher.publish_1("t", "for the one who comes back");
        let mut back = Hello::lasting(version, "away").attach(&server, true);
        assert_eq!(back.take().payload, "for the one who comes back");
        back.disconnect();
        publisher.disconnect();
        Client::connect(&server, version, "away").disconnect();
        server.wait_for_connections(0);
    }
}

#[test]
fn unacknowledged_and_unsent_messages_move_on_when_the_session_ends() {
    let server = Server::start();
    for version in [V311, V5] {
        let mut publisher = Client::connect(&server, version, "p");
        let mut leaving = Client::connect(&server, version, "leaving");
        leaving.subscribe(GROUP, QOS1);
        publisher.publish_1("t", "taken");
        leaving.take();
        leaving.ping();
        publisher.publish_1("t", "not acknowledged");
        assert_eq!(leaving.message().payload, "not acknowledged");
        let mut staying = Client::connect(&server, version, "staying");
        staying.subscribe(GROUP, QOS1);
        leaving.disconnect();
        let message = staying.take();
        assert_eq!(
            (message.text(), message.dup),
            (("t", "not acknowledged"), false)
        );
        staying.expect_nothing();
        staying.disconnect();
        publisher.disconnect();
        server.wait_for_connections(0);
    }
}

#[test]
fn what_waits_for_room_in_flight_moves_on_as_soon_as_the_connection_is_lost() {
    let server = Server::start();
    let hello = Hello {
        properties: &[
            Property::SessionExpiryInterval(60),
            Property::ReceiveMaximum(1.try_into().unwrap()),
        ],
        ..Hello::lasting(V5, "first")
    };
    let mut first = hello.connect(&server);
    first.subscribe(GROUP, QOS2);
    let mut publisher = Client::connect(&server, V5, "p");
    for payload in ["in flight", "waits", "waits too"] {
        publisher.publish_fully(&Post {
            qos: QOS2,
            ..Post::new("t", payload.as_bytes())
        });
    }
    assert_eq!(first.message().payload, "in flight");
    let mut second = Client::connect(&server, V5, "second");
    second.subscribe(GROUP, QOS2);
    first.finish();
    assert_eq!(second.message().payload, "waits");
    assert_eq!(second.message().payload, "waits too");
    second.expect_nothing();
    let mut first = hello.attach(&server, true);
    assert_eq!(first.take().payload, "in flight");
    first.expect_nothing();
}

fn sorted(client: &mut Client, messages: usize) -> Vec<String> {
    let mut payloads: Vec<_> = (0..messages).map(|_| client.take().payload).collect();
    payloads.sort();
    client.expect_nothing();
    payloads
}

#[test]
fn what_waits_for_members_that_are_all_away_goes_to_the_first_one_that_is_back() {
    let server = Server::start();
    for version in [V311, V5] {
        let mut publisher = Client::connect(&server, version, "p");
        away(&server, version, "one", GROUP);
        away(&server, version, "other", GROUP);
        for payload in ["1", "2", "3", "4"] {
            publisher.publish_1("t", payload);
        }
        let mut one = Hello::lasting(version, "one").attach(&server, true);
        assert_eq!(sorted(&mut one, 4), ["1", "2", "3", "4"]);
        let mut other = Hello::lasting(version, "other").attach(&server, true);
        other.expect_nothing();
        for client in [one, other, publisher] {
            client.disconnect();
        }
        for client_id in ["one", "other"] {
            Client::connect(&server, version, client_id).disconnect();
        }
        server.wait_for_connections(0);
    }
}

#[test]
fn a_new_member_gets_what_waits_for_members_that_are_away() {
    let server = Server::start();
    for version in [V311, V5] {
        let mut publisher = Client::connect(&server, version, "p");
        away(&server, version, "away", GROUP);
        publisher.publish_1("t", "1");
        publisher.publish_1("t", "2");
        let mut new = Client::connect(&server, version, "new");
        new.subscribe(GROUP, QOS1);
        assert_eq!(sorted(&mut new, 2), ["1", "2"]);
        Hello::lasting(version, "away")
            .attach(&server, true)
            .expect_nothing();
        for client_id in ["new", "away", "p"] {
            Client::connect(&server, version, client_id).disconnect();
        }
        server.wait_for_connections(0);
    }
}

/// One client with one message in flight, its identifier, and two that wait, of three that may.
fn nearly_full(server: &Server, publisher: &mut Client) -> (Client, u16) {
    let mut client = Hello {
        properties: &[Property::ReceiveMaximum(1.try_into().unwrap())],
        ..Hello::new(V5, "full")
    }
    .connect(server);
    client.subscribe("own", QOS1);
    for payload in ["in flight", "waits", "waits"] {
        publisher.publish_1("own", payload);
    }
    let first = client.message();
    (client, first.packet_id.unwrap())
}

#[test]
fn no_more_goes_to_another_member_than_it_has_room_for() {
    let server = Server::with(|config| config.mqtt.max_mqueue_len = 3);
    let mut publisher = Client::connect(&server, V5, "p");
    away(&server, V5, "away", GROUP);
    for payload in ["1", "2", "3"] {
        publisher.publish_1("t", payload);
    }
    let (mut full, in_flight) = nearly_full(&server, &mut publisher);
    full.subscribe_with(&[(GROUP, options(QOS1))], &[]);
    let mut back = Hello::lasting(V5, "away").attach(&server, true);
    assert_eq!(back.take().payload, "2");
    assert_eq!(back.take().payload, "3");
    back.expect_nothing();
    full.ack(PacketType::PubAck, in_flight);
    for payload in ["waits", "waits", "1"] {
        assert_eq!(full.take().payload, payload);
    }
    assert_eq!(server.broker().totals().dropped(), 0);
}

/// Covers: v5 [MQTT-4.8.2-4].
#[test]
fn a_member_whose_messages_have_moved_on_has_room_again() {
    let server = Server::with(|config| {
        config.mqtt.max_mqueue_len = 3;
        config.mqtt.mqueue_full = QueueFull::Reject;
    });
    let hello = Hello {
        properties: &[
            Property::SessionExpiryInterval(60),
            Property::ReceiveMaximum(1.try_into().unwrap()),
        ],
        ..Hello::lasting(V5, "first")
    };
    let mut first = hello.connect(&server);
    first.subscribe(GROUP, QOS1);
    first.subscribe("own", QOS1);
    let mut publisher = Client::connect(&server, V5, "p");
    for payload in ["in flight", "1", "2", "3"] {
        publisher.publish_1("t", payload);
    }
    let own = Post {
        qos: QOS1,
        ..Post::new("own", b"x")
    };
    assert_eq!(publisher.publish_fully(&own), 0x97, "full");
    let mut second = Client::connect(&server, V5, "second");
    second.subscribe(GROUP, QOS1);
    first.finish();
    assert_eq!(sorted(&mut second, 3), ["1", "2", "3"]);
    assert_eq!(publisher.publish_fully(&own), 0, "room again");
}

#[test]
fn a_member_at_qos_0_that_is_away_takes_nothing_from_one_that_can_wait() {
    let server = Server::start();
    let mut zero = Hello::lasting(V5, "zero").connect(&server);
    zero.subscribe(GROUP, QOS0);
    zero.disconnect();
    away(&server, V5, "one", GROUP);
    let mut publisher = Client::connect(&server, V5, "p");
    for payload in ["1", "2", "3", "4"] {
        publisher.publish_1("t", payload);
    }
    let mut one = Hello::lasting(V5, "one").attach(&server, true);
    assert_eq!(sorted(&mut one, 4), ["1", "2", "3", "4"]);
    assert_eq!(server.broker().totals().dropped(), 0);
}

/// Covers: v5 [MQTT-4.8.2-3].
#[test]
fn a_message_at_qos_0_for_a_group_that_is_away_is_dropped_once_and_counted() {
    let server = Server::start();
    away(&server, V5, "one", GROUP);
    away(&server, V5, "other", GROUP);
    let mut publisher = Client::connect(&server, V5, "p");
    publisher.publish("t", "x");
    publisher.ping();
    assert_eq!(server.broker().totals().dropped_offline, 1);
    let mut one = Hello::lasting(V5, "one").attach(&server, true);
    one.expect_nothing();
}

/// Covers: v5 [MQTT-4.8.2-4].
#[test]
fn v5_4_8_2_4_a_qos_2_message_begun_waits_for_its_client() {
    let server = Server::start();
    let hello = Hello::lasting(V5, "first");
    for releases in [false, true] {
        let mut first = hello.connect(&server);
        first.subscribe(GROUP, QOS2);
        let mut publisher = Client::connect(&server, V5, "p");
        publisher.publish_fully(&Post {
            qos: QOS2,
            ..Post::new("t", b"x")
        });
        let begun = first.message();
        let packet_id = begun.packet_id.unwrap();
        if releases {
            first.ack(PacketType::PubRec, packet_id);
            first.expect_ack(PacketType::PubRel, packet_id);
        }
        let mut second = Client::connect(&server, V5, "second");
        second.subscribe(GROUP, QOS2);
        first.finish();
        first.expect_close();
        server.wait_for_connections(2);
        second.expect_nothing();
        let mut first = hello.attach(&server, true);
        if releases {
            first.expect_ack(PacketType::PubRel, packet_id);
        } else {
            let again = first.message();
            assert_eq!((again.packet_id, again.dup), (begun.packet_id, true));
            first.ack(PacketType::PubRec, packet_id);
            first.expect_ack(PacketType::PubRel, packet_id);
        }
        first.ack(PacketType::PubComp, packet_id);
        first.ping();
        second.expect_nothing();
        first.disconnect();
        second.disconnect();
        publisher.disconnect();
        Client::connect(&server, V5, "first").disconnect();
        server.wait_for_connections(0);
    }
}

/// Covers: v5 [MQTT-4.8.2-5].
#[test]
fn v5_4_8_2_5_a_qos_2_message_begun_goes_to_nobody_else() {
    let server = Server::start();
    for releases in [false, true] {
        let mut first = Client::connect(&server, V5, "first");
        first.subscribe(GROUP, QOS2);
        let mut publisher = Client::connect(&server, V5, "p");
        publisher.publish_fully(&Post {
            qos: QOS2,
            ..Post::new("t", b"x")
        });
        let packet_id = first.message().packet_id.unwrap();
        if releases {
            first.ack(PacketType::PubRec, packet_id);
            first.expect_ack(PacketType::PubRel, packet_id);
        }
        let mut second = Client::connect(&server, V5, "second");
        second.subscribe(GROUP, QOS2);
        first.disconnect();
        server.wait_for_connections(2);
        second.expect_nothing();
        second.disconnect();
        publisher.disconnect();
        server.wait_for_connections(0);
    }
}

/// Covers: v5 [MQTT-4.8.2-6].
#[test]
fn v5_4_8_2_6_a_refused_message_goes_to_nobody_else() {
    let server = Server::start();
    for (qos, answer) in [(QOS1, PacketType::PubAck), (QOS2, PacketType::PubRec)] {
        let mut first = Client::connect(&server, V5, "first");
        let mut publisher = Client::connect(&server, V5, "p");
        first.subscribe(GROUP, qos);
        publisher.publish_fully(&Post {
            qos,
            ..Post::new("t", b"x")
        });
        let packet_id = first.message().packet_id.unwrap();
        let mut second = Client::connect(&server, V5, "second");
        second.subscribe(GROUP, qos);
        first.ack_with(answer, packet_id, ReasonCode::QUOTA_EXCEEDED);
        first.ping();
        first.disconnect();
        server.wait_for_connections(2);
        second.expect_nothing();
        second.disconnect();
        publisher.disconnect();
        server.wait_for_connections(0);
    }
}

#[test]
fn the_messages_of_a_group_end_with_its_last_member_and_are_counted() {
    let server = Server::start();
    let hello = Hello {
        properties: &[Property::ReceiveMaximum(1.try_into().unwrap())],
        ..Hello::new(V5, "only")
    };
    let mut only = hello.connect(&server);
    only.subscribe(GROUP, QOS1);
    let mut publisher = Client::connect(&server, V5, "p");
    for _ in 0..3 {
        publisher.publish_1("t", "x");
    }
    only.message();
    only.disconnect();
    server.wait_until("counted", |broker| broker.totals().dropped_share_ended == 3);
    assert_eq!(server.broker().sizes().subscriptions, 0);
    let post = Post {
        qos: QOS1,
        ..Post::new("t", b"x")
    };
    assert_eq!(publisher.publish_fully(&post), 0x10, "nobody is left");
}

#[test]
fn a_publisher_with_cached_routes_sees_members_come_and_go() {
    let server = Server::start();
    let mut publisher = Client::connect(&server, V5, "p");
    let post = Post {
        qos: QOS1,
        ..Post::new("t", b"x")
    };
    for round in 0..3 {
        assert_eq!(publisher.publish_fully(&post), 0x10, "round {round}");
        let mut one = Client::connect(&server, V5, "one");
        one.subscribe(GROUP, QOS1);
        assert_eq!(publisher.publish_fully(&post), 0);
        one.take();
        let mut other = Client::connect(&server, V5, "other");
        other.subscribe(GROUP, QOS1);
        for _ in 0..4 {
            assert_eq!(publisher.publish_fully(&post), 0);
        }
        assert_eq!((one.drain().len(), other.drain().len()), (2, 2));
        one.unsubscribe(&[GROUP]);
        assert_eq!(publisher.publish_fully(&post), 0);
        assert_eq!((one.drain().len(), other.drain().len()), (0, 1));
        other.disconnect();
        one.disconnect();
        server.wait_for_connections(1);
    }
}
