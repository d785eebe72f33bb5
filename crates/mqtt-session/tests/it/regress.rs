//! Faults that other clients have had, each as the test that would have shown it.

use mqtt_codec::{Delivery, PacketId, QoS, ReasonCode};
use mqtt_session::{
    Link, NotNow, NotNowReason, PubRecOutcome, Received, Resend, Session, Settling, UnexpectedAck,
};

const OK: ReasonCode = ReasonCode::SUCCESS;
const QOS_1: QoS = QoS::AtLeastOnce;
const QOS_2: QoS = QoS::ExactlyOnce;

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

/// The messages and PUBREL packets (none) a resume on `link` sends, with their identifiers.
fn resume(session: &mut Session<u32>, link: &mut Link) -> Vec<(u16, Option<u32>)> {
    let mut sent = Vec::new();
    session.begin_resume();
    while let Some(resend) = session.poll_resend(link) {
        sent.push(match resend {
            Resend::Publish {
                packet_id, message, ..
            } => (packet_id.get(), Some(*message)),
            Resend::PubRel { packet_id } => (packet_id.get(), None),
        });
    }
    sent
}

/// Receives QoS 2 under `number` and confirms it.
fn receive(session: &mut Session<u32>, link: &mut Link, number: u16) -> Received {
    let delivery = Delivery::ExactlyOnce(id(number));
    let received = session.handle_publish(link, delivery).unwrap();
    session.settle(link, Settling::of(delivery).unwrap(), OK);
    received
}

/// Identifiers of received QoS 2 messages were thrown away with every connection.
///
/// Covers: v5 [MQTT-4.3.3-10], v3.1.1 [MQTT-4.3.3-2].
#[test]
fn regress_r04_received_identifiers_outlive_the_connection() {
    let (mut session, mut link) = (Session::new(), Link::new(10, 10));
    assert_eq!(receive(&mut session, &mut link, 1), Received::Deliver);
    session.handle_connection_lost();
    let mut link = Link::new(10, 10);
    session.begin_resume();
    assert_eq!(receive(&mut session, &mut link, 1), Received::Duplicate);
    assert_eq!(session.handle_pubrel(&mut link, id(1)), OK);
    assert_eq!(link.unfinished(), 0);
}

/// Every QoS 2 PUBLISH was handed on, repeated or not.
///
/// Covers: v5 [MQTT-4.3.3-10].
#[test]
fn regress_r05_a_repeat_on_one_connection_is_handed_on_once() {
    let (mut session, mut link) = (Session::new(), Link::new(10, 10));
    let all: Vec<Received> = (0..5)
        .map(|_| receive(&mut session, &mut link, 7))
        .collect();
    assert_eq!(
        all.iter().filter(|one| **one == Received::Deliver).count(),
        1
    );
}

/// What was sent before came again without DUP, as if it were new.
///
/// Covers: v5 [MQTT-4.4.0-1].
#[test]
fn regress_r06_a_repeat_is_told_from_a_first_sending() {
    let (mut session, mut link) = (Session::new(), Link::new(10, 10));
    let sent = session.send_publish(&mut link, QOS_2, 5).unwrap();
    session.begin_resume();
    let mut link = Link::new(10, 10);
    let again = session.poll_resend(&mut link);
    let expected = Resend::Publish {
        packet_id: sent,
        qos: QOS_2,
        message: &mut 5,
    };
    assert_eq!(again, Some(expected));
}

/// A resume went by identifier, which is another order after 65,535.
///
/// Covers: v5 [MQTT-4.6.0-1], v3.1.1 [MQTT-4.6.0-1].
#[test]
fn regress_r07_a_resume_keeps_the_order_across_the_last_identifier() {
    let (mut session, mut link) = (Session::new(), Link::new(10, 10));
    for _ in 0..u16::MAX - 2 {
        let packet_id = session.send_request(0).unwrap();
        session.handle_answer(&mut link, packet_id).unwrap();
    }
    for message in 1..=4 {
        session.send_publish(&mut link, QOS_1, message).unwrap();
    }
    let sent = resume(&mut session, &mut Link::new(10, 10));
    assert_eq!(
        sent,
        [
            (65_534, Some(1)),
            (65_535, Some(2)),
            (1, Some(3)),
            (2, Some(4))
        ]
    );
}

