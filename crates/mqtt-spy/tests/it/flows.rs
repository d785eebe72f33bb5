//! Which packet answers which, through the proxy.

use mqtt_spy::{Side, What};

use crate::link::{Both, CONNACK, CONNECT, Link, packets};

const CLIENT: Side = Side::Client;
const SERVER: Side = Side::Server;

async fn connect(link: &Link) -> Both {
    let mut both = link.open().await;
    both.pass(CLIENT, CONNECT).await;
    both.pass(SERVER, CONNACK).await;
    both
}

/// What is seen of a conversation after CONNECT and CONNACK, by sides and names.
async fn told(said: &[(Side, &[u8])]) -> Vec<String> {
    let mut link = Link::plain().await;
    let mut both = connect(&link).await;
    for (side, bytes) in said {
        both.pass(*side, bytes).await;
    }
    both.end().await;
    let seen = link.seen_until_closed().await;
    packets(&seen).split_off(2)
}

#[tokio::test]
async fn every_answer_finds_its_request() {
    let told = told(&[
        (CLIENT, b"\x82\x06\0\x01\0\x01a\x02"),
        (SERVER, b"\x90\x03\0\x01\x02"),
        (CLIENT, b"\x32\x06\0\x01a\0\x02x"),
        (SERVER, b"\x40\x02\0\x02"),
        (CLIENT, b"\x34\x06\0\x01a\0\x03x"),
        (SERVER, b"\x50\x02\0\x03"),
        (CLIENT, b"\x62\x02\0\x03"),
        (SERVER, b"\x70\x02\0\x03"),
        // The server's Packet Identifiers are its own.
        (SERVER, b"\x34\x06\0\x01a\0\x03x"),
        (CLIENT, b"\x50\x02\0\x03"),
        (SERVER, b"\x62\x02\0\x03"),
        (CLIENT, b"\x70\x02\0\x03"),
        (CLIENT, b"\xC0\0"),
        (SERVER, b"\xD0\0"),
        (CLIENT, b"\xA2\x05\0\x04\0\x01a"),
        (SERVER, b"\xB0\x02\0\x04"),
        (CLIENT, b"\xE0\0"),
    ])
    .await;
    let expected = [
        "client SUBSCRIBE",
        "server SUBACK; answers SUBSCRIBE #3",
        "client PUBLISH",
        "server PUBACK; answers PUBLISH #5",
        "client PUBLISH",
        "server PUBREC; answers PUBLISH #7",
        "client PUBREL; answers PUBREC #8",
        "server PUBCOMP; answers PUBREL #9; completes PUBLISH #7",
        "server PUBLISH",
        "client PUBREC; answers PUBLISH #11",
        "server PUBREL; answers PUBREC #12",
        "client PUBCOMP; answers PUBREL #13; completes PUBLISH #11",
        "client PINGREQ",
        "server PINGRESP; answers PINGREQ #15",
        "client UNSUBSCRIBE",
        "server UNSUBACK; answers UNSUBSCRIBE #17",
        "client DISCONNECT",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_packet_identifier_is_taken_over_only_when_it_is_free() {
    let told = told(&[
        (CLIENT, b"\x32\x06\0\x01a\0\x07x"),
        (SERVER, b"\x40\x02\0\x07"),
        (CLIENT, b"\x32\x06\0\x01b\0\x07y"),
        (CLIENT, b"\x32\x06\0\x01c\0\x07z"),
        (SERVER, b"\x40\x02\0\x07"),
        (SERVER, b"\x40\x02\0\x07"),
    ])
    .await;
    let expected = [
        "client PUBLISH",
        "server PUBACK; answers PUBLISH #3",
        "client PUBLISH",
        "client PUBLISH; packet identifier still in use by #5",
        "server PUBACK; answers PUBLISH #6",
        "server PUBACK; answers nothing that was said",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_round_trip_has_its_time_and_its_client() {
    let mut link = Link::plain().await;
    let mut both = connect(&link).await;
    both.pass(CLIENT, b"\xC0\0").await;
    both.pass(SERVER, b"\xD0\0").await;
    both.end().await;
    let seen = link.seen_until_closed().await;
    let pong = seen.iter().find(
        |seen| matches!(&seen.what, What::Packet(spoken) if spoken.packet.name() == "PINGRESP"),
    );
    let pong = pong.unwrap();
    assert_eq!(pong.client_id.as_deref(), Some("c"));
    let json = serde_json::to_value(pong).unwrap();
    assert_eq!(json["client_id"], "c");
    assert_eq!(json["packet"], "PINGRESP");
    assert_eq!(json["notes"][0]["number"], 3);
    assert!(json["notes"][0]["after_us"].is_u64());
    let line = pong.to_line(mqtt_spy::Style::Plain);
    assert!(
        line.contains(" 1 c #4 server PINGRESP; answers PINGREQ #3 after "),
        "{line}"
    );
    let dump = pong.to_dump(mqtt_spy::Style::Plain);
    assert!(dump.contains("0000  d0 00"), "{dump}");
}

#[tokio::test]
async fn connections_are_told_apart() {
    let mut link = Link::plain().await;
    let mut first = connect(&link).await;
    let mut second = connect(&link).await;
    // The same Packet Identifier on both.
    first.pass(CLIENT, b"\x32\x06\0\x01a\0\x01x").await;
    second.pass(CLIENT, b"\x32\x06\0\x01a\0\x01x").await;
    second.pass(SERVER, b"\x40\x02\0\x01").await;
    first.pass(SERVER, b"\x40\x02\0\x01").await;
    first.end().await;
    let mut seen = link.seen_until_closed().await;
    second.end().await;
    seen.extend(link.seen_until_closed().await);
    for number in [1, 2] {
        let of_one: Vec<_> = seen
            .iter()
            .filter(|seen| seen.stream.number == number)
            .cloned()
            .collect();
        let expected = [
            "client CONNECT",
            "server CONNACK; answers CONNECT #1",
            "client PUBLISH",
            "server PUBACK; answers PUBLISH #3",
        ];
        assert_eq!(packets(&of_one), expected);
    }
    assert_eq!(link.observer.open_streams(), 0);
    let totals = link.observer.totals();
    assert_eq!(
        (totals.connections, totals.packets, totals.faults),
        (2, 8, 0)
    );
}
