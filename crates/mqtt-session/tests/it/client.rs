//! What a client says and hears beyond the QoS flows: authentication, aliases, expiry, other servers.

use crate::kit::*;
use mqtt_codec::{
    Auth, ConnAck, Connect, Delivery, Disconnect, Packet, PacketType, Properties, Property,
    PropertyList, ProtocolVersion, Publish, QoS, ReasonCode, SubscriptionOptions, TopicFilter,
};
use mqtt_session::{
    ClientConnection, ClientError, ClientEvent, ClientSession, ClientSettings, MessageExpiry,
    NotSentReason, ProtocolError, Redirect, SendRefusal, UnknownSession,
};

type Client = ClientConnection<Message, &'static str>;

const SETTINGS: ClientSettings = ClientSettings {
    ping_answer_within_ms: 1_000,
    unknown_session: UnknownSession::Refuse,
};
const METHOD: Property<'static> = Property::AuthenticationMethod("m");
const MORE: ReasonCode = ReasonCode::CONTINUE_AUTHENTICATION;
const TOPIC: &str = "house/kitchen/temperature";

/// A client that has sent CONNECT with `properties`.
fn connecting(version: ProtocolVersion, properties: &[Property<'_>]) -> Client {
    let list = PropertyList::new(properties);
    let connect = Connect {
        properties: Properties::from(&list),
        ..Connect::new(version, "me")
    };
    let mut session = ClientSession::new();
    Client::connect(&mut session, &connect, SETTINGS, 0, &mut Vec::new()).unwrap()
}

/// Hands `packet` to the client.
///
/// The bytes of the packet are leaked: tests are short, and events borrow from them.
fn give<'a>(
    client: &'a mut Client,
    packet: &Packet<'_>,
    out: &mut Vec<u8>,
) -> Result<ClientEvent<'a, Message, &'static str>, ClientError> {
    let bytes = bytes(client.negotiated().version, packet).leak();
    client.handle_frame(framed(bytes), 0, out)
}

fn with_properties<T>(set: &[Property<'_>], show: impl FnOnce(Properties<'_>) -> T) -> T {
    show(Properties::from(&PropertyList::new(set)))
}

