//! WebSocket as a listener: which requests become a connection, and what they are answered.

use super::{Guest, hello, listener, port, publish, with_door};
use crate::kit::Server;
use mqtt_broker::config::{Listener, ListenerKind};
use mqtt_io::{Connector, WsOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
const UPGRADE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
const OFFER: &str = "Sec-WebSocket-Protocol: other, mqtt\r\n";

fn serving(change: impl FnOnce(&mut Listener)) -> (Server, super::Guests, u16) {
    let mut listener = listener(ListenerKind::Ws);
    change(&mut listener);
    let (server, guests) = with_door(listener);
    let port = port(server.broker(), "ws:door");
    (server, guests, port)
}

/// A connection with this request sent, and the head of the answer.
async fn request(port: u16, path: &str, headers: &[&str]) -> (TcpStream, String) {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let headers = headers.concat();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match tcp.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    (tcp, String::from_utf8(head).unwrap())
}

/// Covers: v5 [MQTT-6.0.0-3], v3.1.1 [MQTT-6.0.0-3].
#[test]
fn other_requests_get_a_short_clear_answer() {
    let (server, _, port) = serving(|listener| {
        listener.websocket.check_origin_enable = true;
        listener.websocket.check_origins = vec!["https://example.com".to_owned()];
    });
    let good = "Origin: https://example.com\r\n";
    server.block_on(async {
        for (path, headers, expected) in [
            ("/mqtt", vec![KEY, UPGRADE, OFFER, good], "HTTP/1.1 101 "),
            ("/mqtt?x=1", vec![KEY, UPGRADE, OFFER], "HTTP/1.1 101 "),
            ("/", vec![KEY, UPGRADE, OFFER], "HTTP/1.1 404 "),
            ("/mqtt", vec![], "HTTP/1.1 426 "),
            ("/mqtt", vec![KEY, UPGRADE], "HTTP/1.1 400 "),
            (
                "/mqtt",
                vec![KEY, UPGRADE, OFFER, "Origin: https://example.org\r\n"],
                "HTTP/1.1 403 ",
            ),
        ] {
            let (_, head) = request(port, path, &headers).await;
            assert!(head.starts_with(expected), "{path} {headers:?}: {head}");
            assert!(!head.to_lowercase().contains("server:"), "{head}");
        }
    });
}

/// Covers: v5 [MQTT-6.0.0-4], v3.1.1 [MQTT-6.0.0-4].
#[test]
fn the_subprotocol_is_agreed_to_and_may_be_missing_where_that_is_set() {
    let (server, _, port) = serving(|listener| listener.websocket.fail_if_no_subprotocol = false);
    server.block_on(async {
        let (_, head) = request(port, "/mqtt", &[KEY, UPGRADE, OFFER]).await;
        assert!(head.contains("sec-websocket-protocol: mqtt\r\n"), "{head}");
        let (_, head) = request(port, "/mqtt", &[KEY, UPGRADE]).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(!head.contains("sec-websocket-protocol"), "{head}");
        let others = "Sec-WebSocket-Protocol: chat\r\n";
        let (_, head) = request(port, "/mqtt", &[KEY, UPGRADE, others]).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    });
}

/// A masked frame of a client.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x33, 0x44];
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..126 => bytes.push(0x80 | u8::try_from(len).unwrap()),
        len => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

/// The next frame of the server: its first byte and its payload.
async fn frame_of_server(tcp: &mut TcpStream) -> (u8, Vec<u8>) {
    let (first, len) = (tcp.read_u8().await.unwrap(), tcp.read_u8().await.unwrap());
    assert!(len < 126, "short and not masked");
    let mut payload = vec![0; usize::from(len)];
    tcp.read_exact(&mut payload).await.unwrap();
    (first, payload)
}

/// Covers: v5 [MQTT-6.0.0-2], v3.1.1 [MQTT-6.0.0-2].
#[test]
fn packets_may_be_cut_and_joined_over_frames() {
    let (server, guests, port) = serving(|_| {});
    server.block_on(async {
        let (mut tcp, _) = request(port, "/mqtt", &[KEY, UPGRADE, OFFER]).await;
        // Byte by byte, in one message of many frames, with a ping between them.
        let hello = hello("cut");
        let last = hello.len() - 1;
        for (nth, byte) in hello.iter().enumerate() {
            let opcode = if nth == 0 { 2 } else { 0 };
            let end = if nth == last { 0x80 } else { 0 };
            tcp.write_all(&frame(end | opcode, &[*byte])).await.unwrap();
            if nth == 3 {
                tcp.write_all(&frame(0x89, b"there?")).await.unwrap();
                assert_eq!(frame_of_server(&mut tcp).await, (0x8A, b"there?".to_vec()));
            }
        }
        assert_eq!(frame_of_server(&mut tcp).await, (0x82, vec![0x20, 2, 0, 0]));
        // Three packets in one frame, the last cut.
        let mut joined = super::packet(0x82, b"\0\x01\0\x01t\0");
        joined.extend(publish("t", b"one"));
        let two = publish("t", b"two");
        joined.extend(&two[..2]);
        tcp.write_all(&frame(0x82, &joined)).await.unwrap();
        tcp.write_all(&frame(0x82, &two[2..])).await.unwrap();
        let mut came = Vec::new();
        let expected = [vec![0x90, 3, 0, 1, 0], publish("t", b"one"), two].concat();
        while came.len() < expected.len() {
            let (first, payload) = frame_of_server(&mut tcp).await;
            assert_eq!(first, 0x82);
            came.extend(payload);
        }
        assert_eq!(came, expected);
    });
    assert_eq!(*guests.last().client_id, *"cut");
}

/// Covers: v5 [MQTT-6.0.0-1], v3.1.1 [MQTT-6.0.0-1].
#[test]
fn a_text_frame_ends_the_connection() {
    let (server, _, port) = serving(|_| {});
    server.block_on(async {
        let (mut tcp, _) = request(port, "/mqtt", &[KEY, UPGRADE, OFFER]).await;
        tcp.write_all(&frame(0x81, b"hello")).await.unwrap();
        let (first, payload) = frame_of_server(&mut tcp).await;
        // Close, unsupported data; RFC 6455 section 7.4.1.
        assert_eq!((first, &payload[..2]), (0x88, &[3, 235][..]));
        assert_eq!(tcp.read(&mut [0; 8]).await.unwrap_or_default(), 0);
    });
    server.wait_for_connections(0);
}

#[test]
fn a_trusted_proxy_says_whom_it_forwards_for() {
    for (trusted, forwarded, expected) in [
        ("127.0.0.1", "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "192.0.2.7, 127.0.0.1", "192.0.2.7"),
        ("127.0.0.1", "192.0.2.7:4711", "192.0.2.7"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("10.0.0.0/8", "192.0.2.7", "127.0.0.1"),
    ] {
        let (server, guests, port) = serving(|listener| {
            listener.trusted_proxies = vec![match trusted.split_once('/') {
                Some(_) => trusted.parse().unwrap(),
                None => format!("{trusted}/32").parse().unwrap(),
            }];
        });
        let options = WsOptions::new().header("X-Forwarded-For", forwarded);
        let connector = Connector::new().websocket(options.unwrap());
        let url = format!("ws://127.0.0.1:{port}/mqtt");
        server.block_on(async {
            let mut guest = Guest::connect(&url, &connector, "x").await;
            guest.subscribe("t").await;
        });
        assert_eq!(guests.last().peer.ip().to_string(), expected, "{forwarded}");
    }
}
