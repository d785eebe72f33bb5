//! Messages of QoS 2 that the application of a client still holds when the next connection has begun: their tokens go
//! on, and their repeats wait.

use crate::kit::*;
use core::num::NonZeroU16;
use mqtt_codec::{
    ConnAck, Connect, Delivery, Packet, Properties, Property, PropertyList, ProtocolVersion,
    Publish, ReasonCode,
};
use mqtt_session::{
    AckToken, ClientConnection, ClientEvent, ClientSession, ClientSettings, Fixed, Heap, Storage,
    UnknownSession,
};

type Client<S> = ClientConnection<Message, (), S>;
type Small = Fixed<2, 2>;

const SETTINGS: ClientSettings = ClientSettings {
    ping_answer_within_ms: 1_000,
    unknown_session: UnknownSession::Refuse,
};
const NO: ReasonCode = ReasonCode::QUOTA_EXCEEDED;
const NOTHING: [Packet<'static>; 0] = [];

/// `session` on a new connection, before CONNACK.
fn connecting<S: Storage>(
    session: &mut ClientSession<Message, (), S>,
    version: ProtocolVersion,
) -> Client<S> {
    let announced = [Property::ReceiveMaximum(NonZeroU16::new(2).unwrap())];
    let list = PropertyList::new(&announced);
    let connect = Connect {
        clean_start: false,
        ..Connect::new(version, "me")
    };
    let connect = match version.has_properties() {
        true => Connect {
            properties: Properties::from(&list),
            ..connect
        },
        false => connect,
    };
    Client::connect(session, &connect, SETTINGS, 0, &mut Vec::new()).unwrap()
}

fn accept<S: Storage>(client: &mut Client<S>, session_present: bool) {
    let connack = ConnAck {
        session_present,
        ..ConnAck::default()
    };
    assert_eq!(give(client, &Packet::ConnAck(connack)), (vec![], None));
}

fn connected<S: Storage>(version: ProtocolVersion) -> Client<S> {
    let mut client = connecting(&mut ClientSession::with_storage(), version);
    accept(&mut client, false);
    client
}

/// The connection is lost, and the server goes on with the session on the next one.
fn reconnected<S: Storage>(client: Client<S>) -> Client<S> {
    let version = client.negotiated().version;
    let mut client = connecting(&mut client.into_session(), version);
    accept(&mut client, true);
    client
}

/// Hands `packet` in: what is answered at once, and the token of the message in it.
fn give<S: Storage>(client: &mut Client<S>, packet: &Packet<'_>) -> (Vec<u8>, Option<AckToken>) {
    let version = client.negotiated().version;
    let mut out = Vec::new();
    let token = match client.handle_frame(framed(&bytes(version, packet)), 0, &mut out) {
        Ok(ClientEvent::Message { ack, .. }) => Some(ack.unwrap()),
        Ok(ClientEvent::Handled | ClientEvent::Connected { .. }) => None,
        event => panic!("{event:?}"),
    };
    (out, token)
}

fn at_qos_2(number: u16) -> Packet<'static> {
    Packet::Publish(publish("t", Delivery::ExactlyOnce(id(number))))
}

/// A message that is new: its token.
fn receive<S: Storage>(client: &mut Client<S>, number: u16) -> AckToken {
    let (out, token) = give(client, &at_qos_2(number));
    assert_eq!(out, [0_u8; 0]);
    token.unwrap()
}

/// A message that is not: what is answered at once.
fn repeat<S: Storage>(client: &mut Client<S>, number: u16) -> Vec<u8> {
    let again = Packet::Publish(Publish {
        dup: true,
        ..publish("t", Delivery::ExactlyOnce(id(number)))
    });
    let (out, token) = give(client, &again);
    assert_eq!(token, None, "it was handed on before");
    out
}

/// The application is done with the message of `token`: what leaves.
fn acknowledge<S: Storage>(client: &mut Client<S>, token: AckToken, reason: ReasonCode) -> Vec<u8> {
    let mut out = Vec::new();
    client.acknowledge(token, reason, 0, &mut out);
    out
}

