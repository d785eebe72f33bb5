//! What a wrong broker would do, one fault at a time.

use super::super::cast::{Player, Stream};
use super::*;
use mqtt_codec::ProtocolVersion;

/// The streams at QoS 0, 1 and 2 and the retained one of the publisher, client 0.
const RETAINED: usize = 3;
/// A subscriber that keeps its session, at QoS 2.
const KEPT: usize = 1;
/// A subscriber whose session ends with the connection, at QoS 2.
const PASSING: usize = 2;
/// A member of a group in which all keep their sessions.
const MEMBER: usize = 3;
/// Another one.
const OTHER_MEMBER: usize = 4;

fn judge() -> Judge {
    let all = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    let mut streams: Vec<_> = all
        .map(|qos| Stream {
            topic_name: format!("t/{}", qos.get()),
            qos,
            retained: false,
        })
        .into();
    streams.push(Stream {
        topic_name: "t/kept".to_owned(),
        qos: QoS::AtLeastOnce,
        retained: true,
    });
    let expects: BTreeMap<_, _> = streams
        .iter()
        .map(|stream| stream.qos)
        .enumerate()
        .collect();
    let player = |role, keeps| Player {
        client_id: String::new(),
        version: ProtocolVersion::V5, // version: nothing is sent
        role,
        keeps,
        slow: false,
        receive_maximum: 0,
        topic_aliases: 0,
        filters: Vec::new(),
        expects: if role == Role::Publisher {
            BTreeMap::new()
        } else {
            expects.clone()
        },
        streams: Vec::new(),
        watches: (role == Role::Subscriber && keeps).then_some(QoS::ExactlyOnce),
    };
    Judge::new(Cast {
        players: vec![
            player(Role::Publisher, true),
            player(Role::Subscriber, true),
            player(Role::Subscriber, false),
            player(Role::Member(0), true),
            player(Role::Member(0), true),
        ],
        groups: vec![super::super::cast::Group {
            strict: true,
            expects,
        }],
        streams,
    })
}

/// Publishes and acknowledges so many messages of the stream at `qos`.
fn publish(judge: &mut Judge, stream: usize, count: u64) {
    for _ in 0..count {
        let number = judge.publish(stream);
        judge.acknowledge(stream, number);
    }
}

fn deliver(judge: &mut Judge, client: usize, stream: usize, number: u64, dup: bool) {
    let topic_name = ["t/0", "t/1", "t/2", "t/kept"][stream];
    let qos = [0, 1, 2, 1][stream];
    judge.receive(
        client,
        &Message {
            topic_name,
            payload: &Tag::Stream { stream, number }.write(50),
            qos: QoS::from_u8(qos).unwrap(),
            dup,
            retain: false,
        },
    );
}

/// All members of the group have everything, and so has the kept subscriber but for `stream`.
fn deliver_rest(judge: &mut Judge, streams: &[usize], group: &[usize], count: u64) {
    for number in 1..=count {
        for &stream in streams {
            deliver(judge, KEPT, stream, number, false);
        }
        for &stream in group {
            deliver(judge, MEMBER, stream, number, false);
        }
    }
}

fn violations(judge: &Judge) -> u64 {
    judge.violations().1
}

#[test]
fn what_is_right_is_found_right() {
    let mut judge = judge();
    for stream in 0..3 {
        publish(&mut judge, stream, 5);
    }
    deliver_rest(&mut judge, &[0, 1, 2], &[0, 1, 2], 5);
    assert_eq!(judge.missing(), Vec::<String>::new());
    assert_eq!(violations(&judge), 0, "{:?}", judge.violations());
}

#[test]
fn a_message_that_never_comes_is_missing() {
    for stream in [1, 2] {
        let mut judge = judge();
        publish(&mut judge, stream, 5);
        deliver_rest(&mut judge, &[stream], &[], 4);
        deliver_rest(&mut judge, &[], &[stream], 5);
        assert_eq!(judge.missing().len(), 1);
        deliver(&mut judge, KEPT, stream, 5, false);
        assert_eq!(judge.missing(), Vec::<String>::new());
    }
}

