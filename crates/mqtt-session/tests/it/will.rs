//! What becomes of the Will on each way a connection and a session can end.

use crate::kit::*;
use mqtt_codec::{
    Connect, Disconnect, Packet, Properties, Property, PropertyList, ProtocolVersion, ReasonCode,
    TopicName, Will,
};
use mqtt_session::{Acceptance, Accepted, Closed, ServerError, SessionStep};

/// A connection whose Will waits `delay_s` and whose session `expiry_s`.
fn with_will(
    version: ProtocolVersion,
    delay_s: u32,
    expiry_s: u32,
    found: Option<Session>,
    clean_start: bool,
) -> Accepted<Message, &'static str> {
    let delay = [Property::WillDelayInterval(delay_s)];
    let delay = PropertyList::new(&delay);
    let expiry = [Property::SessionExpiryInterval(expiry_s)];
    let expiry = PropertyList::new(&expiry);
    let will = Will {
        topic_name: TopicName::try_new("gone").unwrap(),
        payload: b"",
        qos: mqtt_codec::QoS::AtMostOnce,
        retain: false,
        properties: Properties::from(&delay),
    };
    let connect = Connect {
        will: Some(will),
        clean_start,
        ..connect(version, Properties::from(&expiry))
    };
    let acceptance = Acceptance {
        will: Some("gone"),
        ..acceptance(found)
    };
    let accepted = asked(OFFER, &connect).accept(acceptance, 50_000, &mut Vec::new());
    accepted.unwrap()
}

fn connected_with_will(delay_s: u32, expiry_s: u32) -> Connection {
    with_will(V5, delay_s, expiry_s, None, false).connection
}

fn goodbye(reason: ReasonCode) -> Packet<'static> {
    Packet::Disconnect(Disconnect {
        reason,
        properties: Properties::EMPTY,
    })
}

fn leave(mut connection: Connection, reason: ReasonCode) -> Closed<Message, &'static str> {
    try_handle(&mut connection, &goodbye(reason), 0, &mut Vec::new()).unwrap();
    connection.into_session(0)
}

/// Covers: v5 [MQTT-3.1.2-8], v3.1.1 [MQTT-3.1.2-8], v5 [MQTT-3.1.2-10].
#[test]
fn v5_3_1_2_8_a_lost_connection_publishes_the_will() {
    for version in [V311, V5] {
        let accepted = with_will(version, 0, 100, None, false);
        let mut closed = accepted.connection.into_session(0);
        assert_eq!(closed.due_will, Some("gone"));
        assert_eq!(closed.session.take_will(), None, "once");
    }
    let mut connection = connected_with_will(0, 100);
    connection.fail(ServerError::KeepAliveTimeout, &mut Vec::new());
    assert_eq!(connection.into_session(0).due_will, Some("gone"));
}

/// Covers: v5 [MQTT-3.14.4-3], v3.1.1 [MQTT-3.14.4-3].
#[test]
fn v5_3_14_4_3_a_goodbye_takes_the_will_with_it_and_0x04_does_not() {
    for version in [V311, V5] {
        let accepted = with_will(version, 0, 100, None, false);
        let mut closed = leave(accepted.connection, OK);
        assert_eq!((closed.due_will, closed.session.take_will()), (None, None));
    }
    for reason in [
        ReasonCode::DISCONNECT_WITH_WILL_MESSAGE,
        ReasonCode::UNSPECIFIED_ERROR,
    ] {
        let closed = leave(connected_with_will(0, 100), reason);
        assert_eq!(closed.due_will, Some("gone"));
    }
}

#[test]
fn a_delayed_will_comes_after_its_delay_or_with_the_end_of_the_session() {
    let closed = connected_with_will(30, 100).into_session(1_000);
    assert_eq!(closed.due_will, None);
    let mut session = closed.session;
    assert_eq!(session.next_deadline_ms(), Some(31_000));
    assert_eq!(session.handle_timeout(30_999), SessionStep::Wait);
    assert_eq!(
        session.handle_timeout(31_000),
        SessionStep::PublishWill("gone")
    );
    assert_eq!(session.next_deadline_ms(), Some(101_000));
    assert_eq!(session.handle_timeout(101_000), SessionStep::Ended(None));

    let mut session = connected_with_will(300, 100).into_session(1_000).session;
    assert_eq!(session.next_deadline_ms(), Some(101_000));
    assert_eq!(
        session.handle_timeout(101_000),
        SessionStep::Ended(Some("gone"))
    );

    let closed = connected_with_will(300, 0).into_session(1_000);
    assert_eq!((closed.due_will, closed.goes_on), (Some("gone"), false));
}

/// Covers: v5 [MQTT-3.1.3-9].
#[test]
fn v5_3_1_3_9_a_client_that_is_back_in_time_cancels_the_will() {
    let found = connected_with_will(30, 100).into_session(49_000).session;
    let accepted = with_will(V5, 30, 100, Some(found), false);
    assert!(accepted.session_present);
    assert_eq!(accepted.due_will, None);
    // The new connection has its own.
    let mut session = accepted.connection.into_session(60_000).session;
    assert_eq!(
        session.handle_timeout(90_000),
        SessionStep::PublishWill("gone")
    );
}

#[test]
fn clean_start_and_a_session_that_is_over_publish_the_will_that_waits() {
    let found = connected_with_will(30, 100).into_session(49_000).session;
    let accepted = with_will(V5, 30, 100, Some(found), true);
    assert_eq!(
        (accepted.session_present, accepted.due_will),
        (false, Some("gone"))
    );
    // Time was up at 50,000 ms, and nobody had looked.
    let found = connected_with_will(300, 10).into_session(40_000).session;
    let accepted = with_will(V5, 30, 100, Some(found), false);
    assert_eq!(
        (accepted.session_present, accepted.due_will),
        (false, Some("gone"))
    );
}

#[test]
fn a_takeover_publishes_a_will_without_delay() {
    for (delay_s, expiry_s, clean_start, at_close, at_accept) in [
        (0, 100, false, Some("gone"), None),
        (30, 100, false, None, None),
        (30, 100, true, None, Some("gone")),
        (30, 0, false, Some("gone"), None),
    ] {
        let mut connection = connected_with_will(delay_s, expiry_s);
        connection.take_over(&mut Vec::new());
        let closed = connection.into_session(50_000);
        assert_eq!(closed.due_will, at_close);
        let accepted = with_will(V5, delay_s, 100, Some(closed.session), clean_start);
        assert_eq!(accepted.due_will, at_accept);
    }
}

#[test]
fn a_client_without_a_will_leaves_nothing() {
    let connection = connected(V5, &[Property::SessionExpiryInterval(100)]);
    let mut closed = connection.into_session(0);
    assert_eq!((closed.due_will, closed.session.take_will()), (None, None));
}

/// A client that was back before anybody had looked at the time took a Will with it that was due.
///
/// Covers: v5 [MQTT-3.1.2-8].
#[test]
fn regress_a_will_that_is_due_is_published_although_the_client_is_back() {
    for (lost_at_ms, due) in [(20_001, None), (20_000, Some("gone"))] {
        let found = connected_with_will(30, 100)
            .into_session(lost_at_ms)
            .session;
        let accepted = with_will(V5, 30, 100, Some(found), false);
        assert!(accepted.session_present);
        assert_eq!(accepted.due_will, due);
    }
}