fn check<S: Storage>(client: &Client<S>, out: &[u8], expected: &[Packet<'_>]) {
    assert_eq!(packets(client.negotiated().version, out), expected);
}

fn pubrec(number: u16, reason: ReasonCode) -> Packet<'static> {
    Packet::PubRec(ack(number, reason))
}

/// A repeat was confirmed at once on the next connection, whatever the application had done with the first one: a
/// process that ended then had lost the message.
fn a_repeat_waits<S: Storage>(version: ProtocolVersion) {
    let mut client = reconnected({
        let mut client = connected::<S>(version);
        let token = receive(&mut client, 1);
        assert_eq!(acknowledge(&mut client, token, OK).len(), 4);
        client
    });
    let out = repeat(&mut client, 1);
    check(&client, &out, &[pubrec(1, OK)]);

    let first = receive(&mut client, 2);
    let mut client = reconnected(client);
    for _ in 0..2 {
        let out = repeat(&mut client, 2);
        check(&client, &out, &NOTHING);
    }
    assert_eq!(client.unacknowledged(), 2);
    // Not given back on this connection either.
    let mut client = reconnected(client);
    let out = repeat(&mut client, 2);
    check(&client, &out, &NOTHING);
    let after = repeat(&mut client, 1);
    check(&client, &after, &NOTHING);
    let out = acknowledge(&mut client, first, OK);
    check(&client, &out, &[pubrec(2, OK), pubrec(1, OK)]);
    let (out, _) = give(&mut client, &Packet::PubRel(ack(2, OK)));
    check(&client, &out, &[Packet::PubComp(ack(2, OK))]);
    let _new = receive(&mut client, 2);
}

/// Covers: v5 [MQTT-4.3.3-10], v5 [MQTT-4.6.0-3], v3.1.1 [MQTT-4.6.0-3].
#[test]
fn regress_a_repeat_waits_for_the_application_on_the_next_connection_too() {
    for version in [V311, V5] {
        a_repeat_waits::<Heap>(version);
        a_repeat_waits::<Small>(version);
    }
}

fn a_token_before_the_repeat<S: Storage>() {
    for before_connack in [true, false] {
        let mut client = connected::<S>(V5);
        let token = receive(&mut client, 1);
        let mut client = connecting(&mut client.into_session(), V5);
        if !before_connack {
            accept(&mut client, true);
        }
        let out = acknowledge(&mut client, token, OK);
        check(&client, &out, &NOTHING);
        if before_connack {
            accept(&mut client, true);
        }
        let out = repeat(&mut client, 1);
        check(&client, &out, &[pubrec(1, OK)]);
    }
}

#[test]
fn regress_a_token_given_back_before_the_repeat_answers_it() {
    a_token_before_the_repeat::<Heap>();
    a_token_before_the_repeat::<Small>();
}

fn a_refusal<S: Storage>() {
    let mut client = connected::<S>(V5);
    let token = receive(&mut client, 1);
    let mut client = reconnected(client);
    let out = acknowledge(&mut client, token, NO);
    check(&client, &out, &NOTHING);
    let token = receive(&mut client, 1);

    // This time the repeat is there first.
    let mut client = reconnected(client);
    let out = repeat(&mut client, 1);
    check(&client, &out, &NOTHING);
    let out = acknowledge(&mut client, token, NO);
    check(&client, &out, &[pubrec(1, NO)]);
    let token = receive(&mut client, 1);

    // And this time its answer has to wait, and never leaves.
    let mut client = reconnected(client);
    let ahead = receive(&mut client, 2);
    let out = repeat(&mut client, 1);
    check(&client, &out, &NOTHING);
    let out = acknowledge(&mut client, token, NO);
    check(&client, &out, &NOTHING);
    let mut client = reconnected(client);
    let token = receive(&mut client, 1);
    let out = acknowledge(&mut client, ahead, OK);
    check(&client, &out, &NOTHING);
    let out = acknowledge(&mut client, token, OK);
    check(&client, &out, &[pubrec(1, OK)]);
}

/// Covers: v5 [MQTT-4.3.3-9].
#[test]
fn regress_a_refusal_counts_on_the_next_connection_too() {
    a_refusal::<Heap>();
    a_refusal::<Small>();
}