#[test]
fn a_message_that_is_left_out_is_seen_at_once() {
    for (stream, wrong) in [(0, 0), (1, 1), (2, 1)] {
        let mut judge = judge();
        publish(&mut judge, stream, 3);
        deliver(&mut judge, KEPT, stream, 1, false);
        deliver(&mut judge, KEPT, stream, 3, false);
        assert_eq!(violations(&judge), wrong, "stream {stream}");
    }
}

#[test]
fn the_first_message_may_be_missed_by_a_new_session_only() {
    for (client, wrong) in [(KEPT, 1), (PASSING, 0)] {
        let mut judge = judge();
        publish(&mut judge, 2, 3);
        deliver(&mut judge, client, 2, 2, false);
        assert_eq!(violations(&judge), wrong);
    }
}

#[test]
fn what_its_publisher_gave_up_may_be_missing() {
    let mut judge = judge();
    publish(&mut judge, 2, 4);
    judge.abandon(2, 2);
    judge.abandon(2, 4);
    for number in [1, 3] {
        deliver(&mut judge, KEPT, 2, number, false);
        deliver(&mut judge, MEMBER, 2, number, false);
    }
    assert_eq!(judge.missing(), Vec::<String>::new());
    assert_eq!(violations(&judge), 0, "{:?}", judge.violations());
    deliver(&mut judge, OTHER_MEMBER, 2, 2, false);
    assert_eq!(violations(&judge), 0, "late, but once");
    deliver(&mut judge, MEMBER, 2, 2, true);
    assert_eq!(violations(&judge), 1, "twice");
}

#[test]
fn messages_that_change_places_are_wrong_at_every_qos() {
    for stream in 0..3 {
        let mut judge = judge();
        publish(&mut judge, stream, 3);
        for number in [1, 3, 2] {
            deliver(&mut judge, KEPT, stream, number, false);
        }
        assert!(violations(&judge) > 0, "stream {stream}");
    }
}

#[test]
fn a_message_at_qos_2_comes_once() {
    let mut judge = judge();
    publish(&mut judge, 2, 2);
    deliver(&mut judge, KEPT, 2, 1, false);
    judge.connected(KEPT);
    deliver(&mut judge, KEPT, 2, 1, true);
    assert_eq!(violations(&judge), 1);
}

#[test]
fn a_message_at_qos_1_comes_again_after_a_reconnect_with_dup() {
    for (reconnects, dup, wrong) in [
        (true, true, 0),
        (true, false, 1),
        (false, true, 1),
        (false, false, 1),
    ] {
        let mut judge = judge();
        publish(&mut judge, 1, 2);
        deliver(&mut judge, KEPT, 1, 1, false);
        deliver(&mut judge, KEPT, 1, 2, false);
        if reconnects {
            judge.connected(KEPT);
        }
        deliver(&mut judge, KEPT, 1, 2, dup);
        assert_eq!(violations(&judge), wrong, "{reconnects} {dup}");
    }
}

#[test]
fn repeats_keep_their_order() {
    let mut judge = judge();
    publish(&mut judge, 1, 3);
    for number in 1..=3 {
        deliver(&mut judge, KEPT, 1, number, false);
    }
    judge.connected(KEPT);
    deliver(&mut judge, KEPT, 1, 3, true);
    deliver(&mut judge, KEPT, 1, 2, true);
    assert_eq!(violations(&judge), 1);
}

#[test]
fn what_its_publisher_sent_again_may_come_again() {
    let mut judge = judge();
    publish(&mut judge, 1, 2);
    judge.resend(1, 2);
    for number in [1, 2, 2] {
        deliver(&mut judge, KEPT, 1, number, false);
        deliver(&mut judge, MEMBER, 1, number, false);
    }
    assert_eq!(violations(&judge), 0, "{:?}", judge.violations());
}

