//! What a filter shows.

use mqtt_codec::PacketType;
use mqtt_spy::{ClientPattern, Filter, Limits, Side};

use crate::link::{CONNACK, CONNECT, Link, packets};

/// What is shown of one client that publishes to `a` and `b` at QoS 2 and 1.
async fn shown(filter: Filter) -> Vec<String> {
    let mut link = Link::new(Limits::default(), filter).await;
    let mut both = link.open().await;
    for (side, bytes) in [
        (Side::Client, CONNECT),
        (Side::Server, CONNACK),
        (Side::Client, b"\x34\x06\0\x01a\0\x01x"),
        (Side::Client, b"\x32\x06\0\x01b\0\x02x"),
        (Side::Server, b"\x50\x02\0\x01"),
        (Side::Server, b"\x40\x02\0\x02"),
        (Side::Client, b"\x62\x02\0\x01"),
        (Side::Server, b"\x70\x02\0\x01"),
        (Side::Client, b"\x82\x06\0\x03\0\x01a\0"),
        (Side::Server, b"\x90\x03\0\x03\0"),
    ] {
        both.pass(side, bytes).await;
    }
    both.end().await;
    let seen = link.seen_until_closed().await;
    let names = packets(&seen).into_iter();
    names
        .map(|name| name.split(';').next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_topic_brings_its_acknowledgements() {
    let filter = Filter::default().topics(["a"]).unwrap();
    let expected = [
        "client PUBLISH",
        "server PUBREC",
        "client PUBREL",
        "server PUBCOMP",
        "client SUBSCRIBE",
        "server SUBACK",
    ];
    assert_eq!(shown(filter).await, expected);
    let filter = Filter::default().topics(["b/#"]).unwrap();
    assert_eq!(shown(filter).await, ["client PUBLISH", "server PUBACK"]);
}

#[tokio::test]
async fn types_and_clients_are_chosen() {
    let types = |types: &[PacketType]| Filter::default().with_types(types.to_vec());
    let filter = types(&[PacketType::PubAck, PacketType::Connect]);
    assert_eq!(shown(filter).await, ["client CONNECT", "server PUBACK"]);
    let filter = types(&[PacketType::PubComp]).topics(["a"]).unwrap();
    assert_eq!(shown(filter).await, ["server PUBCOMP"]);
    let clients = |patterns: &[&str]| {
        let patterns = patterns.iter().copied().map(ClientPattern::new);
        Filter::default().with_clients(patterns.collect())
    };
    assert!(shown(clients(&["d*"])).await.is_empty());
    assert_eq!(shown(clients(&["d*", "c*"])).await.len(), 10);
}