/// An error in PUBREC or PUBCOMP kept its place in the window for ever.
///
/// Covers: v5 [MQTT-4.4.0-2].
#[test]
fn regress_r08_error_pubrec_gives_the_quota_back() {
    let (mut session, mut link) = (Session::new(), Link::new(1, 1));
    for message in 0..100 {
        let packet_id = session.send_publish(&mut link, QOS_2, message).unwrap();
        assert_eq!(link.send_quota().left(), 0);
        let outcome = session.handle_pubrec(&mut link, packet_id, ReasonCode::QUOTA_EXCEEDED);
        assert_eq!(outcome, Ok(PubRecOutcome::Refused(message)));
        assert_eq!(link.send_quota().left(), 1);
    }
    assert_eq!(session.inflight(), 0);
}

/// PUBCOMP with an error, which takes the same way as any, kept its place too.
#[test]
fn regress_r08_error_pubcomp_gives_the_quota_back() {
    let (mut session, mut link) = (Session::new(), Link::new(1, 1));
    for message in 0..100 {
        let packet_id = session.send_publish(&mut link, QOS_2, message).unwrap();
        session.handle_pubrec(&mut link, packet_id, OK).unwrap();
        // Whatever its Reason Code says.
        assert_eq!(session.handle_pubcomp(&mut link, packet_id), Ok(message));
        assert_eq!(link.send_quota().left(), 1);
    }
}

/// After an error in PUBACK the message that waited for its place was never sent.
#[test]
fn regress_r09_what_waits_goes_after_an_error_puback() {
    let (mut session, mut link) = (Session::new(), Link::new(1, 1));
    let first = session.send_publish(&mut link, QOS_1, 1).unwrap();
    let waits = session.send_publish(&mut link, QOS_1, 2);
    let reason = NotNowReason::Quota;
    assert_eq!(waits, Err(NotNow { message: 2, reason }));
    assert_eq!(session.handle_puback(&mut link, first), Ok(1));
    let second = session.send_publish(&mut link, QOS_1, 2).unwrap();
    assert_ne!(first, second);
}

/// A message that had to wait was sent but not remembered, and its PUBACK ended the connection.
///
/// Covers: v5 [MQTT-4.3.2-3].
#[test]
fn regress_r10_a_message_that_waited_is_kept_like_any() {
    let (mut session, mut link) = (Session::new(), Link::new(1, 1));
    let first = session.send_publish(&mut link, QOS_2, 1).unwrap();
    let waits = session.send_publish(&mut link, QOS_1, 2).unwrap_err();
    session.handle_pubrec(&mut link, first, OK).unwrap();
    session.handle_pubcomp(&mut link, first).unwrap();
    let second = session
        .send_publish(&mut link, QOS_1, waits.message)
        .unwrap();
    assert!(session.inflight_messages().eq([&2]));
    assert_eq!(session.handle_puback(&mut link, second), Ok(2));
}

/// Identifiers ran past a table when the server lowered its Receive Maximum.
///
/// Covers: v5 [MQTT-4.9.0-2], v5 [MQTT-3.3.4-7].
#[test]
fn regress_r11_a_smaller_window_after_a_reconnect() {
    let (mut session, mut link) = (Session::new(), Link::new(100, 1));
    for message in 0..100 {
        session.send_publish(&mut link, QOS_1, message).unwrap();
    }
    let mut link = Link::new(2, 1);
    let mut sent = resume(&mut session, &mut link);
    assert_eq!(sent, [(1, Some(0)), (2, Some(1))]);
    let mut ended = 0;
    while let Some((packet_id, Some(message))) = sent.pop() {
        assert_eq!(session.handle_puback(&mut link, id(packet_id)), Ok(message));
        ended += 1;
        if let Some(Resend::Publish {
            packet_id, message, ..
        }) = session.poll_resend(&mut link)
        {
            sent.push((packet_id.get(), Some(*message)));
        }
    }
    assert_eq!(
        (ended, session.inflight(), link.send_quota().left()),
        (100, 0, 2)
    );
    let next = session.send_publish(&mut link, QOS_1, 100);
    assert_eq!(next, Ok(id(101)));
}

