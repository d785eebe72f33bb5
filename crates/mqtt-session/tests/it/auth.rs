//! Enhanced authentication: both sides of one exchange, and each breach of it.

use crate::kit::*;
use mqtt_codec::{
    Auth, ConnAck, Packet, PacketType, Properties, Property, PropertyList, ProtocolVersion,
    ReasonCode,
};
use mqtt_session::{
    AuthExchange, HandshakeEvent, ProtocolError, SendRefusal, ServerError, ServerEvent,
    ServerHandshake,
};

const MORE: ReasonCode = ReasonCode::CONTINUE_AUTHENTICATION;
const AGAIN: ReasonCode = ReasonCode::RE_AUTHENTICATE;

/// Shows the properties of an exchange by `method` with `data`.
fn with_method<T>(method: &str, data: &[u8], show: impl FnOnce(Properties<'_>) -> T) -> T {
    let set = [
        Property::AuthenticationMethod(method),
        Property::AuthenticationData(data),
    ];
    show(Properties::from(&PropertyList::new(&set)))
}

fn auth_bytes(reason: ReasonCode, method: &str) -> Vec<u8> {
    with_method(method, b"d", |properties| {
        bytes(V5, &Packet::Auth(Auth { reason, properties }))
    })
}

fn handle_auth(
    exchange: &mut AuthExchange<&'static str>,
    reason: ReasonCode,
    method: &str,
) -> Result<(), ProtocolError> {
    with_method(method, b"d", |properties| {
        exchange.handle_auth(&Auth { reason, properties })
    })
}

fn handle_connack(
    exchange: &mut AuthExchange<&'static str>,
    method: Option<&'static str>,
) -> Result<(), ProtocolError> {
    let set: Vec<_> = method
        .map(Property::AuthenticationMethod)
        .into_iter()
        .collect();
    let list = PropertyList::new(&set);
    exchange.handle_connack(&ConnAck {
        properties: Properties::from(&list),
        ..ConnAck::default()
    })
}

/// A client whose exchange on CONNECT is over.
fn authenticated_client() -> AuthExchange<&'static str> {
    let mut client = AuthExchange::client("m");
    handle_connack(&mut client, Some("m")).unwrap();
    client
}

/// A server that asks for more once and then accepts, up to the step that `until` sees.
fn handshake() -> ServerHandshake {
    with_method("m", b"hello", |properties| {
        asked(OFFER, &connect(V5, properties))
    })
}

fn authenticated_connection() -> Connection {
    let mut handshake = handshake();
    let accepted = handshake.accept(acceptance(None), 0, &mut Vec::new());
    accepted.unwrap().connection
}

fn give(connection: &mut Connection, reason: ReasonCode, method: &str) -> Result<(), ServerError> {
    let bytes = auth_bytes(reason, method);
    match connection.handle_frame(framed(&bytes), 0, &mut Vec::new())? {
        ServerEvent::Authenticate(auth) => {
            assert_eq!(auth.reason, reason);
            Ok(())
        }
        event => panic!("{event:?}"),
    }
}

/// Covers: v5 [MQTT-4.12.0-2], v5 [MQTT-4.12.0-5], v5 [MQTT-3.2.0-1].
#[test]
fn v5_4_12_0_2_a_server_asks_with_0x18_and_the_method_of_connect() {
    let mut handshake = handshake();
    let mut out = Vec::new();
    let data = [Property::AuthenticationData(b"question")];
    let list = PropertyList::new(&data);
    handshake
        .authenticate(Properties::from(&list), 100, &mut out)
        .unwrap();
    let Packet::Auth(auth) = packet(V5, &out) else {
        panic!("AUTH")
    };
    assert_eq!(auth.reason, MORE);
    assert_eq!(auth.properties.authentication_method(), Some("m"));
    assert_eq!(
        auth.properties.authentication_data(),
        Some(&b"question"[..])
    );

    let not_now = Err(SendRefusal::AuthenticationNotDue);
    let twice = handshake.authenticate(Properties::EMPTY, 100, &mut out);
    assert_eq!(twice, not_now);
    assert!(handshake.accept(acceptance(None), 100, &mut out).is_err());
    let answer = auth_bytes(MORE, "m");
    let event = handshake.handle_frame(framed(&answer), 100).unwrap();
    assert!(
        matches!(event, HandshakeEvent::Authenticate(_)),
        "{event:?}"
    );

    let mut out = Vec::new();
    assert!(handshake.accept(acceptance(None), 100, &mut out).is_ok());
    let Packet::ConnAck(connack) = packet(V5, &out) else {
        panic!("CONNACK")
    };
    assert_eq!(connack.properties.authentication_method(), Some("m"));
}

