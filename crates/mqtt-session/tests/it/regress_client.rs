//! Faults that other clients have had in what surrounds the flows, each as the test that would have shown it.

use crate::kit::*;
use core::num::NonZeroU16;
use mqtt_codec::{
    Auth, ConnAck, Connect, Delivery, Disconnect, Packet, Properties, Property, PropertyList,
    Publish, QoS, ReasonCode, ReasonCodes, SubAck, UnsubAck,
};
use mqtt_session::{
    Acceptance, ClientConnection, ClientError, ClientEvent, ClientSession, ClientSettings,
    NotSentReason, OutgoingMessage, SendRefusal, UnknownSession,
};

type Client = ClientConnection<Message, &'static str>;

const SETTINGS: ClientSettings = ClientSettings {
    ping_answer_within_ms: 1_000,
    unknown_session: UnknownSession::Refuse,
};

fn properties<T>(set: &[Property<'_>], show: impl FnOnce(Properties<'_>) -> T) -> T {
    show(Properties::from(&PropertyList::new(set)))
}

fn alias(number: u16) -> Property<'static> {
    Property::TopicAlias(NonZeroU16::new(number).unwrap())
}

fn receive_maximum(packets: u16) -> Property<'static> {
    Property::ReceiveMaximum(NonZeroU16::new(packets).unwrap())
}

/// Hands `packet` to the client; its bytes are leaked, since events borrow from them.
fn give<'a>(
    client: &'a mut Client,
    packet: &Packet<'_>,
    out: &mut Vec<u8>,
) -> Result<ClientEvent<'a, Message, &'static str>, ClientError> {
    let bytes = bytes(V5, packet).leak();
    client.handle_frame(framed(bytes), 0, out)
}

