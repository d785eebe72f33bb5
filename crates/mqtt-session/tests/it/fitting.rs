//! Reason String and User Properties: left out where the client asked for none, or takes no packet of that size.

use crate::kit::*;
use mqtt_codec::{
    Delivery, Packet, Properties, Property, PropertyList, ReasonCode, Subscribe, SubscribeFilters,
    SubscriptionOptions, TopicFilter, Unsubscribe, UnsubscribeFilters,
};
use mqtt_session::{Acceptance, ServerEvent};

/// Ten bytes of Reason String (13 with identifier and length), and a User Property of 7 bytes.
const WORDS: [Property<'static>; 2] = [
    Property::ReasonString("0123456789"),
    Property::UserProperty("a", "b"),
];
const METHOD: Property<'static> = Property::AuthenticationMethod("m");

/// What each packet with words looks like for a client with the properties given.
type Say = fn(&[Property<'_>]) -> Vec<u8>;

fn words<T>(use_words: impl FnOnce(Properties<'_>) -> T) -> T {
    let list = PropertyList::new(&WORDS);
    use_words(Properties::from(&list))
}

fn event(connection: &mut Connection, packet: &Packet<'_>) -> ServerEvent<'static, Message> {
    match try_handle(connection, packet, 0, &mut Vec::new()).unwrap() {
        ServerEvent::Message { ack, publish } => {
            let _ = publish;
            ServerEvent::Message {
                publish: Default::default(),
                ack,
            }
        }
        ServerEvent::Handled => ServerEvent::Handled,
        other => panic!("{other:?}"),
    }
}

fn acknowledge(properties: &[Property<'_>], delivery: Delivery) -> Vec<u8> {
    let mut connection = connected(V5, properties);
    let received = event(&mut connection, &Packet::Publish(publish("t", delivery)));
    let ServerEvent::Message {
        ack: Some(token), ..
    } = received
    else {
        panic!("{received:?}")
    };
    let mut out = Vec::new();
    let refused = ReasonCode::QUOTA_EXCEEDED;
    words(|words| connection.acknowledge_with(token, refused, words, &mut out)).unwrap();
    out
}

fn puback(properties: &[Property<'_>]) -> Vec<u8> {
    acknowledge(properties, Delivery::AtLeastOnce(id(1)))
}

fn pubrec(properties: &[Property<'_>]) -> Vec<u8> {
    acknowledge(properties, Delivery::ExactlyOnce(id(1)))
}

fn suback(properties: &[Property<'_>]) -> Vec<u8> {
    let mut connection = connected(V5, properties);
    let filter = TopicFilter::try_new("a").unwrap();
    let filters = [(filter, SubscriptionOptions::default())];
    let packet = Packet::Subscribe(Subscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        filters: SubscribeFilters::from(&filters[..]),
    });
    let mut out = Vec::new();
    let token = match try_handle(&mut connection, &packet, 0, &mut out).unwrap() {
        ServerEvent::Subscribe { answer, .. } => answer,
        other => panic!("{other:?}"),
    };
    words(|words| connection.answer_subscribe(&token, &[OK], words, &mut out)).unwrap();
    out
}

fn unsuback(properties: &[Property<'_>]) -> Vec<u8> {
    let mut connection = connected(V5, properties);
    let filters = [TopicFilter::try_new("a").unwrap()];
    let packet = Packet::Unsubscribe(Unsubscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        filters: UnsubscribeFilters::from(&filters[..]),
    });
    let mut out = Vec::new();
    let token = match try_handle(&mut connection, &packet, 0, &mut out).unwrap() {
        ServerEvent::Unsubscribe { answer, .. } => answer,
        other => panic!("{other:?}"),
    };
    words(|words| connection.answer_unsubscribe(&token, &[OK], words, &mut out)).unwrap();
    out
}

fn disconnect(properties: &[Property<'_>]) -> Vec<u8> {
    let mut connection = connected(V5, properties);
    let mut out = Vec::new();
    words(|words| connection.disconnect(ReasonCode::SERVER_BUSY, words, &mut out)).unwrap();
    out
}

fn auth(properties: &[Property<'_>]) -> Vec<u8> {
    let mut set = vec![METHOD];
    set.extend(properties);
    let list = PropertyList::new(&set);
    let mut handshake = asked(OFFER, &connect(V5, Properties::from(&list)));
    let mut out = Vec::new();
    words(|words| handshake.authenticate(words, 0, &mut out)).unwrap();
    out
}

fn connack(properties: &[Property<'_>]) -> Vec<u8> {
    let list = PropertyList::new(properties);
    let mut handshake = asked(OFFER, &connect(V5, Properties::from(&list)));
    let mut out = Vec::new();
    words(|words| {
        let acceptance = Acceptance {
            properties: words,
            ..acceptance(None)
        };
        let accepted = handshake.accept(acceptance, 0, &mut out);
        accepted.map(drop).map_err(|refused| refused.reason)
    })
    .unwrap();
    out
}

/// Whether the packet in `bytes` has a Reason String and a User Property.
fn said(bytes: &[u8]) -> (bool, bool) {
    let properties = match packet(V5, bytes) {
        Packet::ConnAck(packet) => packet.properties,
        Packet::PubAck(ack) | Packet::PubRec(ack) => ack.properties,
        Packet::SubAck(packet) => packet.properties,
        Packet::UnsubAck(packet) => packet.properties,
        Packet::Disconnect(packet) => packet.properties,
        Packet::Auth(packet) => packet.properties,
        other => panic!("{other:?}"),
    };
    let has_pair = properties.user_properties().next().is_some();
    (properties.reason_string().is_some(), has_pair)
}

fn leaves_out_what_does_not_fit(say: Say) {
    let all = say(&[]);
    assert_eq!(said(&all), (true, true));
    let len = u32::try_from(all.len()).unwrap();
    assert_eq!(say(&[packet_size(len)]), all);
    // User Properties go first, then the Reason String; where that is longer, it goes alone before both do.
    for (len_max, expected) in [
        (len - 1, (true, false)),
        (len - 7, (true, false)),
        (len - 8, (false, true)),
        (len - 13, (false, true)),
        (len - 14, (false, false)),
        (len - 15, (false, false)),
    ] {
        let less = say(&[packet_size(len_max)]);
        assert_eq!(said(&less), expected, "{len_max} of {len} bytes");
        assert!(less.len() <= usize::try_from(len_max).unwrap());
    }
}

/// Covers: v5 [MQTT-3.2.2-19], v5 [MQTT-3.2.2-20].
#[test]
fn v5_3_2_2_19_connack_leaves_words_out_to_fit() {
    leaves_out_what_does_not_fit(connack);
}

/// Covers: v5 [MQTT-3.4.2-2], v5 [MQTT-3.4.2-3].
#[test]
fn v5_3_4_2_2_puback_leaves_words_out_to_fit() {
    leaves_out_what_does_not_fit(puback);
}

/// Covers: v5 [MQTT-3.5.2-2], v5 [MQTT-3.5.2-3].
#[test]
fn v5_3_5_2_2_pubrec_leaves_words_out_to_fit() {
    leaves_out_what_does_not_fit(pubrec);
}

/// Covers: v5 [MQTT-3.9.2-1], v5 [MQTT-3.9.2-2].
#[test]
fn v5_3_9_2_1_suback_leaves_words_out_to_fit() {
    leaves_out_what_does_not_fit(suback);
}

/// Covers: v5 [MQTT-3.11.2-1], v5 [MQTT-3.11.2-2].
#[test]
fn v5_3_11_2_1_unsuback_leaves_words_out_to_fit() {
    leaves_out_what_does_not_fit(unsuback);
}

/// Covers: v5 [MQTT-3.14.2-3], v5 [MQTT-3.14.2-4].
#[test]
fn v5_3_14_2_3_disconnect_leaves_words_out_to_fit() {
    leaves_out_what_does_not_fit(disconnect);
}

/// Covers: v5 [MQTT-3.15.2-2], v5 [MQTT-3.15.2-3].
#[test]
fn v5_3_15_2_2_auth_leaves_words_out_to_fit() {
    leaves_out_what_does_not_fit(auth);
}

/// Covers: v5 [MQTT-3.1.2-29].
#[test]
fn v5_3_1_2_29_a_client_without_interest_in_problems_hears_of_none() {
    let silent = [Property::RequestProblemInformation(false)];
    for (say, expected) in [
        (puback as Say, (false, false)),
        (pubrec, (false, false)),
        (suback, (false, false)),
        (unsuback, (false, false)),
        (auth, (false, false)),
        (connack, (true, true)),
        (disconnect, (true, true)),
    ] {
        assert_eq!(said(&say(&silent)), expected);
        assert_eq!(
            said(&say(&[Property::RequestProblemInformation(true)])),
            (true, true)
        );
    }
}

/// An acknowledgement that has to wait for others goes without words: they are not kept.
#[test]
fn words_are_for_acknowledgements_that_leave_at_once() {
    let mut connection = connected(V5, &[]);
    let mut tokens = Vec::new();
    for number in [1, 2] {
        let message = Packet::Publish(publish("t", Delivery::AtLeastOnce(id(number))));
        if let ServerEvent::Message {
            ack: Some(token), ..
        } = event(&mut connection, &message)
        {
            tokens.push(token);
        }
    }
    let (second, first) = (tokens.pop().unwrap(), tokens.pop().unwrap());
    let mut out = Vec::new();
    words(|words| connection.acknowledge_with(second, OK, words, &mut out)).unwrap();
    words(|words| connection.acknowledge_with(first, OK, words, &mut out)).unwrap();
    let [Packet::PubAck(first), Packet::PubAck(second)] = &packets(V5, &out)[..] else {
        panic!("two acknowledgements")
    };
    assert!(first.properties.reason_string().is_some());
    assert!(second.properties.is_empty());
}