/// Covers: v5 [MQTT-4.12.0-4].
#[test]
fn v5_4_12_0_4_a_refusal_midway_is_told_and_final() {
    let mut handshake = handshake();
    handshake
        .authenticate(Properties::EMPTY, 0, &mut Vec::new())
        .unwrap();
    let answer = auth_bytes(MORE, "m");
    handshake.handle_frame(framed(&answer), 0).unwrap();
    let mut out = Vec::new();
    handshake.refuse(ReasonCode::NOT_AUTHORIZED, Properties::EMPTY, &mut out);
    assert_eq!(out, [0x20, 3, 0, 0x87, 0]);
    assert!(handshake.accept(acceptance(None), 0, &mut out).is_err());
}

/// Covers: v5 [MQTT-4.12.0-6].
#[test]
fn v5_4_12_0_6_without_a_method_the_server_has_none_either() {
    for version in ProtocolVersion::ALL {
        let mut handshake = asked(OFFER, &connect(version, Properties::EMPTY));
        let mut out = Vec::new();
        let not_due = Err(SendRefusal::AuthenticationNotDue);
        let asks = handshake.authenticate(Properties::EMPTY, 0, &mut out);
        assert_eq!((asks, out.is_empty()), (not_due, true));
        with_method("m", b"d", |properties| {
            let acceptance = mqtt_session::Acceptance {
                properties,
                ..acceptance(None)
            };
            assert!(handshake.accept(acceptance, 0, &mut out).is_ok());
        });
        let Packet::ConnAck(connack) = packet(version, &out) else {
            panic!("CONNACK")
        };
        assert_eq!(connack.properties.authentication_method(), None);
        assert_eq!(connack.properties.authentication_data(), None);
    }
}

#[test]
fn a_client_that_does_not_answer_has_its_time() {
    let mut handshake = handshake();
    handshake
        .authenticate(Properties::EMPTY, 500, &mut Vec::new())
        .unwrap();
    assert_eq!(handshake.next_deadline_ms(), Some(10_500));
    let error = handshake.handle_timeout(10_500).unwrap_err();
    assert_eq!(error, ServerError::AuthenticationTimeout);
    let mut out = Vec::new();
    handshake.fail(error, &mut out);
    assert_eq!(out, [0x20, 3, 0, 0x87, 0]);

    let mut connection = authenticated_connection();
    give(&mut connection, AGAIN, "m").unwrap();
    assert_eq!(connection.next_deadline_ms(), None, "the owner decides");
    connection
        .authenticate(Properties::EMPTY, 500, &mut Vec::new())
        .unwrap();
    assert_eq!(connection.next_deadline_ms(), Some(10_500));
    let error = connection.handle_timeout(10_500).unwrap_err();
    let mut out = Vec::new();
    connection.fail(error, &mut out);
    assert_eq!(out, [0xE0, 1, 0x87]);
}

/// Covers: v5 [MQTT-4.12.0-5], v5 [MQTT-4.12.1-1].
#[test]
fn v5_4_12_0_5_another_method_ends_the_connection() {
    let changed = ProtocolError::AuthenticationMethodChanged;
    let mut handshake = handshake();
    handshake
        .authenticate(Properties::EMPTY, 0, &mut Vec::new())
        .unwrap();
    let other = auth_bytes(MORE, "other");
    let error = handshake.handle_frame(framed(&other), 0).unwrap_err();
    assert_eq!(error, changed.into());
    let mut connection = authenticated_connection();
    assert_eq!(give(&mut connection, AGAIN, "other"), Err(changed.into()));

    let mut client = AuthExchange::client("m");
    assert_eq!(handle_auth(&mut client, MORE, "other"), Err(changed));
    for method in [Some("other"), None] {
        assert_eq!(handle_connack(&mut client, method), Err(changed));
    }
    assert_eq!(handle_connack(&mut client, Some("m")), Ok(()));
    assert_eq!(client.method(), "m");
}

/// Covers: v5 [MQTT-4.12.0-3].
#[test]
fn v5_4_12_0_3_a_client_answers_with_0x18() {
    let mut client = AuthExchange::client("m");
    assert_eq!(client.proceed(), None, "nobody has asked");
    handle_auth(&mut client, MORE, "m").unwrap();
    assert!(client.is_due());
    assert_eq!(client.proceed(), Some(MORE));
    assert_eq!(client.proceed(), None);
    assert!(client.is_waiting());
}