/// Before v5 there is no refusal.
#[test]
fn a_refusal_before_v5_takes_the_message() {
    let mut client = connected::<Heap>(V311);
    let token = receive(&mut client, 1);
    let mut client = reconnected(client);
    assert_eq!(repeat(&mut client, 1), [0_u8; 0]);
    let out = acknowledge(&mut client, token, NO);
    check(&client, &out, &[pubrec(1, OK)]);
}

fn a_lost_session<S: Storage>(clear: bool) {
    let mut client = connected::<S>(V5);
    let old = receive(&mut client, 1);
    let mut session = client.into_session();
    if clear {
        assert_eq!(session.clear().count(), 0);
    }
    let mut client = connecting(&mut session, V5);
    accept(&mut client, false);
    let new = receive(&mut client, 1);
    let mut client = reconnected(client);
    let out = repeat(&mut client, 1);
    check(&client, &out, &NOTHING);
    let out = acknowledge(&mut client, old, NO);
    check(&client, &out, &NOTHING);
    let out = acknowledge(&mut client, new, OK);
    check(&client, &out, &[pubrec(1, OK)]);
}

/// A token of a session that has ended names no message of the next one, even if both have one identifier.
#[test]
fn an_ended_session_forgets_what_the_application_holds() {
    for clear in [false, true] {
        a_lost_session::<Heap>(clear);
        a_lost_session::<Small>(clear);
    }
}

fn an_early_release<S: Storage>() {
    for repeat_first in [false, true] {
        let mut client = connected::<S>(V5);
        let old = receive(&mut client, 1);
        let mut client = reconnected(client);
        if repeat_first {
            let out = repeat(&mut client, 1);
            check(&client, &out, &NOTHING);
        }
        let (out, _) = give(&mut client, &Packet::PubRel(ack(1, OK)));
        check(&client, &out, &[Packet::PubComp(ack(1, OK))]);
        // Nothing is left that the repeat could wait for.
        let mut out = Vec::new();
        assert!(client.poll_resend(0, &mut out).is_none());
        let expected = repeat_first.then(|| pubrec(1, OK));
        check(&client, &out, expected.as_slice());
        let new = receive(&mut client, 1);
        let out = acknowledge(&mut client, old, NO);
        check(&client, &out, &NOTHING);
        let out = acknowledge(&mut client, new, OK);
        check(&client, &out, &[pubrec(1, OK)]);
    }
}

/// A server that releases a message without PUBREC has it no longer: the next one with its identifier is new.
///
/// Covers: v5 [MQTT-4.3.3-12].
#[test]
fn a_message_released_while_the_application_holds_it_is_over() {
    an_early_release::<Heap>();
    an_early_release::<Small>();
}

/// A server could hand on one Receive Maximum more on each connection.
#[test]
fn regress_what_the_application_holds_counts_on_each_connection() {
    let mut client = connected::<Small>(V5);
    let _tokens = [1, 2].map(|number| receive(&mut client, number));
    for _ in 0..3 {
        client = reconnected(client);
        assert_eq!(repeat(&mut client, 1), [0_u8; 0]);
        assert_eq!(repeat(&mut client, 2), [0_u8; 0]);
        let third = bytes(V5, &at_qos_2(3));
        let error = client.handle_frame(framed(&third), 0, &mut Vec::new());
        let reason = error.map(drop).unwrap_err().reason_code();
        assert_eq!(reason, ReasonCode::RECEIVE_MAXIMUM_EXCEEDED);
    }
}

#[test]
fn a_repeat_at_qos_1_is_a_message_with_a_token_of_its_own() {
    let mut client = connected::<Heap>(V5);
    let packet = Packet::Publish(publish("t", Delivery::AtLeastOnce(id(1))));
    let old = give(&mut client, &packet).1.unwrap();
    let mut client = reconnected(client);
    let new = give(&mut client, &packet).1.unwrap();
    let out = acknowledge(&mut client, old, OK);
    check(&client, &out, &NOTHING);
    let out = acknowledge(&mut client, new, OK);
    check(&client, &out, &[Packet::PubAck(ack(1, OK))]);
}