/// `session` on a new connection: `asked` in CONNECT, `granted` in CONNACK.
fn connected_with(
    session: &mut ClientSession<Message, &'static str>,
    asked: &[Property<'_>],
    session_present: bool,
    granted: &[Property<'_>],
) -> Client {
    let mut client = properties(asked, |properties| {
        let connect = connect(V5, properties);
        Client::connect(session, &connect, SETTINGS, 0, &mut Vec::new()).unwrap()
    });
    properties(granted, |properties| {
        let connack = ConnAck {
            session_present,
            properties,
            ..ConnAck::default()
        };
        give(&mut client, &Packet::ConnAck(connack), &mut Vec::new()).unwrap();
    });
    client
}

fn client(asked: &[Property<'_>], granted: &[Property<'_>]) -> Client {
    connected_with(&mut ClientSession::new(), asked, false, granted)
}

/// A PUBLISH with an alias, and with its Topic Name or without.
fn aliased(
    client: &mut Client,
    topic_name: &str,
    number: u16,
) -> Result<Option<String>, ClientError> {
    properties(&[alias(number)], |properties| {
        let mut publish = publish("t", Delivery::AtMostOnce);
        publish.topic_name = mqtt_codec::TopicName::try_new(topic_name).ok();
        publish.properties = properties;
        match give(client, &Packet::Publish(publish), &mut Vec::new())? {
            ClientEvent::Message { publish, .. } => {
                Ok(publish.topic_name.map(|name| name.as_str().to_owned()))
            }
            event => panic!("{event:?}"),
        }
    })
}

/// The application was given the PUBLISH before its alias was resolved, or aliases were not known at all.
///
/// Covers: v5 [MQTT-3.3.2-10].
#[test]
fn regress_r01_m04_an_aliased_message_has_its_topic_name() {
    let mut client = client(&[Property::TopicAliasMaximum(5)], &[]);
    assert_eq!(aliased(&mut client, "a/b", 5), Ok(Some("a/b".to_owned())));
    for _ in 0..3 {
        assert_eq!(aliased(&mut client, "", 5), Ok(Some("a/b".to_owned())));
    }
}

/// The DISCONNECT for an alias that stands for nothing was built and thrown away.
#[test]
fn regress_r02_an_unknown_alias_ends_the_connection() {
    let mut client = client(&[Property::TopicAliasMaximum(5)], &[]);
    let error = aliased(&mut client, "", 1).unwrap_err();
    let mut out = Vec::new();
    client.fail(error, &mut out);
    match packet(V5, &out) {
        Packet::Disconnect(said) => assert_eq!(said.reason, ReasonCode::TOPIC_ALIAS_INVALID),
        other => panic!("{other:?}"),
    }
    assert!(!client.is_connected());
}

/// Aliases of one connection were good on the next one.
///
/// Covers: v5 [MQTT-3.3.2-7].
#[test]
fn regress_r03_aliases_end_with_their_connection() {
    let asked = [Property::TopicAliasMaximum(5)];
    let mut client = client(&asked, &[]);
    assert_eq!(aliased(&mut client, "a", 1), Ok(Some("a".to_owned())));
    let mut session = client.into_session();
    let mut client = connected_with(&mut session, &asked, true, &[]);
    assert!(aliased(&mut client, "", 1).is_err());
}

/// A client took 13 MiB before its first message.
#[test]
fn regress_r13_a_client_without_messages_is_small() {
    let sizes = (
        size_of::<ClientSession<Message, &str>>(),
        size_of::<Client>(),
    );
    assert!(sizes.0 <= 192 && sizes.1 <= 512, "{sizes:?} bytes");
}

/// AUTH was a wrong packet before CONNACK and after it.
#[test]
fn regress_r16_authentication_in_several_steps() {
    let method = [Property::AuthenticationMethod("m")];
    let mut client = properties(&method, |properties| {
        let connect = Connect {
            properties,
            ..Connect::new(V5, "me")
        };
        Client::connect(
            &mut ClientSession::new(),
            &connect,
            SETTINGS,
            0,
            &mut Vec::new(),
        )
        .unwrap()
    });
    let ask = |client: &mut Client| {
        properties(&method, |properties| {
            let reason = ReasonCode::CONTINUE_AUTHENTICATION;
            let auth = Packet::Auth(Auth { reason, properties });
            let event = give(client, &auth, &mut Vec::new());
            assert!(
                matches!(event, Ok(ClientEvent::Authenticate(_))),
                "{event:?}"
            );
        });
        let mut out = Vec::new();
        client.authenticate(Properties::EMPTY, 0, &mut out).unwrap();
        assert!(matches!(packet(V5, &out), Packet::Auth(_)));
    };
    ask(&mut client);
    ask(&mut client);
    properties(&method, |properties| {
        let connack = ConnAck {
            properties,
            ..ConnAck::default()
        };
        give(&mut client, &Packet::ConnAck(connack), &mut Vec::new()).unwrap();
    });
    assert!(client.is_connected());
    client
        .authenticate_again(Properties::EMPTY, 0, &mut Vec::new())
        .unwrap();
    ask(&mut client);
}

/// A number cut off inside a whole packet was taken for a packet that is not whole, and the packet was lost.
#[test]
fn regress_r17_a_malformed_packet_is_not_an_unfinished_one() {
    let mut client = client(&[], &[]);
    // PUBLISH to `a` whose Property Length goes on behind its end.
    let frame = framed(&[0x30, 4, 0, 1, b'a', 0x80]);
    let error = client.handle_frame(frame, 0, &mut Vec::new()).unwrap_err();
    assert_eq!(error.reason_code(), ReasonCode::MALFORMED_PACKET);
}

/// One large message in either direction ended every connection again.
///
/// Covers: v5 [MQTT-3.2.2-15].
#[test]
fn regress_r18_a_large_message_ends_nothing() {
    let mut client = client(&[], &[packet_size(100)]);
    let payload = vec![b'x'; 1_000_000];
    let large = Publish {
        payload: &payload,
        ..publish("t", Delivery::AtLeastOnce(id(1)))
    };
    let event = give(&mut client, &Packet::Publish(large), &mut Vec::new());
    assert!(
        matches!(event, Ok(ClientEvent::Message { publish, .. }) if publish.payload == payload)
    );
    let mut unsent = message("t", QoS::ExactlyOnce);
    unsent.payload = payload.clone();
    let mut out = Vec::new();
    let refused = client.publish(unsent, 0, &mut out).unwrap_err();
    assert!(
        matches!(
            refused.reason,
            NotSentReason::Never(SendRefusal::PacketTooLarge { .. })
        ),
        "{:?}",
        refused.reason
    );
    assert_eq!(
        (client.inflight(), out.len(), client.is_connected()),
        (0, 0, true)
    );
}

/// PUBACK left before the application had the message, so that nothing held a fast server back.
///
/// Covers: v5 [MQTT-4.3.2-4].
#[test]
fn regress_m03_a_slow_application_holds_the_server_back() {
    let mut client = client(&[receive_maximum(2)], &[]);
    let mut out = Vec::new();
    let mut tokens = Vec::new();
    for number in 1..=2 {
        let packet = Packet::Publish(publish("t", Delivery::AtLeastOnce(id(number))));
        match give(&mut client, &packet, &mut out) {
            Ok(ClientEvent::Message { ack, .. }) => tokens.extend(ack),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        (out.len(), client.unacknowledged()),
        (0, 2),
        "nothing leaves by itself"
    );
    for token in tokens {
        client.acknowledge(token, OK, 0, &mut out);
    }
    assert_eq!(
        packets(V5, &out),
        [1, 2].map(|number| Packet::PubAck(ack(number, OK)))
    );
    for number in 3..=4 {
        let packet = Packet::Publish(publish("t", Delivery::AtLeastOnce(id(number))));
        give(&mut client, &packet, &mut out).unwrap();
    }
    let too_many = Packet::Publish(publish("t", Delivery::AtLeastOnce(id(5))));
    let error = give(&mut client, &too_many, &mut out)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.reason_code(), ReasonCode::RECEIVE_MAXIMUM_EXCEEDED);
}

/// Of an acknowledgement only the identifier was left.
#[test]
fn regress_m09_an_acknowledgement_comes_with_what_it_says() {
    let mut client = client(&[], &[]);
    client
        .publish(message("t", QoS::AtLeastOnce), 0, &mut Vec::new())
        .unwrap();
    properties(&[Property::ReasonString("nobody listens")], |properties| {
        let reason = ReasonCode::NO_MATCHING_SUBSCRIBERS;
        let puback = mqtt_codec::Ack {
            properties,
            ..ack(1, reason)
        };
        match give(&mut client, &Packet::PubAck(puback), &mut Vec::new()) {
            Ok(ClientEvent::Acknowledged { message, ack }) => {
                assert_eq!((message.topic_name, ack.reason), ("t", reason));
                assert_eq!(ack.properties.reason_string(), Some("nobody listens"));
            }
            other => panic!("{other:?}"),
        }
    });
}

/// Why a server ended the connection became one text for all cases.
#[test]
fn regress_m10_disconnect_comes_with_its_reason() {
    let mut client = client(&[], &[]);
    let reason = ReasonCode::SESSION_TAKEN_OVER;
    let disconnect = Packet::Disconnect(Disconnect {
        reason,
        properties: Properties::EMPTY,
    });
    match give(&mut client, &disconnect, &mut Vec::new()) {
        Ok(ClientEvent::Disconnected(said)) => assert_eq!(said.reason, reason),
        other => panic!("{other:?}"),
    }
    assert!(!client.is_connected(), "nothing more is to be said");
    let mut out = Vec::new();
    let late = client.publish(message("t", QoS::AtMostOnce), 0, &mut out);
    assert!(late.is_err() && out.is_empty());
}

/// The Receive Maximum of the server was not looked at.
///
/// Covers: v5 [MQTT-3.3.4-7].
#[test]
fn regress_m13_no_more_messages_than_the_server_takes() {
    let mut client = client(&[], &[receive_maximum(2)]);
    let mut out = Vec::new();
    for _ in 0..2 {
        let sent = client.publish(message("t", QoS::ExactlyOnce), 0, &mut out);
        assert_eq!(sent, Ok(None));
    }
    let waits = client
        .publish(message("t", QoS::AtLeastOnce), 0, &mut out)
        .unwrap_err();
    assert_eq!(waits.reason, NotSentReason::Later);
    assert_eq!(packets(V5, &out).len(), 2);
    give(
        &mut client,
        &Packet::PubRec(ack(1, ReasonCode::QUOTA_EXCEEDED)),
        &mut out,
    )
    .unwrap();
    assert_eq!(client.publish(waits.item, 0, &mut out), Ok(None));
}

/// A message whose alias was refused counted as received, and its repeat under its Topic Name as known.
///
/// Covers: v5 [MQTT-4.3.3-10].
#[test]
fn regress_a_message_with_a_bad_alias_is_not_received() {
    let asked = [
        Property::TopicAliasMaximum(5),
        Property::SessionExpiryInterval(100),
    ];
    let mut client = client(&asked, &[]);
    let delivery = Delivery::ExactlyOnce(id(9));
    let error = properties(&[alias(1)], |properties| {
        let publish = Publish {
            delivery,
            topic_name: None,
            properties,
            ..publish("t", delivery)
        };
        give(&mut client, &Packet::Publish(publish), &mut Vec::new()).unwrap_err()
    });
    client.fail(error, &mut Vec::new());
    let mut client = connected_with(&mut client.into_session(), &asked, true, &[]);
    let again = Packet::Publish(Publish {
        dup: true,
        ..publish("t", delivery)
    });
    let event = give(&mut client, &again, &mut Vec::new()).unwrap();
    assert!(matches!(event, ClientEvent::Message { .. }), "{event:?}");
}

/// A request whose answer was wrong came back neither with the answer nor with the end of the connection.
#[test]
fn regress_a_request_with_a_wrong_answer_comes_back() {
    let filters = filters(&["a", "b"]);
    for answer in ["too few", "of the other kind"] {
        let mut client = client(&[], &[]);
        let out = &mut Vec::new();
        let sent = client.subscribe(&filters, Properties::EMPTY, "request", 0, out);
        assert_eq!(sent, Ok(()));
        let reasons = ReasonCodes::from(&[ReasonCode::SUCCESS][..]);
        let packet = match answer {
            "too few" => Packet::SubAck(SubAck {
                packet_id: id(1),
                properties: Properties::EMPTY,
                reasons,
            }),
            _ => Packet::UnsubAck(UnsubAck {
                packet_id: id(1),
                properties: Properties::EMPTY,
                reasons,
            }),
        };
        let error = give(&mut client, &packet, out).unwrap_err();
        client.fail(error, out);
        assert_eq!(
            client.end_requests().collect::<Vec<_>>(),
            ["request"],
            "{answer}"
        );
    }
}

/// An acknowledgement with a Reason Code of other packets was counted as sent, and never was.
#[test]
fn regress_an_acknowledgement_always_leaves() {
    let mut client = client(&[], &[]);
    let out = &mut Vec::new();
    for (number, reason) in [
        (1, ReasonCode::TOPIC_FILTER_INVALID),
        (2, ReasonCode::GRANTED_QOS_1),
    ] {
        let packet = Packet::Publish(publish("t", Delivery::AtLeastOnce(id(number))));
        let token = match give(&mut client, &packet, &mut Vec::new()).unwrap() {
            ClientEvent::Message { ack, .. } => ack.unwrap(),
            event => panic!("{event:?}"),
        };
        client.acknowledge(token, reason, 0, out);
    }
    let refused = [1, 2].map(|number| Packet::PubAck(ack(number, ReasonCode::UNSPECIFIED_ERROR)));
    assert_eq!(packets(V5, out), refused);
}

/// A DISCONNECT with a Reason Code that only servers send, or none at all.
///
/// Covers: v5 [MQTT-4.13.1-1].
#[test]
fn regress_a_client_says_why_it_leaves_in_words_of_a_client() {
    for error in [
        ClientError::KeepAliveTimeout,
        ClientError::Decode(mqtt_codec::DecodeError {
            kind: mqtt_codec::Malformed::ProtocolNameUnknown,
            at: 0,
        }),
    ] {
        let mut client = client(&[], &[]);
        let mut out = Vec::new();
        client.fail(error, &mut out);
        assert_eq!(out, [0xE0, 1, 0x80], "{error:?}");
    }
}

/// DISCONNECT went out with Reason Codes that only the other side sends.
#[test]
fn regress_each_side_leaves_with_its_own_reason_codes() {
    let mut client = client(&[], &[]);
    let mut out = Vec::new();
    let reason = ReasonCode::SERVER_SHUTTING_DOWN;
    let said = Disconnect {
        reason,
        ..Disconnect::default()
    };
    let refusal = SendRefusal::ReasonOfOtherSide(reason);
    assert_eq!(client.disconnect(&said, 0, &mut out), Err(refusal));
    let mut server = connected(V5, &[]);
    let reason = ReasonCode::DISCONNECT_WITH_WILL_MESSAGE;
    let refusal = SendRefusal::ReasonOfOtherSide(reason);
    let said = server.disconnect(reason, Properties::EMPTY, &mut out);
    assert_eq!(said, Err(refusal));
    assert!(out.is_empty() && client.is_connected() && server.is_connected());
}

/// A message of QoS 1 whose owner had let go of its body too early.
#[derive(Debug, Eq, PartialEq)]
struct Bodiless;

impl OutgoingMessage for Bodiless {
    fn qos(&self) -> QoS {
        QoS::AtLeastOnce
    }

    fn with_publish<T>(
        &self,
        _dup: bool,
        _delivery: Delivery,
        _use_publish: impl FnOnce(&Publish<'_>) -> T,
    ) -> Option<T> {
        None
    }
}

/// Nothing went out for it, and its flow waited for an acknowledgement for ever.
#[test]
fn regress_a_message_without_a_body_opens_no_flow() {
    let reason = NotSentReason::Never(SendRefusal::NoBody);
    let mut out = Vec::new();
    let mut session = ClientSession::<Bodiless, ()>::new();
    let asked = connect(V5, Properties::EMPTY);
    let mut client =
        ClientConnection::connect(&mut session, &asked, SETTINGS, 0, &mut Vec::new()).unwrap();
    let connack = bytes(V5, &Packet::ConnAck(ConnAck::default()));
    client.handle_frame(framed(&connack), 0, &mut out).unwrap();
    let refused = client.publish(Bodiless, 0, &mut out).unwrap_err();
    assert_eq!((refused.reason, client.inflight()), (reason, 0));

    let acceptance = Acceptance::<Bodiless, ()> {
        found: None,
        will: None,
        properties: Properties::EMPTY,
    };
    let accepted = crate::kit::asked(OFFER, &asked).accept(acceptance, 0, &mut Vec::new());
    let mut server = accepted.unwrap().connection;
    let refused = server.publish(Bodiless, 0, &mut out).unwrap_err();
    assert_eq!((refused.reason, server.inflight()), (reason, 0));
    assert!(out.is_empty());
}