#[test]
fn a_group_has_each_message_once() {
    for stream in [1, 2] {
        let mut judge = judge();
        publish(&mut judge, stream, 3);
        deliver(&mut judge, MEMBER, stream, 1, false);
        deliver(&mut judge, OTHER_MEMBER, stream, 2, false);
        assert!(judge.missing().iter().any(|line| line.contains("number 3")));
        assert_eq!(violations(&judge), 0);
        deliver(&mut judge, OTHER_MEMBER, stream, 1, false);
        assert_eq!(violations(&judge), 1, "stream {stream}");
    }
}

#[test]
fn a_will_comes_if_and_only_if_it_must() {
    let mut judge = judge();
    let will = |judge: &mut Judge, connection| {
        let payload = Tag::Will {
            client: 0,
            connection,
        }
        .write(0);
        judge.receive(
            KEPT,
            &Message {
                topic_name: "soak/will/0",
                payload: &payload,
                qos: QoS::ExactlyOnce,
                dup: false,
                retain: false,
            },
        );
    };
    judge.decide_will(0, 1, Fate::Must);
    assert_eq!(judge.missing().len(), 1);
    will(&mut judge, 1);
    assert_eq!((judge.missing().len(), violations(&judge)), (0, 0));
    will(&mut judge, 1);
    assert_eq!(violations(&judge), 1, "twice");
    judge.decide_will(0, 2, Fate::Never);
    will(&mut judge, 2);
    assert_eq!(violations(&judge), 2, "after a farewell");
    will(&mut judge, 3);
    assert_eq!(violations(&judge), 3, "while connected");
}

#[test]
fn a_new_subscription_brings_what_is_retained() {
    let retained = |judge: &mut Judge, number| {
        let stream = RETAINED;
        judge.receive(
            PASSING,
            &Message {
                topic_name: "t/kept",
                payload: &Tag::Stream { stream, number }.write(0),
                qos: QoS::AtLeastOnce,
                dup: false,
                retain: true,
            },
        );
    };
    for (number, wrong) in [(1, 1), (2, 0), (3, 1)] {
        let mut judge = judge();
        publish(&mut judge, RETAINED, 2);
        judge.connected(PASSING);
        judge.subscribing(PASSING);
        retained(&mut judge, number);
        judge.retained_due(PASSING);
        assert!(violations(&judge).min(1) == wrong, "number {number}");
    }
    let mut judge = judge();
    publish(&mut judge, RETAINED, 2);
    judge.subscribing(PASSING);
    judge.retained_due(PASSING);
    assert_eq!(violations(&judge), 1, "none at all");
}

#[test]
fn what_nobody_published_is_wrong() {
    let mut judge = judge();
    publish(&mut judge, 1, 1);
    deliver(&mut judge, KEPT, 1, 2, false);
    assert_eq!(violations(&judge), 1, "not yet published");
    for (topic_name, payload, qos) in [
        ("t/1", b"m 1 1".as_slice(), QoS::AtLeastOnce),
        ("t/1", b"m 1 1 ..x", QoS::AtLeastOnce),
        ("t/2", b"m 1 1 ", QoS::AtLeastOnce),
        ("t/1", b"m 1 1 ", QoS::ExactlyOnce),
    ] {
        let before = violations(&judge);
        let message = Message {
            topic_name,
            payload,
            qos,
            dup: false,
            retain: false,
        };
        judge.receive(KEPT, &message);
        assert_eq!(violations(&judge), before + 1, "{message:?}");
    }
}

#[test]
fn a_retained_message_that_was_given_up_may_or_may_not_be_there() {
    let mut judge = judge();
    assert_eq!(judge.retained_count(), 0..=0);
    let number = judge.publish(RETAINED);
    judge.abandon(RETAINED, number);
    assert_eq!(judge.retained_count(), 0..=1);
    publish(&mut judge, RETAINED, 1);
    assert_eq!(judge.retained_count(), 1..=1);
}
