//! What a client sends again, gives back or refuses when a session goes on.

use super::*;

/// Covers: v5 [MQTT-3.3.1-1], v5 [MQTT-4.4.0-1], v5 [MQTT-4.6.0-1], v3.1.1 [MQTT-3.3.1-1], v3.1.1 [MQTT-4.6.0-1].
#[test]
fn a_resume_sends_what_is_open_again_with_dup_in_the_first_order() {
    for version in [ProtocolVersion::V311, V5] {
        let mut connection = connected(version, &[]);
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce] {
            publish(&mut connection, message("t", qos));
        }
        let (_, ended) = handle(&mut connection, Packet::PubAck(ack(1)));
        assert!(ended.is_some());
        assert_eq!(
            resend(&mut connection),
            [],
            "nothing is due while connected"
        );

        let mut connection = reconnected(connection, &[]);
        let again = resend(&mut connection);
        assert_eq!(
            read(&again, version),
            [("PUBLISH", true, 2), ("PUBLISH", true, 3)]
        );
        assert_eq!(resend(&mut connection), [], "once for each connection");
        handle(&mut connection, Packet::PubAck(ack(3)));
        assert_eq!(connection.inflight(), 1);
    }
}

/// Covers: v5 [MQTT-4.3.3-5], v5 [MQTT-4.3.3-6], v5 [MQTT-4.6.0-4], v3.1.1 [MQTT-4.6.0-4].
#[test]
fn a_resume_sends_pubrel_and_never_publish_after_pubrec() {
    for version in [ProtocolVersion::V311, V5] {
        let mut connection = connected(version, &[]);
        for _ in 0..3 {
            publish(&mut connection, message("t", QoS::ExactlyOnce));
        }
        for number in [3, 1] {
            let (out, _) = handle(&mut connection, Packet::PubRec(ack(number)));
            assert_eq!(read(&out, version), [("PUBREL", false, number)]);
        }
        let mut connection = reconnected(connection, &[]);
        let again = resend(&mut connection);
        let mut packets = read(&again, version);
        packets.retain(|(kind, ..)| *kind == "PUBREL");
        assert_eq!(
            packets,
            [("PUBREL", false, 3), ("PUBREL", false, 1)],
            "in PUBREC order"
        );
        assert_eq!(read(&again, version).len(), 3);
        let (_, ended) = handle(&mut connection, Packet::PubComp(ack(3)));
        assert_eq!(
            ended.unwrap().payload,
            [],
            "its body was not kept after PUBREC"
        );
    }
}

/// Covers: v5 [MQTT-4.9.0-1], v5 [MQTT-4.9.0-2].
#[test]
fn a_resume_keeps_to_the_quota_of_the_new_connection() {
    let mut connection = connected(V5, &[]);
    for _ in 0..3 {
        publish(&mut connection, message("t", QoS::AtLeastOnce));
    }
    let one = [Property::ReceiveMaximum(NonZeroU16::MIN)];
    let mut connection = reconnected(connection, &one);
    assert_eq!(read(&resend(&mut connection), V5), [("PUBLISH", true, 1)]);
    let new = message("new", QoS::AtLeastOnce);
    let not_sent = connection
        .publish(new.clone(), 0, &mut Vec::new())
        .unwrap_err();
    assert_eq!(
        not_sent,
        NotSent {
            item: new,
            reason: NotSentReason::Later
        }
    );
    for number in [1, 2] {
        handle(&mut connection, Packet::PubAck(ack(number)));
        assert_eq!(
            read(&resend(&mut connection), V5),
            [("PUBLISH", true, number + 1)]
        );
    }
}

/// Covers: v5 [MQTT-3.2.2-5].
#[test]
fn a_session_the_server_forgot_gives_its_messages_back() {
    let mut connection = connected(V5, &[]);
    let (first, second) = (
        message("1", QoS::AtLeastOnce),
        message("2", QoS::ExactlyOnce),
    );
    publish(&mut connection, first.clone());
    publish(&mut connection, second.clone());
    let mut session = connection.into_session();
    let mut connection = connecting(&mut session, V5);
    assert_eq!(accept(&mut connection, false, &[]), Ok(vec![first, second]));
    assert_eq!(connection.inflight(), 0);
    assert_eq!(resend(&mut connection), []);
}

/// Covers: v5 [MQTT-3.2.2-4].
#[test]
fn a_session_the_client_does_not_have_is_refused() {
    let mut connection = connecting(&mut Session::new(), V5);
    assert_eq!(
        accept(&mut connection, true, &[]),
        Err(ClientError::SessionUnknown)
    );
}

#[test]
fn a_message_the_new_connection_does_not_take_comes_back() {
    let mut connection = connected(V5, &[]);
    let long = Message {
        payload: vec![0; 100],
        ..message("long", QoS::ExactlyOnce)
    };
    publish(&mut connection, long.clone());
    publish(&mut connection, message("short", QoS::AtLeastOnce));
    let small = [Property::MaximumPacketSize(NonZeroU32::new(50).unwrap())];
    let mut connection = reconnected(connection, &small);
    let mut out = Vec::new();
    let (given_up, refusal) = connection.poll_resend(0, &mut out).unwrap();
    assert_eq!(given_up, long);
    assert!(
        matches!(refusal, SendRefusal::PacketTooLarge { len_max: 50, .. }),
        "{refusal}"
    );
    assert_eq!(connection.poll_resend(0, &mut out), None);
    let sent = [("PUBREL", false, 1), ("PUBLISH", true, 2)];
    assert_eq!(read(&out, V5), sent);
    assert_eq!(connection.inflight(), 2, "the server may know identifier 1");
    let unknown = ack_with(1, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND);
    let ended = handle(&mut connection, Packet::PubComp(unknown));
    assert_eq!((ended, connection.inflight()), ((vec![], None), 1));
}

#[test]
fn a_message_given_up_is_not_lost_with_its_session_once_more() {
    let mut connection = connected(V5, &[]);
    for qos in [QoS::ExactlyOnce, QoS::AtLeastOnce] {
        publish(&mut connection, message("t", qos));
    }
    let small = [Property::MaximumPacketSize(NonZeroU32::new(5).unwrap())];
    let mut connection = reconnected(connection, &small);
    let mut out = Vec::new();
    assert!(connection.poll_resend(0, &mut out).is_some());
    let mut connection = connecting(&mut connection.into_session(), V5);
    let lost = vec![message("t", QoS::AtLeastOnce)];
    assert_eq!(accept(&mut connection, false, &[]), Ok(lost));
    assert_eq!(connection.inflight(), 0);
}