#[test]
fn only_a_client_begins_again_and_only_when_the_last_exchange_is_over() {
    let mut client = AuthExchange::client("m");
    assert_eq!(client.begin_again(), None);
    handle_connack(&mut client, Some("m")).unwrap();
    assert!(client.is_idle());
    assert_eq!(client.begin_again(), Some(AGAIN));
    assert_eq!(client.begin_again(), None);
    handle_auth(&mut client, MORE, "m").unwrap();
    assert_eq!(client.proceed(), Some(MORE));
    assert_eq!(handle_auth(&mut client, ReasonCode::SUCCESS, "m"), Ok(()));
    assert!(client.is_idle());

    let mut server = AuthExchange::server("m");
    assert_eq!(server.succeed(), Some(ReasonCode::SUCCESS));
    assert_eq!(server.begin_again(), None);
    let mut client = authenticated_client();
    assert_eq!(client.succeed(), None, "a client never says so");
}

#[test]
fn a_step_out_of_turn_ends_the_connection() {
    let out_of_turn = |reason| ProtocolError::AuthenticationOutOfTurn { reason };
    let mut client = AuthExchange::client("m");
    for reason in [ReasonCode::SUCCESS, AGAIN] {
        let refused = handle_auth(&mut client, reason, "m");
        assert_eq!(refused, Err(out_of_turn(reason)), "before CONNACK");
    }
    let mut client = authenticated_client();
    for reason in [ReasonCode::SUCCESS, MORE, AGAIN] {
        let refused = handle_auth(&mut client, reason, "m");
        assert_eq!(refused, Err(out_of_turn(reason)), "nothing is under way");
    }
    let mut client = AuthExchange::client("m");
    handle_auth(&mut client, MORE, "m").unwrap();
    let packet_type = PacketType::ConnAck;
    let unexpected = ProtocolError::Unexpected { packet_type };
    assert_eq!(handle_connack(&mut client, Some("m")), Err(unexpected));

    let mut connection = authenticated_connection();
    for reason in [ReasonCode::SUCCESS, MORE] {
        let refused = give(&mut connection, reason, "m");
        assert_eq!(refused, Err(out_of_turn(reason).into()));
    }
    give(&mut connection, AGAIN, "m").unwrap();
    let refused = give(&mut connection, AGAIN, "m");
    assert_eq!(refused, Err(out_of_turn(AGAIN).into()));
}

#[test]
fn auth_without_a_method_in_connect_ends_the_connection() {
    let mut connection = connected(V5, &[]);
    let packet_type = PacketType::Auth;
    let unexpected = ProtocolError::Unexpected { packet_type };
    assert_eq!(give(&mut connection, AGAIN, "m"), Err(unexpected.into()));
    let mut out = Vec::new();
    let not_due = Err(SendRefusal::AuthenticationNotDue);
    let asks = connection.authenticate(Properties::EMPTY, 0, &mut out);
    assert_eq!((asks, out.is_empty()), (not_due, true));
}

#[test]
fn traffic_goes_on_while_a_client_authenticates_again() {
    let mut connection = authenticated_connection();
    give(&mut connection, AGAIN, "m").unwrap();
    let answer = handle(&mut connection, &Packet::PingReq);
    assert_eq!(packet(V5, &answer), Packet::PingResp);
    let mut out = Vec::new();
    connection
        .authenticate(Properties::EMPTY, 0, &mut out)
        .unwrap();
    let sent = connection.publish(message("t", mqtt_codec::QoS::AtLeastOnce), 0, &mut out);
    assert_eq!(sent, Ok(None));
    give(&mut connection, MORE, "m").unwrap();
    let mut out = Vec::new();
    connection
        .finish_authentication(Properties::EMPTY, &mut out)
        .unwrap();
    let Packet::Auth(auth) = packet(V5, &out) else {
        panic!("AUTH")
    };
    assert_eq!(auth.reason, ReasonCode::SUCCESS);
    assert_eq!(auth.properties.authentication_method(), Some("m"));
    give(&mut connection, AGAIN, "m").unwrap();
}

/// Covers: v5 [MQTT-4.12.1-2].
#[test]
fn v5_4_12_1_2_a_failed_re_authentication_ends_the_connection() {
    let mut connection = authenticated_connection();
    give(&mut connection, AGAIN, "m").unwrap();
    let mut out = Vec::new();
    let reason = ReasonCode::NOT_AUTHORIZED;
    connection
        .disconnect(reason, Properties::EMPTY, &mut out)
        .unwrap();
    assert_eq!(out, [0xE0, 1, 0x87]);
    assert!(!connection.is_connected());
    let late = connection.finish_authentication(Properties::EMPTY, &mut out);
    assert_eq!(late, Err(SendRefusal::NotConnected));
    assert_eq!(out.len(), 3);
}