fn connack(client: &mut Client, properties: &[Property<'_>]) -> Result<(), ClientError> {
    let event = with_properties(properties, |properties| {
        let connack = ConnAck {
            properties,
            ..ConnAck::default()
        };
        give(client, &Packet::ConnAck(connack), &mut Vec::new()).map(drop)
    });
    event.inspect(|()| assert!(client.is_connected()))
}

fn connected_client(version: ProtocolVersion, granted: &[Property<'_>]) -> Client {
    let mut client = connecting(version, &[]);
    connack(&mut client, granted).unwrap();
    client
}

fn auth(
    client: &mut Client,
    reason: ReasonCode,
    method: &'static str,
) -> Result<bool, ClientError> {
    let set = [Property::AuthenticationMethod(method)];
    with_properties(&set, |properties| {
        let auth = Packet::Auth(Auth { reason, properties });
        match give(client, &auth, &mut Vec::new())? {
            ClientEvent::Authenticate(auth) => {
                assert_eq!(auth.reason, MORE);
                Ok(false)
            }
            ClientEvent::Authenticated(_) => Ok(true),
            event => panic!("{event:?}"),
        }
    })
}

/// Topic Name and alias of the PUBLISH that carries a message to `topic_name`.
fn sent(client: &mut Client, topic_name: &'static str) -> (Option<&'static str>, Option<u16>) {
    let mut out = Vec::new();
    let message = message(topic_name, QoS::AtLeastOnce);
    assert_eq!(client.publish(message, 0, &mut out), Ok(None));
    match packet(client.negotiated().version, out.leak()) {
        Packet::Publish(publish) => {
            let name = publish.topic_name.map(|topic_name| topic_name.as_str());
            (
                name,
                publish.properties.topic_alias().map(|alias| alias.get()),
            )
        }
        other => panic!("{other:?}"),
    }
}

/// Covers: v5 [MQTT-4.12.0-3], v5 [MQTT-4.12.0-5].
#[test]
fn v5_4_12_0_3_the_client_answers_with_0x18_and_the_method_of_connect() {
    let mut client = connecting(V5, &[METHOD]);
    let mut out = Vec::new();
    let not_due = Err(SendRefusal::AuthenticationNotDue);
    let unasked = client.authenticate(Properties::EMPTY, 0, &mut out);
    assert_eq!((unasked, out.is_empty()), (not_due, true));
    assert_eq!(auth(&mut client, MORE, "m"), Ok(false));
    let answer = [Property::AuthenticationData(b"answer")];
    with_properties(&answer, |properties| {
        client.authenticate(properties, 0, &mut out).unwrap();
    });
    let Packet::Auth(said) = packet(V5, &out) else {
        panic!("AUTH")
    };
    assert_eq!(said.reason, MORE);
    assert_eq!(said.properties.authentication_method(), Some("m"));
    assert_eq!(said.properties.authentication_data(), Some(&b"answer"[..]));
    connack(&mut client, &[METHOD]).unwrap();

    let changed = ClientError::Protocol(ProtocolError::AuthenticationMethodChanged);
    let mut client = connecting(V5, &[METHOD]);
    assert_eq!(auth(&mut client, MORE, "other"), Err(changed));
    for other in [&[][..], &[Property::AuthenticationMethod("other")]] {
        let mut client = connecting(V5, &[METHOD]);
        assert_eq!(connack(&mut client, other), Err(changed));
        assert!(!client.is_connected());
    }
}

/// Covers: v5 [MQTT-3.1.2-30].
#[test]
fn v5_3_1_2_30_before_connack_only_auth_and_disconnect_leave() {
    let mut client = connecting(V5, &[METHOD]);
    let mut out = Vec::new();
    let never = NotSentReason::Never(SendRefusal::NotConnected);
    let refused = client.publish(message("t", QoS::AtMostOnce), 0, &mut out);
    assert_eq!(refused.unwrap_err().reason, never);
    let filter = TopicFilter::try_new("t").unwrap();
    let filters = [(filter, SubscriptionOptions::default())];
    let refused = client.subscribe(&filters, Properties::EMPTY, "r", 0, &mut out);
    assert_eq!(refused.unwrap_err().reason, never);
    let refused = client.unsubscribe(&[filter], Properties::EMPTY, "r", 0, &mut out);
    assert_eq!(refused.unwrap_err().reason, never);
    client.handle_timeout(1_000_000, &mut out).unwrap();
    assert_eq!(client.poll_resend(0, &mut out), None);
    assert!(out.is_empty());
    client
        .disconnect(&Disconnect::default(), 0, &mut out)
        .unwrap();
    assert_eq!(out, [0xE0, 0]);
    let mut client = connecting(V5, &[]);
    let early = client.disconnect(&Disconnect::default(), 0, &mut out);
    assert_eq!(early, Err(SendRefusal::NotConnected));
}

/// Covers: v5 [MQTT-4.12.0-6], v5 [MQTT-4.12.0-7].
#[test]
fn v5_4_12_0_7_without_a_method_there_is_no_auth() {
    for version in ProtocolVersion::ALL {
        let mut client = connected_client(version, &[]);
        let mut out = Vec::new();
        let not_due = Err(SendRefusal::AuthenticationNotDue);
        let answer = client.authenticate(Properties::EMPTY, 0, &mut out);
        let again = client.authenticate_again(Properties::EMPTY, 0, &mut out);
        assert_eq!((answer, again, out.is_empty()), (not_due, not_due, true));
    }
    let packet_type = PacketType::Auth;
    let unexpected = ClientError::Protocol(ProtocolError::Unexpected { packet_type });
    let mut client = connected_client(V5, &[]);
    assert_eq!(auth(&mut client, MORE, "m"), Err(unexpected));
    let mut client = connecting(V5, &[]);
    assert_eq!(auth(&mut client, MORE, "m"), Err(unexpected));
    let changed = ProtocolError::AuthenticationMethodChanged.into();
    assert_eq!(connack(&mut client, &[METHOD]), Err(changed));
}

/// Covers: v5 [MQTT-4.12.1-1].
#[test]
fn v5_4_12_1_1_a_client_begins_again_with_the_same_method() {
    let mut client = connecting(V5, &[METHOD]);
    let mut out = Vec::new();
    let not_due = Err(SendRefusal::AuthenticationNotDue);
    let early = client.authenticate_again(Properties::EMPTY, 0, &mut out);
    assert_eq!(early, not_due);
    connack(&mut client, &[METHOD]).unwrap();
    with_properties(&[Property::AuthenticationMethod("other")], |properties| {
        client.authenticate_again(properties, 0, &mut out).unwrap();
    });
    let Packet::Auth(said) = packet(V5, &out) else {
        panic!("AUTH")
    };
    assert_eq!(said.reason, ReasonCode::RE_AUTHENTICATE);
    assert_eq!(said.properties.authentication_method(), Some("m"));
    assert_eq!(
        client.authenticate_again(Properties::EMPTY, 0, &mut out),
        not_due
    );
    // Traffic goes on.
    assert_eq!(
        client.publish(message("t", QoS::AtLeastOnce), 0, &mut out),
        Ok(None)
    );
    assert_eq!(auth(&mut client, MORE, "m"), Ok(false));
    client.authenticate(Properties::EMPTY, 0, &mut out).unwrap();
    assert_eq!(auth(&mut client, OK, "m"), Ok(true));
    assert_eq!(
        client.authenticate_again(Properties::EMPTY, 0, &mut out),
        Ok(())
    );
}

/// Covers: v5 [MQTT-4.12.1-2].
#[test]
fn v5_4_12_1_2_a_client_that_is_not_satisfied_ends_the_connection() {
    let mut client = connecting(V5, &[METHOD]);
    connack(&mut client, &[METHOD]).unwrap();
    let mut out = Vec::new();
    client
        .authenticate_again(Properties::EMPTY, 0, &mut out)
        .unwrap();
    out.clear();
    let error = auth(&mut client, ReasonCode::RE_AUTHENTICATE, "m").unwrap_err();
    client.fail(error, &mut out);
    assert_eq!(out, [0xE0, 1, 0x82]);
    assert!(!client.is_connected());
}

#[test]
fn the_wait_for_connack_can_be_limited() {
    let mut client = connecting(V5, &[METHOD]);
    assert_eq!(client.next_deadline_ms(), None);
    client.limit_handshake(5_000);
    assert_eq!(client.next_deadline_ms(), Some(5_000));
    assert_eq!(auth(&mut client, MORE, "m"), Ok(false));
    assert_eq!(client.handle_timeout(4_999, &mut Vec::new()), Ok(()));
    let over = client.handle_timeout(5_000, &mut Vec::new());
    assert_eq!(over, Err(ClientError::HandshakeTimeout));
    let mut client = connected_client(V5, &[]);
    client.limit_handshake(1);
    assert_eq!(client.handle_timeout(2, &mut Vec::new()), Ok(()));
}

/// Covers: v5 [MQTT-3.2.2-17], v5 [MQTT-3.3.2-9].
#[test]
fn v5_3_3_2_9_aliases_stay_within_the_maximum_of_the_server() {
    let mut client = connected_client(V5, &[Property::TopicAliasMaximum(2)]);
    let names = ["topic/number/1", "topic/number/2", "topic/number/3"];
    let mut highest = 0;
    for round in 0..30_usize {
        for (at, name) in names.into_iter().enumerate() {
            for _ in 0..(round + at) % 3 {
                highest = highest.max(sent(&mut client, name).1.unwrap_or(0));
            }
        }
    }
    assert_eq!(highest, 2);
}

/// Covers: v5 [MQTT-3.2.2-18].
#[test]
fn v5_3_2_2_18_a_client_sets_no_aliases_unless_announced() {
    let none: [&[Property<'_>]; 2] = [&[], &[Property::TopicAliasMaximum(0)]];
    for granted in none {
        for version in [V311, V5] {
            let mut client = connected_client(version, granted);
            for _ in 0..3 {
                assert_eq!(sent(&mut client, TOPIC), (Some(TOPIC), None));
            }
        }
    }
    let mut client = connecting(V5, &[]);
    client.limit_outbound_aliases(0);
    connack(&mut client, &[Property::TopicAliasMaximum(9)]).unwrap();
    for _ in 0..3 {
        assert_eq!(sent(&mut client, TOPIC), (Some(TOPIC), None));
    }
}

/// Covers: v5 [MQTT-3.3.2-7].
#[test]
fn v5_3_3_2_7_a_resume_has_topic_names() {
    let granted = [Property::TopicAliasMaximum(5)];
    let properties = [Property::SessionExpiryInterval(100)];
    let list = PropertyList::new(&properties);
    let connect = connect(V5, Properties::from(&list));
    let mut session = ClientSession::<Message, &'static str>::new();
    let mut client = Client::connect(&mut session, &connect, SETTINGS, 0, &mut Vec::new()).unwrap();
    connack(&mut client, &granted).unwrap();
    assert_eq!(sent(&mut client, TOPIC), (Some(TOPIC), None));
    assert_eq!(sent(&mut client, TOPIC), (Some(TOPIC), Some(1)));
    assert_eq!(sent(&mut client, TOPIC), (None, Some(1)));

    let mut session = client.into_session();
    let mut client = Client::connect(&mut session, &connect, SETTINGS, 0, &mut Vec::new()).unwrap();
    with_properties(&granted, |properties| {
        let connack = Packet::ConnAck(ConnAck {
            session_present: true,
            properties,
            ..ConnAck::default()
        });
        give(&mut client, &connack, &mut Vec::new())
            .map(drop)
            .unwrap();
    });
    let mut out = Vec::new();
    assert_eq!(client.poll_resend(0, &mut out), None);
    let expected = [1, 2, 3].map(|number| {
        Packet::Publish(Publish {
            dup: true,
            ..publish(TOPIC, Delivery::AtLeastOnce(id(number)))
        })
    });
    assert_eq!(packets(V5, &out), expected);
    assert_eq!(sent(&mut client, TOPIC), (Some(TOPIC), None));
}

/// Covers: v5 [MQTT-3.3.2-5], v5 [MQTT-3.3.2-6].
#[test]
fn v5_3_3_2_5_a_message_that_waited_too_long_is_not_sent() {
    let mut client = connected_client(V5, &[]);
    let message = Message {
        expiry: Some(MessageExpiry::after(10, 0)),
        ..message("t", QoS::AtLeastOnce)
    };
    let mut out = Vec::new();
    let over = client
        .publish(message.clone(), 10_000, &mut out)
        .unwrap_err();
    assert_eq!(over.reason, NotSentReason::Never(SendRefusal::Expired));
    assert!(out.is_empty() && client.inflight() == 0);
    assert_eq!(client.publish(message, 7_000, &mut out), Ok(None));
    let Packet::Publish(publish) = packet(V5, &out) else {
        panic!("PUBLISH")
    };
    assert_eq!(publish.properties.message_expiry_interval_s(), Some(3));
}

/// Covers: v5 [MQTT-3.14.4-1], v3.1.1 [MQTT-3.14.4-2].
#[test]
fn v5_3_14_4_1_disconnect_is_the_last_word_of_a_client() {
    for version in [V311, V5] {
        let mut client = connected_client(version, &[]);
        let mut out = Vec::new();
        let received = Packet::Publish(publish("t", Delivery::AtLeastOnce(id(1))));
        let Ok(ClientEvent::Message {
            ack: Some(token), ..
        }) = give(&mut client, &received, &mut out)
        else {
            panic!("a message")
        };
        client
            .disconnect(&Disconnect::default(), 0, &mut out)
            .unwrap();
        assert_eq!(out, [0xE0, 0]);
        client.acknowledge(token, OK, 0, &mut out);
        for packet in [
            Packet::PubRec(ack(1, OK)),
            Packet::PubRel(ack(2, OK)),
            Packet::PingResp,
        ] {
            let event = give(&mut client, &packet, &mut out).unwrap();
            assert!(matches!(event, ClientEvent::Handled), "{event:?}");
        }
        assert!(
            client
                .publish(message("t", QoS::AtMostOnce), 0, &mut out)
                .is_err()
        );
        client.fail(ClientError::KeepAliveTimeout, &mut out);
        let again = client.disconnect(&Disconnect::default(), 0, &mut out);
        assert_eq!(again, Err(SendRefusal::NotConnected));
        assert_eq!(out, [0xE0, 0]);
    }
}

#[test]
fn a_session_that_was_to_end_with_its_connection_cannot_be_kept_at_the_end() {
    for (asked_s, at_end_s, allowed) in [(0, 0, true), (0, 5, false), (9, 5, true), (9, 0, true)] {
        let mut client = connecting(V5, &[Property::SessionExpiryInterval(asked_s)]);
        connack(&mut client, &[]).unwrap();
        let mut out = Vec::new();
        let disconnected =
            with_properties(&[Property::SessionExpiryInterval(at_end_s)], |properties| {
                let reason = OK;
                client.disconnect(&Disconnect { reason, properties }, 0, &mut out)
            });
        let expected = match allowed {
            true => Ok(()),
            false => Err(SendRefusal::SessionExpiryRaised),
        };
        assert_eq!(disconnected, expected);
        assert_eq!(client.is_connected(), !allowed);
    }
}

#[test]
fn a_client_leaves_words_out_that_the_server_does_not_take() {
    let words = [
        Property::ReasonString("a long story"),
        Property::UserProperty("k", "v"),
    ];
    for (len_max, has_words, has_pair) in [(100, true, true), (25, true, false), (4, false, false)]
    {
        let mut client = connected_client(V5, &[packet_size(len_max)]);
        let mut out = Vec::new();
        with_properties(&words, |properties| {
            let reason = ReasonCode::UNSPECIFIED_ERROR;
            client
                .disconnect(&Disconnect { reason, properties }, 0, &mut out)
                .unwrap();
        });
        let Packet::Disconnect(said) = packet(V5, &out) else {
            panic!("DISCONNECT")
        };
        assert_eq!(said.properties.reason_string().is_some(), has_words);
        assert_eq!(said.properties.user_properties().next().is_some(), has_pair);
    }
}

#[test]
fn a_packet_larger_than_announced_ends_the_connection() {
    let mut client = connecting(V5, &[packet_size(20)]);
    connack(&mut client, &[]).unwrap();
    let payload = [0; 20];
    let large = Packet::Publish(Publish {
        payload: &payload,
        ..publish("t", Delivery::AtMostOnce)
    });
    let error = give(&mut client, &large, &mut Vec::new())
        .map(drop)
        .unwrap_err();
    assert_eq!(error.reason_code(), ReasonCode::PACKET_TOO_LARGE);
    let mut before_v5 = connecting(V311, &[packet_size(20)]);
    connack(&mut before_v5, &[]).unwrap();
    let event = give(&mut before_v5, &large, &mut Vec::new()).unwrap();
    assert!(
        matches!(event, ClientEvent::Message { .. }),
        "it was not announced"
    );
}

#[test]
fn another_server_is_told_from_any_other_end() {
    let there = [Property::ServerReference("there")];
    for (reason, is_permanent) in [
        (ReasonCode::USE_ANOTHER_SERVER, Some(false)),
        (ReasonCode::SERVER_MOVED, Some(true)),
        (ReasonCode::SERVER_BUSY, None),
    ] {
        let expected = is_permanent.map(|is_permanent| Redirect {
            server_reference: Some("there"),
            is_permanent,
        });
        with_properties(&there, |properties| {
            let mut client = connecting(V5, &[]);
            let session_present = false;
            let connack = Packet::ConnAck(ConnAck {
                session_present,
                reason,
                properties,
            });
            let event = give(&mut client, &connack, &mut Vec::new()).unwrap();
            assert_eq!(event.redirect(), expected);
            let mut client = connected_client(V5, &[]);
            let disconnect = Packet::Disconnect(Disconnect { reason, properties });
            let event = give(&mut client, &disconnect, &mut Vec::new()).unwrap();
            assert_eq!(event.redirect(), expected);
        });
    }
}

/// Covers: v5 [MQTT-4.6.0-2], v5 [MQTT-4.6.0-3], v3.1.1 [MQTT-4.6.0-2], v3.1.1 [MQTT-4.6.0-3].
#[test]
fn v5_4_6_0_2_a_client_acknowledges_in_the_order_the_messages_came() {
    for version in [V311, V5] {
        let mut client = connected_client(version, &[]);
        let deliveries = [
            Delivery::AtLeastOnce(id(4)),
            Delivery::ExactlyOnce(id(3)),
            Delivery::AtLeastOnce(id(2)),
            Delivery::ExactlyOnce(id(1)),
        ];
        let mut out = Vec::new();
        let tokens = deliveries.map(|delivery| {
            let packet = Packet::Publish(publish("t", delivery));
            match give(&mut client, &packet, &mut Vec::new()).unwrap() {
                ClientEvent::Message { ack, .. } => ack.unwrap(),
                event => panic!("{event:?}"),
            }
        });
        for token in tokens.into_iter().rev() {
            assert!(out.is_empty(), "one before it waits");
            client.acknowledge(token, OK, 0, &mut out);
        }
        let expected = [
            Packet::PubAck(ack(4, OK)),
            Packet::PubRec(ack(3, OK)),
            Packet::PubAck(ack(2, OK)),
            Packet::PubRec(ack(1, OK)),
        ];
        assert_eq!(packets(version, &out), expected);
    }
}

/// Sessions counted their connections from 1, so that a token of an ended one acknowledged a message of the next.
#[test]
fn regress_a_token_of_an_ended_session_does_nothing_in_a_client() {
    let mut tokens = Vec::new();
    for now_ms in [0, 1_000] {
        let connect = Connect::new(V5, "me");
        let mut session = ClientSession::new();
        let out = &mut Vec::new();
        let mut client = Client::connect(&mut session, &connect, SETTINGS, now_ms, out).unwrap();
        connack(&mut client, &[]).unwrap();
        let packet = Packet::Publish(publish("t", Delivery::AtLeastOnce(id(1))));
        let ClientEvent::Message { ack: Some(ack), .. } = give(&mut client, &packet, out).unwrap()
        else {
            panic!("a message")
        };
        let mut out = Vec::new();
        for old in tokens.drain(..) {
            client.acknowledge(old, OK, now_ms, &mut out);
        }
        assert_eq!((out.len(), client.unacknowledged()), (0, 1));
        tokens.push(ack);
    }
}
