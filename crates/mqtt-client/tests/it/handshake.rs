//! CONNECT, CONNACK, and what is made of a refusal.

use crate::server::{Server, connected_with, listen, next};
use mqtt_client::{
    Client, ClientError, CloseReason, ConnectError, MessageProperties, ProtocolVersion, QoS,
    ReasonCode, Will,
};
use mqtt_codec::{ConnAck, Packet, Properties, Property, PropertyList};
use std::future::IntoFuture;
use std::num::NonZeroU16;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// CONNACK as servers before v5 write it, with return code 1 (version not known).
const VERSION_REFUSED: [u8; 4] = [0x20, 2, 0, 1];

/// Covers: v5 [MQTT-3.1.0-1], v3.1.1 [MQTT-3.1.0-1].
#[tokio::test]
async fn connect_comes_first_and_says_what_was_asked_for() {
    for version in ProtocolVersion::ALL {
        let (near, far) = tokio::io::duplex(4096);
        let mut server = Server::new(far, version);
        let will = Will::new("state", "gone")
            .qos(QoS::AtLeastOnce)
            .retain()
            .delay(Duration::from_secs(5))
            .properties(MessageProperties::new());
        let connect = Client::builder("server.example")
            .version(version)
            .client_id("me")
            .clean_start(false)
            .session_expiry(Duration::from_millis(1500))
            .keep_alive(Duration::from_secs(7))
            .credentials("user", "word")
            .will(will)
            .connect_over(near);
        let (client, received) = tokio::join!(connect, server.accept());
        let Packet::Connect(connect) = received.packet() else {
            panic!("CONNECT comes first")
        };
        assert_eq!((connect.version, connect.client_id), (version, "me"));
        assert_eq!((connect.clean_start, connect.keep_alive_s), (false, 7));
        assert_eq!(connect.username, Some("user"));
        assert_eq!(connect.password, Some(&b"word"[..]));
        let will = connect.will.unwrap();
        assert_eq!(
            (will.topic_name.as_str(), will.payload),
            ("state", &b"gone"[..])
        );
        assert_eq!((will.qos, will.retain), (QoS::AtLeastOnce, true));
        if version.has_properties() {
            assert_eq!(connect.properties.session_expiry_interval_s(), Some(2));
            assert_eq!(
                connect.properties.receive_maximum().map(NonZeroU16::get),
                Some(1024)
            );
            assert_eq!(will.properties.will_delay_interval_s(), Some(5));
        }
        assert_eq!(client.unwrap().connack().unwrap().version, version);
    }
}

/// Covers: v5 [MQTT-3.2.2-21].
#[tokio::test]
async fn what_connack_grants_is_known_and_used() {
    let granted = [
        Property::AssignedClientIdentifier("given"),
        Property::ServerKeepAlive(3),
        Property::ReceiveMaximum(NonZeroU16::new(5).unwrap()),
        Property::SessionExpiryInterval(u32::MAX),
        Property::ReasonString("hello"),
        Property::UserProperty("a", "b"),
    ];
    let unnamed = |builder: mqtt_client::ClientBuilder| builder.client_id("");
    let (client, _server) = connected_with(ProtocolVersion::V5, unnamed, &granted).await;
    let connack = client.connack().unwrap();
    assert_eq!(connack.client_id, "given");
    assert_eq!(connack.keep_alive, Duration::from_secs(3));
    assert_eq!(connack.receive_maximum, 5);
    assert_eq!(connack.session_expiry, None, "for ever");
    assert_eq!(connack.reason_string.as_deref(), Some("hello"));
    assert_eq!(connack.user_properties, [("a".into(), "b".into())]);
    assert!(!connack.session_present);
}