/// SUBSCRIBE took identifiers without a look at what was in use.
///
/// Covers: v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-2].
#[test]
fn regress_r12_a_request_takes_no_identifier_of_an_open_publish() {
    let (mut session, mut link) = (Session::new(), Link::new(10, 10));
    let publish = session.send_publish(&mut link, QOS_2, 0).unwrap();
    session.handle_pubrec(&mut link, publish, OK).unwrap();
    let open = session.send_request(1).unwrap();
    for _ in 0..u32::from(u16::MAX) * 2 {
        let packet_id = session.send_request(2).unwrap();
        assert!(packet_id != publish && packet_id != open);
        session.handle_answer(&mut link, packet_id).unwrap();
    }
    assert_eq!(session.handle_pubcomp(&mut link, publish), Ok(0));
    assert_eq!(session.handle_answer(&mut link, open), Ok(1));
}

/// Nothing at all was sent again.
///
/// Covers: v5 [MQTT-4.4.0-1], v3.1.1 [MQTT-4.4.0-1].
#[test]
fn regress_m01_a_resume_sends_publish_and_pubrel_again() {
    let (mut session, mut link) = (Session::new(), Link::new(10, 10));
    for (message, qos) in [(1, QOS_1), (2, QOS_2), (3, QOS_2)] {
        session.send_publish(&mut link, qos, message).unwrap();
    }
    session.handle_pubrec(&mut link, id(2), OK).unwrap();
    for _ in 0..3 {
        let sent = resume(&mut session, &mut Link::new(10, 10));
        assert_eq!(sent, [(2, None), (1, Some(1)), (3, Some(3))]);
    }
}

/// Messages of the time without a connection were sent with DUP, past the quota, and forgotten.
///
/// Covers: v5 [MQTT-4.9.0-2].
#[test]
fn regress_m02_what_was_never_sent_is_sent_first_under_the_quota() {
    let mut session = Session::new();
    let mut link = Link::new(2, 1);
    assert_eq!(resume(&mut session, &mut link), []);
    let mut queued = vec![3, 2, 1];
    let mut sent = Vec::new();
    while let Some(message) = queued.pop() {
        match session.send_publish(&mut link, QOS_1, message) {
            Ok(packet_id) => sent.push(packet_id),
            Err(not_now) => {
                queued.push(not_now.message);
                let acknowledged = session.handle_puback(&mut link, sent.remove(0));
                assert!(acknowledged.is_ok());
            }
        }
        assert!(session.inflight() <= 2);
    }
    assert!(session.inflight_messages().eq([&2, &3]));
}

/// Identifiers came from a counter that began again whatever was in use.
///
/// Covers: v5 [MQTT-2.2.1-3], v5 [MQTT-2.2.1-4].
#[test]
fn regress_m11_identifiers_in_use_are_stepped_over() {
    let (mut session, mut link) = (Session::new(), Link::new(10, 10));
    let stuck: Vec<PacketId> = (0..4)
        .map(|message| session.send_publish(&mut link, QOS_2, message).unwrap())
        .collect();
    for message in 4..140_000 {
        let packet_id = session.send_publish(&mut link, QOS_1, message).unwrap();
        assert!(!stuck.contains(&packet_id));
        assert_eq!(session.handle_puback(&mut link, packet_id), Ok(message));
        let late = session.handle_puback(&mut link, packet_id);
        assert_eq!(late, Err(UnexpectedAck::Unknown));
    }
    assert!(session.inflight_messages().eq(&[0, 1, 2, 3]));
}