/// Covers: v3.1.1 [MQTT-7.1.2-1].
#[tokio::test]
async fn a_server_that_knows_only_3_1_1_is_spoken_to_in_3_1_1() {
    let refusal = ConnAck {
        session_present: false,
        reason: ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
        properties: Properties::EMPTY,
    };
    for in_its_own_words in [true, false] {
        let (listener, address) = listen().await;
        let server = async {
            let mut first = next(&listener, ProtocolVersion::V5).await;
            let received = first.recv().await;
            assert!(
                matches!(received.packet(), Packet::Connect(c) if c.version == ProtocolVersion::V5)
            );
            match in_its_own_words {
                true => first.send_bytes(&VERSION_REFUSED).await,
                false => first.send(Packet::ConnAck(refusal)).await,
            }
            assert!(
                first.try_recv().await.is_none(),
                "the refused connection is closed"
            );
            let mut second = next(&listener, ProtocolVersion::V311).await;
            second.accept().await;
            second
        };
        let (client, _server) = tokio::join!(Client::builder(address).connect(), server);
        assert_eq!(
            client.unwrap().connack().unwrap().version,
            ProtocolVersion::V311
        );
    }
}

#[tokio::test]
async fn a_chosen_version_is_kept_to() {
    let (listener, address) = listen().await;
    let server = async {
        let mut server = next(&listener, ProtocolVersion::V5).await;
        server.recv().await;
        server.send_bytes(&VERSION_REFUSED).await;
    };
    let connect = Client::builder(address)
        .version(ProtocolVersion::V5)
        .connect();
    let (client, ()) = tokio::join!(connect, server);
    assert_eq!(
        client.unwrap_err().reason(),
        Some(ReasonCode::UNSUPPORTED_PROTOCOL_VERSION)
    );
}

#[tokio::test]
async fn a_bare_close_is_no_reason_to_try_another_version() {
    let (listener, address) = listen().await;
    let server = async {
        next(&listener, ProtocolVersion::V5).await.recv().await;
        listener
    };
    let (client, listener) = tokio::join!(Client::builder(address).connect(), server);
    assert!(matches!(client, Err(ConnectError::NoAnswer)), "{client:?}");
    let again = std::future::poll_fn(|cx| std::task::Poll::Ready(listener.poll_accept(cx)));
    assert!(again.await.is_pending(), "nobody came a second time");
}

#[tokio::test]
async fn a_refusal_keeps_reason_and_words() {
    let (near, far) = tokio::io::duplex(4096);
    let mut server = Server::new(far, ProtocolVersion::V5);
    let refuse = async {
        server.recv().await;
        let properties = [
            Property::ReasonString("no"),
            Property::ServerReference("other"),
        ];
        let list = PropertyList::new(&properties);
        let (session_present, reason) = (false, ReasonCode::NOT_AUTHORIZED);
        let properties = Properties::from(&list);
        server
            .send(Packet::ConnAck(ConnAck {
                session_present,
                reason,
                properties,
            }))
            .await;
        assert!(server.try_recv().await.is_none());
    };
    let (client, ()) = tokio::join!(Client::builder("server.example").connect_over(near), refuse);
    let error = client.unwrap_err();
    assert_eq!(
        error.to_string(),
        "refused by the server: 0x87 not authorized (no)"
    );
    let ConnectError::Refused {
        server_reference, ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(server_reference.as_deref(), Some("other"));
}

#[tokio::test]
async fn return_codes_before_v5_are_told_in_reason_codes() {
    let (near, far) = tokio::io::duplex(4096);
    let mut server = Server::new(far, ProtocolVersion::V311);
    let refuse = async {
        server.recv().await;
        server.send_bytes(&[0x20, 2, 0, 5]).await;
    };
    let connect = Client::builder("server.example").version(ProtocolVersion::V311);
    let (client, ()) = tokio::join!(connect.connect_over(near), refuse);
    assert_eq!(
        client.unwrap_err().reason(),
        Some(ReasonCode::NOT_AUTHORIZED)
    );
}

#[tokio::test]
async fn a_malformed_or_wrong_answer_is_an_error() {
    let malformed: [&[u8]; 3] = [&[0x20, 3, 2, 0, 0], &[0x20, 1, 0], &[0x0F, 0]];
    for answer in malformed {
        let error = answered_by(answer).await;
        assert!(
            matches!(error, ConnectError::Protocol(ClientError::Decode(_))),
            "{error:?}"
        );
    }
    let unexpected = answered_by(&[0xD0, 0]).await;
    assert!(
        matches!(unexpected, ConnectError::Protocol(ClientError::Protocol(_))),
        "{unexpected:?}"
    );
}

/// Covers: v5 [MQTT-3.2.2-4].
#[tokio::test]
async fn session_present_after_clean_start_ends_the_connection() {
    let error = answered_by(&[0x20, 3, 1, 0, 0]).await;
    assert!(
        matches!(error, ConnectError::Protocol(ClientError::SessionUnknown)),
        "{error:?}"
    );
}

async fn answered_by(answer: &[u8]) -> ConnectError {
    let (near, far) = tokio::io::duplex(4096);
    let mut server = Server::new(far, ProtocolVersion::V5);
    let bad = async {
        server.recv().await;
        server.send_bytes(answer).await;
        let mut rest = Vec::new();
        server.stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, [], "nothing is said before CONNACK is taken");
    };
    let (client, ()) = tokio::join!(Client::builder("server.example").connect_over(near), bad);
    client.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up() {
    let (near, far) = tokio::io::duplex(4096);
    let connect = Client::builder("server.example")
        .connect_timeout(Duration::from_secs(3))
        .connect_over(near);
    let begun = tokio::time::Instant::now();
    assert!(matches!(connect.await, Err(ConnectError::Timeout)));
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    drop(far);
}

#[tokio::test]
async fn nobody_listening_is_an_error() {
    let (listener, address) = listen().await;
    drop(listener);
    let error = Client::builder(&address).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Dial(_)), "{error:?}");
    let host_and_port = address.trim_start_matches("mqtt://");
    assert!(error.to_string().contains(host_and_port), "{error}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn options_that_fit_no_packet_are_errors() {
    let connect =
        |builder: mqtt_client::ClientBuilder| builder.connect_over(tokio::io::duplex(64).0);
    let bad_will = connect(Client::builder("h").will(Will::new("a/+", ""))).await;
    assert!(
        matches!(bad_will, Err(ConnectError::Will(_))),
        "{bad_will:?}"
    );
    let too_long = connect(Client::builder("h").client_id("x".repeat(70_000))).await;
    assert!(
        matches!(too_long, Err(ConnectError::Options(_))),
        "{too_long:?}"
    );
    let no_address = connect(Client::builder("http://h")).await;
    assert!(
        matches!(no_address, Err(ConnectError::Endpoint(_))),
        "{no_address:?}"
    );
}

#[tokio::test]
async fn a_driver_of_ones_own_connects_when_it_is_run() {
    let (listener, address) = listen().await;
    let (client, driver) = Client::builder(address).build().unwrap();
    assert!(client.connack().is_none());
    let driver = tokio::spawn(driver);
    let mut server = next(&listener, ProtocolVersion::V5).await;
    server.accept().await;
    client.connected().await.unwrap();
    let (disconnected, ()) = tokio::join!(client.disconnect().into_future(), async {
        server.disconnected().await;
        drop(server);
    });
    disconnected.unwrap();
    assert!(matches!(driver.await.unwrap(), CloseReason::Disconnected));
}

#[tokio::test]
async fn a_driver_that_cannot_connect_says_why() {
    let (listener, address) = listen().await;
    drop(listener);
    let (client, driver) = Client::builder(address).build().unwrap();
    assert!(matches!(driver.await, CloseReason::ConnectFailed(_)));
    let error = client.connected().await.unwrap_err();
    assert!(
        matches!(error.reason, CloseReason::ConnectFailed(_)),
        "{error}"
    );
}

#[tokio::test]
async fn packets_right_behind_connack_are_not_lost() {
    let (near, far) = tokio::io::duplex(4096);
    let mut server = Server::new(far, ProtocolVersion::V311);
    let connect = Client::builder("server.example").version(ProtocolVersion::V311);
    let script = async {
        server.recv().await;
        // CONNACK and PUBLISH to "t" with payload "x" in one write.
        server
            .send_bytes(&[0x20, 2, 0, 0, 0x30, 4, 0, 1, b't', b'x'])
            .await;
    };
    let (client, ()) = tokio::join!(connect.connect_over(near), script);
    let message = client.unwrap().unclaimed().next().await.unwrap();
    assert_eq!(
        (message.topic_name(), &message.payload()[..]),
        ("t", &b"x"[..])
    );
}
